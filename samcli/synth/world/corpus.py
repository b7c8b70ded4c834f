"""Single pictures in bulk for the small model's first training: pixels, what each patch shows, and the words.

Arrays on disk, made in chunks by several processes; each picture depends on (seed, index) alone.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samcli.console import progress
from samcli.files import atomic_write, write_json
from samcli.processes import settle
from samcli.synth.world.pictures import MOST_THINGS, Picture, draw_any, patch_owners, render
from samcli.synth.world.questions import PLACES
from samcli.synth.world.scenes import LIGHTS, SCENES, WEATHERS
from samcli.synth.world.splits import belongs_to, rng_for
from samcli.synth.world.things import CATEGORIES

CHUNK = 1000
VERSION = 3  # of what the same seed draws and how it is labelled
GROUND = "ground"


def label_groups() -> dict[str, tuple[str, ...]]:
    """What can be told of a patch: for each question its possible answers; attributes of one name share theirs.

    Its thing's place among the others is one of them: of a tower that forgets where things are, no query can tell which
    thing comes first.
    """
    groups: dict[str, list[str]] = {"kind": [GROUND]}
    for category in CATEGORIES.values():
        for name, words in category.attributes.items():
            known = groups.setdefault(name, [])
            marked = [f"{category.name} {word}" for word in words] if name == "kind" else list(words)
            known += [word for word in marked if word not in known]
    groups["place"] = [place for places in PLACES.values() for place in places]
    groups |= {"weather": list(WEATHERS), "scene": list(SCENES), "light": list(LIGHTS)}
    return {name: tuple(words) for name, words in groups.items()}


def label_picture(picture: Picture) -> NDArray[np.int16]:
    """The answers for each thing and, in the last row, for the ground: (MOST_THINGS + 1, questions), -1: not asked."""
    groups = label_groups()
    labels = np.full((MOST_THINGS + 1, len(groups)), -1, dtype=np.int16)
    setting = dict(zip(("weather", "scene", "light"), picture.setting.words, strict=True))
    for row, thing in enumerate(picture.things):
        place = PLACES[len(picture.things)][row]
        words = thing.attributes | {"kind": f"{thing.category} {thing['kind']}", "place": place}
        labels[row] = [groups[name].index(words[name]) if name in words else -1 for name in groups]
    labels[-1] = [
        groups[name].index((setting | {"kind": GROUND}).get(name, "")) if name in {*setting, "kind"} else -1
        for name in groups
    ]
    return labels


@dataclass(frozen=True)
class Corpus:
    """N pictures as arrays."""

    pixels: NDArray[np.uint8]  # (N, size, size, 3)
    owners: NDArray[np.int8]  # (N, size / patch, size / patch), -1: the ground
    labels: NDArray[np.int16]  # (N, MOST_THINGS + 1, questions)

    def __len__(self) -> int:
        return len(self.pixels)


def draw_picture(seed: int, index: int, split: str = "train") -> Picture:
    """Picture `index` of the corpus."""
    return draw_any(rng_for(split, "corpus", seed, index), belongs_to(split), MOST_THINGS)


def make_corpus(
    directory: Path, count: int, seed: int, size: int, patch: int, workers: int, split: str = "train"
) -> Corpus:
    """Make (or go on making) `count` pictures under `directory` and open them; other settings there start anew."""
    identity = {"count": count, "seed": seed, "size": size, "patch": patch, "split": split, "version": VERSION}
    stamp = directory / "corpus.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != identity:
        for stale in directory.glob("*.npz"):
            stale.unlink()
        write_json(stamp, identity)
    starts = range(0, count, CHUNK)
    missing = [start for start in starts if not (directory / f"{start:08d}.npz").exists()]
    make = partial(_make_chunk, directory, seed, size, patch, split, count)
    with (
        ProcessPoolExecutor(workers, initializer=settle) as pool,
        progress("drawing pictures", len(missing) * CHUNK) as advance,
    ):
        for _ in pool.map(make, missing):
            advance(CHUNK)
    return _open(directory, starts, count)


def _make_chunk(directory: Path, seed: int, size: int, patch: int, split: str, count: int, start: int) -> None:
    pictures = [draw_picture(seed, index, split) for index in range(start, min(start + CHUNK, count))]
    drawn = [(np.asarray(render(picture, size)), patch_owners(picture, size, patch)) for picture in pictures]
    pixels, owners = zip(*drawn, strict=True)
    with atomic_write(directory / f"{start:08d}.npz", "wb") as file:
        np.savez(
            file,
            pixels=np.stack(pixels),
            owners=np.stack(owners).astype(np.int8),
            labels=np.stack([label_picture(picture) for picture in pictures]),
        )


def _open(directory: Path, starts: Sequence[int], count: int) -> Corpus:
    """All chunks as one; filled piece by piece, since two copies of the pixels may not fit into memory."""
    arrays: dict[str, NDArray[Any]] = {}
    for start in starts:
        with np.load(directory / f"{start:08d}.npz", allow_pickle=False) as chunk:
            for name in chunk.files:
                part = chunk[name]
                whole = arrays.setdefault(name, np.empty((count, *part.shape[1:]), part.dtype))
                whole[start : start + len(part)] = part
    return Corpus(**arrays)
