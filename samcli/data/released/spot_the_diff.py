"""Spot-the-Diff (harsh19/spot-the-diff): data/annotations/{train,val,test}.json beside resized_images/."""

from pathlib import Path

from samcli.data.released.reading import Collected, Pictures, Place, images_in_a_row, read_release, records_of, texts_of
from samcli.recipe_reading import ReadingRecipe

_FILES = ("data/annotations/{}.json", "annotations/{}.json", "data/{}.json", "{}.json")


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of the split, if it is there."""
    return place.first(*(name.format(reading.split) for name in _FILES))


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each record, or, with references `all`, for each pair of pictures.

    A record's sentences are the parts of one description; other annotators' descriptions of the same pair are further
    records of the same id, which therefore is no key. No published file joins those, so `merged` doesn't either.
    """
    found = Collected("Spot-the-Diff", reading, "differences")
    pictures = Pictures(place, ("resized_images", "data/resized_images", "images", "data/images"))
    records = records_of(path, read_release(path), img_id=str, sentences=list)
    wholes = [". ".join(text.strip() for text in texts_of(one["sentences"]) if text.strip()) for one in records]
    groups: dict[str, list[str]] = {}
    for number, (record, whole) in enumerate(zip(records, wholes, strict=True)):
        # by pairs of pictures, or each record for itself
        key = record["img_id"] if reading.references == "all" else str(number)
        groups.setdefault(key, []).append(whole)
    pairs = {key: key if reading.references == "all" else records[int(key)]["img_id"] for key in groups}
    for key, texts in groups.items():
        images = [pictures.find(pairs[key]), pictures.find(f"{pairs[key]}_2")]
        found.add(pairs[key], images, f"{images_in_a_row(2)}Difference:", texts)
    return found
