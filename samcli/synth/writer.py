"""Samples on disk, so that a run killed at any moment can go on; `ledger.py` reads them.

    images/NNNNNNNN_K.png    picture K (from 1) of sample N

Images are written before the line that speaks of them, each under a temporary name first.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from samcli.data.sample import ANNOTATIONS
from samcli.files import JsonLines, atomic_write
from samcli.synth.ledger import MANIFEST, Entry, part_paths
from samcli.synth.pipeline import Draft

IMAGES = "images"
FAST = 2  # of zlib's levels: files grow by a sixteenth, and take half the time


def write_sample(out: Path, draft: Draft, stages: Iterable[str], rejections: list[str]) -> Entry:
    """Write a sample's images below `out` and return its entry; raises UserError when the disk is full."""
    images = {}
    for number, frame in enumerate(draft.frames, start=1):
        if frame.picture is None:
            raise RuntimeError(f"no stage painted picture {number} of sample {draft.index}")
        name = f"{IMAGES}/{draft.index:08d}_{number}.png"
        buffer = io.BytesIO()
        frame.picture.save(buffer, "PNG", compress_level=FAST)
        images[name] = _write(out / name, buffer.getvalue())
    manifest = {
        "id": draft.index,
        "status": "made",
        "seed": draft.seed,
        "sources": draft.sources,
        "stages": list(stages),
        "scores": draft.scores,
        "attempts": len(rejections) + 1,
        "rejections": rejections,
        "images": images,
    }
    annotation = {
        "id": draft.index,
        "img_list": list(images),
        "instruction": draft.instruction,
        "output": draft.answer,
        "provenance": draft.provenance | {"seed": draft.seed},
    }
    return Entry(manifest, annotation)


def _write(path: Path, data: bytes) -> str:
    """Write the bytes atomically; their SHA-256."""
    with atomic_write(path, "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def failed_sample(index: int, rejections: list[str]) -> Entry:
    """The entry of a sample that every attempt failed for."""
    nothing: dict[str, Any] = {"seed": None, "sources": [], "stages": [], "scores": {}}
    tally = {"attempts": len(rejections), "rejections": rejections, "images": {}}
    return Entry({"id": index, "status": "failed"} | nothing | tally, None)


def merge(out: Path, entries: Mapping[int, Entry]) -> None:
    """Write annotations and manifest of all samples in the order of their ids, then remove the parts."""
    for leftover in (*out.glob(f".{ANNOTATIONS}.*.tmp"), *out.glob(f".{MANIFEST}.*.tmp")):
        leftover.unlink(missing_ok=True)
    with atomic_write(out / ANNOTATIONS) as file:
        file.write("[\n")
        file.writelines(_separated(entry.annotation for entry in entries.values() if entry.annotation))
        file.write("\n]\n")
    JsonLines(out / MANIFEST).rewrite(entry.manifest for entry in entries.values())
    for path in part_paths(out):
        path.unlink(missing_ok=True)


def _separated(records: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Records as JSON, one a line, with commas between them."""
    for number, record in enumerate(records):
        yield (",\n" if number else "") + json.dumps(record, ensure_ascii=False, allow_nan=False)


def lost_images(out: Path, entries: Iterable[Entry]) -> list[Entry]:
    """The samples whose images are no longer all there."""
    present = {f"{IMAGES}/{path.name}" for path in (out / IMAGES).glob("*.png")}
    return [entry for entry in entries if not present.issuperset(entry.images)]


def remove_leftovers(out: Path, is_mine: Callable[[int], bool]) -> None:
    """Remove the half-written images that a killed process left of the samples that are this one's to make."""
    for path in (out / IMAGES).glob(".*.tmp"):
        number = re.match(r"\.(\d+)_", path.name)
        if number and is_mine(int(number[1])):
            path.unlink(missing_ok=True)
