"""Labels drawn over their pictures, so that one can see what was found."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from samcli.alignment.drawing import Said, patch_picture, stacked, with_text
from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.store import LabelStore
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.files import atomic_write

FILE = "labels.png"
_LEGEND = "On each patch its best word; of several equally good ones neighbours show different ones."


def show_labels(store: LabelStore, samples: Sequence[Sample], eye: Eye) -> Path:
    """Draw the pictures of some samples with the best word of each patch; return the PNG, in the store's directory.

    Above all stands which labels they are, above each picture its sample.
    """
    drawn = []
    for sample in samples:
        for number, image in enumerate(sample.images, start=1):
            words = best_words(store.get([image]), store.words)
            name = f"sample {sample.id}" + (f", picture {number}" if len(sample.images) > 1 else "")
            drawn.append(with_text(patch_picture(_looked_at(image, eye), words), name))
    path = store.directory / FILE
    with atomic_write(path, "wb") as file:
        with_text(stacked(drawn), f"Labels of source {store.identity['source']['kind']}. {_LEGEND}").save(file, "PNG")
    return path


def _looked_at(image: Path, eye: Eye) -> Image.Image:
    """The part of a picture that whole patches cover."""
    seen = eye.seen(open_image(image))
    return seen.crop((0, 0, round(seen.width * eye.reach), round(seen.height * eye.reach)))


def best_words(labels: PatchLabels, words: Sequence[str]) -> list[list[Said]]:
    """The word of the highest score of each patch of one picture, rows of columns, empty for a patch without any.

    Of several with that score neighbours get one each in turn, so that all of them are seen.
    """
    side = round(labels.counts.shape[1] ** 0.5)
    grid = [[Said("") for _ in range(side)] for _ in range(side)]
    begin = 0
    for patch, count in enumerate(labels.counts[0].tolist()):
        scores = labels.scores[begin : begin + count].tolist()
        best = [place for place, score in enumerate(scores, begin) if score == max(scores)]
        row, column = divmod(patch, side)
        if best:
            grid[row][column] = Said(words[int(labels.words[best[(row + column) % len(best)]])])
        begin += count
    return grid
