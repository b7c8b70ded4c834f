"""The symbols of icons and book covers: silhouettes of one colour, told apart by their outline alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from samcli.synth.world.pen import RGB, Format, Pen, Point, Stamp, darker, lighter, luminance

CREAM: RGB = (254, 248, 230)
INK: RGB = (46, 42, 56)
OUTLINE = 0.02
_LAYERS: tuple[RGB, ...] = tuple((number, 0, 0) for number in range(5))  # colours of stamps, for others to replace
HALO = 0.045

Line = tuple[Point, ...]
Stroke = tuple[Line, float]


@dataclass(frozen=True)
class Symbol:
    """Filled shapes and thick strokes that make one silhouette, and thin marks inside it; y grows downwards."""

    shapes: tuple[Line, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    marks: tuple[Stroke, ...] = ()
    tilt: float = 0.0


def turned(point: Point, degrees: float) -> Point:
    """The point turned clockwise about the origin."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    x, y = point
    return x * cosine - y * sine, x * sine + y * cosine


def oval(centre: Point, width: float, height: float, start: float = 0, end: float = 360, count: int = 20) -> Line:
    """Points along an ellipse of these radii; angles in degrees, clockwise from three o'clock."""
    angles = [math.radians(start + (end - start) * step / count) for step in range(count + 1)]
    return tuple((centre[0] + width * math.cos(a), centre[1] + height * math.sin(a)) for a in angles)


def _polar(radius: float, degrees: float) -> Point:
    return turned((0.0, -radius), degrees)


def _dot(x: float, y: float, width: float) -> Stroke:
    return ((x, y), (x, y)), width


def _heart() -> Line:
    angles = [math.tau * step / 36 for step in range(36)]
    return tuple(
        (
            16 * math.sin(a) ** 3,
            -13 * math.cos(a) + 5 * math.cos(2 * a) + 2 * math.cos(3 * a) + math.cos(4 * a),
        )
        for a in angles
    )


def _star() -> Line:
    return tuple(_polar(0.46 if corner % 2 else 1.0, 36 * corner) for corner in range(10))


def _rays(count: int) -> tuple[Line, ...]:
    step = 360 / count
    return tuple(
        (_polar(0.62, step * k - 17), _polar(1.0, step * k), _polar(0.62, step * k + 17)) for k in range(count)
    )


def _petals() -> tuple[Line, ...]:
    return tuple(oval(_polar(0.58, 72 * petal), 0.38, 0.38, count=14) for petal in range(5))


def _drop() -> Line:
    return ((0.0, -1.0), (0.22, -0.55), *oval((0, 0.38), 0.62, 0.62, -30, 210, 18), (-0.22, -0.55))


def _leaf() -> Line:
    return oval((-0.42, -0.15), 0.98, 0.96, -64, 64, 12) + oval((0.42, -0.15), 0.98, 0.96, 116, 244, 12)


def _bell() -> Line:
    right = (
        (0.0, -0.8),
        (0.3, -0.74),
        (0.5, -0.52),
        (0.58, -0.2),
        (0.62, 0.15),
        (0.76, 0.36),
        (0.95, 0.55),
        (0.92, 0.66),
    )
    return right + tuple((-x, y) for x, y in reversed(right[1:]))


_NUT: Line = (
    (-0.6, -0.25),
    (0.6, -0.25),
    (0.58, 0.15),
    (0.42, 0.55),
    (0.16, 0.8),
    (0, 1),
    (-0.16, 0.8),
    (-0.42, 0.55),
    (-0.58, 0.15),
)
_CAP: Line = (*oval((0, -0.22), 0.82, 0.52, 180, 360, 12), (0.74, -0.06), (-0.74, -0.06))
_BOLT: Line = ((0.25, -1), (-0.62, 0.14), (-0.1, 0.14), (-0.3, 1), (0.64, -0.26), (0.1, -0.26), (0.62, -1))
_ARROW: Line = ((-1, -0.3), (0.02, -0.3), (0.02, -0.8), (1, 0), (0.02, 0.8), (0.02, 0.3), (-1, 0.3))
_TAIL: Line = ((0.35, 0), (0.72, -0.5), (1, -0.58), (0.9, 0), (1, 0.58), (0.72, 0.5))
_FIN: Line = ((-0.45, -0.35), (-0.1, -0.82), (0.3, -0.74), (0.35, -0.25))

