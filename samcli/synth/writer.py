"""What a run of `sam synth` leaves on disk, so that a run killed at any moment can go on.

    images/NNNNNNNN_K.png    picture K (from 1) of sample N
    part-I-of-N.jsonl        while it is being made: a line for each finished sample of shard I
    annotations.json         when all is finished: the samples in the released format
    manifest.jsonl           when all is finished, written last: how each sample was made, also those that failed

Images are written before the line that speaks of them, each under a temporary name first.
"""

import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.data.sample import ANNOTATIONS
from samcli.errors import UserError
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
