"""Placing objects on the canvas (the paper's composition, 512 x 512): seeded, inside, without overlap."""

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from samcli.recipe_mmlink import ComposeRecipe
from samcli.synth.photos.kinds import COLUMNS, ROWS
from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Place, Record, View
from samcli.synth.photos.stage import Rejected, Setting, for_each

TRIES = 50  # for all objects of a picture, before they shrink
SHRINKS = 8
SHRINK = 0.9
WIDEST = 0.9  # of the canvas
LOWEST_BAND = 0.7  # of the canvas: objects stand on something, so their lower edge is below this line
EDGE = 0.01  # of the canvas, kept free on all sides
MEETING = 0.3  # of the smaller box: objects whose boxes share more are taken to meet
OUTLINE = 96  # pixels of the longer side of an object's outline
COARSE = 4  # pixels of the canvas to one of the maps on which overlap is looked for
GRID_FILL = (0.55, 0.85)  # of a cell
NO_ROOM = "no room for the objects"


class Compose:
    """Gives every object its place; grids get cells with jittered sizes, whole pictures need none."""

    name = "compose"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """Set `place` of every subject, and score the smallest side, in shares of the canvas."""
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
        side = min(_least_side(view) for view in record.views)
        record.scores["least_side"] = round(side / self.setting.recipe.size, 4)


def _least_side(view: View) -> int:
    return min(min(subject.place.width, subject.place.height) for subject in view.subjects if subject.place)


def arrange(rng: random.Random, cuts: Sequence[Image.Image], size: int, compose: ComposeRecipe) -> list[Place]:
    """A place for each cut-out on a canvas of `size` pixels a side; the first is the main object.

    Their masks, widened by the gap, don't meet, though their boxes may. After `TRIES` tries all shrink a little. Raises
    Rejected after `SHRINKS` rounds of that.
    """
    outlines = [outline(cut) for cut in cuts]
    for shrink in range(SHRINKS + 1):
        for _ in range(TRIES):
            places = [
                _drop(rng, cut, size, compose.other if number else compose.main, SHRINK**shrink)
                for number, cut in enumerate(cuts)
            ]
            if all(
                _are_apart(*pair, size, compose.gap) for pair in combinations(zip(outlines, places, strict=True), 2)
            ):
                return places
    raise Rejected(NO_ROOM)


def outline(cut: Image.Image) -> Image.Image:
    """A small copy of a cut-out's alpha, large where anything of it is."""
    alpha = cut.getchannel("A").point(lambda level: 255 * (level > 0))
    return alpha.reduce(max(1, max(alpha.size) // OUTLINE))


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


Placed = tuple[Image.Image, Place]  # an outline and where it is


def _are_apart(one: Placed, other: Placed, size: int, gap: int) -> bool:
    """Whether no masks come closer than the gap, as far as a coarse map tells; most boxes need no map."""
    across, down = _shared_sides(one[1], other[1])
    if min(across, down) <= -gap:
        return True
    smaller = min(place.width * place.height for _, place in (one, other))
    if min(across, down) > 0 and across * down > MEETING * smaller:
        return False
    side = -(-size // COARSE) + 1
    first, second = (coarse_mask(mask, place, side) for mask, place in (one, other))
    return not (first & binary_dilation(second, iterations=-(-gap // COARSE) + 1)).any()


def _shared_sides(one: Place, other: Place) -> tuple[int, int]:
    """Width and height of what two boxes share, negative by as much as they are apart."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    return across, down


def coarse_mask(mask: Image.Image, place: Place, side: int) -> NDArray[np.bool_]:
    """Where a placed object is, on a map of `side` cells a side, each `COARSE` pixels of the canvas."""
    taken = np.zeros((side, side), dtype=bool)
    left, top = place.left // COARSE, place.top // COARSE
    right, bottom = -(-(place.left + place.width) // COARSE), -(-(place.top + place.height) // COARSE)
    small = mask.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BOX)
    taken[top : top + small.height, left : left + small.width] = (np.asarray(small) > 0)[: side - top, : side - left]
    return taken


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
