"""Processes that are killed at random moments."""

import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess


def kill_at_random(process: BaseProcess, made: Callable[[], int], rng: random.Random, longest_wait: float) -> None:
    """Let up to three more things be made, wait up to `longest_wait` seconds more, and kill it, wherever it is."""
    goal = made() + rng.randint(0, 3)
    while process.is_alive() and made() < goal:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, longest_wait))
    process.kill()
    process.join()
