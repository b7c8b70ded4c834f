"""From a recipe to its objects: which kinds there are, where each lies, in which layout, and whether it is enough."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import Literal

from samcli.amounts import counted
from samcli.errors import UserError
from samcli.names import did_you_mean
from samcli.recipe_mmlink import MmlinkRecipe, ObjectRecipe
from samcli.synth.photos.kinds import PAPER_KINDS, kind_called, objects_needed
from samcli.synth.photos.sources import deepfashion, folders, table
from samcli.synth.photos.sources.items import Account, Collection, Item, Shot, collected, grouped
from samcli.synth.photos.sources.table import Table, read_table
from samcli.synth.photos.sources.tree import Tree

BACKDROPS = "backdrops"
PEOPLE, THINGS = "character", "object"  # what the only kind of a root is called
_MANY = 100  # photographs; of one object, few have so many


@dataclass(frozen=True)
class Place:
    """Where a kind's photographs are: a directory or, for tables, a CSV."""

    layout: Literal["deepfashion", "groups", "table"]
    path: Path


def read_items(recipe: MmlinkRecipe) -> Collection:
    """The objects of the recipe's split; those of sources without splits belong to whichever is asked for.

    Kinds are those of `recipe.objects` with a share above 0. Without any: those that `groups.csv` in the root names;
    `character`, if the root is a DeepFashion tree; else one for each directory below the root that holds images or
    directories of images, but for backdrops and hidden ones (DeepFashion's own directory is `character` there, too);
    and a root whose directories hold images alone, none of them called as one of the paper's kinds, is itself one kind,
    `object`, with an object in each.

    Files are listed, none is opened but lists and tables. Raises UserError for a root or source that isn't there or
    lies outside the root, faulty lists and tables, and a kind with fewer objects than one sample needs.
    """
    root = Path(recipe.root)
    if not root.is_dir():
        raise UserError(f"{root}: no such directory of photographs; give the one that holds them with --set root=DIR")
    finder = _Finder(recipe, Tree(root))
    accounts: list[Account] = []
    items = {}
    places = finder.places()
    for kind, place in sorted(places.items()):
        account = Account()
        accounts.append(account)
        found = grouped(kind, finder.shots(kind, place, account), account)
        if place.layout == "groups":
            _doubt(kind, found, account)
        items[kind] = _usable(recipe, kind, place, found, account)
    return collected(items, [*accounts, finder.elsewhere(places.values())])


