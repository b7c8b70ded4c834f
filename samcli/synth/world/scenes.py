"""Where the things stand: twelve pale scenes, each in three lights and four weathers.

The same seed gives the same layout in every light and weather. Colours are pastel, so that things painted with the
strong palette of the pen stand out. Coordinates are shares of the picture's side; y grows downwards.
"""

import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw

from samcli.synth.world.pen import RGB, Box, Point, darker, lighter, mix

SCENES: tuple[str, ...] = (
    "street",
    "park",
    "beach",
    "forest",
    "kitchen",
    "library",
    "station",
    "desert",
    "mountain",
    "harbour",
    "farm",
    "bedroom",
)
INDOOR = frozenset({"kitchen", "library", "bedroom"})
LIGHTS = ("day", "evening", "night")
WEATHERS = ("clear", "rain", "snow", "fog")

_OVERSAMPLING = 2
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
def _toned(colour: RGB, light: str, weather: str, near: bool, snow: float) -> RGB:
    """The colour as this light and weather show it; `snow` is the share of it that snow covers."""
    if weather == "snow":
        colour = mix(colour, _SNOW, snow)
    cast, share = (_NEAR_LIGHT if near else _FAR_LIGHT)[light]
    if near and weather == "snow":
        share *= 0.6
    haze = (_NEAR_VEIL if near else _FAR_VEIL)[weather]
    return mix(mix(colour, cast, share), _SKIES[light, weather][1], haze)


@lru_cache(maxsize=512)
def _gradient(stops: tuple[RGB, ...], width: int, height: int) -> Image.Image:
    column = Image.new("RGB", (1, len(stops)))
    for row, stop in enumerate(stops):
        column.putpixel((0, row), stop)
    smooth = column.resize((1, height), Image.Resampling.BILINEAR)
    return smooth.resize((width, height), Image.Resampling.NEAREST)


class _Canvas:
    """A sheet with the sky on it, a random layout (`rng`, `horizon`) and the tones of its light and weather."""

    def __init__(self, scene: str, light: str, weather: str, size: int, seed: int) -> None:
        self.light, self.weather = light, weather
        self.indoor = scene in INDOOR
        self.side = size * _OVERSAMPLING
        self.rng = random.Random(f"{scene} {seed}")
        self.sky_rng = random.Random(f"sky over {scene} {seed}")
        self.star_rng = random.Random(f"stars over {scene} {seed}")
        self.horizon = self.rng.uniform(0.46, 0.58)
        self.sky = _SKIES[light, weather]
        self.image = _gradient(self.sky, self.side, round(0.62 * self.side)).crop((0, 0, self.side, self.side))
        self._pen = ImageDraw.Draw(self.image)

    def far(self, colour: RGB, snow: float = 0.3) -> RGB:
        """The colour of something in the background."""
        return _toned(colour, self.light, "clear" if self.indoor else self.weather, self.indoor, snow)

    def near(self, colour: RGB, snow: float = 0.74) -> RGB:
        """The colour of the ground on which things stand."""
        return _toned(colour, self.light, "clear" if self.indoor else self.weather, True, snow)

    def glow(self, colour: RGB) -> RGB:
        """The colour of a pane of glass: lit from inside when it is dark."""
        lit: RGB = (255, 226, 150)
        return self.far(colour) if self.light == "day" else mix(self.far(lit), lit, 0.72)

    def box(self, box: Box, colour: RGB, radius: float = 0.0) -> None:
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
        self._pen.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def line(self, points: Sequence[Point], colour: RGB, width: float) -> None:
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._pen.line(scaled, fill=colour, width=max(1, round(width * self.side)))

    def shaded(self, box: Box, stops: tuple[RGB, ...]) -> None:
        """A rectangle whose colour runs from the first stop at the top to the last at the bottom."""
        left, top, right, bottom = (round(value * self.side) for value in box)
        self.image.paste(_gradient(stops, right - left, bottom - top), (left, top))

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


def _stars(canvas: _Canvas, box: Box, count: int) -> None:
    left, top, right, bottom = box
    for number in range(count):
        x, y = canvas.star_rng.uniform(left, right), canvas.star_rng.uniform(top, bottom)
        radius = 0.004 + 0.0035 * (number % 3 == 0)
        canvas.oval((x, y), radius, radius, (246, 242, 214))


def _cloud(canvas: _Canvas, centre: Point, width: float, colour: RGB) -> None:
    x, y = centre
    for shift, rise, radius in ((-0.30, 0.0, 0.20), (-0.06, 0.10, 0.27), (0.22, 0.02, 0.23)):
        canvas.oval((x + shift * width, y - rise * width), radius * width, radius * width * 0.8, colour)
    canvas.box((x - 0.5 * width, y - 0.02 * width, x + 0.5 * width, y + 0.17 * width), colour, 0.09 * width)


def _cloud_colour(canvas: _Canvas) -> RGB:
    if canvas.weather == "rain":
        return darker(canvas.sky[0], 0.14)
    if canvas.light == "night":
        return mix(canvas.sky[1], canvas.sky[2], 0.6)
    return mix(canvas.sky[2], (255, 255, 255), 0.6)


def _clouds(canvas: _Canvas, slots: Sequence[float]) -> None:
    """One cloud around the x of every slot; rain clouds are twice as wide."""
    rng, colour = canvas.sky_rng, _cloud_colour(canvas)
    breadth = 2.0 if canvas.weather == "rain" else 1.0
    for slot in slots:
        centre = (slot + rng.uniform(-0.1, 0.1), rng.uniform(0.06, 0.2))
        _cloud(canvas, centre, breadth * rng.uniform(0.17, 0.26), colour)


