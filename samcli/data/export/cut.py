"""Which samples of a set go into which shard: looked up once, with every picture seen to be there."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from samcli.data.sample import Sample
from samcli.errors import UserError

MOST_SAMPLES = 1000
MOST_BYTES = 480_000_000  # of pictures; with texts, a shard keeps within 500 MB
_FAULTS_SHOWN = 5


@dataclass(frozen=True)
class Shard:
    """Samples that follow one another and go into one file: how many, and the fingerprint of what they are."""

    samples: int
    fingerprint: str


@dataclass(frozen=True)
class Cut:
    """A set's shards in their order, and what of all its samples the files' columns depend on."""

    shards: tuple[Shard, ...]
    has_numbers: bool  # as ids; 64 bits hold them
    has_references: bool  # besides `output`


class Fingerprint:
    """SHA-256 of samples: of their texts, and of their pictures' names, sizes and times."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, sample: Sample) -> None:
        """Take in another sample; raises OSError when one of its pictures isn't there."""
        states = [(image.name, os.stat(image)) for image in sample.images]
        pictures = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
        record = [sample.id, pictures, sample.instruction, sample.references, sample.provenance]
        self._digest.update(json.dumps(record).encode())

    def hexadecimal(self) -> str:
        """What it is so far."""
        return self._digest.hexdigest()


def cut(samples: Iterable[Sample], most_samples: int, most_bytes: int) -> Cut:
    """Shards of at most so many samples and so many bytes of pictures; a larger sample has a shard of its own.

    Raises one UserError that counts all pictures that are missing or empty, and names the first.
    """
    shards: list[Shard] = []
    faults: list[str] = []
    fingerprint = Fingerprint()
    count = size = 0
    has_numbers, has_references = True, False
    for sample in samples:
        faults += [f"{image}: {fault}" for image in sample.images if (fault := _fault(image))]
        if faults:
            continue
        more = sum(map(os.path.getsize, sample.images))
        if count and (count == most_samples or size + more > most_bytes):
            shards.append(Shard(count, fingerprint.hexadecimal()))
            fingerprint, count, size = Fingerprint(), 0, 0
        fingerprint.add(sample)
        count, size = count + 1, size + more
        has_numbers &= isinstance(sample.id, int) and -(2**63) <= sample.id < 2**63
        has_references |= len(sample.references) > 1
    if faults:
        raise UserError(_report(faults))
    return Cut((*shards, Shard(count, fingerprint.hexadecimal())), has_numbers, has_references)


def _fault(image: Path) -> str:
    """What is wrong with a picture's file; empty if it is there and holds something."""
    if not os.path.isfile(image):
        return "no such file"
    return "" if os.path.getsize(image) else "is empty"


def _report(faults: list[str]) -> str:
    more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
    head = f"pictures that can't be exported: {len(faults)}; bring them back (`sam synth` makes its own anew)"
    return "\n  ".join([head, *faults[:_FAULTS_SHOWN], *more])
