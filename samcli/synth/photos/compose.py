"""Placing objects on the canvas (the paper's composition, 512 x 512): seeded, inside, without overlap."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from samcli.recipe_mmlink import ComposeRecipe
from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Place, Record, View
from samcli.synth.photos.stage import Rejected, Setting, for_each

TRIES = 50  # for all objects of a picture, before they shrink
SHRINKS = 8
SHRINK = 0.9
WIDEST = 0.9  # of the canvas
LOWEST_BAND = 0.7  # of the canvas: objects stand on something, so their lower edge is below this line
EDGE = 0.01  # of the canvas, kept free on all sides
COARSE = 4  # pixels of the canvas to one of the maps on which overlap is looked for
COLUMNS, ROWS = 3, 2  # of a grid
GRID_FILL = (0.55, 0.85)  # of a cell
NO_ROOM = "no room for the objects"


class Compose:
    """Gives every object its place; grids get cells with jittered sizes, whole pictures need none."""

    name = "compose"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """Set `place` of every subject, and score the smallest side in pixels."""
        for_each(self.name, records, self._compose)
        return list(records)

    def _compose(self, record: Record) -> None:
        form = self.setting.kind(record).form
        if form == "covers":
            return
        for number, view in enumerate(record.views):
            rng = random.Random(f"{record.seed}/{self.name}/{number}")
            cuts = [cutout(self.setting, subject) for subject in view.subjects]
            size = self.setting.recipe.size
            places = grid(rng, cuts, size) if form == "grid" else arrange(rng, cuts, size, self.setting.recipe.compose)
            for subject, place in zip(view.subjects, places, strict=True):
                subject.place = place
        record.scores["least_side"] = float(min(_least_side(view) for view in record.views))


def _least_side(view: View) -> int:
    return min(min(subject.place.width, subject.place.height) for subject in view.subjects if subject.place)


def arrange(rng: random.Random, cuts: Sequence[Image.Image], size: int, compose: ComposeRecipe) -> list[Place]:
    """A place for each cut-out on a canvas of `size` pixels a side; the first is the main object.

    Their masks, widened by the gap, don't meet, though their boxes may. After `TRIES` tries all shrink a little. Raises
    Rejected after `SHRINKS` rounds of that.
    """
    for shrink in range(SHRINKS + 1):
        for _ in range(TRIES):
            places = [
                _drop(rng, cut, size, compose.other if number else compose.main, SHRINK**shrink)
                for number, cut in enumerate(cuts)
            ]
            if len(places) == 1 or _are_apart(cuts, places, size, compose.gap):
                return places
    raise Rejected(NO_ROOM)


def _drop(rng: random.Random, cut: Image.Image, size: int, heights: tuple[float, float], factor: float) -> Place:
    """Anywhere on the canvas, standing in its lower part."""
    room = size * (1 - 2 * EDGE)
    scale = min(rng.uniform(*heights) * factor * size / cut.height, WIDEST * size / cut.width, room / cut.height)
    width, height = max(1, round(cut.width * scale)), max(1, round(cut.height * scale))
    edge = EDGE * size
    left = rng.uniform(edge, max(edge, size - edge - width))
    bottom = rng.uniform(max(LOWEST_BAND * size, height + edge), size - edge)
    return Place(
        left=min(round(left), size - width), top=max(0, min(round(bottom), size) - height), width=width, height=height
    )


def _are_apart(cuts: Sequence[Image.Image], places: Sequence[Place], size: int, gap: int) -> bool:
    """Whether no two masks come closer than the gap, as far as a coarse map tells."""
    taken: NDArray[np.bool_] = np.zeros((size // COARSE + 2, size // COARSE + 2), dtype=bool)
    for cut, place in zip(cuts, places, strict=True):
        mask = coarse_mask(cut, place, taken.shape[0])
        if (mask & taken).any():
            return False
        taken |= binary_dilation(mask, iterations=-(-gap // COARSE) + 1)
    return True


def coarse_mask(cut: Image.Image, place: Place, side: int) -> NDArray[np.bool_]:
    """Where a placed object is, on a map of `side` cells a side, each `COARSE` pixels of the canvas."""
    mask = np.zeros((side, side), dtype=bool)
    left, top = place.left // COARSE, place.top // COARSE
    right, bottom = -(-(place.left + place.width) // COARSE), -(-(place.top + place.height) // COARSE)
    small = cut.getchannel("A").resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BOX)
    mask[top : top + small.height, left : left + small.width] = (np.asarray(small) > 0)[: side - top, : side - left]
    return mask


def grid(rng: random.Random, cuts: Sequence[Image.Image], size: int) -> list[Place]:
    """A cell of a 2 x 3 grid for each cut-out, in chance order, with a size and a place of its own inside it."""
    cells = rng.sample(range(COLUMNS * ROWS), len(cuts))
    across, down = size / COLUMNS, size / ROWS
    places = []
    for cell, cut in zip(cells, cuts, strict=True):
        fill = rng.uniform(*GRID_FILL) * min(across, down)
        scale = fill / max(cut.size)
        width, height = max(1, round(cut.width * scale)), max(1, round(cut.height * scale))
        left = (cell % COLUMNS) * across + rng.uniform(0, across - width)
        top = (cell // COLUMNS) * down + rng.uniform(0, down - height)
        places.append(
            Place(left=min(round(left), size - width), top=min(round(top), size - height), width=width, height=height)
        )
    return places
