"""Stage 0: the small InstructBLIP of the embedded world."""
