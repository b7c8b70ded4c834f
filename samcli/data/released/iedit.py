"""Image Editing Request, the paper's IEdit (airsplay/VisualRelationships): dataset/adobe/{train,valid,test}.json."""

from pathlib import Path

from samcli.data.released.reading import Collected, Pictures, Place, read_release, records_of, texts_of
from samcli.recipe_reading import ReadingRecipe

_HOMES = ("dataset/adobe/", "data/adobe/", "adobe/", "data/", "annotations/", "")
_NAMES = {"train": ("train",), "val": ("valid", "val"), "test": ("test",)}
CONTEXT = "Source Image:{image#1} Target Image:{image#2}Instruction:"


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of the split, if it is there."""
    return place.first(*(f"{home}{name}.json" for home in _HOMES for name in _NAMES[reading.split]))


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each pair before and after; its texts are alternative requests (three in val and test)."""
    found = Collected("IEdit", reading, "edits")
    pictures = Pictures(place, ("images", "dataset/adobe/images", "data/adobe/images", "adobe/images", "data/images"))
    for pair in records_of(path, read_release(path), uid=str, img0=str, img1=str, sents=list):
        images = [pictures.find(pair["img0"]), pictures.find(pair["img1"])]
        found.add(pair["uid"], images, CONTEXT, texts_of(pair["sents"]))
    return found