def _luminary(canvas: _Canvas, centre: Point, radius: float) -> None:
    """Sun or moon with a halo."""
    colour: RGB = {"day": (255, 246, 204), "evening": (255, 236, 176), "night": (250, 244, 214)}[canvas.light]
    halo = mix(canvas.sky[1], colour, 0.28 if canvas.light == "night" else 0.42)
    canvas.oval(centre, radius * 1.5, radius * 1.5, halo)
    canvas.oval(centre, radius, radius, colour)


def _heavens(canvas: _Canvas) -> None:
    left, shift, pair = canvas.sky_rng.random() < 0.5, canvas.sky_rng.uniform(-0.1, 0.1), canvas.sky_rng.random() < 0.6
    x = (0.2 if left else 0.8) + shift
    if canvas.weather == "clear":
        if canvas.light == "night":
            _stars(canvas, (0.02, 0.02, 0.98, 0.42), 34)
        low = canvas.light == "evening"
        _luminary(canvas, (x, canvas.horizon - 0.2 if low else 0.14), 0.085 if low else 0.066)
    if canvas.weather == "rain":
        _clouds(canvas, (0.1, 0.36, 0.64, 0.9))
    elif canvas.weather != "fog":
        _clouds(canvas, (0.52, 0.84 if left else 0.16) if pair else (0.66 if left else 0.34,))


def _fir(canvas: _Canvas, x: float, foot: float, height: float, colour: RGB) -> None:
    half = 0.22 * height
    canvas.box((x - 0.03 * height, foot - 0.2 * height, x + 0.03 * height, foot), canvas.far((140, 116, 98)))
    for low, high, width in ((0.12, 0.58, 1.0), (0.36, 0.8, 0.78), (0.6, 1.0, 0.54)):
        reach, y = half * width, foot - low * height
        canvas.shape(((x - reach, y), (x, foot - high * height), (x + reach, y)), colour)


def _round_tree(canvas: _Canvas, x: float, foot: float, height: float, colour: RGB) -> None:
    radius = 0.33 * height
    canvas.box((x - 0.05 * height, foot - 0.5 * height, x + 0.05 * height, foot), canvas.far((164, 136, 112)))
    canvas.oval((x - 0.2 * height, foot - 0.5 * height), 0.7 * radius, 0.62 * radius, colour)
    canvas.oval((x + 0.2 * height, foot - 0.52 * height), 0.7 * radius, 0.62 * radius, colour)
    canvas.oval((x, foot - 0.68 * height), radius, radius, colour)
    canvas.oval((x - 0.08 * height, foot - 0.76 * height), 0.5 * radius, 0.44 * radius, lighter(colour, 0.14))


_WALLS: tuple[RGB, ...] = ((232, 200, 180), (214, 218, 196), (198, 212, 222), (236, 220, 182), (220, 202, 214))
_ROOFS: tuple[RGB, ...] = ((190, 142, 126), (156, 150, 160), (178, 152, 128))


def _panes(canvas: _Canvas, box: Box, columns: int, rows: int, colour: RGB) -> None:
    """A grid of small windows that fills `box`."""
    left, top, right, bottom = box
    across, down = (right - left) / columns, (bottom - top) / rows
    for column in range(columns):
        for row in range(rows):
            x, y = left + (column + 0.22) * across, top + (row + 0.2) * down
            canvas.box((x, y, x + 0.56 * across, y + 0.6 * down), colour)


def _house(canvas: _Canvas, box: Box, wall: RGB, roof: RGB, gable: bool) -> None:
    left, top, right, bottom = box
    middle, rise = (left + right) / 2, 0.3 * (right - left)
    canvas.box(box, canvas.far(wall, 0.12))
    colour = canvas.far(roof, 0.85)
    if gable:
        canvas.shape(((left - 0.01, top), (middle, top - rise), (right + 0.01, top)), colour)
    else:
        canvas.box((left - 0.01, top - 0.025, right + 0.01, top + 0.012), colour)
    rows = max(2, round((bottom - top) / 0.13))
    _panes(canvas, (left + 0.015, top + 0.02, right - 0.015, bottom - 0.02), 2, rows, canvas.glow((170, 190, 204)))


def _street(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    left = -rng.uniform(0.02, 0.14)
    number = rng.randrange(5)
    while left < 1:
        right = left + rng.uniform(0.19, 0.29)
        top = rng.uniform(0.14, ground - 0.2)
        _house(canvas, (left, top, right, ground), _WALLS[number % 5], _ROOFS[number % 3], rng.random() < 0.6)
        left, number = right + rng.choice((0.0, 0.0, 0.035)), number + 1
    canvas.ground(ground, (214, 208, 202))
    canvas.box((0, ground + 0.035, 1, ground + 0.155), canvas.near((166, 166, 174), 0.5))
    for step in range(7):
        x = step / 6 - rng.uniform(0.04, 0.06)
        canvas.box((x, ground + 0.088, x + 0.08, ground + 0.1), canvas.near((232, 230, 222), 0.5))
    canvas.box((0, ground + 0.155, 1, ground + 0.178), canvas.near((230, 226, 220)))
    _slabs(canvas, ground + 0.178, canvas.near((198, 192, 188), 0.66), 7)


def _slabs(canvas: _Canvas, top: float, joint: RGB, columns: int) -> None:
    """Joints of a paved floor that runs away from the viewer."""
    for column in range(-columns, 2 * columns + 1):
        x = column / columns
        canvas.line(((0.5 + (x - 0.5) * 0.62, top), (0.5 + (x - 0.5) * 1.2, 1)), joint, 0.004)
    for share in (0.2, 0.46, 0.78):
        y = top + (1 - top) * share
        canvas.line(((0, y), (1, y)), joint, 0.004)


def _patches(canvas: _Canvas, top: float, colour: RGB, count: int = 6) -> None:
    """Flat pale ovals that give a ground some life."""
    for _ in range(count):
        y = canvas.rng.uniform(top, 0.98)
        size = 0.04 + 0.1 * (y - top)
        canvas.oval((canvas.rng.random(), y), size * 1.8, size * 0.32, colour)


def _path(canvas: _Canvas, top: float, colour: RGB) -> None:
    """A winding path from the skyline to the lower edge."""
    rng = canvas.rng
    start, end, swing = rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.85), rng.choice((-0.16, 0.16))
    left, right = [], []
    for step in range(13):
        share = step / 12
        x = start + (end - start) * share + swing * math.sin(5.5 * share) * (0.35 + share)
        half = 0.018 + 0.13 * share**1.4
        y = top + (1 - top) * share
        left.append((x - half, y))
        right.append((x + half, y))
    canvas.shape(left + right[::-1], colour)


