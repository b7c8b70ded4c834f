"""Animal and Vehicle from NICO (nico.thumedialab.com): CLASS/CONTEXT/PICTURE, and no texts.

The paper's texts for them aren't public. Stand-ins, made of class and context, are made on request alone, and said.
"""

import random
from collections.abc import Iterator
from pathlib import Path

from samcli.console import warn
from samcli.data.released.reading import Collected, Place
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

CLASSES = {
    "Animal": ("bear", "bird", "cat", "cow", "dog", "elephant", "horse", "monkey", "rat", "sheep"),
    "Vehicle": ("airplane", "bicycle", "boat", "bus", "car", "helicopter", "motorcycle", "train", "truck"),
}
_PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"}


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The directory, if classes of NICO lie in it, or contexts with such classes in them."""
    known = {name for names in CLASSES.values() for name in names}
    inner = {_plain(entry.name) for top in _directories(place.directory) for entry in _directories(top)}
    outer = {_plain(entry.name) for entry in _directories(place.directory)}
    return place.directory if known & (inner | outer) else None


def read(place: Place, reading: ReadingRecipe, name: str) -> Collected:
    """Groups of pictures of one class in one context; each picture is in one group, and what is left over in none."""
    _check_order(place.directory, name)
    if not reading.stand_ins:
        raise UserError(
            f"{place.directory} holds NICO's pictures, and the paper's texts for them aren't public: ask the authors "
            "(github.com/McCartney01/SAM) for annotations.json, or take class and context in their stead with "
            "--set reading.stand_ins=true (no published figure stands beside those)"
        )
    warn(f"{name}: references are stand-ins made of NICO's classes and contexts, not the paper's texts")
    found = Collected(name, reading, "groups")
    for class_directory in _directories(place.directory):
        for context in _directories(class_directory):
            pictures = sorted(entry for entry in context.iterdir() if entry.suffix.lower() in _PICTURES)
            about = f"{_plain(class_directory.name)}/{_plain(context.name)}"
            random.Random(f"{reading.instructions} {about}").shuffle(pictures)
            for number, start in enumerate(range(0, len(pictures) - reading.group + 1, reading.group)):
                group = [_inside(place, path) for path in pictures[start : start + reading.group]]
                text = f"a {_plain(class_directory.name)} {_plain(context.name)}"
                found.add(f"{about}/{number}", group, "", [text], stand_in=True)
            for path in pictures[len(pictures) - len(pictures) % reading.group :]:
                found.drop(f"{about}/{path.name}", f"left over from groups of {reading.group}")
    return found


def _inside(place: Place, path: Path) -> Path:
    """The picture's own path; raises UserError for a link that leads out of the directories."""
    whole = path.resolve()
    roots = [root.resolve() for root in (place.directory, place.image_root) if root is not None]
    if not any(whole.is_relative_to(root) for root in roots):
        raise UserError(f"{path} leads to {whole}, out of {place.directory}; allow it with --image-root")
    return whole


def _check_order(directory: Path, name: str) -> None:
    """Refuse NICO++, whose directories are the other way round, and other classes than the paper's."""
    outer = [_plain(entry.name) for entry in _directories(directory)]
    strange = [entry for entry in outer if entry not in CLASSES[name]]
    inner = {_plain(entry.name) for top in _directories(directory) for entry in _directories(top)}
    if strange and inner & set(CLASSES[name]):
        raise UserError(
            f"{directory}: contexts hold classes there, as in NICO++; expected NICO's order, CLASS/CONTEXT/PICTURE"
        )
    if strange:
        expected = ", ".join(CLASSES[name])
        raise UserError(f"{directory}: {strange[0]!r} is no class of NICO's {name}; its classes are {expected}")


def _plain(name: str) -> str:
    """A directory's name as a text: some have blanks around them."""
    return " ".join(name.casefold().replace("_", " ").split())


def _directories(parent: Path) -> Iterator[Path]:
    """The directories in one, by name; stray files lie beside them."""
    yield from sorted(entry for entry in parent.iterdir() if entry.is_dir() and not entry.name.startswith("."))
