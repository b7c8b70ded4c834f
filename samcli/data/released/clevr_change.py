"""CLEVR-Change (Seth-Park/RobustChangeCaptioning): three directories of pictures, captions of changes and of none."""

from pathlib import Path
from typing import Any

from samcli.data.released.reading import Collected, Pictures, Place, images_in_a_row, read_release, texts_of
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

_SPLITS = ("data/splits.json", "splits.json")
# what a pair shows: its file of captions, the directory of its second pictures and their name
_AFTER = {
    "change": ("change_captions.json", "sc_images", "CLEVR_semantic_"),
    "no_change": ("no_change_captions.json", "nsc_images", "CLEVR_nonsemantic_"),
}
_BEFORE = "CLEVR_default_"


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file that tells the splits, if it is there."""
    return place.first(*_SPLITS)


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each pair of the split whose captions there are; its texts are alternative captions.

    Pairs without a change, where camera and light alone have moved, are captioned under the names of the same first
    pictures.
    """
    numbers = read_release(path)
    wanted = numbers.get(reading.split) if isinstance(numbers, dict) else None
    if not isinstance(wanted, list) or not all(type(number) is int for number in wanted):
        raise UserError(f"{path}: expected a list of numbers under {reading.split!r}")
    found = Collected("CLEVR-Change", reading, "differences")
    kinds = ("change", "no_change") if reading.change == "both" else (reading.change,)
    for kind in kinds:
        file, folder, prefix = _AFTER[kind]
        captions = _captions(path.with_name(file))
        before, after = _pictures(place, "images"), _pictures(place, folder)
        for number in wanted:
            name = f"{_BEFORE}{number:06d}.png"
            source = f"{number:06d}" if len(kinds) == 1 else f"{number:06d}-{kind}"
            if name not in captions:
                found.drop(source, "no captions")
                continue
            images = [before.find(name), after.find(f"{prefix}{number:06d}.png")]
            found.add(source, images, f"{images_in_a_row(2)}Difference:", captions[name])
    return found


def _pictures(place: Place, folder: str) -> Pictures:
    return Pictures(place, (f"data/{folder}", folder))


def _captions(path: Path) -> dict[str, list[str]]:
    """The captions of each pair, by the name of its first picture."""
    whole: Any = read_release(path)
    if not isinstance(whole, dict) or not all(isinstance(texts, list) for texts in whole.values()):
        raise UserError(f"{path}: expected an object with a list of captions for each picture")
    return {name: texts_of(texts) for name, texts in whole.items()}
