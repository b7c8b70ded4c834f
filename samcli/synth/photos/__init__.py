"""MmLINK from photographs (the paper's section 3): group, segment, compose, inpaint, describe, check."""
