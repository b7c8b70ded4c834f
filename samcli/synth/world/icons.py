"""Icons: a patterned badge with one large symbol on it."""

import math
from dataclasses import dataclass
from functools import lru_cache

from samcli.synth.world.pen import MODEL, PALETTE, RGB, Fill, Format, Pen, Point, Stamp, darker, outline_of, shaded
from samcli.synth.world.symbols import backing, draw_symbol, oval, turned
from samcli.synth.world.things import Thing

Outline = tuple[Point, ...]


def _rounded(corners: Outline, cut: float) -> Outline:
    """The polygon with every corner replaced by a short curve that starts `cut` away from it."""
    points: list[Point] = []
    for index, corner in enumerate(corners):
        near = [_towards(corner, corners[index - 1], cut), _towards(corner, corners[(index + 1) % len(corners)], cut)]
        middle = ((near[0][0] + near[1][0]) / 4 + corner[0] / 2, (near[0][1] + near[1][1]) / 4 + corner[1] / 2)
        points += [near[0], middle, near[1]]
    return tuple(points)


def _towards(start: Point, end: Point, distance: float) -> Point:
    share = distance / math.dist(start, end)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


_SHIELD: Outline = (
    *((-0.9, -0.84), (-0.62, -0.82), (-0.3, -0.89), (0, -1), (0.3, -0.89), (0.62, -0.82), (0.9, -0.84)),
    *oval((0, -0.2), 0.92, 1.2, 0, 80, 10),
    *oval((0, -0.2), 0.92, 1.2, 100, 180, 10),
)
BADGES: dict[str, Outline] = {
    "square": _rounded(((-0.94, -0.94), (0.94, -0.94), (0.94, 0.94), (-0.94, 0.94)), 0.16),
    "circle": oval((0, 0), 0.98, 0.98, count=40),
    "diamond": _rounded(((0, -1.04), (1.04, 0), (0, 1.04), (-1.04, 0)), 0.1),
    "hexagon": _rounded(((-1, 0), (-0.52, -0.9), (0.52, -0.9), (1, 0), (0.52, 0.9), (-0.52, 0.9)), 0.06),
    "shield": _SHIELD,
}
SYMBOL_SIZES = {"square": 0.58, "circle": 0.56, "diamond": 0.5, "hexagon": 0.55, "shield": 0.55}
SYMBOL_LIFTS = {"shield": -0.03}
TURNS = (0.0, -10.0, 4.0, 8.0)
SQUEEZES = (1.0, 1.0, 1.0, 0.86)
EDGES: tuple[Point, ...] = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.055), (0.06, 0.0))


def aspect(thing: Thing) -> float:
    """Width of an icon's sheet in heights."""
    return 1.0


@dataclass(frozen=True)
class Place:
    """Where a badge lies on the sheet: its outline, its middle and its scale."""

    outline: Outline
    middle: Point
    scale: float


@lru_cache(maxsize=32)
def _place(badge: str, variant: int) -> Place:
    """The badge turned, squeezed and fitted into the sheet with room for its edge."""
    squeeze, (across, down) = SQUEEZES[variant], EDGES[variant]
    points = [turned(point, TURNS[variant]) for point in BADGES[badge]]
    width = max(abs(x) for x, _ in points) * squeeze
    height = max(abs(y) for _, y in points)
    scale = min((0.485 - across / 2) / width, (0.485 - down / 2) / height)
    middle = (0.5 - across / 2, 0.985 - down - height * scale)
    outline = tuple((middle[0] + x * scale * squeeze, middle[1] + y * scale) for x, y in points)
    return Place(outline, middle, scale)


@lru_cache(maxsize=128)
def _stamp(sheet: Format, badge: str, pattern: str, variant: int) -> Stamp:
    """A badge in the tints of `MODEL`."""
    pen, place, (across, down) = Pen(*sheet), _place(badge, variant), EDGES[variant]
    ground = Fill(MODEL, pattern)
    for share in (1.0, 0.5) if across or down else ():
        pen.polygon([(x + across * share, y + down * share) for x, y in place.outline], shaded(ground.rgb))
    pen.polygon(place.outline, ground)
    pen.line((*place.outline, place.outline[0]), darker(ground.rgb, 0.55), 0.02)
    return pen.stamp()


def _tints(ground: Fill) -> tuple[RGB, ...]:
    side = shaded(ground.rgb)
    return *ground.tints, side, outline_of(side), darker(ground.rgb, 0.55)


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw an icon: straight, turned, with an edge below, or squeezed with an edge at its side."""
    words = thing.attributes
    ground, colour = Fill(words["ground"], words["pattern"]), PALETTE[words["colour"]]
    place = _place(words["badge"], variant)
    stamp = _stamp(pen.format, words["badge"], words["pattern"], variant)
    pen.lay(stamp, dict(zip(_tints(Fill(MODEL, ground.pattern)), _tints(ground), strict=True)))
    centre = (place.middle[0], place.middle[1] + SYMBOL_LIFTS.get(words["badge"], 0.0))
    size = SYMBOL_SIZES[words["badge"]] * place.scale / 0.485
    draw_symbol(pen, words["kind"], centre, size, colour, backing(colour), TURNS[variant], SQUEEZES[variant])
