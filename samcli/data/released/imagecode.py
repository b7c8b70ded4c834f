"""ImageCoDe (McGill-NLP/imagecode): ten pictures and a caption that fits one of them; for Table 1 alone."""

import re
from pathlib import Path, PurePath
from typing import Any

from samcli.data.released.reading import Collected, Pictures, Place, images_in_a_row, read_release
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

_FILES = {"train": "train_data.json", "val": "valid_data.json", "test": "test_data_unlabeled.json"}
SIZE = 10
_NUMBER = re.compile(r"\d+")


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of the split, if it is there."""
    return place.first(f"data/{_FILES[reading.split]}", _FILES[reading.split])


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each caption of each set of ten pictures; test is published without saying which picture is meant.

    The number beside a caption is a place among the set's pictures sorted by the numbers in their names, which in
    frames of a film have gaps.
    """
    whole = read_release(path)
    if not isinstance(whole, dict) or not all(isinstance(captions, dict | list) for captions in whole.values()):
        raise UserError(f"{path}: expected an object with the captions of each set of pictures")
    found = Collected("ImageCoDe", reading.model_copy(update={"references": "each"}), "pick")
    pictures = Pictures(place, ("image-sets", "data/image-sets", "images"))
    for name, captions in whole.items():
        images = _images(place, name) or [f"img{number}" for number in range(SIZE)]
        if len(images) != SIZE:
            found.drop(name, f"another number of pictures than {SIZE}")
            continue
        paths = [pictures.find(f"{name}/{image}") for image in images]
        for target, caption in _targets(captions):
            found.add(f"{name}-{target}" if target else name, paths, images_in_a_row(SIZE), [caption], target=target)
    return found


def _targets(captions: Any) -> list[tuple[str, str]]:
    """(place of the picture that is meant, caption); the place is empty where it isn't published."""
    pairs = captions.items() if isinstance(captions, dict) else (("", caption) for caption in captions)
    return [(str(target), caption if isinstance(caption, str) else "") for target, caption in pairs]


def _images(place: Place, name: str) -> list[str]:
    """The names of a set's pictures, by their numbers."""
    if ".." in PurePath(name).parts or PurePath(name).is_absolute():
        raise UserError(f"{place.directory}: a set of pictures is called {name!r}, which leads out of it")
    homes = [place.directory, *([place.image_root] if place.image_root else [])]
    for home in homes:
        for folder in ("image-sets", "data/image-sets", "images"):
            if (home / folder / name).is_dir():
                numbered = {_NUMBER.search(entry.name): entry.name for entry in (home / folder / name).iterdir()}
                return [numbered[match] for match in sorted(filter(None, numbered), key=lambda found: int(found[0]))]
    return []
