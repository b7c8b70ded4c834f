"""Birds-to-Words (google-research-datasets/birds-to-words): birds-to-words-v1.0.tsv; photographs come from iNaturalist.

Pictures aren't shipped. They are expected by the number of the photograph, `photos/<number>/medium.jpg` in its URL, or
by that of the observation, with any extension.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from samcli.data.released.reading import Collected, Pictures, Place, images_in_a_row
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

_FILES = ("birds-to-words-v1.0.tsv", "data/birds-to-words-v1.0.tsv", "birds-to-words.tsv")
_COLUMNS = ("img1ImgURL", "img1ObservationURL", "img2ImgURL", "img2ObservationURL", "split", "description")
_PHOTO = re.compile(r"/photos/(\d+)/")


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """The file of all splits, if it is there."""
    return place.first(*_FILES)


def read(path: Path, place: Place, reading: ReadingRecipe) -> Collected:
    """A sample for each paragraph, as DEMON has them, or, with references `all`, for each pair of birds."""
    found = Collected("Birds-to-Words", reading, "birds")
    pictures = Pictures(place, ("images", "photos", "data/images"))
    pairs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in _rows(path):
        if row["split"] == reading.split:
            pairs.setdefault((row["img1ImgURL"], row["img2ImgURL"]), []).append(row)
    for rows in pairs.values():
        names = [_names(rows[0], side, path) for side in ("img1", "img2")]
        images = [pictures.find(*side) for side in names]
        source = "-".join(side[0] for side in names)
        groups = [rows] if reading.references == "all" else [[row] for row in rows]
        for group in groups:
            texts = [row["description"] for row in group]
            found.add(source, images, f"{images_in_a_row(2)}Difference:", texts)
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of the file. Quotation marks are letters in it, and texts that aren't UTF-8 are Latin-1."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    head, *lines = text.split("\n")
    columns = head.rstrip("\r").split("\t")
    if missing := [column for column in _COLUMNS if column not in columns]:
        raise UserError(f"{path}: its first line lacks the columns {', '.join(missing)}")
    for number, line in enumerate(lines, 2):
        values = line.rstrip("\r").split("\t")
        if line.strip() and len(values) != len(columns):
            raise UserError(f"{path}:{number}: expected {len(columns)} columns, found {len(values)}")
        if line.strip():
            yield dict(zip(columns, values, strict=True))


def _names(row: dict[str, str], side: str, path: Path) -> list[str]:
    """What a photograph's file may be called: every URL ends in `medium.jpg`, so the numbers before that tell."""
    photo = _PHOTO.search(row[f"{side}ImgURL"])
    observation = row[f"{side}ObservationURL"].rstrip("/").rpartition("/")[2]
    names = [*([photo[1]] if photo else []), *([observation] if observation.isdigit() else [])]
    if not names:
        raise UserError(f"{path}: no number of a photograph in {row[f'{side}ImgURL']!r}")
    return names
