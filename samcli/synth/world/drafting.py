"""Drawings as tables of parts: outlines in a thing's own coordinates, drawn through an affine map.

Furniture and vehicles are such tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

from samcli.synth.world.pen import RGB, Fill, Pen, Point

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

    def draw(self, parts: Sequence[Part]) -> None:
        """Draw the parts, the first at the back."""
        for shape, paint, numbers in parts:
            points = [self.at(x, y) for x, y in _contour(shape, numbers)]
            fill = self.paints[paint]
            if shape == "line":
                self.pen.line(points, fill.rgb if isinstance(fill, Fill) else fill, numbers[0])
            else:
                self.pen.polygon(points, fill)
