"""What a run of `sam synth` leaves on disk, so that a run killed at any moment can go on.

    images/NNNNNNNN_K.png    picture K (from 1) of sample N
    part-I-of-N.jsonl        while it is being made: a line for each finished sample of shard I
    annotations.json         when all is finished: the samples in the released format
    manifest.jsonl           when all is finished, written last: how each sample was made, also those that failed

Images are written before the line that speaks of them, each under a temporary name first.
"""

import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.data.sample import ANNOTATIONS
from samcli.files import JsonLines, atomic_write, read_json
from samcli.synth.pipeline import Draft

IMAGES, MANIFEST = "images", "manifest.jsonl"


@dataclass(frozen=True)
class Entry:
    """A finished sample: its line of the manifest, and its annotation unless it failed."""

    manifest: dict[str, Any]
    annotation: dict[str, Any] | None

    @property
    def id(self) -> int:
        """The sample's number."""
        return int(self.manifest["id"])

    @property
    def images(self) -> dict[str, str]:
        """SHA-256 of each image by its path, relative to the run's directory."""
        return dict(self.manifest["images"])

    @property
    def rejections(self) -> tuple[str, ...]:
        """Why earlier attempts were rejected, the first one first."""
        return tuple(self.manifest["rejections"])

    def to_json(self) -> dict[str, Any]:
        """A line of a part file."""
        return {"manifest": self.manifest, "annotation": self.annotation}


def write_sample(out: Path, draft: Draft, stages: Iterable[str], rejections: list[str]) -> Entry:
    """Write a sample's images below `out` and return its entry; raises UserError when the disk is full."""
    images = {}
    for number, frame in enumerate(draft.frames, start=1):
        if frame.picture is None:
            raise RuntimeError(f"no stage painted picture {number} of sample {draft.index}")
        name = f"{IMAGES}/{draft.index:08d}_{number}.png"
        buffer = io.BytesIO()
        frame.picture.save(buffer, "PNG")
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


def part_file(out: Path, shard: tuple[int, int]) -> JsonLines:
    """Where shard I of N notes its finished samples."""
    return JsonLines(out / f"part-{shard[0]}-of-{shard[1]}.jsonl")


def _part_paths(out: Path) -> list[Path]:
    return sorted(out.glob("part-*.jsonl"))


def read_entries(out: Path) -> dict[int, Entry]:
    """All finished samples by id, in order, from parts and manifest; of two entries of one sample the later attempt.

    Parts are read first: whoever merges them writes the manifest before removing them.
    """
    entries: dict[int, Entry] = {}
    for path in _part_paths(out):
        for line in JsonLines(path).read():
            _keep(entries, Entry(line["manifest"], line["annotation"]))
    for entry in _merged_entries(out):
        _keep(entries, entry)
    return dict(sorted(entries.items()))


def _keep(entries: dict[int, Entry], entry: Entry) -> None:
    known = entries.get(entry.id)
    if known is None or entry.manifest["attempts"] >= known.manifest["attempts"]:
        entries[entry.id] = entry


def _merged_entries(out: Path) -> list[Entry]:
    """What `merge` wrote, if it did."""
    lines = JsonLines(out / MANIFEST).read()
    annotations = {record["id"]: record for record in read_json(out / ANNOTATIONS)} if lines else {}
    return [Entry(line, annotations.get(line["id"])) for line in lines]


def merge(out: Path, entries: dict[int, Entry]) -> None:
    """Write annotations and manifest of all samples in the order of their ids, then remove the parts."""
    for leftover in (*out.glob(f".{ANNOTATIONS}.*.tmp"), *out.glob(f".{MANIFEST}.*.tmp")):
        leftover.unlink(missing_ok=True)
    annotations = [entry.annotation for entry in entries.values() if entry.annotation]
    with atomic_write(out / ANNOTATIONS) as file:
        file.write("[\n" + ",\n".join(_line(annotation) for annotation in annotations) + "\n]\n")
    JsonLines(out / MANIFEST).rewrite(entry.manifest for entry in entries.values())
    for path in _part_paths(out):
        path.unlink(missing_ok=True)


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def is_complete(out: Path) -> bool:
    """Tell whether a run is finished and merged."""
    return (out / MANIFEST).exists() and not _part_paths(out)


def lost_images(out: Path, entries: Iterable[Entry]) -> list[Entry]:
    """The samples whose images are no longer all there."""
    present = {f"{IMAGES}/{path.name}" for path in (out / IMAGES).glob("*.png")}
    return [entry for entry in entries if not present.issuperset(entry.images)]


def remove_leftovers(out: Path, shard: tuple[int, int]) -> None:
    """Remove the half-written images that a killed process left in this shard's share."""
    for path in (out / IMAGES).glob(".*.tmp"):
        number = re.match(r"\.(\d+)_", path.name)
        if number and int(number[1]) % shard[1] == shard[0]:
            path.unlink(missing_ok=True)
