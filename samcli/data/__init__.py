"""Samples, pictures and batches."""
