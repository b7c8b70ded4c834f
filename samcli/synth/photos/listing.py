"""The photographs that a run began with, `sources.csv` in its directory: a resumed run must find them as they were."""

import csv
import os
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from samcli.errors import UserError
from samcli.files import atomic_write, sha256
from samcli.synth.photos.sources import Item

SOURCES = "sources.csv"
_TEXTS = ("identity", "path", "view", "description", "title", "author", "genre")
_COLUMNS = ("kind", *_TEXTS, "split", "bytes", "modified_ns")
Row = dict[str, str]


def write_listing(out: Path, root: Path, items: Iterable[Item], texts: Iterable[Path] = ()) -> None:
    """Write `out/sources.csv`, atomically: a line for each photograph, with its size and time of change.

    Raises UserError for a photograph that is gone since it was listed.
    """
    with atomic_write(out / SOURCES) as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_rows(root, items))
        writer.writerows(_text_rows(texts))


def check_listing(out: Path, root: Path, items: Iterable[Item], texts: Iterable[Path] = ()) -> None:
    """Compare photographs and the recipe's text files with `out/sources.csv`; where it isn't there, write it.

    Photographs are looked at, not read, which takes seconds for tens of thousands. One has changed when its size has,
    or what the sources say of it. A new time of change alone means that it was written again, perhaps with as many
    bytes, so it counts as a change, too; unless every single one has a new time: then the tree was copied or unpacked
    anew, which is no reason to stop. Raises one UserError that counts what is gone, new and changed.
    """
    if not (out / SOURCES).exists():
        write_listing(out, root, items, texts)
        return
    rows = chain(_rows(root, items, gone_is_fault=False), _text_rows(texts))
    then, now = _read(out / SOURCES), {row["path"]: row for row in rows}
    gone, new = sorted(then.keys() - now.keys()), sorted(now.keys() - then.keys())
    both = sorted(then.keys() & now.keys())
    touched = {path for path in both if then[path]["modified_ns"] != now[path]["modified_ns"]}
    if len(touched) == sum(bool(now[path]["modified_ns"]) for path in both):  # texts have a hash instead
        touched = set()
    changed = [path for path in both if path in touched or _told(then[path]) != _told(now[path])]
    counts = {"gone": gone, "new": new, "changed": changed}
    if faults := [f"{len(paths)} {what}, such as {paths[0]}" for what, paths in counts.items() if paths]:
        raise UserError(
            f"{root}: photographs aren't what they were when {out} was begun: {'; '.join(faults)}; put them back as "
            "they were, take another --out, or start anew with --overwrite"
        )


def _told(row: Row) -> Row:
    """All that is known of a photograph but when it was changed."""
    return {name: value for name, value in row.items() if name != "modified_ns"}


def _rows(root: Path, items: Iterable[Item], *, gone_is_fault: bool = True) -> Iterable[Row]:
    """The line of each photograph; those that are gone are left out, or are a fault."""
    for item in items:
        for photo in item.photos:
            try:
                state = os.stat(root / photo.path)
            except OSError as error:
                if gone_is_fault:
                    raise UserError(f"{root / photo.path}: gone since it was listed: {error.strerror}") from error
                continue
            texts = {name: str(getattr(photo, name)) for name in _TEXTS}
            sizes = {"bytes": str(state.st_size), "modified_ns": str(state.st_mtime_ns)}
            yield {"kind": item.kind, **texts, "split": item.split or "", **sizes}


def _text_rows(texts: Iterable[Path]) -> Iterable[Row]:
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
