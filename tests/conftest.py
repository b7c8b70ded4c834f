"""Small models on one core each: on a busy machine many threads wait for one another more than they compute."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