class _Finder:
    """Finds the kinds of a recipe and reads their photographs; each table is read once."""

    def __init__(self, recipe: MmlinkRecipe, tree: Tree) -> None:
        self._recipe, self._tree, self._root = recipe, tree, tree.root
        self._tables: dict[Path, Table] = {}
        self._without_objects: list[str] = []  # directories below the root

    def places(self) -> dict[str, Place]:
        """Where each kind lies."""
        if self._recipe.objects:
            return {name: self._place(name, each) for name, each in self._recipe.objects.items() if each.share}
        if common := self._common_table():
            return {kind: Place("table", common.file) for kind in common.kinds or {THINGS}}
        return self._directories()

    def shots(self, kind: str, place: Place, account: Account) -> Iterable[Shot]:
        """The photographs of a kind."""
        if place.layout == "table":
            return self._table(place.path).shots(self._tree, kind, account)
        if place.layout == "deepfashion":
            return deepfashion.read(self._tree, place.path, account)
        shots = folders.read(self._tree, place.path, account)
        if place.path != self._root:
            return shots
        return (shot for shot in shots if PurePath(shot[1].path).parts[0] not in self._backdrops)

    def elsewhere(self, places: Iterable[Place]) -> Account:
        """What isn't read in backdrops and in directories without objects: a telephone's photographs are told, too."""
        account, background = Account(), self._recipe.background
        scenes = [background.backdrops or BACKDROPS] if background.kind == "backdrop" else []
        counted = {place.path for place in places if place.layout == "groups"}
        for path in (self._root / name for name in (*self._without_objects, *scenes)):
            if self._tree.holds(path) and counted.isdisjoint((path, *path.parents)):
                deque(self._tree.walk(path, account), maxlen=0)
        return account

    @property
    def _backdrops(self) -> frozenset[str]:
        """Names of directories below the root that hold backdrops, not objects."""
        own = self._recipe.background.backdrops
        return frozenset({BACKDROPS, *PurePath(own or BACKDROPS).parts[:1]})

    def _common_table(self) -> Table | None:
        there = table.NAME in self._tree.listing(self._root).files
        return self._table(self._root / table.NAME) if there else None

    def _table(self, file: Path) -> Table:
        if file not in self._tables:
            self._tables[file] = read_table(file, self._tree)
        return self._tables[file]

    def _directories(self) -> dict[str, Place]:
        """A kind for each directory below the root, or one kind for all."""
        listing = self._tree.listing(self._root)
        names = [name for name in listing.directories if name not in self._backdrops]
        nested = [name for name in names if self._holds_groups(self._root / name)]
        filled = [name for name in names if name in nested or self._tree.listing(self._root / name).pictures]
        if deepfashion.image_folder(self._tree, self._root) and all(map(deepfashion.is_own, filled)):
            return {PEOPLE: Place("deepfashion", self._root)}
        if not nested and not set(filled) & set(PAPER_KINDS):
            return {THINGS: Place("groups", self._root)}
        self._without_objects = [name for name in names if name not in filled]
        found = {name: self._as_it_looks(self._root / name) for name in filled}
        return {
            PEOPLE
            if place.layout == "deepfashion" and deepfashion.is_own(name) and PEOPLE not in found
            else name: place
            for name, place in found.items()
        }

    def _holds_groups(self, directory: Path) -> bool:
        """Whether a directory is a kind by its looks: a table, DeepFashion, or directories of images in it."""
        if self._as_it_looks(directory).layout != "groups":
            return True
        unused = Account()  # what is left out is counted when the kind is read
        return any(below.pictures for path, below in self._tree.walk(directory, unused) if path != directory)

    def _place(self, name: str, each: ObjectRecipe) -> Place:
        """Where a kind of the recipe lies; raises UserError if it doesn't, or has another layout than is asked for."""
        own, common = self._root / name, self._common_table()
        if each.sources is None and each.layout in ("auto", "table") and common:
            names_it = name in common.kinds and table.NAME not in self._tree.listing(own).files
            if names_it or not (common.kinds or own.exists()):
                return Place("table", common.file)
        path = self._root / each.sources if each.sources else own
        inner = PurePath(each.sources or name)
        if inner.is_absolute() or ".." in inner.parts or not self._tree.holds(path):
            raise UserError(f"objects.{name}: {path} leads out of {self._root}; all sources lie below the root")
        if not path.exists():
            there = {*self._tree.listing(self._root).directories, *(common.kinds if common else ())}
            raise UserError(
                f"objects.{name}: {path} isn't there{did_you_mean(name, there)}; set objects.{name}.sources"
            )
        found = self._as_it_looks(path)
        if each.layout == "auto" or each.layout == found.layout:
            return found
        if each.layout == "table" or path.is_file():
            raise UserError(f"objects.{name}: {path} is no {each.layout}: a table is a CSV, the others are directories")
        return Place(each.layout, path)

    def _as_it_looks(self, path: Path) -> Place:
        if path.is_file():
            return Place("table", path)
        if table.NAME in self._tree.listing(path).files:
            return Place("table", path / table.NAME)
        return Place("deepfashion" if deepfashion.image_folder(self._tree, path) else "groups", path)


def _doubt(kind: str, found: Iterable[Item], account: Account) -> None:
    """Note a directory that may hold a kind of objects rather than views of one."""
    largest = max(found, key=lambda item: len(item.photos), default=None)
    if largest is not None and len(largest.photos) > _MANY:
        count = counted(len(largest.photos), "photograph")
        account.note(
            f"{kind}: {largest.identity} is taken for one object with {count}; if they show different ones, give each "
            "its directory, KIND/OBJECT/PICTURE, or name the kind in the recipe (objects)"
        )


def _usable(recipe: MmlinkRecipe, kind: str, place: Place, found: Sequence[Item], account: Account) -> tuple[Item, ...]:
    """The objects of the split that can be used; raises UserError when they are too few for a sample."""
    asks = kind_called(recipe, kind)
    usable = []
    for item in found:
        if item.split not in (None, recipe.split):
            account.leave_out("objects of another split", item.identity)
        elif asks.form == "scenes" and asks.second_view == "never" and len(item.photos) == 1:
            account.leave_out("objects of one view, while second_view is never", item.identity)
        else:
            usable.append(item)
    if fault := _fault(asks, usable):
        told = account.told()
        raise UserError(f"{kind}: {fault} in {place.path} ({place.layout})" + (f"; left out {told}" if told else ""))
    return tuple(usable)


def _fault(asks: ObjectRecipe, items: Sequence[Item]) -> str | None:
    """Why no sample can be made of these objects; None if one can."""
    if not items:
        return "no object with photographs"
    needed = objects_needed(asks)
    if len(items) < needed:
        why = {
            "scenes": "the shared one and other distractors in each picture",
            "grid": "the shared one and another on each grid",
            "covers": "a pair",
        }[asks.form]
        there = counted(len(items), "object")
        return f"{there}, and a sample needs {needed} ({why}): add some, or ask for fewer distractors"
    if asks.form == "covers":
        known = [
            {(key, text) for key in ("author", "genre") if (text := getattr(item.photos[0], key))} for item in items
        ]
        if not any(known):
            return "covers without author and genre, the columns that relate them,"
        if len(set(chain.from_iterable(known))) == sum(map(len, known)):
            return "no two covers of the same author or genre"
    return None