_DRAFTS: dict[str, Symbol] = {
    "heart": Symbol((_heart(),)),
    "star": Symbol((_star(),)),
    "moon": Symbol((oval((0, 0), 1, 1, 49, 311, 26) + oval((0.45, 0), 0.78, 0.78, 286, 74, 18),), tilt=-25),
    "sun": Symbol((oval((0, 0), 0.64, 0.64), *_rays(8)), marks=((oval((0, 0), 0.45, 0.45), 0.08),)),
    "key": Symbol(
        strokes=(
            (oval((0, -0.5), 0.36, 0.36, count=18), 0.27),
            (((0, -0.2), (0, 0.9)), 0.27),
            (((0, 0.86), (0.48, 0.86)), 0.24),
            (((0, 0.44), (0.4, 0.42)), 0.24),
        ),
        tilt=36,
    ),
    "bell": Symbol(
        (_bell(), oval((0, 0.74), 0.24, 0.24, count=12)),
        ((((0, -0.86), (0, -0.78)), 0.26),),
        ((((-0.6, 0.42), (0.6, 0.42)), 0.09),),
    ),
    "leaf": Symbol(
        (_leaf(),),
        ((((0, 0.6), (0.02, 1.0)), 0.14),),
        (
            (((0, 0.66), (0, -0.62)), 0.09),
            (((-0.3, 0.0), (0, 0.3), (0.3, 0.0)), 0.08),
            (((-0.26, -0.4), (0, -0.1), (0.26, -0.4)), 0.08),
        ),
        tilt=38,
    ),
    "acorn": Symbol((_NUT, _CAP), ((((0, -0.7), (0.1, -1)), 0.17),), ((((-0.7, -0.08), (0.7, -0.08)), 0.1),)),
    "drop": Symbol((_drop(),), marks=((oval((0, 0.38), 0.36, 0.36, 95, 170, 5), 0.1),)),
    "bolt": Symbol((_BOLT,)),
    "cloud": Symbol(
        (
            oval((-0.55, 0.22), 0.42, 0.42, count=14),
            oval((0.02, -0.12), 0.55, 0.55, count=16),
            oval((0.56, 0.16), 0.44, 0.44, count=14),
            ((-0.55, 0.1), (0.56, 0.1), (0.6, 0.62), (-0.55, 0.64)),
        )
    ),
    "flower": Symbol((*_petals(), oval((0, 0), 0.5, 0.5, count=8)), marks=(_dot(0, 0, 0.56),)),
    "fish": Symbol(
        (oval((-0.3, 0), 0.76, 0.5), _TAIL, _FIN),
        marks=(_dot(-0.68, -0.1, 0.2), (oval((-0.72, 0), 0.42, 0.5, -38, 38, 5), 0.08)),
    ),
    "anchor": Symbol(
        (((-1, 0.4), (-0.82, -0.06), (-0.46, 0.32)), ((1, 0.4), (0.82, -0.06), (0.46, 0.32))),
        (
            (oval((0, -0.76), 0.19, 0.19, count=10), 0.17),
            (((0, -0.5), (0, 0.88)), 0.23),
            (((-0.48, -0.3), (0.48, -0.3)), 0.21),
            (oval((0, 0.12), 0.77, 0.74, 18, 162, 12), 0.23),
        ),
    ),
    "arrow": Symbol((_ARROW,)),
    "note": Symbol(
        (
            oval((-0.52, 0.66), 0.36, 0.28, count=12),
            oval((0.56, 0.5), 0.36, 0.28, count=12),
            ((-0.3, -0.84), (0.84, -1), (0.84, -0.58), (-0.3, -0.42)),
        ),
        ((((-0.25, 0.6), (-0.25, -0.78)), 0.17), (((0.83, 0.46), (0.83, -0.9)), 0.17)),
    ),
}


