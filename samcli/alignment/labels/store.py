"""Labels on disk: found once, kept in files of a few pictures each, read picture by picture while a model trains.

A directory holds `labels.json`, what the labels depend on; `words.txt`, the list of words, one a line; `images.jsonl`,
whose line N names the pictures of file N; and the files, `00000000.safetensors` and so on, of at most `SHARD` pictures:
`counts` uint8 (pictures, P), words of each patch; `words` int32 (L,) and `scores` float16 (L,), picture by picture and
patch by patch; `offsets` int64 (pictures + 1,), where each picture's words begin.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.errors import UserError
from samcli.files import JsonLines, read_json, save_tensors, write_json, write_text
from samcli.recipe_file import explain_differences

FORMAT = 1
SHARD = 128  # pictures in a file: as much is made again after a kill
MOST_WORDS = 255  # of a patch
_OPEN = 256  # files that are kept open
_LABELS, _WORDS, _IMAGES = "labels.json", "words.txt", "images.jsonl"
_TYPES = {"counts": "U8", "words": "I32", "scores": "F16", "offsets": "I64"}


class LabelStore:
    """The labels in a directory, of pictures that are known by their paths relative to their data set's directory.

    Any number of processes may read; one at a time may add.
    """

    def __init__(self, directory: Path, data: Path, identity: dict[str, Any]) -> None:
        self.directory, self.identity = directory, identity
        self.grid: int = identity["grid"]
        self._data = Path(os.path.realpath(data))
        self._index = JsonLines(directory / _IMAGES)
        self._sizes: list[int] = []  # pictures of each file
        self._places: dict[str, int] = {}  # file * SHARD + row
        self._shard = lru_cache(maxsize=_OPEN)(self._opened)
        self._read_index()

    @classmethod
    def open(cls, directory: Path, data: Path) -> "LabelStore":
        """The labels in `directory` of the data set in `data`. Raises UserError where there are none."""
        if not (directory / _LABELS).exists():
            raise UserError(f"{directory}: no labels there; `sam label RECIPE` makes them")
        identity = read_json(directory / _LABELS)
        if not _is_identity(identity):
            raise UserError(f"{directory / _LABELS}: not of this version's format {FORMAT}; make the labels anew")
        return cls(directory, data, identity)

    @classmethod
    def find(cls, directory: Path, data: Path, identity: dict[str, Any]) -> "LabelStore | None":
        """The labels of this identity in `directory`; None where there are none.

        Raises UserError when the directory holds other labels, naming the difference, or anything else.
        """
        if not (directory / _LABELS).exists():
            _check_free(directory)
            return None
        found = cls.open(directory, data)
        if changed := explain_differences(found.identity, identity):
            raise UserError(
                f"{directory} holds other labels ({'; '.join(changed)}); name another directory, or remove it"
            )
        return found

    @classmethod
    def begin(cls, directory: Path, data: Path, identity: dict[str, Any], words: Sequence[str]) -> "LabelStore":
        """As `find`, to be added to, by one process at a time; where there are no labels, a store without any."""
        if cls.find(directory, data, identity) is None:
            write_json(directory / _LABELS, identity)  # first: from now on the directory is one of labels
        if not (directory / _WORDS).exists():
            write_text(directory / _WORDS, _as_lines(words))
        store = cls(directory, data, identity)
        store._index.trim()
        return store

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The list that labels are indices into, read when it is asked for."""
        path = self.directory / _WORDS
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path}: can't be read ({error}); remove {self.directory} and make the labels anew"
            ) from error
        if _hash(text) != self.identity["words"]["sha256"]:
            raise UserError(f"{path} isn't what it was; remove {self.directory} and make the labels anew")
        return tuple(text.split("\n")[:-1])

    @property
    def bytes(self) -> int:
        """What the labels take on disk; pictures of them and the vectors of words, which lie beside, not counted."""
        own = (self.directory / name for name in (_LABELS, _WORDS, _IMAGES))
        return sum(path.stat().st_size for path in (*own, *self.directory.glob("*.safetensors")) if path.exists())

    def __len__(self) -> int:
        """Pictures that have labels."""
        return len(self._places)

    def missing(self, images: Iterable[Path]) -> list[Path]:
        """Those of the pictures that have no labels, each once, in their order."""
        return [image for image in dict.fromkeys(images) if self._key(image) not in self._places]

    def add(self, images: Sequence[Path], labels: PatchLabels) -> None:
        """Write the labels of at most `SHARD` pictures; they are there wholly or not at all, whenever one is killed.

        Raises UserError when the disk is full, ValueError for labels that the format can't hold.
        """
        tensors = _packed(labels, len(images), self.grid**2, self.identity["words"]["count"])
        number, keys = len(self._sizes), [self._key(image) for image in images]
        save_tensors(self._file(number), lambda path: save_file(tensors, path))
        self._index.append({"images": keys})
        self._note(number, keys)

    def get(self, images: Sequence[Path]) -> PatchLabels:
        """The labels of these pictures, in their order. Raises UserError for one without, and for damaged files."""
        rows = [self._row(image) for image in images]
        counts, words, scores = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return PatchLabels(counts.to(torch.int64), words.to(torch.int64), scores.to(torch.float32))

    def _row(self, image: Path) -> tuple[Tensor, Tensor, Tensor]:
        place = self._places.get(self._key(image))
        if place is None:
            raise UserError(
                f"{image} has no labels in {self.directory}; `sam label RECIPE` makes those that are missing"
            )
        return self._shard(place // SHARD).row(place % SHARD)

    def _key(self, image: Path) -> str:
        """What a picture is called: its path relative to the data set, with forward slashes."""
        return Path(os.path.relpath(image, self._data)).as_posix()

    def _file(self, number: int) -> Path:
        return self.directory / f"{number:08d}.safetensors"

    def _opened(self, number: int) -> "_Shard":
        return _Shard.open(self._file(number), self._sizes[number], self.grid**2, self.identity["words"]["count"])

    def _read_index(self) -> None:
        """Note where each picture's labels are; those of a file that is gone have none."""
        there = set(os.listdir(self.directory))
        for number, record in enumerate(self._index.read()):
            keys = record.get("images") if isinstance(record, dict) else None
            if not isinstance(keys, list) or len(keys) > SHARD or not all(isinstance(key, str) for key in keys):
                raise UserError(f"{self._index.path}:{number + 1}: damaged; remove {self.directory} and make it anew")
            self._note(number, keys if self._file(number).name in there else [], len(keys))

    def _note(self, number: int, keys: list[str], size: int | None = None) -> None:
        self._sizes.append(len(keys) if size is None else size)
        self._places.update({key: number * SHARD + row for row, key in enumerate(keys)})


@dataclass(frozen=True)
class _Shard:
    """An open file, mapped into memory."""

    path: Path
    slices: dict[str, Any]
    offsets: list[int]
    words: int  # in the list

    @classmethod
    def open(cls, path: Path, images: int, patches: int, words: int) -> "_Shard":
        """Check that it is whole; raises UserError otherwise."""
        try:
            opened: Any = safe_open(path, framework="pt")
            slices = {name: opened.get_slice(name) for name in _TYPES}
            offsets = opened.get_tensor("offsets")
        except (OSError, SafetensorError) as error:
            raise _damaged(path, str(error)) from error
        length = slices["words"].get_shape()
        shapes = {"counts": [images, patches], "words": length[:1], "scores": length[:1], "offsets": [images + 1]}
        if any(slices[name].get_shape() != shape for name, shape in shapes.items()):
            raise _damaged(path, f"not the labels of {images} pictures of {patches} patches")
        if any(slices[name].get_dtype() != kind for name, kind in _TYPES.items()):
            raise _damaged(path, "numbers of other types")
        if offsets[0] != 0 or offsets[-1] != length[0] or bool((offsets.diff() < 0).any()):
            raise _damaged(path, "offsets out of order")
        return cls(path, slices, offsets.tolist(), words)

    def row(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Counts (1, P), words and scores of a picture, as they are kept; raises UserError when they can't be."""
        begin, end = self.offsets[number : number + 2]
        counts = self.slices["counts"][number : number + 1]
        words, scores = (self.slices[name][begin:end] for name in ("words", "scores"))
        if int(counts.sum()) != end - begin:
            raise _damaged(self.path, f"picture {number} has other numbers of words than it counts")
        if end > begin and not (0 <= int(words.min()) <= int(words.max()) < self.words):
            raise _damaged(self.path, f"picture {number} has words that aren't in the list")
        if end > begin and not (0 < float(scores.min()) <= float(scores.max()) < float("inf")):
            raise _damaged(self.path, f"picture {number} has scores that aren't above 0")
        return counts, words, scores


def identity_of(source: dict[str, Any], grid: int, words: Sequence[str], more: dict[str, Any]) -> dict[str, Any]:
    """What tells labels from others: the format, the grid, the list of words, their source, and `more`."""
    listed = {"count": len(words), "sha256": _hash(_as_lines(words))}
    return {"format": FORMAT, "grid": grid, "words": listed, "source": source, **more}


def _check_free(directory: Path) -> None:
    """Raise UserError where no labels can begin: a file, or a directory of other things."""
    try:
        if os.path.lexists(directory) and not directory.is_dir():
            raise UserError(f"{directory} is not a directory; give another for labels")
        if directory.is_dir() and any(not entry.name.startswith(".") for entry in directory.iterdir()):
            raise UserError(f"{directory} is not empty and holds no labels; give a new or empty directory")
    except OSError as error:
        raise UserError(f"{directory}: can't be used as a directory of labels: {error.strerror or error}") from error


def _is_identity(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("format") != FORMAT or type(value.get("grid")) is not int:
        return False
    words = value.get("words")
    return isinstance(words, dict) and type(words.get("count")) is int and isinstance(words.get("sha256"), str)


def _packed(labels: PatchLabels, images: int, patches: int, words: int) -> dict[str, Tensor]:
    """The tensors of a file; scores that float16 would make 0 or infinite get its nearest other number."""
    if labels.counts.shape != (images, patches) or not images <= SHARD:
        raise ValueError(f"labels of shape {tuple(labels.counts.shape)}, expected {(images, patches)}")
    if int(labels.counts.max()) > MOST_WORDS:
        raise ValueError(f"a patch has more than {MOST_WORDS} words")
    if int(labels.counts.sum()) != len(labels.words) or len(labels.words) != len(labels.scores):
        raise ValueError("counts, words and scores of different lengths")
    if len(labels.words) and not (0 <= int(labels.words.min()) <= int(labels.words.max()) < words):
        raise ValueError("words that aren't in the list")
    if not bool((labels.scores > 0).all()):
        raise ValueError("scores that aren't above 0")
    numbers = torch.finfo(torch.float16)
    ends = labels.counts.sum(dim=1).cumsum(0)
    return {
        "counts": labels.counts.to(torch.uint8).contiguous(),
        "words": labels.words.to(torch.int32).contiguous(),
        "scores": labels.scores.clamp(numbers.smallest_normal, numbers.max).to(torch.float16).contiguous(),
        "offsets": torch.cat([ends.new_zeros(1), ends]),
    }


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path}: damaged labels ({reason}); remove the file, and `sam label RECIPE` makes it again")


def _as_lines(words: Sequence[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
