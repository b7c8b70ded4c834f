"""DeepFashion In-shop Clothes Retrieval (Liu et al. 2016, mmlab.ie.cuhk.edu.hk): people in the clothes of a shop.

`img/{MEN,WOMEN}/CATEGORY/id_00000001/02_1_front.jpg`, or names in one directory as DeepFashion-MultiModal has them,
`WOMEN-CATEGORY-id_00000001-02_1_front.jpg`. Archives unpack to `img`, `img/img`, `Img/img` or `Img/img_highres`; the
list files have a count, a header, then columns apart by blanks.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from samcli.data.released.reading import read_release, records_of
from samcli.errors import UserError
from samcli.synth.photos.record import Photo
from samcli.synth.photos.sources.items import Account, Shot
from samcli.synth.photos.sources.tree import Tree

_SEXES = frozenset({"MEN", "WOMEN"})
_WRAPPERS = re.compile(r"img|img_highres|images|(in-?shop|deepfashion).*", re.IGNORECASE)
_DEPTH = 4  # of wrappers around the pictures
_NAME = re.compile(r"(MEN|WOMEN)[/-]([^/]+?)[/-](id_\d{8})[/-](\d\d)_\d+_(\w+)\.\w+")
_ID = re.compile(r"id_\d{8}")
_SPLITS = {"train": "train", "query": "test", "gallery": "test"}
_POSES = {  # pose types of list_bbox_inshop.txt, and how names have them
    "5": "close-ups",
    "6": "poses that show no person",
    "flat": "poses that show no person",
}
_MISSING = "listed files that aren't there"
_WEARABLES = {
    "Blouses_Shirts": "blouse or shirt",
    "Cardigans": "cardigan",
    "Dresses": "dress",
    "Graphic_Tees": "graphic tee",
    "Jackets_Coats": "jacket or coat",
    "Jackets_Vests": "jacket or vest",
    "Rompers_Jumpsuits": "romper or jumpsuit",
    "Shirts_Polos": "shirt or polo",
    "Skirts": "skirt",
    "Sweaters": "sweater",
    "Sweatshirts_Hoodies": "sweatshirt or hoodie",
    "Tees_Tanks": "tee or tank",
}  # the others (Denim, Leggings, Pants, Shorts, Suiting) have no singular


class _Parts(NamedTuple):
    """What a photograph's path says, in a tree or flattened."""

    sex: str
    category: str
    item: str
    colour: str  # two digits
    pose: str


def image_folder(tree: Tree, place: Path) -> Path | None:
    """The directory that holds MEN and WOMEN, or the flattened names; high resolution, then the outermost, preferred.

    None where there is none within the usual wrappers.
    """
    found = [
        ("highres" not in directory.relative_to(place).as_posix().lower(), depth, directory)
        for directory, depth in _candidates(tree, place, 0)
    ]
    return min(found)[2] if found else None


def _candidates(tree: Tree, directory: Path, depth: int) -> Iterator[tuple[Path, int]]:
    listing = tree.listing(directory)
    if _SEXES & set(listing.directories) or any(map(_NAME.fullmatch, listing.pictures)):
        yield directory, depth
    elif depth < _DEPTH:
        for name in filter(_WRAPPERS.fullmatch, listing.directories):
            yield from _candidates(tree, directory / name, depth + 1)


def is_own(name: str) -> bool:
    """Whether a directory is called as one of those that the release unpacks to."""
    return name in _SEXES or bool(_WRAPPERS.fullmatch(name))


def read(tree: Tree, place: Path, account: Account) -> Iterator[Shot]:
    """The photographs that show a person; an object is an item in one colour: `id_00000001_02`.

    The two digits before the pose tell colours apart, which are mostly other outfits on other people. Splits follow
    `list_eval_partition.txt` item by item, so that no item is in two of them: query and gallery are test, a tenth of
    the training items, by a hash of their ids, is val. Without that file, no object has a split. Descriptions say what
    the path and the item's one colour in `list_description_inshop.json` say; the shop's own lines, about sizes and
    washing, aren't used. Raises UserError when there is no directory of images, or a list file is faulty.
    """
    images = image_folder(tree, place)
    if images is None:
        raise UserError(
            f"{place}: no directory of DeepFashion images (img, img_highres) with MEN or WOMEN in it, nor names such "
            "as WOMEN-Dresses-id_00000001-02_1_front.jpg; unpack img_highres.zip or img.zip there"
        )
    found = _photographs(tree, images, account)
    partition = _rows(tree, place, "list_eval_partition.txt", 3)
    poses = {_parts(row[0]): row[2] for row in _rows(tree, place, "list_bbox_inshop.txt", 7) or []}
    colours = _colours(tree, place, found)
    splits = _splits(partition) if partition is not None else None
    for row in partition or []:
        if _parts(row[0]) not in found:
            account.leave_out(_MISSING, row[0])

    for parts, path in found.items():
        if reason := _POSES.get(poses.get(parts, "")) or _POSES.get(parts.pose):
            account.leave_out(reason, path)
        elif splits is not None and parts.item not in splits:
            account.leave_out("photographs of items that list_eval_partition.txt doesn't name", path)
        else:
            identity, text = f"{parts.item}_{parts.colour}", _described(parts, colours.get(parts.item))
            photo = Photo(identity=identity, path=path, view=parts.pose, description=text)
            yield splits[parts.item] if splits is not None else None, photo


