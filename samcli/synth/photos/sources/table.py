"""A CSV with a photograph in each line: `identity,path`, and what else is known; or the list of a book cover dataset.

The latter has no header but seven quoted columns: ASIN, file, URL, title, author, category id, category (Iwana et al.
2016, github.com/uchidalab/book-dataset).
"""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from samcli.errors import UserError
from samcli.files import is_writable
from samcli.names import did_you_mean
from samcli.synth.photos.record import Photo
from samcli.synth.photos.sources.items import Account, Shot
from samcli.synth.photos.sources.tree import Tree

NAME = "groups.csv"
COLUMNS = ("identity", "path", "view", "split", "description", "title", "author", "genre", "kind")
_REQUIRED = COLUMNS[:2]
_SPLITS = ("train", "val", "test")
_BOOK = ("identity", "path", "", "title", "author", "", "genre")
_ASIN, _URL = re.compile(r"[0-9A-Za-z]{10}"), re.compile(r"https?://")


@dataclass(frozen=True)
class Row:
    """A line of the table: `path` is relative to the tree's root."""

    line: int
    kind: str  # empty where the table doesn't say
    split: str | None
    photo: Photo


@dataclass(frozen=True)
class Table:
    """A CSV, read and checked; its photographs need not be there."""

    file: Path
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that its lines name; none without a column of kinds."""
        return frozenset(row.kind for row in self.rows if row.kind)

    def shots(self, tree: Tree, kind: str, account: Account) -> Iterator[Shot]:
        """The photographs of a kind that are there; without a column of kinds, all are of this one."""
        for remark in self.notes:
            account.note(remark)
        for row in self.rows:
            if row.kind not in ("", kind):
                continue
            place = tree.root / row.photo.path
            listing = tree.listing(place.parent)
            if place.name in listing.files:
                yield row.split, row.photo
            else:
                reason = listing.skipped.get(place.name, "listed files that aren't there")
                account.leave_out(reason, f"{row.photo.path} ({self.file}:{row.line})")


def read_table(file: Path, tree: Tree) -> Table:
    """The lines of a CSV: comma, semicolon or tab; UTF-8, with or without its mark, else Latin-1, which is noted.

    Columns are `COLUMNS`, in any order, the first two required; others are passed over, unless they look misspelt.
    Paths are relative to the CSV's directory; those of the book list may also lie in a directory beside it. Raises
    UserError that names file and line: no CSV, missing columns, blanks, unknown splits, one object in two
    splits, and paths that leave the root.
    """
    text, notes = _text(file)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise UserError(f"{file}:{reader.line_num}: not a line of a CSV: {error}") from error
    if not lines:
        raise UserError(f"{file}: is empty; expected a line with the columns {', '.join(_REQUIRED)}, then photographs")
    is_books = _is_book(lines[0][1])
    columns = _BOOK if is_books else _columns(file, lines.pop(0)[1])
    paths = _Paths(file, tree, beside=is_books)
    rows, splits = [], dict[tuple[str, str], str | None]()
    for line, cells in lines:
        row = _row(f"{file}:{line}", line, columns, cells, paths)
        if splits.setdefault((row.kind, row.photo.identity), row.split) != row.split:
            raise UserError(f"{file}:{line}: {row.photo.identity!r} is in another split than before; an object has one")
        rows.append(row)
    return Table(file, tuple(rows), notes)


def _text(file: Path) -> tuple[str, tuple[str, ...]]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: can't be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        return data.decode("latin-1"), (f"{file}: read as Latin-1, since it is no UTF-8",)


def _is_book(cells: Sequence[str]) -> bool:
    return len(cells) == len(_BOOK) and bool(_ASIN.fullmatch(cells[0]) and _URL.match(cells[2]))


def _columns(file: Path, header: Sequence[str]) -> list[str]:
    """The header's names; empty for columns that aren't read."""
    names = [cell.strip().lower() for cell in header]
    missing = [name for name in COLUMNS if name not in names]
    guesses = {name: guess for name in names if name not in COLUMNS and (guess := did_you_mean(name, missing))}
    if lacking := [name for name in _REQUIRED if name not in names]:
        found = ", ".join(repr(cell.strip()) for cell in header)
        told = f"{file}:1: no column {' and no column '.join(lacking)} among {found[:200]}"
        guess = next(filter(None, (did_you_mean(name, lacking) for name in names)), "")
        raise UserError(told + (guess or f"; call them so in the first line: {', '.join(_REQUIRED)}"))
    if guesses:
        name, guess = next(iter(guesses.items()))
        raise UserError(f"{file}:1: a column {name!r}{guess}")
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise UserError(f"{file}:1: two columns {twice[0]!r}; keep one")
    return [name if name in COLUMNS else "" for name in names]


def _row(where: str, line: int, columns: Sequence[str], cells: Sequence[str], paths: "_Paths") -> Row:
    if len(cells) > len(columns):
        raise UserError(f"{where}: {len(cells)} cells in {len(columns)} columns; quote cells that hold a comma")
    values = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
    kind, split, path = values.pop("kind", ""), values.pop("split", "").lower(), values.pop("path", "")
    needed = {"identity": values.get("identity"), "path": path, **({"kind": kind} if "kind" in columns else {})}
    if blank := [name for name, value in needed.items() if not value]:
        raise UserError(f"{where}: no {blank[0]}; each photograph has one")
    if not all(map(is_writable, (path, *values.values()))) or "\0" in path:
        raise UserError(f"{where}: characters that are no text")
    if split and split not in _SPLITS:
        raise UserError(f"{where}: split {split!r}: expected {', '.join(_SPLITS)}, or nothing")
    return Row(line, kind, split or None, Photo.model_validate({**values, "path": paths.find(where, path)}))


class _Paths:
    """Turns the table's paths, relative to its directory, into paths relative to the root."""

    def __init__(self, file: Path, tree: Tree, *, beside: bool) -> None:
        self._tree = tree
        home = file.parent.relative_to(tree.root)
        self._bases = [home, *(home / name for name in tree.listing(file.parent).directories if beside)]
        self._known: dict[str, bool] = {}  # directories, and whether they are below the root

    def find(self, where: str, path: str) -> str:
        """The path from the root; raises UserError for one that leads out of it."""
        places = [os.path.normpath(base / path) for base in self._bases]
        if not self._stays(places[0]):
            raise UserError(f"{where}: {path!r} leads out of {self._tree.root}; give paths below the root")
        return PurePath(next(filter(self._is_there, places), places[0])).as_posix()

    def _stays(self, place: str) -> bool:
        directory = os.path.dirname(place)
        if directory not in self._known:
            goes_up = os.path.isabs(place) or place.split(os.sep)[0] == os.pardir
            self._known[directory] = not goes_up and self._tree.holds(self._tree.root / directory)
        return self._known[directory] and (self._is_there(place) or self._tree.holds(self._tree.root / place))

    def _is_there(self, place: str) -> bool:
        whole = self._tree.root / place
        return whole.name in self._tree.listing(whole.parent).files
