"""What lies between the viewer and the things: a tint of the light, rain, snow or fog."""

import random
from functools import lru_cache

from PIL import Image, ImageDraw

from samcli.synth.world.canvas import OVERSAMPLING, gradient
from samcli.synth.world.pen import RGB, Point

_TINTS: dict[str, tuple[float, float, float]] = {"evening": (1.0, 0.975, 0.93), "night": (0.86, 0.87, 0.95)}
_FOG: dict[str, RGB] = {"day": (255, 255, 255), "evening": (255, 240, 228), "night": (206, 212, 230)}


@lru_cache(maxsize=4)
def _tint_table(light: str) -> list[int]:
    return [round(value * factor) for factor in _TINTS[light] for value in range(256)]


@lru_cache(maxsize=16)
def _fog_mask(size: int) -> Image.Image:
    """How much fog lies before each row: most at the skyline, at most 22 %."""
    stops = tuple((level, level, level) for level in (26, 44, 55, 36, 20, 12))
    return gradient(stops, size, size).getchannel("R")


def _scattered(rng: random.Random, per_row: int, side: int) -> list[Point]:
    """`per_row` squared points, one at random in each cell of a grid over the sheet, so that none crowd."""
    cell = side / per_row
    rows = range(per_row)
    return [((column + rng.random()) * cell, (row + rng.random()) * cell) for row in rows for column in rows]


def _rain_mask(size: int, rng: random.Random) -> Image.Image:
    side = size * OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    for x, y in _scattered(rng, 9, side):
        half = rng.uniform(0.028, 0.05) * side
        pen.line((x + 0.28 * half, y - half, x - 0.28 * half, y + half), rng.randint(140, 200), max(2, side // 110))
    return mask.reduce(OVERSAMPLING)


def _snow_mask(size: int, rng: random.Random) -> Image.Image:
    """Flakes, fewer of them below, where they would pass for the dots of things."""
    side = size * OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    for x, row in _scattered(rng, 9, side):
        y, radius = side * (row / side) ** 1.5, rng.uniform(0.005, 0.0125) * side
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), rng.randint(190, 245))
    return mask.reduce(OVERSAMPLING)


def veil(picture: Image.Image, light: str, weather: str, seed: int) -> Image.Image:
    """The picture behind what lies before its things: a slight tint of the light, rain, snow or fog."""
    shown = picture.point(_tint_table(light)) if light in _TINTS else picture.copy()
    if weather == "rain":
        shown.paste((226, 234, 244), (0, 0), _rain_mask(shown.width, random.Random(seed)))
    elif weather == "snow":
        shown.paste((255, 255, 255), (0, 0), _snow_mask(shown.width, random.Random(seed)))
    elif weather == "fog":
        shown.paste(_FOG[light], (0, 0), _fog_mask(shown.width))
    return shown
