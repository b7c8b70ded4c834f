"""The photographs that a run began with, `sources.csv` in its directory: a resumed run must find them as they were."""

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from samcli.errors import UserError
from samcli.files import atomic_write, sha256
from samcli.synth.photos.sources import Item

SOURCES = "sources.csv"
_TEXTS = ("identity", "path", "view", "description", "title", "author", "genre")
_COLUMNS = ("kind", *_TEXTS, "split", "bytes", "modified_ns", "contents")
_PIECE = 1 << 14  # bytes that are read at a place
Row = dict[str, str]


def write_listing(out: Path, root: Path, items: Iterable[Item], texts: Iterable[Path] = ()) -> None:
    """Write `out/sources.csv`, atomically: a line for each photograph, with its size, time of change and contents.

    Raises UserError for a photograph that is gone since it was listed.
    """
    with atomic_write(out / SOURCES) as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in _rows(root, items):
            if not row["bytes"]:
                raise UserError(f"{root / row['path']}: gone since it was listed")
            writer.writerow(row | {"contents": _contents(root / row["path"])})
        writer.writerows(_text_rows(texts))


def check_listing(out: Path, root: Path, items: Iterable[Item], texts: Iterable[Path] = ()) -> None:
    """Compare photographs and the recipe's text files with `out/sources.csv`; where it isn't there, write it.

    One has changed when its size has, or what the sources say of it. A new time of change may mean that a tree was
    copied, or that a photograph was written again with as many bytes: of those that have one, pieces are read. Raises
    one UserError that counts what is gone, new and changed.
    """
    if not (out / SOURCES).exists():
        write_listing(out, root, items, texts)
        return
    then = _read(out / SOURCES)
    now = {row["path"]: row for row in chain(_rows(root, items), _text_rows(texts)) if row["bytes"]}
    counts = {
        "gone": sorted(then.keys() - now.keys()),
        "new": sorted(now.keys() - then.keys()),
        "changed": [path for path in sorted(then.keys() & now.keys()) if _differs(root, then[path], now[path])],
    }
    if faults := [f"{len(paths)} {what}, such as {paths[0]}" for what, paths in counts.items() if paths]:
        raise UserError(
            f"{root}: photographs aren't what they were when {out} was begun: {'; '.join(faults)}; put them back as "
            "they were, take another --out, or start anew with --overwrite"
        )


def _differs(root: Path, then: Row, now: Row) -> bool:
    """Whether a photograph or text is another than it was."""
    known = (*_TEXTS, "kind", "split", "bytes")
    if any(then[name] != now[name] for name in known):
        return True
    return then["modified_ns"] != now["modified_ns"] and then["contents"] != _contents(root / now["path"])


def _rows(root: Path, items: Iterable[Item]) -> Iterator[Row]:
    """The line of each photograph, but for its contents; without a size where it is gone."""
    for item in items:
        for photo in item.photos:
            texts = {name: str(getattr(photo, name)) for name in _TEXTS}
            yield {"kind": item.kind, **texts, "split": item.split or "", **_state(root / photo.path), "contents": ""}


def _state(path: Path) -> Row:
    try:
        state = os.stat(path)
    except OSError:
        return {"bytes": "", "modified_ns": ""}
    return {"bytes": str(state.st_size), "modified_ns": str(state.st_mtime_ns)}


def _contents(path: Path) -> str:
    """A hash of a file's beginning, middle and end: enough to tell whether it was written again or only touched.

    Sources may be tens of thousands of photographs, too many to read before anything begins. Empty where the file
    can't be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            for place in (0, size // 2, size - _PIECE):
                file.seek(max(0, place))
                digest.update(file.read(_PIECE))
    except OSError:
        return ""
    return digest.hexdigest()[:32]


def _text_rows(texts: Iterable[Path]) -> Iterator[Row]:
    """The line of each text file, with a hash of what it holds in the place of a description."""
    for path in texts:
        told = {"kind": "text", "path": str(path), "description": sha256(path), "bytes": str(path.stat().st_size)}
        yield dict.fromkeys(_COLUMNS, "") | told


def _read(path: Path) -> dict[str, Row]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: can't be read: {error}; start anew with --overwrite") from error
    if any(tuple(row) != _COLUMNS or None in row.values() for row in rows):
        raise UserError(f"{path}: isn't as it was written; start anew with --overwrite")
    return {row["path"]: row for row in rows}
