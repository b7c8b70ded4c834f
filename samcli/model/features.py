"""Frozen vision features, computed once and used at every epoch, by every seed and row: in memory or on disk.

They depend on the pictures, the base and its processor alone, not on guidance or projection. Kept in the tower's own
numbers they are what the tower would give again, so training on them is training on the pictures.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from samcli.amounts import counted, in_bytes
from samcli.console import progress, say, warn
from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.files import cache_root, save_tensors, sha256
from samcli.model.captioner import Model
from samcli.model.preparation import Preparation
from samcli.recipe import DataRecipe

BATCH = 64
SHARD = 512  # images in a file
_SUFFIX = ".safetensors"


class Features(Protocol):
    """Where features are had from."""

    def prepare(self, model: Model, images: Sequence[Path], part: int = 0, parts: int = 1) -> None:
        """Compute what is missing, or the `part`-th of `parts` shares of it, in fixed batches."""

    def get(self, images: Sequence[Path]) -> Tensor:
        """Features of these images, (M, P, V), in the tower's numbers; KeyError for one that was not prepared."""


@dataclass(frozen=True)
class Size:
    """What features take."""

    images: int
    of_one: int  # bytes

    @classmethod
    def of(cls, model: Model, images: int, numbers: torch.dtype) -> "Size":
        """For a number of images."""
        positions, width = model.feature_shape
        return cls(images, positions * width * numbers.itemsize)

    @property
    def bytes(self) -> int:
        """Of all images."""
        return self.images * self.of_one

    def check(self, most: float | None, where: str, free: int | None = None) -> None:
        """Say how much it will be; raise UserError when that is more than `most` GB, or than is `free`."""
        if not self.images:
            return
        needed = f"features of {counted(self.images, 'picture')} take {in_bytes(self.bytes)} {where}"
        if most is not None and self.bytes > most * 1e9:
            raise UserError(
                f"{needed}, and features_gb of the data allows {in_bytes(most * 1e9)}; raise it, or set features: off"
            )
        if free is not None and self.bytes > free:
            raise UserError(f"{needed}, where {in_bytes(free)} are free; make room, or set features of the data: off")
        say(needed)


@dataclass
class FeaturesInMemory:
    """Features by image path; `numbers` are those they are kept in, by default the tower's own."""

    processor: Preparation
    most: float | None = None
    numbers: torch.dtype | None = None
    _features: dict[Path, Tensor] = field(default_factory=dict)
    _own: torch.dtype = torch.float32

    def prepare(self, model: Model, images: Sequence[Path], part: int = 0, parts: int = 1) -> None:
        """Compute what is missing; every process for itself, whatever its part."""
        self._own = model.feature_dtype
        missing = [path for path in dict.fromkeys(images) if path not in self._features]
        Size.of(model, len(missing) * parts, self.numbers or self._own).check(self.most, "of memory, in all processes")
        for paths, features in _computed(model, self.processor, missing):
            self._features.update(zip(paths, features.to(self.numbers or self._own).unbind(), strict=True))

    def get(self, images: Sequence[Path]) -> Tensor:
        """Features of these images, (M, P, V), in the tower's numbers; KeyError for one that was not prepared."""
        return torch.stack([self._features[path] for path in images]).to(self._own)


