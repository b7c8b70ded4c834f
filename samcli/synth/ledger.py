"""The finished samples of a run, read from disk when they are asked for: memory holds where each is, not what it says.

part-I-of-N.jsonl    while a set is being made: a line for each finished sample of shard I
annotations.json     when all is finished: the samples in the released format, one a line
manifest.jsonl       when all is finished, written last: how each sample was made, also those that aren't there
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from samcli.data.sample import ANNOTATIONS
from samcli.errors import UserError
from samcli.files import JsonLines

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Entry:
    """A finished sample: its line of the manifest, and its annotation if it is part of the set."""

    manifest: dict[str, Any]
    annotation: dict[str, Any] | None

    @property
    def id(self) -> int:
        """The sample's number."""
        return int(self.manifest["id"])

    @property
    def status(self) -> str:
        """`made`, `accepted`, `rejected` or `failed`."""
        return str(self.manifest["status"])

    @property
    def images(self) -> dict[str, str]:
        """SHA-256 of each image by its path, relative to the run's directory."""
        return dict(self.manifest["images"])

    @property
    def rejections(self) -> tuple[str, ...]:
        """Why earlier attempts were rejected, the first one first."""
        return tuple(self.manifest["rejections"])

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why earlier attempts came to nothing, and why the sample isn't part of the set."""
        return (*self.rejections, *self.manifest.get("reasons", ()))

    def to_json(self) -> dict[str, Any]:
        """A line of a part file."""
        return {"manifest": self.manifest, "annotation": self.annotation}


@dataclass(frozen=True)
class _Place:
    file: int
    byte: int
    attempts: int


class Ledger(Mapping[int, Entry]):
    """All finished samples by id, in the order of their ids; of two entries of one sample the later attempt.

    What is renamed over or removed meanwhile is read on: files stay open until the ledger is gone.
    """

    def __init__(self, out: Path) -> None:
        self._files: list[IO[bytes]] = []
        self._places: dict[int, _Place] = {}
        self._annotations: dict[int, int] = {}
        # Parts first: whoever merges them writes the manifest before removing them.
        for path in part_paths(out):
            self._index(path)
        self._merged = len(self._files)
        self._index(out / MANIFEST)
        if len(self._files) > self._merged:
            self._index_annotations(out / ANNOTATIONS)
        self._places = dict(sorted(self._places.items()))

    def _index(self, path: Path) -> None:
        if not (opened := _opened(path)):
            return
        self._files.append(opened)
        newer_wins = path.name != MANIFEST  # a part is never older than what was merged before it
        for byte, line in JsonLines(path).places(opened):
            try:
                manifest = line.get("manifest", line)
                index, attempts = int(manifest["id"]), int(manifest["attempts"])
            except (AttributeError, KeyError, TypeError, ValueError):
                raise UserError(f"{path}: a line is no record of sam synth; remove the file to start anew") from None
            known = self._places.get(index)
            if known is None or attempts > known.attempts or (newer_wins and attempts == known.attempts):
                self._places[index] = _Place(len(self._files) - 1, byte, attempts)

    def _index_annotations(self, path: Path) -> None:
        if not (opened := _opened(path)):
            raise UserError(f"{path}: no such file, though {MANIFEST} is there; remove that, too, to start anew")
        self._files.append(opened)
        byte = 0
        for line in opened:
            if line.startswith(b"{"):
                self._annotations[int(_parsed(path, line)["id"])] = byte
            byte += len(line)

    def __getitem__(self, index: int) -> Entry:
        place = self._places[index]
        record = self._line(place.file, place.byte)
        if place.file != self._merged:
            return Entry(record["manifest"], record["annotation"])
        where = self._annotations.get(index)
        return Entry(record, None if where is None else self._line(self._merged + 1, where))

    def _line(self, file: int, byte: int) -> Any:
        opened = self._files[file]
        opened.seek(byte)
        return _parsed(Path(opened.name), opened.readline())

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, index: object) -> bool:
        return index in self._places


def _opened(path: Path) -> IO[bytes] | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error


def _parsed(path: Path, line: bytes) -> Any:
    try:
        return json.loads(line.rstrip().rstrip(b","))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: a line is not valid JSON ({error}); remove the file to start anew") from None


def part_file(out: Path, shard: tuple[int, int]) -> JsonLines:
    """Where shard I of N notes its finished samples."""
    return JsonLines(out / f"part-{shard[0]}-of-{shard[1]}.jsonl")


def part_paths(out: Path) -> list[Path]:
    """All parts of a run."""
    return sorted(out.glob("part-*.jsonl"))


def is_complete(out: Path) -> bool:
    """Tell whether a run is finished and merged."""
    return (out / MANIFEST).exists() and not part_paths(out)
