"""The sheet on which a scene is painted: the tones of its light and weather, and the strokes.

Coordinates are shares of the picture's side; y grows downwards.
"""

import math
import random
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from samcli.synth.world.pen import RGB, Box, Point, lighter, mix

OVERSAMPLING = 2
_SNOW: RGB = (246, 249, 253)
_SKIES: dict[tuple[str, str], tuple[RGB, ...]] = {
    ("day", "clear"): ((132, 192, 236), (184, 220, 244), (230, 243, 248)),
    ("day", "rain"): ((126, 136, 150), (154, 164, 176), (186, 194, 202)),
    ("day", "snow"): ((182, 196, 214), (206, 216, 229), (226, 232, 240)),
    ("day", "fog"): ((214, 222, 226), (226, 232, 233), (238, 240, 239)),
    ("evening", "clear"): ((188, 132, 176), (248, 162, 144), (255, 208, 142)),
    ("evening", "rain"): ((140, 116, 140), (186, 140, 142), (220, 172, 144)),
    ("evening", "snow"): ((186, 158, 186), (228, 180, 180), (250, 212, 184)),
    ("evening", "fog"): ((222, 184, 186), (242, 204, 188), (252, 222, 196)),
    ("night", "clear"): ((22, 32, 84), (38, 54, 116), (74, 94, 156)),
    ("night", "rain"): ((38, 44, 70), (54, 62, 92), (78, 88, 118)),
    ("night", "snow"): ((50, 62, 108), (76, 90, 138), (112, 126, 168)),
    ("night", "fog"): ((76, 86, 122), (104, 114, 146), (134, 142, 168)),
}
_FAR_LIGHT: dict[str, tuple[RGB, float]] = {
    "day": ((226, 238, 246), 0.12),
    "evening": ((238, 136, 110), 0.30),
    "night": ((40, 50, 108), 0.56),
}
_NEAR_LIGHT: dict[str, tuple[RGB, float]] = {
    "day": ((255, 255, 255), 0.0),
    "evening": ((248, 172, 130), 0.17),
    "night": ((108, 122, 182), 0.44),
}
_FAR_VEIL = {"clear": 0.0, "rain": 0.24, "snow": 0.10, "fog": 0.58}
_NEAR_VEIL = {"clear": 0.0, "rain": 0.16, "snow": 0.0, "fog": 0.16}


@lru_cache(maxsize=8192)
def toned(colour: RGB, light: str, weather: str, near: bool, snow: float) -> RGB:
    """The colour as this light and weather show it; `snow` is the share of it that snow covers."""
    if weather == "snow":
        colour = mix(colour, _SNOW, snow)
    cast, share = (_NEAR_LIGHT if near else _FAR_LIGHT)[light]
    if near and weather == "snow":
        share *= 0.6
    haze = (_NEAR_VEIL if near else _FAR_VEIL)[weather]
    return mix(mix(colour, cast, share), _SKIES[light, weather][1], haze)


@lru_cache(maxsize=128)
def gradient(stops: tuple[RGB, ...], width: int, height: int) -> Image.Image:
    """A picture whose colour runs from the first stop at the top to the last at the bottom."""
    column = Image.new("RGB", (1, len(stops)))
    for row, stop in enumerate(stops):
        column.putpixel((0, row), stop)
    smooth = column.resize((1, height), Image.Resampling.BILINEAR)
    return smooth.resize((width, height), Image.Resampling.NEAREST)


class Canvas:
    """A sheet with the sky on it, a random layout (`rng`, `horizon`) and the tones of its light and weather."""

    def __init__(self, scene: str, light: str, weather: str, size: int, seed: int, *, indoor: bool) -> None:
        self.light, self.weather = light, weather
        self.indoor = indoor
        self.side = size * OVERSAMPLING
        self.rng = random.Random(f"{scene} {seed}")
        self.sky_rng = random.Random(f"sky over {scene} {seed}")
        self.star_rng = random.Random(f"stars over {scene} {seed}")
        self.horizon = self.rng.uniform(0.46, 0.58)
        self.sky = _SKIES[light, weather]
        self.image = gradient(self.sky, self.side, round(0.62 * self.side)).crop((0, 0, self.side, self.side))
        self._pen = ImageDraw.Draw(self.image)

    def far(self, colour: RGB, snow: float = 0.3) -> RGB:
        """The colour of something in the background."""
        return toned(colour, self.light, "clear" if self.indoor else self.weather, self.indoor, snow)

    def near(self, colour: RGB, snow: float = 0.74) -> RGB:
        """The colour of the ground on which things stand."""
        return toned(colour, self.light, "clear" if self.indoor else self.weather, True, snow)

    def glow(self, colour: RGB) -> RGB:
        """The colour of a pane of glass: lit from inside when it is dark."""
        lit: RGB = (255, 226, 150)
        return self.far(colour) if self.light == "day" else mix(self.far(lit), lit, 0.72)

    def box(self, box: Box, colour: RGB, radius: float = 0.0) -> None:
        """A filled rectangle, its corners rounded by `radius`."""
        left, top, right, bottom = (value * self.side for value in box)
        if radius:
            self._pen.rounded_rectangle((left, top, right - 1, bottom - 1), radius * self.side, fill=colour)
        else:
            self._pen.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=colour)

    def oval(self, centre: Point, across: float, down: float, colour: RGB) -> None:
        """An ellipse with the half axes `across` and `down`."""
        x, y, side = centre[0], centre[1], self.side
        self._pen.ellipse(((x - across) * side, (y - down) * side, (x + across) * side, (y + down) * side), fill=colour)

    def shape(self, points: Sequence[Point], colour: RGB) -> None:
        """A filled polygon."""
        self._pen.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        """A stroke through the points, at least one pixel wide."""
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._pen.line(scaled, fill=colour, width=max(1, round(width * self.side)))

    def shaded(self, box: Box, stops: tuple[RGB, ...]) -> None:
        """A rectangle whose colour runs from the first stop at the top to the last at the bottom."""
        left, top, right, bottom = (round(value * self.side) for value in box)
        self.image.paste(gradient(stops, right - left, bottom - top), (left, top))

    def ground(self, top: float, colour: RGB) -> None:
        """The calm ground from `top` to the lower edge, a little lighter far away."""
        shade = self.near(colour)
        self.shaded((0, top, 1, 1), (lighter(shade, 0.22), shade, shade))

    def ridge(self, base: float, height: float, colour: RGB, bottom: float, waves: float = 2.0) -> None:
        """A rolling skyline around y = `base` - `height`, filled down to `bottom`."""
        first, second = self.rng.uniform(0, 6.3), self.rng.uniform(0, 6.3)
        points = []
        for step in range(25):
            x = step / 24
            swing = 0.65 * math.sin(waves * 3.1 * x + first) + 0.35 * math.sin(waves * 7.3 * x + second)
            points.append((x, base - height * (1 + 0.6 * swing)))
        self.shape([*points, (1, bottom), (0, bottom)], colour)