def _park(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    canvas.ridge(ground, 0.1, canvas.far((170, 204, 172)), ground + 0.02)
    for step in range(7):
        centre = (step / 6 + rng.uniform(-0.05, 0.05), ground)
        canvas.oval(centre, 0.11, rng.uniform(0.05, 0.09), canvas.far((146, 192, 142)))
    canvas.ground(ground, (184, 218, 152))
    _path(canvas, ground, canvas.near((234, 220, 186)))
    pond = rng.choice((0.16, 0.84))
    canvas.oval((pond, ground + 0.1), 0.2, 0.042, canvas.near((204, 224, 170)))
    canvas.oval((pond, ground + 0.1), 0.18, 0.034, canvas.near((160, 206, 222), 0.4))
    for slot in rng.sample((0.08, 0.26, 0.44, 0.62, 0.78, 0.94), rng.randint(3, 4)):
        green = canvas.far(rng.choice(((136, 190, 124), (156, 200, 128), (122, 180, 132))), 0.5)
        _round_tree(canvas, slot + rng.uniform(-0.04, 0.04), ground + 0.05, rng.uniform(0.3, 0.46), green)


def _palm(canvas: _Canvas, x: float, foot: float, height: float, lean: float) -> None:
    head = (x + lean, foot - height)
    middle = (x + 0.25 * lean, foot - 0.5 * height)
    canvas.line(((x, foot), middle, head), canvas.far((186, 154, 122)), 0.028)
    green = canvas.far((128, 182, 134), 0.45)
    for across, down in ((-0.21, 0.07), (0.21, 0.07), (-0.16, -0.08), (0.16, -0.08), (-0.1, 0.16), (0.1, 0.16)):
        tip = (head[0] + across, head[1] + down)
        side = (head[0] + across * 0.45, head[1] + down * 0.3 - 0.06)
        canvas.shape((head, side, tip, (head[0] + across * 0.5, head[1] + down * 0.5)), green)


def _waves(canvas: _Canvas, top: float, bottom: float, colour: RGB, count: int) -> None:
    for _ in range(count):
        x, y = canvas.rng.random(), canvas.rng.uniform(top, bottom)
        half = 0.02 + 0.3 * (y - top)
        canvas.box((x - half, y, x + half, y + 0.008), colour)


def _sea(canvas: _Canvas, top: float, bottom: float, colour: RGB) -> None:
    shade = canvas.far(colour, 0.1)
    canvas.shaded((0, top, 1, bottom), (lighter(shade, 0.2), shade))
    _waves(canvas, top + 0.02, bottom - 0.02, lighter(shade, 0.35), 12)


def _beach(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    sea = ground - 0.17
    island = rng.uniform(0.2, 0.8)
    canvas.oval((island, sea + 0.01), rng.uniform(0.12, 0.2), rng.uniform(0.035, 0.06), canvas.far((158, 190, 178)))
    _sea(canvas, sea, ground + 0.06, (120, 198, 214))
    canvas.ridge(ground + 0.03, 0.025, canvas.far((244, 250, 250), 0.1), 1, 1.4)
    state = rng.getstate()
    canvas.ridge(ground + 0.07, 0.025, canvas.near((226, 206, 164)), 1, 1.4)
    rng.setstate(state)
    canvas.ridge(ground + 0.1, 0.025, canvas.near((246, 228, 184)), 1, 1.4)
    _patches(canvas, ground + 0.16, canvas.near((240, 218, 170)))
    left = rng.random() < 0.5
    x, lean = (rng.uniform(0.04, 0.12), 0.1) if left else (rng.uniform(0.88, 0.96), -0.1)
    _palm(canvas, x, ground + 0.12, rng.uniform(0.42, 0.5), lean)


def _forest(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    pale, middle, deep = canvas.far((158, 196, 176)), canvas.far((118, 166, 142), 0.42), canvas.far((88, 138, 116), 0.5)
    for step in range(11):
        _fir(canvas, step / 10 + rng.uniform(-0.03, 0.03), ground + 0.01, rng.uniform(0.24, 0.4), pale)
    for step in range(8):
        _fir(canvas, step / 7 + rng.uniform(-0.05, 0.05), ground + 0.03, rng.uniform(0.22, 0.42), middle)
    canvas.ground(ground, (168, 184, 138))
    _patches(canvas, ground + 0.08, canvas.near((182, 196, 150)), 7)
    for x in (rng.uniform(-0.02, 0.1), rng.uniform(0.9, 1.02), rng.choice((0.24, 0.76)) + rng.uniform(-0.05, 0.05)):
        _fir(canvas, x, ground + rng.uniform(0.05, 0.1), rng.uniform(0.58, 0.7), deep)


def _saguaro(canvas: _Canvas, x: float, foot: float, height: float, mirror: int) -> None:
    green = canvas.far((150, 184, 146), 0.4)
    half = 0.075 * height
    canvas.box((x - half, foot - height, x + half, foot), green, half)
    for side, low, high in ((mirror, 0.38, 0.78), (-mirror, 0.54, 0.88)):
        arm = x + side * 0.27 * height
        canvas.box((min(x, arm), foot - (low + 0.11) * height, max(x, arm), foot - low * height), green)
        canvas.box((arm - 0.8 * half, foot - high * height, arm + 0.8 * half, foot - low * height), green, 0.8 * half)


def _mesa(canvas: _Canvas, x: float, foot: float, width: float, height: float) -> None:
    top = foot - height
    red = canvas.far((220, 164, 134), 0.35)
    canvas.shape(((x - width, foot), (x - 0.6 * width, top), (x + 0.6 * width, top), (x + width, foot)), red)
    band = ((x - 0.68 * width, top + 0.2 * height), (x - 0.6 * width, top), (x + 0.6 * width, top))
    canvas.shape((*band, (x + 0.68 * width, top + 0.2 * height)), lighter(red, 0.25))


def _desert(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    for base in rng.sample((0.12, 0.45, 0.8), 2):
        x = base + rng.uniform(-0.08, 0.08)
        _mesa(canvas, x, ground + 0.02, rng.uniform(0.13, 0.22), rng.uniform(0.14, 0.25))
    canvas.ridge(ground + 0.02, 0.06, canvas.far((240, 204, 152), 0.5), 1, 1.1)
    canvas.ground(ground + 0.06, (241, 212, 162))
    canvas.ridge(ground + 0.07, 0.03, lighter(canvas.near((241, 212, 162)), 0.22), ground + 0.08, 0.8)
    for share in (0.28, 0.55, 0.82):
        y = ground + 0.07 + (0.93 - ground) * share
        _dune_line(canvas, y, canvas.near((230, 196, 144)))
    for slot in rng.sample((0.08, 0.3, 0.52, 0.74, 0.93), rng.randint(2, 3)):
        foot = ground + rng.uniform(0.04, 0.09)
        _saguaro(canvas, slot + rng.uniform(-0.03, 0.03), foot, rng.uniform(0.2, 0.32), rng.choice((-1, 1)))


def _dune_line(canvas: _Canvas, y: float, colour: RGB) -> None:
    start, end = sorted((canvas.rng.uniform(-0.2, 0.5), canvas.rng.uniform(0.6, 1.2)))
    points = []
    for step in range(9):
        share = step / 8
        points.append((start + (end - start) * share, y - 0.025 * math.sin(3.14 * share)))
    canvas.line(points, colour, 0.009)


def _peak(canvas: _Canvas, x: float, top: float, half: float, foot: float, rock: RGB) -> None:
    share = 0.36
    drop, reach = (foot - top) * share, half * share
    canvas.shape(((x - half, foot), (x, top), (x + half, foot)), rock)
    canvas.shape(((x, top), (x + half, foot), (x + 0.16 * half, foot)), darker(rock, 0.1))
    snow = lighter(canvas.far((250, 251, 252)), 0.34)
    teeth = ((x + 0.4 * reach, top + 0.72 * drop), (x, top + 1.1 * drop), (x - 0.45 * reach, top + 0.74 * drop))
    canvas.shape(((x - reach, top + drop), (x, top), (x + reach, top + drop), *teeth), snow)


def _mountain(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    for x in (0.02, 0.34, 0.7, 1.0):
        top, half = rng.uniform(0.2, 0.28), rng.uniform(0.26, 0.32)
        _peak(canvas, x + rng.uniform(-0.08, 0.08), top, half, ground + 0.02, canvas.far((184, 196, 216)))
    for x in rng.sample((0.16, 0.5, 0.84), 2):
        top, half = rng.uniform(0.08, 0.17), rng.uniform(0.28, 0.36)
        _peak(canvas, x + rng.uniform(-0.06, 0.06), top, half, ground + 0.02, canvas.far((152, 164, 190)))
    canvas.ridge(ground + 0.02, 0.035, canvas.far((156, 186, 166), 0.5), ground + 0.06, 1.2)
    for _ in range(6):
        _fir(canvas, rng.random(), ground + 0.03, rng.uniform(0.07, 0.12), canvas.far((126, 162, 146), 0.5))
    canvas.ground(ground + 0.03, (190, 206, 178))
    _patches(canvas, ground + 0.1, canvas.near((204, 217, 192)))
    for _ in range(5):
        centre = (rng.random(), rng.uniform(ground + 0.07, 0.96))
        canvas.oval(centre, 0.03, 0.016, canvas.near((190, 192, 196), 0.5))


def _lighthouse(canvas: _Canvas, x: float, foot: float, height: float) -> None:
    white, red = canvas.far((244, 240, 234)), canvas.far((226, 156, 146))
    half = 0.13 * height
    for band in range(5):
        low, high = half * (1 - 0.1 * band), half * (0.9 - 0.1 * band)
        y, top = foot - height * 0.15 * band, foot - height * 0.15 * (band + 1)
        canvas.shape(((x - low, y), (x - high, top), (x + high, top), (x + low, y)), white if band % 2 else red)
    lamp, top = canvas.glow((250, 232, 170)), foot - 0.87 * height
    canvas.box((x - 0.5 * half, top - 0.01 * height, x + 0.5 * half, foot - 0.75 * height), lamp)
    canvas.shape(((x - 0.7 * half, top), (x, foot - height), (x + 0.7 * half, top)), red)


def _sails(canvas: _Canvas, foot: float) -> None:
    """Sails so far away that their hulls are below the skyline."""
    colour = canvas.far((246, 246, 244))
    for _ in range(canvas.rng.randint(2, 3)):
        x, height = canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.05, 0.09)
        canvas.shape(((x, foot), (x, foot - height), (x + 0.6 * height, foot)), colour)
        canvas.shape(((x - 0.008, foot), (x - 0.008, foot - 0.8 * height), (x - 0.4 * height, foot)), colour)


def _crane(canvas: _Canvas, x: float, foot: float, height: float, side: int) -> None:
    colour = canvas.far((176, 170, 176))
    top = foot - height
    canvas.line(((x - 0.03, foot), (x, top), (x + 0.03, foot)), colour, 0.012)
    canvas.line(((x - side * 0.09, top - 0.01), (x, top), (x + side * 0.2, top - 0.05)), colour, 0.014)
    canvas.line(((x + side * 0.19, top - 0.05), (x + side * 0.19, top + 0.08)), colour, 0.006)


def _harbour(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    sea, side = ground - 0.16, rng.choice((-1, 1))
    _sails(canvas, sea + 0.005)
    edge = 0.0 if side < 0 else 1.0
    canvas.oval((1 - edge, sea + 0.02), 0.24, 0.06, canvas.far((170, 186, 176), 0.6))
    _lighthouse(canvas, abs(1 - edge - rng.uniform(0.07, 0.16)), sea, rng.uniform(0.26, 0.32))
    _crane(canvas, edge - side * rng.uniform(0.34, 0.4), sea, rng.uniform(0.18, 0.24), -side)
    for number in range(3):
        x, top = edge - side * (0.05 + 0.11 * number), sea - rng.uniform(0.06, 0.12)
        _house(canvas, (x - 0.055, top, x + 0.055, sea + 0.01), _WALLS[(number * 2 + 1) % 5], _ROOFS[number], True)
    _sea(canvas, sea, ground + 0.01, (126, 172, 204))
    canvas.ground(ground, (212, 194, 170))
    canvas.box((0, ground, 1, ground + 0.022), canvas.near((176, 154, 132), 0.4))
    _planks(canvas, ground + 0.022, canvas.near((192, 172, 146), 0.6))
    _bollards(canvas, ground + 0.03)


def _planks(canvas: _Canvas, top: float, joint: RGB) -> None:
    """Joints of boards that lie across the picture, with a few staggered ends."""
    rows = (0.0, 0.09, 0.2, 0.34, 0.51, 0.72, 1.0)
    for above, below in pairwise(rows):
        y, bottom = top + (1 - top) * above, top + (1 - top) * below
        canvas.line(((0, bottom), (1, bottom)), joint, 0.005)
        for x in (canvas.rng.uniform(0.05, 0.45), canvas.rng.uniform(0.55, 0.95)):
            canvas.line(((x, y), (0.5 + (x - 0.5) * 1.06, bottom)), joint, 0.005)


def _bollards(canvas: _Canvas, foot: float) -> None:
    colour = canvas.near((150, 144, 150), 0.35)
    shift = canvas.rng.uniform(0.05, 0.2)
    for step in range(4):
        x = shift + 0.27 * step
        canvas.box((x - 0.014, foot - 0.07, x + 0.014, foot), colour)
        canvas.oval((x, foot - 0.07), 0.024, 0.014, lighter(colour, 0.2))


def _barn(canvas: _Canvas, x: float, foot: float, size: float, side: int) -> None:
    red, white = canvas.far((220, 152, 140), 0.2), canvas.far((246, 238, 230))
    half, silo = 0.5 * size, x + side * 0.72 * size
    canvas.box((silo - 0.14 * size, foot - 0.95 * size, silo + 0.14 * size, foot), canvas.far((206, 206, 204)))
    canvas.oval((silo, foot - 0.95 * size), 0.14 * size, 0.13 * size, canvas.far((178, 180, 184), 0.8))
    canvas.box((x - half, foot - 0.52 * size, x + half, foot), red)
    roof = ((-0.56, 0.5), (-0.36, 0.84), (0.0, 1.0), (0.36, 0.84), (0.56, 0.5))
    canvas.shape([(x + across * size, foot - up * size) for across, up in roof], canvas.far((168, 140, 132), 0.85))
    canvas.shape([(x + across * size * 0.8, foot - 0.08 * size - up * size * 0.8) for across, up in roof], red)
    door = (x - 0.2 * size, foot - 0.36 * size, x + 0.2 * size, foot)
    canvas.box(door, white)
    canvas.line((door[:2], door[2:]), red, 0.01)
    canvas.line(((door[0], door[3]), (door[2], door[1])), red, 0.01)
    canvas.box((x - 0.08 * size, foot - 0.68 * size, x + 0.08 * size, foot - 0.54 * size), canvas.glow((246, 238, 230)))


def _fence(canvas: _Canvas, foot: float) -> None:
    colour = canvas.far((238, 228, 212))
    for step in range(13):
        x = step / 12
        canvas.box((x - 0.009, foot - 0.075, x + 0.009, foot), colour)
    for rise in (0.06, 0.032):
        canvas.box((0, foot - rise, 1, foot - rise + 0.012), colour)


def _farm(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    canvas.ridge(ground, 0.15, canvas.far((186, 208, 170)), ground, 1.3)
    canvas.ridge(ground, 0.08, canvas.far((228, 214, 150)), ground, 1.0)
    canvas.ridge(ground + 0.02, 0.035, canvas.far((178, 204, 150)), ground + 0.04, 1.6)
    side = rng.choice((-1, 1))
    barn = 0.5 - side * rng.uniform(0.16, 0.26)
    _barn(canvas, barn, ground + 0.02, rng.uniform(0.28, 0.34), side)
    tree, green = 0.5 + side * rng.uniform(0.3, 0.42), canvas.far((152, 192, 134), 0.5)
    _round_tree(canvas, tree, ground + 0.02, rng.uniform(0.22, 0.3), green)
    canvas.ground(ground + 0.02, (228, 218, 168))
    _furrows(canvas, ground + 0.03, canvas.near((216, 205, 152), 0.66))
    _fence(canvas, ground + 0.06)


def _furrows(canvas: _Canvas, top: float, colour: RGB) -> None:
    """Rows of a field that meet beyond the skyline."""
    centre = canvas.rng.uniform(0.3, 0.7)
    for row in range(-7, 8):
        left, right = (row - 0.22) * 0.075, (row + 0.22) * 0.075
        points = ((centre + left, top), (centre + right, top), (centre + 3.1 * right, 1), (centre + 3.1 * left, 1))
        canvas.shape(points, colour)


def _rails(canvas: _Canvas, top: float, bottom: float) -> None:
    canvas.box((0, top, 1, bottom), canvas.near((186, 178, 172), 0.5))
    for step in range(17):
        x = step / 16
        canvas.box((x - 0.013, top + 0.012, x + 0.013, bottom - 0.012), canvas.near((160, 142, 126), 0.4))
    for share in (0.22, 0.68):
        y = top + (bottom - top) * share
        canvas.box((0, y, 1, y + 0.014), canvas.near((134, 138, 150), 0.1))


def _canopy(canvas: _Canvas) -> None:
    """The platform roof: glass panes, a toothed edge and pillars with brackets."""
    rng, ground = canvas.rng, canvas.horizon
    steel, glass = canvas.far((134, 160, 164), 0.1), canvas.far((196, 216, 218), 0.5)
    edge = rng.uniform(0.09, 0.14)
    canvas.box((0, 0, 1, edge), glass)
    for step in range(11):
        canvas.line(((0.5 + (step - 5) * 0.13, 0), (0.5 + (step - 5) * 0.1, edge)), steel, 0.008)
    canvas.box((0, edge, 1, edge + 0.028), steel)
    for step in range(16):
        x = step / 16
        canvas.shape(((x, edge + 0.026), (x + 1 / 16, edge + 0.026), (x + 1 / 32, edge + 0.062)), steel)
    for x in (rng.uniform(0.06, 0.14), rng.uniform(0.44, 0.56), rng.uniform(0.86, 0.94)):
        canvas.box((x - 0.015, edge, x + 0.015, ground + 0.14), steel)
        canvas.box((x - 0.026, ground + 0.11, x + 0.026, ground + 0.145), steel)
        canvas.line(((x - 0.1, edge + 0.02), (x, edge + 0.13), (x + 0.1, edge + 0.02)), steel, 0.014)


def _station(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    for step in range(7):
        x, top = step / 6 + rng.uniform(-0.04, 0.04), ground - rng.uniform(0.1, 0.2)
        canvas.box((x - 0.09, top, x + 0.09, ground), canvas.far(((206, 206, 214), (218, 210, 206))[step % 2]))
    for height in (0.25, 0.29):
        canvas.box((0, height, 1, height + 0.006), canvas.far((120, 124, 136), 0.1))
    canvas.box((0, ground - 0.05, 1, ground), canvas.far((206, 176, 158), 0.2))
    canvas.box((0, ground - 0.06, 1, ground - 0.042), canvas.far((226, 220, 212), 0.85))
    _rails(canvas, ground, ground + 0.1)
    canvas.ground(ground + 0.1, (206, 208, 214))
    canvas.box((0, ground + 0.1, 1, ground + 0.122), canvas.near((232, 230, 228)))
    canvas.box((0, ground + 0.142, 1, ground + 0.172), canvas.near((246, 224, 140), 0.45))
    _slabs(canvas, ground + 0.2, canvas.near((192, 195, 203), 0.66), 5)
    _canopy(canvas)


def _window(canvas: _Canvas, box: Box, frame: RGB) -> None:
    """A window on the sky, with hills far away."""
    left, top, right, bottom = box
    canvas.box((left - 0.018, top - 0.018, right + 0.018, bottom + 0.018), frame)
    canvas.shaded(box, canvas.sky)
    if canvas.weather == "clear" and canvas.light == "night":
        _stars(canvas, (left + 0.02, top + 0.02, right - 0.02, bottom - 0.1), 12)
    across = left + (right - left) * canvas.sky_rng.choice((0.25, 0.75))
    radius = 0.15 * (right - left)
    if canvas.weather == "clear":
        _luminary(canvas, (across, top + 1.8 * radius), radius)
    hill = _toned((168, 202, 164), canvas.light, canvas.weather, False, 0.7)
    middle = (left + right) / 2
    skyline = ((left, bottom - 0.05), (middle, bottom - 0.085), (right, bottom - 0.04))
    canvas.shape((*skyline, (right, bottom), (left, bottom)), hill)
    canvas.box((middle - 0.007, top, middle + 0.007, bottom), frame)
    canvas.box((left, (top + bottom) / 2 - 0.007, right, (top + bottom) / 2 + 0.007), frame)


def _kitchen(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    counter = ground - 0.17
    canvas.box((0, 0, 1, ground), canvas.far((246, 236, 206)))
    _tiles(canvas, 0.1, counter)
    side = rng.choice((-1, 1))
    middle = 0.5 - side * rng.uniform(0.08, 0.14)
    _cupboards(canvas, middle, rng.uniform(0.17, 0.21))
    _window(canvas, (middle - 0.19, 0.05, middle + 0.19, counter - 0.05), canvas.far((252, 250, 244)))
    canvas.box((0, counter, 1, ground), canvas.far((178, 208, 200)))
    width = rng.uniform(0.15, 0.19)
    for step in range(7):
        x = middle + (step - 3.5) * width
        canvas.box((x + 0.01, counter + 0.05, x + width - 0.01, ground - 0.03), canvas.far((196, 222, 214)), 0.008)
        canvas.box((x + 0.05, counter + 0.065, x + width - 0.05, counter + 0.077), canvas.far((160, 186, 180)))
    canvas.box((0, counter, 1, counter + 0.035), canvas.far((222, 196, 164)))
    canvas.box((0, ground - 0.02, 1, ground), canvas.far((158, 186, 180)))
    _chequers(canvas, ground, canvas.near((240, 240, 234)), canvas.near((216, 227, 224)))


def _tiles(canvas: _Canvas, top: float, bottom: float) -> None:
    joint = canvas.far((226, 218, 190))
    for step in range(1, 12):
        canvas.line(((step / 12, top), (step / 12, bottom)), joint, 0.005)
    y = bottom
    while y > top:
        canvas.line(((0, y), (1, y)), joint, 0.005)
        y -= 1 / 14


def _cupboards(canvas: _Canvas, middle: float, width: float) -> None:
    """Pale wall units left and right of the window."""
    for side in (-1, 1):
        for number in range(4):
            x = middle + side * (0.24 + (number + 0.5) * width)
            canvas.box((x - 0.5 * width, 0, x + 0.5 * width, 0.2), canvas.far((178, 208, 200)))
            canvas.box((x - 0.5 * width + 0.01, 0, x + 0.5 * width - 0.01, 0.185), canvas.far((196, 222, 214)), 0.008)
            canvas.box((x - 0.025, 0.155, x + 0.025, 0.167), canvas.far((160, 186, 180)))


def _chequers(canvas: _Canvas, top: float, first: RGB, second: RGB) -> None:
    """A tiled floor that runs away from the viewer."""
    canvas.box((0, top, 1, 1), first)
    shift = canvas.rng.uniform(-0.05, 0.05)
    rows = (0.0, 0.12, 0.27, 0.46, 0.7, 1.0)
    for number, (above, below) in enumerate(pairwise(rows)):
        near, far = 0.13 * (1 + 0.9 * below), 0.13 * (1 + 0.9 * above)
        y, bottom = top + (1 - top) * above, top + (1 - top) * below
        for column in range(-5 + number % 2, 5, 2):
            corners = ((0, far, y), (1, far, y), (1, near, bottom), (0, near, bottom))
            canvas.shape([(0.5 + shift + (column + over) * step, line) for over, step, line in corners], second)


_SPINES: tuple[RGB, ...] = (
    (198, 150, 138),
    (160, 172, 164),
    (212, 190, 150),
    (158, 164, 184),
    (186, 160, 170),
    (176, 152, 128),
)


def _shelf(canvas: _Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """One row of pale spines on its board."""
    x = left
    while x < right - 0.012:
        width = min(canvas.rng.uniform(0.028, 0.052), right - x)
        height = (bottom - top) * canvas.rng.uniform(0.66, 0.92)
        canvas.box((x, bottom - height, x + width - 0.004, bottom), canvas.far(canvas.rng.choice(_SPINES)))
        x += width


def _library(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    wood, back = canvas.far((186, 148, 116)), canvas.far((150, 118, 96))
    canvas.box((0, 0, 1, ground), back)
    middle, half = rng.uniform(0.32, 0.68), 0.14
    rows = (0.0, 0.16, 0.32, 0.48) if ground < 0.53 else (0.0, 0.18, 0.36, 0.54)
    for top, bottom in pairwise(rows):
        _shelf(canvas, 0.0, middle - half - 0.06, top, bottom - 0.02)
        _shelf(canvas, middle + half + 0.06, 1.0, top, bottom - 0.02)
        canvas.box((0, bottom - 0.02, 1, bottom), wood)
    for x in (middle - half - 0.36, middle + half + 0.36):
        canvas.box((x - 0.014, 0, x + 0.014, ground), wood)
    canvas.box((middle - half - 0.07, 0, middle + half + 0.07, ground), canvas.far((232, 212, 184)))
    canvas.box((0, ground - 0.03, 1, ground), wood)
    frame = canvas.far((250, 242, 228))
    canvas.oval((middle, 0.17), half - 0.012, half - 0.012, frame)
    canvas.oval((middle, 0.17), half - 0.03, half - 0.03, canvas.sky[0])
    _window(canvas, (middle - half + 0.03, 0.17, middle + half - 0.03, ground - 0.1), frame)
    canvas.ground(ground, (216, 184, 150))
    _boards(canvas, ground, canvas.near((200, 166, 132)))
    border, inner = canvas.near((214, 164, 152)), canvas.near((232, 198, 176))
    _rug(canvas, (rng.uniform(0.4, 0.6), 0.79), (0.36, 0.12), border, inner)


def _boards(canvas: _Canvas, top: float, joint: RGB) -> None:
    """Joints of floor boards that run away from the viewer."""
    for step in range(-9, 10):
        canvas.line(((0.5 + step * 0.09, top), (0.5 + step * 0.15, 1)), joint, 0.005)


def _rug(canvas: _Canvas, centre: Point, halves: Point, border: RGB, inner: RGB) -> None:
    across, down = halves
    canvas.oval(centre, across, down, border)
    canvas.oval(centre, 0.92 * across, 0.88 * down, inner)
    canvas.oval(centre, 0.74 * across, 0.66 * down, border)
    canvas.oval(centre, 0.7 * across, 0.61 * down, inner)


def _curtains(canvas: _Canvas, box: Box, colour: RGB) -> None:
    """Two gathered curtains and their rod."""
    left, top, right, bottom = box
    fold = darker(colour, 0.08)
    for outer, side in ((left, 1), (right, -1)):
        waist, low = outer + side * 0.01, outer + side * 0.05
        points = ((outer - side * 0.06, top), (outer + side * 0.12, top), (outer + side * 0.08, top + 0.12))
        canvas.shape((*points, (waist, bottom - 0.12), (low, bottom), (outer - side * 0.06, bottom)), colour)
        for shift in (-0.035, -0.01, 0.02):
            canvas.line(((outer + side * shift * 1.3, top), (outer + side * shift, bottom)), fold, 0.008)
    canvas.box((left - 0.1, top - 0.022, right + 0.1, top), canvas.far((206, 176, 148)), 0.01)


def _bunting(canvas: _Canvas, start: float, end: float, top: float) -> None:
    """A garland of pale pennants."""
    colours: tuple[RGB, ...] = ((246, 206, 200), (250, 236, 196), (200, 226, 214), (206, 212, 238))
    for number in range(8):
        ends = [start + (end - start) * (number + over) / 8 for over in (0.0, 1.0)]
        left, right = ((x, top + 0.06 * math.sin(3.14 * (x - start) / (end - start))) for x in ends)
        tip = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + 0.07)
        canvas.shape((left, right, tip), canvas.far(colours[number % 4]))


def _bedroom(canvas: _Canvas) -> None:
    rng, ground = canvas.rng, canvas.horizon
    canvas.box((0, 0, 1, ground), canvas.far((226, 208, 230)))
    for step in range(0, 16, 2):
        canvas.box((step / 16, 0, (step + 1) / 16, ground), canvas.far((236, 222, 238)))
    left = rng.random() < 0.5
    middle = rng.uniform(0.3, 0.38) if left else rng.uniform(0.62, 0.7)
    _window(canvas, (middle - 0.2, 0.1, middle + 0.2, ground - 0.12), canvas.far((252, 248, 244)))
    _curtains(canvas, (middle - 0.21, 0.06, middle + 0.21, ground - 0.05), canvas.far((246, 196, 190)))
    _bunting(canvas, *((middle + 0.3, 1.04) if left else (-0.04, middle - 0.3)), rng.uniform(0.06, 0.12))
    canvas.box((0, ground - 0.045, 1, ground), canvas.far((250, 244, 246)))
    canvas.ground(ground, (232, 214, 200))
    _boards(canvas, ground, canvas.near((220, 200, 186)))
    border, inner = canvas.near((196, 190, 224)), canvas.near((222, 216, 238))
    _rug(canvas, (rng.uniform(0.38, 0.62), 0.77), (0.4, 0.14), border, inner)


_PAINTERS: dict[str, Callable[[_Canvas], None]] = {
    "street": _street,
    "park": _park,
    "beach": _beach,
    "forest": _forest,
    "kitchen": _kitchen,
    "library": _library,
    "station": _station,
    "desert": _desert,
    "mountain": _mountain,
    "harbour": _harbour,
    "farm": _farm,
    "bedroom": _bedroom,
}


def paint_ground(scene: str, light: str, weather: str, size: int, seed: int) -> Image.Image:
    """The empty scene, `size` x `size`, RGB; the seed decides its layout. Raises KeyError for an unknown word."""
    canvas = _Canvas(scene, light, weather, size, seed)
    if not canvas.indoor:
        _heavens(canvas)
    _PAINTERS[scene](canvas)
    return canvas.image.reduce(_OVERSAMPLING)


_TINTS: dict[str, tuple[float, float, float]] = {"evening": (1.0, 0.975, 0.93), "night": (0.86, 0.87, 0.95)}
_FOG: dict[str, RGB] = {"day": (255, 255, 255), "evening": (255, 240, 228), "night": (206, 212, 230)}


@lru_cache(maxsize=4)
def _tint_table(light: str) -> list[int]:
    return [round(value * factor) for factor in _TINTS[light] for value in range(256)]


@lru_cache(maxsize=16)
def _fog_mask(size: int) -> Image.Image:
    """How much fog lies before each row: most at the skyline, at most 22 %."""
    stops = tuple((level, level, level) for level in (26, 44, 55, 36, 20, 12))
    return _gradient(stops, size, size).getchannel("R")


def _scattered(rng: random.Random, per_row: int, side: int) -> list[Point]:
    """`per_row` squared points, one at random in each cell of a grid over the sheet, so that none crowd."""
    cell = side / per_row
    rows = range(per_row)
    return [((column + rng.random()) * cell, (row + rng.random()) * cell) for row in rows for column in rows]


def _rain_mask(size: int, rng: random.Random) -> Image.Image:
    side = size * _OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    for x, y in _scattered(rng, 9, side):
        half = rng.uniform(0.028, 0.05) * side
        pen.line((x + 0.28 * half, y - half, x - 0.28 * half, y + half), rng.randint(140, 200), max(2, side // 110))
    return mask.reduce(_OVERSAMPLING)


def _snow_mask(size: int, rng: random.Random) -> Image.Image:
    """Flakes, fewer of them below, where they would pass for the dots of things."""
    side = size * _OVERSAMPLING
    mask = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(mask)
    for x, row in _scattered(rng, 9, side):
        y, radius = side * (row / side) ** 1.5, rng.uniform(0.005, 0.0125) * side
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), rng.randint(190, 245))
    return mask.reduce(_OVERSAMPLING)


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
