"""Animals: ten kinds in any colour, each with a collar, a scarf, a hat or a bow."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from samcli.synth.world.pen import PALETTE, RGB, Fill, Pen, Point, darker, lighter, luminance, mix
from samcli.synth.world.things import Thing

GROUND = 0.985
HAT_HEIGHT = 0.18
INK: RGB = (40, 34, 44)
WHITE: RGB = (252, 250, 246)
FIXED: dict[str, RGB] = {
    "ink": INK,
    "white": WHITE,
    "rose": (244, 150, 160),
    "beak": (246, 150, 30),
    "wheat": (236, 208, 172),
    "horn": (238, 226, 200),
    "hoof": (84, 66, 60),
}

# A part is a shape, a paint and numbers: `ellipse` left top right bottom; `polygon` x y x y ...; `line` width x y ...;
# `rectangle` left top right bottom radius. Paints: `coat` is the colour with its pattern, `hide` without.
Part = tuple[str, str, tuple[float, ...]]
# A limb: its upper and lower end, its width, and which row of `GAITS` moves its lower end.
Limb = tuple[Point, Point, float, str]

GAITS: dict[str, tuple[Point, ...]] = {
    "near": ((0, 0), (0.07, -0.012), (0, 0), (0.02, 0)),
    "far": ((0, 0), (-0.07, 0), (0.02, 0), (-0.02, 0)),
    "still": ((0, 0), (0, 0), (0, 0), (0, 0)),
    "left": ((0, 0), (-0.06, -0.3), (0.07, 0.0), (-0.07, -0.12)),
    "right": ((0, 0), (0.0, 0.03), (0, 0), (0.07, -0.12)),
}


@dataclass(frozen=True)
class Shape:
    """How a kind is drawn, in this order: back parts, legs, neck, body, paws, head and wear.

    `heads` is the middle of the head in each variant; `head` parts, `throat` (the neck's two upper corners), `hat`
    (middle and width of the brim) are relative to it. `chest` holds the neck's two lower corners;
    collars, scarves and bows are worn at the share `band` of the way from throat to chest.
    """

    aspect: float
    back: tuple[Part, ...]
    body: tuple[Part, ...]
    legs: tuple[Limb, ...]
    paws: tuple[Limb, ...]
    heads: tuple[Point, Point, Point, Point]
    head: tuple[Part, ...]
    throat: tuple[Point, Point]
    chest: tuple[Point, Point]
    band: float
    hat: tuple[float, float, float]
    hooves: bool = False


def _eye(x: float, y: float, size: float = 0.022) -> tuple[Part, Part]:
    glint = (x - 0.2 * size, y - 0.8 * size, x + 0.7 * size, y + 0.1 * size)
    return ("dot", "ink", (x - size, y - size, x + size, y + size)), ("dot", "white", glint)


def _legs(places: Sequence[float], top: float, width: float, gait: str) -> tuple[Limb, ...]:
    return tuple(((x, top), (x, GROUND), width, gait) for x in places)


DOG = Shape(
    1.16,
    (("polygon", "hide", (0.2, 0.5, 0.1, 0.42, 0.04, 0.24, 0.08, 0.2, 0.14, 0.26, 0.17, 0.36, 0.27, 0.44)),),
    (("rectangle", "coat", (0.14, 0.42, 0.8, 0.76, 0.15)),),
    (*_legs((0.31, 0.64), 0.66, 0.09, "far"), *_legs((0.21, 0.74), 0.66, 0.1, "near")),
    (),
    ((0.8, 0.28), (0.8, 0.28), (0.83, 0.38), (0.78, 0.25)),
    (
        ("ellipse", "hide", (-0.16, -0.16, 0.16, 0.16)),
        ("rectangle", "tint", (0.02, -0.03, 0.29, 0.15, 0.08)),
        ("ellipse", "ink", (0.22, -0.05, 0.31, 0.03)),
        ("line", "ink", (0.014, 0.1, 0.09, 0.2, 0.08)),
        ("ellipse", "shade", (-0.22, -0.14, -0.06, 0.2)),
        *_eye(0.06, -0.06),
    ),
    ((-0.13, 0.08), (0.1, 0.12)),
    ((0.5, 0.6), (0.8, 0.62)),
    0.40,
    (0.0, -0.13, 0.36),
)
CAT = Shape(
    1.08,
    (("line", "edge", (0.1, 0.26, 0.6, 0.14, 0.56, 0.08, 0.4, 0.12, 0.22, 0.08, 0.1)),)
    + (("line", "hide", (0.075, 0.26, 0.6, 0.14, 0.56, 0.08, 0.4, 0.12, 0.22, 0.08, 0.1)),),
    (("ellipse", "coat", (0.17, 0.46, 0.84, 0.84)),),
    (*_legs((0.36, 0.66), 0.7, 0.075, "far"), *_legs((0.27, 0.75), 0.7, 0.08, "near")),
    (),
    ((0.77, 0.34), (0.77, 0.34), (0.78, 0.42), (0.72, 0.31)),
    (
        ("polygon", "hide", (-0.19, -0.02, -0.2, -0.28, 0.0, -0.14)),
        ("polygon", "hide", (0.19, -0.02, 0.2, -0.28, 0.0, -0.14)),
        ("polygon", "rose", (-0.15, -0.1, -0.16, -0.21, -0.07, -0.14)),
        ("polygon", "rose", (0.15, -0.1, 0.16, -0.21, 0.07, -0.14)),
        ("ellipse", "hide", (-0.21, -0.17, 0.21, 0.17)),
        ("ellipse", "tint", (-0.1, 0.01, 0.1, 0.14)),
        ("polygon", "rose", (-0.035, 0.02, 0.035, 0.02, 0.0, 0.06)),
        ("line", "edge", (0.012, 0.12, 0.05, 0.26, 0.02)),
        ("line", "edge", (0.012, -0.12, 0.05, -0.26, 0.02)),
        ("line", "edge", (0.012, 0.12, 0.08, 0.25, 0.1)),
        ("line", "edge", (0.012, -0.12, 0.08, -0.25, 0.1)),
        *_eye(-0.09, -0.03, 0.028),
        *_eye(0.09, -0.03, 0.028),
    ),
    ((-0.14, 0.1), (0.14, 0.1)),
    ((0.57, 0.66), (0.84, 0.66)),
    0.45,
    (0.0, -0.14, 0.36),
)
HORSE = Shape(
    1.08,
    (("polygon", "mane", (0.2, 0.42, 0.08, 0.44, 0.03, 0.6, 0.04, 0.84, 0.12, 0.78, 0.14, 0.6, 0.22, 0.54)),),
    (("rectangle", "coat", (0.15, 0.38, 0.76, 0.68, 0.13)),),
    (*_legs((0.31, 0.63), 0.58, 0.066, "far"), *_legs((0.22, 0.71), 0.58, 0.072, "near")),
    (),
    ((0.8, 0.2), (0.8, 0.2), (0.83, 0.34), (0.77, 0.19)),
    (
        ("polygon", "hide", (-0.07, -0.06, -0.06, -0.17, 0.01, -0.09)),
        (
            "polygon",
            "hide",
            (
                -0.08,
                -0.06,
                0.02,
                -0.12,
                0.1,
                -0.06,
                0.22,
                0.08,
                0.23,
                0.15,
                0.19,
                0.2,
                0.12,
                0.19,
                0.02,
                0.12,
                -0.07,
                0.1,
            ),
        ),
        ("polygon", "tint", (0.15, 0.02, 0.22, 0.08, 0.23, 0.15, 0.19, 0.2, 0.12, 0.19, 0.1, 0.1)),
        ("dot", "ink", (0.175, 0.09, 0.2, 0.12)),
        ("polygon", "mane", (0.06, -0.11, -0.06, -0.13, -0.18, 0.0, -0.28, 0.26, -0.18, 0.26, -0.1, 0.1, 0.05, -0.02)),
        *_eye(0.06, 0.01),
    ),
    ((-0.12, 0.02), (0.06, 0.12)),
    ((0.48, 0.5), (0.76, 0.56)),
    0.46,
    (0.0, -0.09, 0.3),
    True,
)
COW = Shape(
    1.26,
    (
        ("line", "edge", (0.04, 0.18, 0.4, 0.07, 0.5, 0.07, 0.72)),
        ("ellipse", "hoof", (0.02, 0.68, 0.12, 0.84)),
        ("ellipse", "rose", (0.3, 0.66, 0.5, 0.84)),
    ),
    (("rectangle", "coat", (0.13, 0.34, 0.86, 0.76, 0.08)),),
    (*_legs((0.29, 0.68), 0.68, 0.09, "far"), *_legs((0.2, 0.78), 0.68, 0.1, "near")),
    (),
    ((0.96, 0.29), (0.96, 0.29), (0.97, 0.4), (0.93, 0.285)),
    (
        ("polygon", "horn", (-0.1, -0.1, -0.21, -0.16, -0.2, -0.27, -0.13, -0.2, -0.03, -0.16)),
        ("polygon", "horn", (0.1, -0.1, 0.21, -0.16, 0.2, -0.27, 0.13, -0.2, 0.03, -0.16)),
        ("ellipse", "shade", (-0.27, -0.12, -0.1, -0.01)),
        ("ellipse", "shade", (0.1, -0.12, 0.27, -0.01)),
        ("rectangle", "hide", (-0.14, -0.17, 0.14, 0.18, 0.08)),
        ("ellipse", "rose", (-0.18, 0.03, 0.18, 0.23)),
        ("dot", "ink", (-0.09, 0.09, -0.04, 0.15)),
        ("dot", "ink", (0.04, 0.09, 0.09, 0.15)),
        *_eye(-0.07, -0.04),
        *_eye(0.07, -0.04),
    ),
    ((-0.16, 0.13), (0.12, 0.13)),
    ((0.64, 0.68), (0.87, 0.7)),
    0.52,
    (0.0, -0.14, 0.4),
    True,
)
SHEEP = Shape(
    1.15,
    (
        *(
            ("ellipse", "hide", (x - 0.13, y - 0.13, x + 0.13, y + 0.13))
            for x, y in ((0.17, 0.56), (0.26, 0.4), (0.44, 0.33), (0.62, 0.36), (0.76, 0.46))
            + ((0.77, 0.62), (0.66, 0.72), (0.47, 0.75), (0.28, 0.71))
        ),
    ),
    (("dot", "coat", (0.13, 0.29, 0.82, 0.79)),),
    (*_legs((0.34, 0.62), 0.7, 0.07, "far"), *_legs((0.25, 0.71), 0.7, 0.075, "near")),
    (),
    ((0.88, 0.36), (0.88, 0.36), (0.89, 0.46), (0.85, 0.33)),
    (
        ("ellipse", "wheat", (-0.24, -0.09, -0.06, 0.03)),
        ("ellipse", "wheat", (0.06, -0.09, 0.24, 0.03)),
        ("ellipse", "wheat", (-0.13, -0.16, 0.13, 0.21)),
        ("ellipse", "hide", (-0.17, -0.2, -0.01, -0.05)),
        ("ellipse", "hide", (0.01, -0.2, 0.17, -0.05)),
        ("ellipse", "hide", (-0.09, -0.24, 0.09, -0.06)),
        ("polygon", "rose", (-0.035, 0.1, 0.035, 0.1, 0.0, 0.14)),
        *_eye(-0.055, 0.03),
        *_eye(0.055, 0.03),
    ),
    ((-0.16, 0.14), (0.12, 0.14)),
    ((0.58, 0.68), (0.88, 0.68)),
    0.41,
    (0.0, -0.18, 0.36),
    True,
)
ELEPHANT = Shape(
    1.27,
    (("line", "edge", (0.035, 0.16, 0.42, 0.06, 0.5, 0.05, 0.64)), ("ellipse", "hoof", (0.015, 0.62, 0.085, 0.73))),
    (("rectangle", "coat", (0.11, 0.24, 0.8, 0.78, 0.22)),),
    (*_legs((0.36, 0.6), 0.66, 0.14, "far"), *_legs((0.22, 0.72), 0.66, 0.15, "near")),
    (),
    ((0.9, 0.32), (0.9, 0.32), (0.9, 0.38), (0.89, 0.29)),
    (
        (
            "polygon",
            "hide",
            (
                0.02,
                -0.06,
                0.2,
                -0.02,
                0.27,
                0.14,
                0.28,
                0.38,
                0.35,
                0.42,
                0.34,
                0.5,
                0.24,
                0.51,
                0.18,
                0.42,
                0.15,
                0.24,
                0.04,
                0.14,
            ),
        ),
        ("polygon", "white", (0.08, 0.14, 0.14, 0.11, 0.2, 0.26, 0.27, 0.28, 0.16, 0.33)),
        ("ellipse", "hide", (-0.18, -0.2, 0.22, 0.2)),
        ("ellipse", "shade", (-0.34, -0.22, 0.0, 0.24)),
        ("ellipse", "rose", (-0.28, -0.12, -0.07, 0.15)),
        *_eye(0.1, -0.04, 0.025),
    ),
    ((-0.2, 0.1), (0.1, 0.15)),
    ((0.56, 0.74), (0.86, 0.72)),
    0.47,
    (0.02, -0.17, 0.42),
)
RABBIT = Shape(
    0.72,
    (("ellipse", "white", (0.03, 0.7, 0.22, 0.89)),),
    (("ellipse", "coat", (0.12, 0.5, 0.6, 0.97)),),
    (),
    (
        ((0.26, 0.925), (0.2, 0.925), 0.12, "still"),
        ((0.46, 0.925), (0.52, 0.925), 0.12, "still"),
        ((0.2, 0.64), (0.14, 0.78), 0.09, "left"),
        ((0.52, 0.64), (0.58, 0.78), 0.09, "right"),
    ),
    ((0.36, 0.42), (0.36, 0.42), (0.4, 0.45), (0.33, 0.42)),
    (
        ("ellipse", "hide", (-0.19, -0.4, -0.05, 0.0)),
        ("ellipse", "rose", (-0.155, -0.34, -0.085, -0.06)),
        ("ellipse", "hide", (0.05, -0.4, 0.19, 0.0)),
        ("ellipse", "rose", (0.085, -0.34, 0.155, -0.06)),
        ("ellipse", "hide", (-0.2, -0.16, 0.2, 0.16)),
        ("ellipse", "tint", (-0.1, 0.0, 0.1, 0.14)),
        ("rectangle", "white", (-0.035, 0.07, 0.035, 0.14, 0.0)),
        ("polygon", "rose", (-0.04, 0.01, 0.04, 0.01, 0.0, 0.06)),
        *_eye(-0.09, -0.04, 0.026),
        *_eye(0.09, -0.04, 0.026),
    ),
    ((-0.15, 0.1), (0.15, 0.1)),
    ((0.18, 0.72), (0.54, 0.72)),
    0.45,
    (0.0, -0.12, 0.34),
)
BEAR = Shape(
    0.84,
    (),
    (("ellipse", "coat", (0.13, 0.4, 0.71, 0.93)),),
    (),
    (
        ((0.27, 0.84), (0.25, 0.9), 0.17, "still"),
        ((0.57, 0.84), (0.59, 0.9), 0.17, "still"),
        ((0.21, 0.52), (0.15, 0.7), 0.13, "left"),
        ((0.63, 0.52), (0.69, 0.7), 0.13, "right"),
    ),
    ((0.42, 0.28), (0.42, 0.28), (0.45, 0.31), (0.39, 0.27)),
    (
        ("ellipse", "hide", (-0.27, -0.24, -0.09, -0.06)),
        ("ellipse", "hide", (0.09, -0.24, 0.27, -0.06)),
        ("ellipse", "wheat", (-0.22, -0.19, -0.14, -0.11)),
        ("ellipse", "wheat", (0.14, -0.19, 0.22, -0.11)),
        ("ellipse", "hide", (-0.23, -0.18, 0.23, 0.19)),
        ("ellipse", "wheat", (-0.12, 0.0, 0.12, 0.17)),
        ("ellipse", "ink", (-0.05, 0.01, 0.05, 0.08)),
        ("line", "ink", (0.012, 0.0, 0.07, 0.0, 0.12)),
        *_eye(-0.1, -0.05, 0.025),
        *_eye(0.1, -0.05, 0.025),
    ),
    ((-0.18, 0.1), (0.18, 0.1)),
    ((0.16, 0.7), (0.68, 0.7)),
    0.37,
    (0.0, -0.13, 0.42),
)
DUCK = Shape(
    1.13,
    (("polygon", "hide", (0.2, 0.6, 0.03, 0.42, 0.06, 0.62, 0.22, 0.76)),),
    (("ellipse", "coat", (0.09, 0.44, 0.84, 0.9)),),
    (),
    (),
    ((0.72, 0.25), (0.76, 0.27), (0.78, 0.34), (0.69, 0.22)),
    (
        ("polygon", "beak", (0.12, -0.05, 0.3, 0.02, 0.33, 0.08, 0.12, 0.12)),
        ("line", "edge", (0.012, 0.14, 0.05, 0.3, 0.055)),
        ("ellipse", "hide", (-0.17, -0.17, 0.17, 0.17)),
        *_eye(0.06, -0.04, 0.026),
    ),
    ((-0.13, 0.07), (0.11, 0.1)),
    ((0.52, 0.66), (0.82, 0.68)),
    0.39,
    (0.0, -0.13, 0.38),
)
GIRAFFE = Shape(
    0.82,
    (("line", "edge", (0.03, 0.14, 0.56, 0.07, 0.62, 0.07, 0.74)), ("ellipse", "mane", (0.03, 0.72, 0.11, 0.82))),
    (("rectangle", "coat", (0.11, 0.5, 0.55, 0.74, 0.09)),),
    (*_legs((0.24, 0.44), 0.66, 0.055, "far"), *_legs((0.16, 0.5), 0.66, 0.06, "near")),
    (),
    ((0.58, 0.14), (0.58, 0.14), (0.59, 0.22), (0.54, 0.14)),
    (
        ("line", "edge", (0.03, -0.05, -0.05, -0.06, -0.11)),
        ("line", "edge", (0.03, 0.03, -0.05, 0.03, -0.11)),
        ("ellipse", "hide", (-0.18, -0.07, -0.05, 0.0)),
        ("polygon", "hide", (-0.1, -0.05, 0.04, -0.08, 0.18, 0.02, 0.2, 0.08, 0.16, 0.12, 0.04, 0.11, -0.08, 0.09)),
        ("polygon", "tint", (0.12, -0.01, 0.18, 0.02, 0.2, 0.08, 0.16, 0.12, 0.1, 0.12)),
        *_eye(0.02, 0.0),
    ),
    ((-0.1, 0.0), (0.05, 0.1)),
    ((0.34, 0.6), (0.56, 0.64)),
    0.35,
    (-0.02, -0.05, 0.34),
    True,
)
SHAPES = {
    "dog": DOG,
    "cat": CAT,
    "horse": HORSE,
    "cow": COW,
    "sheep": SHEEP,
    "elephant": ELEPHANT,
    "rabbit": RABBIT,
    "bear": BEAR,
    "duck": DUCK,
    "giraffe": GIRAFFE,
}


def aspect(thing: Thing) -> float:
    """Width of the sheet for a height of 1."""
    return SHAPES[thing["kind"]].aspect


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw the animal: standing, walking or waving, its head lowered or its head raised."""
    shape, paints = SHAPES[thing["kind"]], _paints(thing)
    variant %= 4
    head = _head(thing, shape, variant)
    _parts(pen, shape.back, (0, 0), paints)
    for limb in shape.legs:
        _leg(pen, limb, variant, paints["shade" if limb[3] == "far" else "hide"], shape.hooves)
    throat = [(head[0] + x, head[1] + y) for x, y in shape.throat]
    pen.polygon((*throat, *reversed(shape.chest)), paints["coat" if thing["kind"] == "giraffe" else "hide"])
    _parts(pen, shape.body, (0, 0), paints)
    for limb in shape.paws:
        _paw(pen, limb, variant, PALETTE[thing["colour"]])
    if thing["kind"] == "duck":
        _duck_limbs(pen, variant, paints)
    _parts(pen, shape.head, head, paints)
    _wear(pen, thing, shape, head)


def _head(thing: Thing, shape: Shape, variant: int) -> Point:
    """The middle of the head, low enough to leave room for a hat."""
    x, y = shape.heads[variant]
    return x, max(y, HAT_HEIGHT + 0.02 - shape.hat[1]) if thing["wear"] == "hat" else y


def _paints(thing: Thing) -> dict[str, Fill | RGB]:
    ground = PALETTE[thing["colour"]]
    dark = luminance(ground) < 70
    return {
        **FIXED,
        "coat": Fill(thing["colour"], thing["pattern"]),
        "hide": ground,
        "tint": lighter(ground, 0.3 if dark else 0.45),
        "shade": lighter(ground, 0.14) if dark else darker(ground, 0.2),
        "mane": lighter(ground, 0.4) if dark else mix(ground, (60, 36, 30), 0.6),
        "edge": darker(ground, 0.45),
    }


def _parts(pen: Pen, parts: Sequence[Part], origin: Point, paints: dict[str, Fill | RGB]) -> None:
    for shape, paint, numbers in parts:
        _part(pen, shape, paints[paint], numbers, origin)


def _part(pen: Pen, shape: str, paint: Fill | RGB, numbers: tuple[float, ...], origin: Point) -> None:
    x, y = origin
    if shape == "polygon":
        pen.polygon(_pairs(numbers, origin), paint)
    elif shape == "line" and not isinstance(paint, Fill):
        pen.line(_pairs(numbers[1:], origin), paint, numbers[0])
    else:
        left, top, right, bottom = numbers[:4]
        box = (left + x, top + y, right + x, bottom + y)
        if shape == "rectangle":
            pen.rectangle(box, paint, radius=numbers[4])
        else:
            pen.ellipse(box, paint, outline=shape == "ellipse")


def _pairs(numbers: Sequence[float], origin: Point) -> list[Point]:
    return [(x + origin[0], y + origin[1]) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _leg(pen: Pen, limb: Limb, variant: int, fill: Fill | RGB, hooves: bool) -> None:
    (x0, y0), (x1, y1), width, gait = limb
    step, half = GAITS[gait][variant], width / 2
    x1, y1 = x1 + step[0], y1 + step[1]
    pen.polygon(((x0 - half, y0), (x0 + half, y0), (x1 + half, y1 - 0.01), (x1 - half, y1 - 0.01)), fill)
    if hooves:
        pen.rectangle((x1 - half, y1 - 0.05, x1 + half, y1), FIXED["hoof"])
    else:
        pen.ellipse((x1 - half, y1 - 0.06, x1 + half * 1.6, y1), fill)


def _paw(pen: Pen, limb: Limb, variant: int, colour: RGB) -> None:
    start, (x, y), width, gait = limb
    step = GAITS[gait][variant]
    end = (x + step[0], y + step[1])
    pen.line((start, end), darker(colour, 0.45), width)
    pen.line((start, end), colour, width - 0.024)


def _duck_limbs(pen: Pen, variant: int, paints: dict[str, Fill | RGB]) -> None:
    for x, step in ((0.4, -0.05), (0.56, 0.05)):
        foot = x + (step if variant == 1 else 0)
        pen.line(((x, 0.86), (foot, 0.95)), FIXED["beak"], 0.04)
        pen.ellipse((foot - 0.05, 0.925, foot + 0.11, GROUND), FIXED["beak"])
    tip = ((0.16, 0.56), (0.14, 0.36), (0.15, 0.62), (0.2, 0.3))[variant]
    pen.polygon(((0.52, 0.56), (0.34, tip[1] - 0.02), tip, (0.28, 0.7), (0.46, 0.72)), paints["shade"])


def _wear(pen: Pen, thing: Thing, shape: Shape, head: Point) -> None:
    accent = PALETTE[thing["accent"]]
    if thing["wear"] == "hat":
        _hat(pen, head, shape.hat, accent)
        return
    left, right = _across(shape, head)
    {"collar": _collar, "scarf": _scarf, "bow": _bow}[thing["wear"]](pen, left, right, accent)


def _across(shape: Shape, head: Point) -> tuple[Point, Point]:
    """Both ends of a line across the neck, a little wider than it."""
    (x0, y0), (x1, y1) = (
        (head[0] + x + (u - head[0] - x) * shape.band, head[1] + y + (v - head[1] - y) * shape.band)
        for (x, y), (u, v) in zip(shape.throat, shape.chest, strict=True)
    )
    wide = 0.02 / (hypot(x1 - x0, y1 - y0) or 1.0)
    return (x0 - (x1 - x0) * wide, y0 - (y1 - y0) * wide), (x1 + (x1 - x0) * wide, y1 + (y1 - y0) * wide)


def _band(pen: Pen, left: Point, right: Point, thick: float, accent: RGB) -> None:
    length = hypot(right[0] - left[0], right[1] - left[1]) or 1.0
    u, v = (right[0] - left[0]) / length, (right[1] - left[1]) / length
    edge = ((0, 0.3), (0.03, 0.5), (length - 0.03, 0.5), (length, 0.3))
    rim = [*edge, *((along, -across) for along, across in reversed(edge))]
    pen.polygon([(left[0] + a * u - b * thick * v, left[1] + a * v + b * thick * u) for a, b in rim], accent)


def _hat(pen: Pen, head: Point, place: tuple[float, float, float], accent: RGB) -> None:
    x, y, half = head[0] + place[0], head[1] + place[1], place[2] / 2
    pen.rectangle((x - half * 0.58, y - HAT_HEIGHT, x + half * 0.58, y + 0.01), accent, radius=0.04)
    pen.ellipse((x - half, y - 0.045, x + half, y + 0.045), accent)
    pen.arc((x - half * 0.58, y - 0.06, x + half * 0.58, y + 0.005), 0, 180, darker(accent, 0.55), 0.022)


def _middle(left: Point, right: Point) -> Point:
    return (left[0] + right[0]) / 2, (left[1] + right[1]) / 2


def _collar(pen: Pen, left: Point, right: Point, accent: RGB) -> None:
    x, y = _middle(left, right)
    pen.circle((x, y + 0.085), 0.055, accent)
    _band(pen, left, right, 0.1, accent)


def _scarf(pen: Pen, left: Point, right: Point, accent: RGB) -> None:
    x, y = _middle(left, right)
    pen.polygon(((x - 0.03, y), (x + 0.06, y), (x + 0.13, y + 0.29), (x + 0.03, y + 0.3)), accent)
    pen.polygon(((x - 0.05, y), (x + 0.04, y), (x - 0.02, y + 0.36), (x - 0.12, y + 0.34)), accent)
    _band(pen, left, right, 0.12, accent)


def _bow(pen: Pen, left: Point, right: Point, accent: RGB) -> None:
    x, y = _middle(left, right)
    for side in (-1, 1):
        loop = ((0, -0.02), (0.12, -0.1), (0.17, -0.08), (0.17, 0.08), (0.12, 0.1), (0, 0.02))
        pen.polygon([(x + side * u, y + v) for u, v in loop], accent)
    pen.circle((x, y), 0.045, darker(accent, 0.2))
