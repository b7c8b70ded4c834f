"""The page that shows an evaluation: its tables, and every sample with its pictures and all answers."""