def _parts(path: str) -> _Parts | None:
    match = _NAME.search(path)
    return _Parts(*match.groups()) if match else None


def _photographs(tree: Tree, images: Path, account: Account) -> dict[_Parts, str]:
    """The path of each photograph by what it says."""
    found: dict[_Parts, str] = {}
    for directory, listing in tree.walk(images, account):
        for name in listing.pictures:
            path = tree.relative(directory, name)
            if match := _NAME.fullmatch((directory / name).relative_to(images).as_posix()):
                found.setdefault(_Parts(*match.groups()), path)
            else:
                account.leave_out("files named otherwise than DeepFashion's", path)
    return found


def _rows(tree: Tree, place: Path, name: str, columns: int) -> list[list[str]] | None:
    """The rows of a list file, wherever it lies; None without one. Raises UserError that names a faulty line."""
    if (path := _beside(tree, place, name)) is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
    rows = []
    for number, line in enumerate(lines[2:], 3):
        row = line.split()
        if row and len(row) != columns:
            raise UserError(f"{path}:{number}: expected {columns} columns apart by blanks (got {line[:60]!r})")
        if name.startswith("list_eval") and row and not (_ID.fullmatch(row[1]) and row[2] in _SPLITS):
            raise UserError(f"{path}:{number}: expected an item id, then {', '.join(_SPLITS)} (got {line[:60]!r})")
        rows += [row] if row else []
    return rows


def _beside(tree: Tree, place: Path, name: str) -> Path | None:
    """A list file in its usual directory, in `place` or in a wrapper around both; None where there is none."""
    bases = [place, *(place / inner for inner in filter(_WRAPPERS.fullmatch, tree.listing(place).directories))]
    for base in bases:
        for directory in (base / "Eval", base / "Anno", base):
            if name in tree.listing(directory).files:
                return directory / name
    return None


def _splits(partition: list[list[str]]) -> dict[str, str]:
    """The split of each item; one that is listed for training and for test is for test alone."""
    splits: dict[str, str] = {}
    for _, item, name in partition:
        if splits.get(item) != "test":
            splits[item] = _SPLITS[name]
    return {item: "val" if split == "train" and _is_val(item) else split for item, split in splits.items()}


def _is_val(item: str) -> bool:
    digest = hashlib.sha256(f"DeepFashion In-shop {item}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10 == 0


def _colours(tree: Tree, place: Path, found: Iterable[_Parts]) -> dict[str, str]:
    """The colour of each item that has one only, in the list and on disk: which prefix is which colour isn't said."""
    if (path := _beside(tree, place, "list_description_inshop.json")) is None:
        return {}
    prefixes: dict[str, set[str]] = {}
    for parts in found:
        prefixes.setdefault(parts.item, set()).add(parts.colour)
    listed: dict[str, set[str]] = {}
    for record in records_of(path, read_release(path), item=str, color=str):
        listed.setdefault(record["item"], set()).add(record["color"].strip().lower())
    return {
        item: next(iter(colours))
        for item, colours in listed.items()
        if len(colours) == 1 and len(prefixes.get(item, ())) == 1
    }


def _described(parts: _Parts, colour: str | None) -> str:
    """What path and colour say: `person in a women's blouse or shirt in navy`."""
    wearable = _WEARABLES.get(parts.category)
    article = "a " if wearable else ""
    clothes = f"{article}{parts.sex.lower()}'s {wearable or parts.category.lower().replace('_', ' ')}"
    return f"person in {clothes}" + (f" in {colour}" if colour else "")
