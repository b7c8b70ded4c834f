"""VIST, stories in sequence (visionandlanguage.net/VIST): sis/{train,val,test}.story-in-sequence.json."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samcli.data.released.reading import Collected, Pictures, Place, read_release, records_of
from samcli.data.released.stories import story_so_far
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

LENGTH = 5
_FILE = "{}.story-in-sequence.json"
_FIELDS = {"original": "original_text", "tokenised": "text"}


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of the split, if it is there."""
    name = _FILE.format(reading.split)
    return place.first(f"sis/{name}", name, f"annotations/sis/{name}")


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each story of five: given the first four texts, write the fifth.

    Pictures stand in the order in which the worker arranged them, which is neither the file's nor that of their dates.
    """
    found = Collected("VIST", reading, "stories")
    pictures = Pictures(place, (f"images/{reading.split}", "images", reading.split))
    field = _FIELDS[reading.text]
    for story, parts in _stories(path, field).items():
        parts.sort(key=lambda part: int(part["worker_arranged_photo_order"]))
        if len(parts) != LENGTH:
            found.drop(story, f"story of another length than {LENGTH}")
            continue
        images = [
            pictures.find(part["photo_flickr_id"], f"{part.get('album_id')}/{part['photo_flickr_id']}")
            for part in parts
        ]
        texts = [part[field] for part in parts]
        found.add(story, images, story_so_far(texts[:-1]), texts[-1:], album=part_album(parts))
    return found


def part_album(parts: list[dict[str, Any]]) -> str | None:
    """The album that a story's pictures are from."""
    album = parts[0].get("album_id")
    return album if isinstance(album, str) else None


def _stories(path: Path, field: str) -> dict[str, list[dict[str, Any]]]:
    """The parts of each story, in the file's order."""
    stories: dict[str, list[dict[str, Any]]] = {}
    parts = records_of(path, list(_annotations(path)), story_id=str, photo_flickr_id=str, **{field: str})
    for number, part in enumerate(parts, 1):
        try:
            int(part["worker_arranged_photo_order"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}: annotation {number}: worker_arranged_photo_order must be a number") from None
        stories.setdefault(part["story_id"], []).append(part)
    return stories


def _annotations(path: Path) -> Iterator[Any]:
    """The annotations, each of which the release wraps in a list of one."""
    whole = read_release(path)
    wrapped = whole.get("annotations") if isinstance(whole, dict) else None
    if not isinstance(wrapped, list):
        raise UserError(f"{path}: expected an object with a list of `annotations`")
    for one in wrapped:
        yield one[0] if isinstance(one, list) and len(one) == 1 else one