def _mapped(symbol: Symbol, shift: Point, scale: float) -> Symbol:
    """The symbol tilted, then moved and scaled."""

    def line(points: Sequence[Point]) -> Line:
        corners = (turned(point, symbol.tilt) for point in points)
        return tuple(((x + shift[0]) * scale, (y + shift[1]) * scale) for x, y in corners)

    def strokes(several: Sequence[Stroke]) -> tuple[Stroke, ...]:
        return tuple((line(points), width * scale) for points, width in several)

    return Symbol(tuple(map(line, symbol.shapes)), strokes(symbol.strokes), strokes(symbol.marks))


def _normal(symbol: Symbol) -> Symbol:
    """The symbol tilted, centred and scaled into the square from -1 to 1, its corners at most 1.15 from the centre."""
    flat = _mapped(symbol, (0.0, 0.0), 1.0)
    reach = [(point, 0.0) for shape in flat.shapes for point in shape]
    reach += [(point, width / 2) for points, width in flat.strokes for point in points]
    left, right = min(p[0] - r for p, r in reach), max(p[0] + r for p, r in reach)
    top, bottom = min(p[1] - r for p, r in reach), max(p[1] + r for p, r in reach)
    shift = (-(left + right) / 2, -(top + bottom) / 2)
    far = max(math.hypot(p[0] + shift[0], p[1] + shift[1]) + r for p, r in reach)
    return _mapped(symbol, shift, min(2 / max(right - left, bottom - top), 1.15 / far))


SYMBOLS: dict[str, Symbol] = {name: _normal(draft) for name, draft in _DRAFTS.items()}


def backing(colour: RGB) -> RGB:
    """The plain ground on which a symbol of this colour stands out: dark under light colours, cream under the rest."""
    return INK if luminance(colour) > 170 else CREAM


def _layer(pen: Pen, symbol: Symbol, colour: RGB, margin: float) -> None:
    """Paint the silhouette, widened all round by `margin`."""
    for shape in symbol.shapes:
        pen.polygon(shape, colour, outline=False)
        if margin:
            pen.line((*shape, shape[0]), colour, 2 * margin)
    for points, width in symbol.strokes:
        pen.line(points, colour, width + 2 * margin)


def _placed(symbol: Symbol, centre: Point, size: float, turn: float, squeeze: float) -> Symbol:
    half = size / 2

    def line(points: Line) -> Line:
        corners = (turned(point, turn) for point in points)
        return tuple((centre[0] + x * half * squeeze, centre[1] + y * half) for x, y in corners)

    def strokes(several: tuple[Stroke, ...]) -> tuple[Stroke, ...]:
        return tuple((line(points), width * half) for points, width in several)

    return Symbol(tuple(map(line, symbol.shapes)), strokes(symbol.strokes), strokes(symbol.marks))


@lru_cache(maxsize=512)
def _stamp(sheet: Format, symbol: str, centre: Point, size: float, haloed: bool, turn: float, squeeze: float) -> Stamp:
    """A symbol in the colours of `_LAYERS`: its halo's edge and its halo if it has one, its edge, itself, its marks."""
    pen, placed = Pen(*sheet), _placed(SYMBOLS[symbol], centre, size, turn, squeeze)
    margins = (HALO + 0.012, HALO, OUTLINE / 2, 0.0) if haloed else (OUTLINE / 2, 0.0)
    for colour, margin in zip(_LAYERS[-len(margins) - 1 :], margins, strict=False):
        _layer(pen, placed, colour, margin)
    for points, width in placed.marks:
        pen.line(points, _LAYERS[-1], width)
    return pen.stamp()


def draw_symbol(
    pen: Pen,
    symbol: str,
    centre: Point,
    size: float,
    colour: RGB,
    halo: RGB | None = None,
    turn: float = 0.0,
    squeeze: float = 1.0,
) -> None:
    """Draw a symbol `size` high (or wide) around `centre`; `halo` colours a contour that lifts it off a pattern.

    `turn` is in degrees, clockwise; `squeeze` narrows the symbol, as if seen from the side.
    """
    edge = darker(colour, 0.5)
    inner = lighter(colour, 0.5) if luminance(colour) < 60 else edge
    behind = (edge, edge) if halo is None else (darker(halo, 0.5), halo)
    stamp = _stamp(pen.format, symbol, centre, size, halo is not None, turn, squeeze)
    pen.lay(stamp, dict(zip(_LAYERS, (*behind, edge, colour, inner), strict=True)))