@dataclass
class FeaturesOnDisk:
    """Features by what image files hold, in files that are mapped into memory and never changed once they are there.

    `directory` belongs to one base, transform and kind of numbers (see `on_disk`). Any number of processes and runs may
    read and add at once; what a killed one had not finished is computed again.
    """

    processor: Preparation
    directory: Path
    most: float | None = None
    numbers: torch.dtype | None = None
    _hashes: dict[Path, str] = field(default_factory=dict)
    _places: dict[str, tuple[Any, int]] = field(default_factory=dict)  # file and row, by what an image holds
    _seen: set[str] = field(default_factory=set)
    _own: torch.dtype = torch.float32

    def prepare(self, model: Model, images: Sequence[Path], part: int = 0, parts: int = 1) -> None:
        """Compute what no file has yet, and write it as files of `SHARD` images."""
        self._own = model.feature_dtype
        distinct = [path for path in dict.fromkeys(images) if path not in self._hashes]
        with progress("reading pictures", len(distinct)) as advance:
            for path in distinct:
                self._hashes[path] = _contents(path)
                advance(1)
        self._look()
        whole = Size.of(model, len(self._missing(images, 0, 1)), self.numbers or self._own)
        whole.check(self.most, f"in {self.directory}", shutil.disk_usage(_existing(self.directory)).free)
        batches = _computed(model, self.processor, self._missing(images, part, parts))
        for paths, features in _joined(batches, SHARD):
            self._write(paths, features)
        self._look()

    def _missing(self, images: Sequence[Path], part: int, parts: int) -> list[Path]:
        """One path for each content of a share that no file has; shares don't depend on what others have made."""
        by_content: dict[str, Path] = {}
        for path in images:
            by_content.setdefault(self._hashes[path], path)
        share = list(by_content.items())[part::parts]
        return [path for content, path in share if content not in self._places]

    def _look(self) -> None:
        """Open the files that came since the last look; a damaged one is passed over, and made again."""
        for path in sorted(self.directory.glob(f"[0-9a-f]*{_SUFFIX}")):
            if path.name in self._seen:
                continue
            try:
                opened: Any = safe_open(path, framework="pt")
                contents = json.loads(opened.metadata()["hashes"])
            except OSError as error:
                raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
            except (SafetensorError, KeyError, TypeError, ValueError):
                warn(f"{path} is damaged and made again")
                path.unlink(missing_ok=True)
                continue
            self._seen.add(path.name)
            rows = opened.get_slice("features")
            self._places.update({content: (rows, row) for row, content in enumerate(contents)})

    def _write(self, paths: Sequence[Path], features: Tensor) -> None:
        contents = [self._hashes[path] for path in paths]
        name = hashlib.sha256("".join(contents).encode()).hexdigest()[:32] + _SUFFIX
        tensors = {"features": features.to(self.numbers or self._own).contiguous()}
        metadata = {"hashes": json.dumps(contents)}
        save_tensors(self.directory / name, lambda path: _save_for_all(tensors, path, metadata))

    def get(self, images: Sequence[Path]) -> Tensor:
        """Features of these images, (M, P, V), in the tower's numbers; KeyError for one that was not prepared."""
        contents = [self._hashes[path] for path in images]
        if any(content not in self._places for content in contents):  # another process computed it
            self._look()
        places = [self._places[content] for content in contents]
        return torch.stack([rows[row] for rows, row in places]).to(self._own)


def features_for(
    settings: DataRecipe, processor: Preparation, weights_hash: str, dtype: str
) -> FeaturesInMemory | FeaturesOnDisk | None:
    """What keeps the features of a run's base, known by its weights' hash and its numbers; None: nothing does."""
    numbers = torch.float16 if settings.features_as == "float16" else None
    if settings.features == "off":
        return None
    if settings.features == "ram":
        return FeaturesInMemory(processor, settings.features_gb, numbers)
    kept_as = dtype if numbers is None else "float16"
    identity = f"{processor.transform}/{dtype}/{kept_as}/{weights_hash}"
    directory = cache_root() / "features" / hashlib.sha256(identity.encode()).hexdigest()[:32]
    return FeaturesOnDisk(processor, directory, settings.features_gb, numbers)


def _computed(model: Model, processor: Preparation, images: Sequence[Path]) -> Iterator[tuple[list[Path], Tensor]]:
    """Features of all images, batch by batch."""
    with progress("vision features", len(images)) as advance:
        for start in range(0, len(images), BATCH):
            paths = list(images[start : start + BATCH])
            pixels = processor.pixels([processor.square(open_image(path)) for path in paths])
            yield paths, model.encode_images(pixels.to(model.base.device)).cpu()
            advance(len(paths))


def _joined(batches: Iterator[tuple[list[Path], Tensor]], size: int) -> Iterator[tuple[list[Path], Tensor]]:
    """The same, in pieces of at least `size` images but for the last."""
    paths: list[Path] = []
    features: list[Tensor] = []
    for more, made in batches:
        paths, features = [*paths, *more], [*features, made]
        if len(paths) >= size:
            yield paths, torch.cat(features)
            paths, features = [], []
    if paths:
        yield paths, torch.cat(features)


def _save_for_all(tensors: dict[str, Tensor], path: str, metadata: dict[str, str]) -> None:
    """A file that others may read as far as the umask lets them; safetensors lets only its owner."""
    save_file(tensors, path, metadata)
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def _contents(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error


def _existing(directory: Path) -> Path:
    """The nearest directory above that is there, of whose disk it will be."""
    return next(path for path in (directory, *directory.absolute().parents) if path.exists())
