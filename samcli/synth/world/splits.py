"""Which things, scenes and stories belong to training, validation and test: never to two of them."""

import hashlib
import random
from collections.abc import Callable

from samcli.synth.world.things import Thing

SPLITS = ("train", "val", "test")


def split_of(thing: Thing) -> str:
    """The split that the thing belongs to, by a hash of its words: 8 in 10 train, 1 val, 1 test."""
    digest = hashlib.sha256("|".join((thing.category, *thing.words)).encode()).digest()
    return {8: "val", 9: "test"}.get(int.from_bytes(digest[:8], "big") % 10, "train")


def belongs_to(split: str) -> Callable[[Thing], bool]:
    """A test of whether a thing may appear in `split`."""
    return lambda thing: split_of(thing) == split


def rng_for(split: str, purpose: str, seed: int, index: int) -> random.Random:
    """A random generator for one record: the same arguments, the same record; other splits share no seed."""
    return random.Random(f"{split}/{purpose}/{seed}/{index}")
