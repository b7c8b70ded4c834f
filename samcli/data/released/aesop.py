"""AESOP (adobe-research/aesop): data/{train,test}.json, stories with three texts and three rendered panels."""

from pathlib import Path

from samcli.data.released.reading import Collected, Pictures, Place, read_release, records_of, texts_of
from samcli.data.released.stories import story_so_far
from samcli.recipe_reading import ReadingRecipe

PANELS = 3
_FILES = ("data/{}.json", "{}.json")
_FOLDERS = ("data/images", "previews/image_renderings", "image_renderings", "images")


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of the split, if it is there."""
    return place.first(*(name.format(reading.split) for name in _FILES))


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each story: given the first two texts, write the third."""
    found = Collected("AESOP", reading, "stories")
    pictures = Pictures(place, _FOLDERS)
    for story in records_of(path, read_release(path), storyid=str, text=list):
        texts = texts_of(story["text"])
        if len(texts) != PANELS:
            found.drop(story["storyid"], f"story of another length than {PANELS}")
            continue
        images = [pictures.find(f"{story['storyid']}/panel_{number}") for number in range(PANELS)]
        found.add(story["storyid"], images, story_so_far(texts[:-1]), texts[-1:])
    return found
