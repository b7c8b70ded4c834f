"""Describe: captions of the object alone, what is known of it, and the instruction and answer made from that."""
