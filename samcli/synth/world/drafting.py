"""Drawings as tables of parts: outlines in a thing's own coordinates, drawn through an affine map.

Furniture and vehicles are such tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

from samcli.synth.world.pen import RGB, Fill, Format, Pen, Point, Stamp

# (shape, paint, numbers). Numbers: "box" left, top, right, bottom, corner radius; "oval" left, top, right, bottom;
# "poly" and "blob" (a polygon with rounded corners) x, y, x, y, ...; "line" width, x, y, x, y, ...
Part = tuple[str, str, tuple[float, ...]]
Paints = Mapping[str, Fill | RGB]
Affine = tuple[float, float, float, float, float, float]


def _arc(box: tuple[float, ...], start: float, end: float, steps: int) -> list[Point]:
    """Points on the ellipse in `box`, from one angle to another (radians, clockwise from three o'clock)."""
    left, top, right, bottom = box
    angles = [start + (end - start) * i / steps for i in range(steps + 1)]
    x, y, wide, high = (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2
    return [(x + wide * cos(a), y + high * sin(a)) for a in angles]


def _rounded(left: float, top: float, right: float, bottom: float, radius: float) -> list[Point]:
    """A rectangle with round corners; with radius 0, its four corners."""
    if not radius:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    size = 2 * radius
    corners = ((right - size, bottom - size), (left, bottom - size), (left, top), (right - size, top))
    boxes = [(x, y, x + size, y + size) for x, y in corners]
    return [p for i, box in enumerate(boxes) for p in _arc(box, i * pi / 2, (i + 1) * pi / 2, 3)]


def _smooth(points: list[Point], rounds: int = 2) -> list[Point]:
    """Cut the corners of a closed polygon (Chaikin), a fifth of each side at a time."""
    for _ in range(rounds):
        pairs = zip(points, points[1:] + points[:1], strict=True)
        points = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in pairs for t in (0.2, 0.8)]
    return points


@lru_cache(maxsize=1024)
def _contour(shape: str, numbers: tuple[float, ...]) -> list[Point]:
    """The points of a part, before any map."""
    if shape == "oval":
        return _arc(numbers, 0, 2 * pi, 20)[:-1]
    if shape == "box":
        return _rounded(*numbers)
    values = numbers[1:] if shape == "line" else numbers
    points = list(zip(values[::2], values[1::2], strict=True))
    return _smooth(points) if shape == "blob" else points


@dataclass(frozen=True)
class Frame:
    """Draws parts on a pen's sheet through an affine map: (x, y) goes to (a x + b y + c, d x + e y + f)."""

    pen: Pen
    paints: Paints
    affine: Affine = (1, 0, 0, 0, 1, 0)

    def at(self, x: float, y: float) -> Point:
        """Where a point of the parts' own coordinates lies on the sheet."""
        a, b, c, d, e, f = self.affine
        return a * x + b * y + c, d * x + e * y + f

    def draw(self, parts: tuple[Part, ...]) -> None:
        """Draw the parts, the first at the back."""
        fills = [_filled(self.paints[paint]) for _, paint, _ in parts]
        patterns = tuple(fill.pattern for fill in fills)
        colours: dict[RGB, RGB] = {}
        for model, fill in zip(_models(patterns), fills, strict=True):
            colours.update(zip(model.tints, fill.tints, strict=True))
        self.pen.lay(_stamp(self.pen.format, parts, self.affine, patterns), colours)


def _filled(paint: Fill | RGB) -> Fill:
    return paint if isinstance(paint, Fill) else Fill(paint)


@lru_cache(maxsize=64)
def _models(patterns: tuple[str, ...]) -> list[Fill]:
    """Fills all of whose tints differ, for the parts of a stamp."""
    return [Fill((4 * number, 0, 0), pattern) for number, pattern in enumerate(patterns)]


@lru_cache(maxsize=640)
def _stamp(sheet: Format, parts: tuple[Part, ...], affine: Affine, patterns: tuple[str, ...]) -> Stamp:
    """The parts in the tints of `_models`."""
    pen = Pen(*sheet)
    a, b, c, d, e, f = affine
    for (shape, _, numbers), fill in zip(parts, _models(patterns), strict=True):
        points = [(a * x + b * y + c, d * x + e * y + f) for x, y in _contour(shape, numbers)]
        if shape == "line":
            pen.line(points, fill.rgb, numbers[0])
        else:
            pen.polygon(points, fill)
    return pen.stamp()
