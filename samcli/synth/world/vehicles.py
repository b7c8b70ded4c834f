"""Vehicles: eight kinds in a colour and a pattern, each with a load in the accent colour on top of it.

Every kind and every load is a table of parts (see `drafting.py`); all vehicles face right.
"""

from dataclasses import dataclass
from math import cos, radians, sin

from samcli.synth.world.drafting import Affine, Frame, Part
from samcli.synth.world.pen import RGB, Fill, Pen, Point, darker, lighter, luminance
from samcli.synth.world.things import Thing

TONES: dict[str, RGB] = {
    "glass": (196, 230, 246),
    "tyre": (62, 60, 70),
    "hub": (206, 208, 214),
    "metal": (150, 154, 166),
    "dark": (78, 76, 88),
    "lamp": (255, 236, 150),
    "cream": (255, 246, 226),
    "pole": (128, 92, 62),
    "ray": (250, 170, 50),
    "fire": (248, 132, 36),
    "ember": (255, 214, 84),
    "sea": (132, 200, 236),
}


@dataclass(frozen=True)
class Design:
    """One kind of vehicle: its sheet's width, its loads' size and places, its parts, and its wheels (x, y, radius).

    From back to front: parts, load, front, wheels, scene; wheels and scene keep still when the rest bounces.
    """

    aspect: float
    size: float
    places: tuple[Point, Point, Point, Point]
    parts: tuple[Part, ...]
    front: tuple[Part, ...] = ()
    wheels: tuple[tuple[float, float, float], ...] = ()
    scene: tuple[Part, ...] = ()


SEA: tuple[Part, ...] = (
    (
        "blob",
        "sea",
        (0.015, 0.86, 0.16, 0.86, 0.3, 0.9, 0.45, 0.86, 0.6, 0.9, 0.75, 0.86, 0.9, 0.9, 1.05, 0.86, 1.2, 0.9)
        + (1.3, 0.86, 1.435, 0.86, 1.435, 0.985, 0.015, 0.985),
    ),
)

DESIGNS: dict[str, Design] = {
    "car": Design(
        1.5,
        1.2,
        ((0.72, 0.4), (0.88, 0.4), (0.6, 0.4), (0.74, 0.4)),
        (
            (
                "blob",
                "body",
                (0.03, 0.86, 0.02, 0.6, 0.26, 0.57, 0.4, 0.39, 0.7, 0.37, 1.0, 0.39, 1.16, 0.58)
                + (1.44, 0.62, 1.49, 0.74, 1.48, 0.86),
            ),
            ("poly", "glass", (0.38, 0.57, 0.47, 0.44, 0.67, 0.44, 0.67, 0.57)),
            ("poly", "glass", (0.74, 0.57, 0.74, 0.44, 0.95, 0.44, 1.05, 0.57)),
            ("oval", "lamp", (1.36, 0.64, 1.46, 0.74)),
            ("box", "dark", (0.03, 0.8, 1.48, 0.88, 0.03)),
        ),
        wheels=((0.36, 0.835, 0.15), (1.14, 0.835, 0.15)),
    ),
    "bus": Design(
        1.5,
        1.15,
        ((0.7, 0.38), (1.0, 0.38), (0.4, 0.38), (0.85, 0.38)),
        (
            ("box", "body", (0.02, 0.36, 1.48, 0.88, 0.08)),
            ("box", "glass", (0.09, 0.42, 0.33, 0.56, 0.03)),
            ("box", "glass", (0.39, 0.42, 0.63, 0.56, 0.03)),
            ("box", "glass", (0.69, 0.42, 0.93, 0.56, 0.03)),
            ("box", "glass", (0.99, 0.42, 1.15, 0.82, 0.03)),
            ("box", "glass", (1.22, 0.42, 1.45, 0.6, 0.03)),
            ("oval", "lamp", (1.37, 0.65, 1.46, 0.74)),
            ("box", "dark", (0.03, 0.82, 1.47, 0.89, 0.03)),
        ),
        wheels=((0.32, 0.86, 0.125), (1.16, 0.86, 0.125)),
    ),
    "truck": Design(
        1.5,
        1.15,
        ((0.5, 0.39), (0.66, 0.39), (0.34, 0.39), (0.55, 0.39)),
        (
            ("box", "dark", (0.06, 0.74, 1.44, 0.86, 0.03)),
            (
                "blob",
                "shade",
                (0.98, 0.84, 0.98, 0.22, 1.22, 0.22, 1.3, 0.24, 1.38, 0.52, 1.49, 0.58, 1.48, 0.84),
            ),
            ("poly", "glass", (1.06, 0.32, 1.22, 0.32, 1.3, 0.53, 1.06, 0.53)),
            ("oval", "lamp", (1.37, 0.65, 1.46, 0.74)),
        ),
        (
            ("poly", "body", (0.03, 0.42, 0.95, 0.42, 0.91, 0.79, 0.12, 0.79)),
            ("box", "shade", (0.015, 0.37, 0.97, 0.45, 0.03)),
        ),
        ((0.32, 0.845, 0.14), (0.66, 0.845, 0.14), (1.2, 0.845, 0.14)),
    ),
    "train": Design(
        1.5,
        1.1,
        ((0.72, 0.42), (0.82, 0.42), (0.66, 0.42), (0.76, 0.42)),
        (
            ("poly", "metal", (1.2, 0.76, 1.36, 0.76, 1.485, 0.96, 1.2, 0.96)),
            ("poly", "shade", (1.1, 0.46, 1.12, 0.26, 1.05, 0.14, 1.33, 0.14, 1.26, 0.26, 1.28, 0.46)),
            ("box", "body", (0.36, 0.4, 1.34, 0.8, 0.14)),
            ("oval", "shade", (1.24, 0.44, 1.42, 0.76)),
            ("box", "body", (0.06, 0.22, 0.48, 0.82, 0.03)),
            ("box", "glass", (0.14, 0.32, 0.4, 0.52, 0.03)),
            ("box", "shade", (0.015, 0.16, 0.53, 0.25, 0.03)),
            ("box", "dark", (0.04, 0.75, 1.4, 0.84, 0.03)),
        ),
        wheels=((0.26, 0.835, 0.15), (0.64, 0.87, 0.115), (0.9, 0.87, 0.115), (1.16, 0.87, 0.115)),
    ),
    "boat": Design(
        1.45,
        1.4,
        ((1.0, 0.57), (1.08, 0.57), (0.94, 0.57), (1.04, 0.57)),
        (
            ("poly", "shade", (0.46, 0.3, 0.46, 0.08, 0.64, 0.05, 0.64, 0.3)),
            ("box", "cream", (0.24, 0.27, 0.76, 0.62, 0.04)),
            ("oval", "glass", (0.31, 0.34, 0.45, 0.48)),
            ("oval", "glass", (0.54, 0.34, 0.68, 0.48)),
        ),
        (
            (
                "blob",
                "body",
                (0.015, 0.5, 0.18, 0.55, 1.2, 0.55, 1.435, 0.48, 1.36, 0.75, 1.22, 0.98, 0.2, 0.98, 0.06, 0.75),
            ),
        ),
        scene=SEA,
    ),
    "plane": Design(
        1.5,
        1.15,
        ((0.72, 0.45), (0.84, 0.45), (0.62, 0.45), (0.76, 0.45)),
        (
            ("line", "dark", (0.04, 0.95, 0.78, 0.98, 0.9)),
            ("line", "dark", (0.04, 0.2, 0.66, 0.18, 0.84)),
            ("blob", "shade", (0.0, 0.12, 0.2, 0.14, 0.38, 0.52, 0.06, 0.58)),
            (
                "blob",
                "body",
                (0.03, 0.48, 0.36, 0.46, 0.9, 0.4, 1.24, 0.42, 1.44, 0.54, 1.44, 0.72, 1.2, 0.84)
                + (0.8, 0.86, 0.36, 0.76, 0.06, 0.62),
            ),
            ("blob", "glass", (1.04, 0.44, 1.22, 0.44, 1.34, 0.57, 1.04, 0.6)),
            ("blob", "shade", (0.62, 0.64, 1.02, 0.64, 0.8, 0.93, 0.36, 0.93)),
            ("oval", "hub", (1.4, 0.4, 1.48, 0.64)),
            ("oval", "hub", (1.4, 0.62, 1.48, 0.86)),
            ("oval", "dark", (1.4, 0.58, 1.485, 0.68)),
        ),
        wheels=((0.99, 0.905, 0.08),),
    ),
    "tractor": Design(
        1.4,
        1.2,
        ((0.9, 0.47), (0.98, 0.47), (0.86, 0.47), (0.94, 0.47)),
        (
            ("box", "metal", (1.18, 0.2, 1.26, 0.5, 0.02)),
            ("box", "glass", (0.14, 0.16, 0.62, 0.6, 0.0)),
            ("line", "dark", (0.035, 0.38, 0.18, 0.38, 0.5)),
            ("box", "shade", (0.04, 0.08, 0.71, 0.18, 0.04)),
            ("blob", "body", (0.06, 0.84, 0.08, 0.46, 0.6, 0.47, 1.2, 0.43, 1.38, 0.5, 1.38, 0.84)),
            ("oval", "lamp", (1.27, 0.54, 1.36, 0.63)),
        ),
        wheels=((0.33, 0.725, 0.26), (1.12, 0.835, 0.15)),
    ),
    "rocket": Design(
        1.1,
        1.3,
        ((0.855, 0.69), (0.86, 0.69), (0.85, 0.69), (0.85, 0.69)),
        (
            ("blob", "fire", (0.22, 0.84, 0.52, 0.84, 0.5, 0.94, 0.37, 0.985, 0.24, 0.95)),
            ("blob", "ember", (0.29, 0.84, 0.45, 0.84, 0.37, 0.97)),
            ("blob", "shade", (0.24, 0.5, 0.03, 0.72, 0.03, 0.95, 0.24, 0.86)),
            ("box", "shade", (0.52, 0.67, 1.07, 0.76, 0.03)),
            ("poly", "shade", (0.54, 0.75, 0.86, 0.75, 0.68, 0.93, 0.54, 0.87)),
            (
                "blob",
                "body",
                (
                    0.37,
                    0.0,
                    0.56,
                    0.18,
                    0.62,
                    0.44,
                    0.6,
                    0.72,
                    0.52,
                    0.89,
                    0.22,
                    0.89,
                    0.14,
                    0.72,
                    0.12,
                    0.44,
                    0.18,
                    0.18,
                ),
            ),
            ("oval", "hub", (0.26, 0.2, 0.48, 0.42)),
            ("oval", "glass", (0.295, 0.235, 0.445, 0.385)),
        ),
    ),
}

# Loads stand on the origin and are about 0.29 high.
LOADS: dict[str, tuple[Part, ...]] = {
    "flag": (
        ("box", "pole", (-0.14, -0.3, -0.1, 0.02, 0.015)),
        (
            "poly",
            "load",
            (-0.1, -0.29, -0.02, -0.27, 0.06, -0.3, 0.17, -0.27, 0.17, -0.08, 0.06, -0.11, -0.02, -0.08, -0.1, -0.1),
        ),
    ),
    "box": (
        ("poly", "top", (-0.13, -0.2, -0.07, -0.27, 0.17, -0.27, 0.12, -0.2)),
        ("poly", "side", (0.12, -0.2, 0.17, -0.27, 0.17, -0.06, 0.12, 0.0)),
        ("poly", "load", (-0.13, -0.2, 0.12, -0.2, 0.12, 0.0, -0.13, 0.0)),
        ("line", "tape", (0.035, -0.005, -0.18, -0.005, -0.02)),
        ("line", "tape", (0.035, -0.11, -0.1, 0.1, -0.1)),
    ),
    "barrel": (
        (
            "poly",
            "load",
            (-0.1, -0.27, 0.1, -0.27, 0.14, -0.2, 0.14, -0.07, 0.1, 0.0, -0.1, 0.0, -0.14, -0.07, -0.14, -0.2),
        ),
        ("line", "tape", (0.03, -0.115, -0.195, 0.115, -0.195)),
        ("line", "tape", (0.03, -0.115, -0.07, 0.115, -0.07)),
        ("oval", "top", (-0.1, -0.295, 0.1, -0.235)),
    ),
    "light": (
        ("line", "ray", (0.035, 0.0, -0.29, 0.0, -0.23)),
        ("line", "ray", (0.035, -0.13, -0.25, -0.09, -0.2)),
        ("line", "ray", (0.035, 0.13, -0.25, 0.09, -0.2)),
        ("line", "ray", (0.035, -0.17, -0.13, -0.13, -0.12)),
        ("line", "ray", (0.035, 0.17, -0.13, 0.13, -0.12)),
        ("blob", "load", (-0.11, 0.0, -0.115, -0.13, -0.05, -0.2, 0.05, -0.2, 0.115, -0.13, 0.11, 0.0)),
        ("box", "dark", (-0.13, -0.045, 0.13, 0.01, 0.015)),
    ),
}

# How each variant bounces: the tilt of the body in degrees, nose up when negative, and the turn of the wheels.
TILTS = ((0.0, 0.0), (-2.5, 20.0), (2.0, 45.0), (-1.2, 70.0))


def aspect(thing: Thing) -> float:
    """The width of the thing's sheet, its height being 1."""
    return DESIGNS[thing["kind"]].aspect


def _paints(thing: Thing) -> dict[str, Fill | RGB]:
    """The fixed tones, and those of this thing's words."""
    body, load = Fill(thing["colour"], thing["pattern"]), Fill(thing["accent"])
    plain = Fill(thing["colour"]).rgb
    shade = lighter(plain, 0.16) if thing["colour"] == "black" else darker(plain, 0.12)
    tape = darker(load.rgb, 0.5) if luminance(load.rgb) > 120 else lighter(load.rgb, 0.7)
    faces = {"top": lighter(load.rgb, 0.3), "side": darker(load.rgb, 0.2), "tape": tape}
    return {**TONES, **faces, "body": body, "shade": shade, "load": load}


def _tilted(degrees: float, width: float) -> Affine:
    """A turn about the middle of the sheet, a little smaller so that the ends stay inside."""
    share = 1 - abs(degrees) * 0.02
    a, b = share * cos(radians(degrees)), share * sin(radians(degrees))
    x, y = width / 2, 0.6
    return a, -b, x - a * x + b * y, b, a, y - b * x - a * y


def _wheel(pen: Pen, centre: Point, radius: float, turn: float) -> None:
    """A tyre with a light hub; its spokes show how far it has turned."""
    x, y = centre
    pen.circle(centre, radius, TONES["tyre"])
    pen.circle(centre, radius * 0.55, TONES["hub"])
    dx, dy = radius * 0.4 * cos(radians(turn)), radius * 0.4 * sin(radians(turn))
    pen.line([(x - dx, y - dy), (x + dx, y + dy)], TONES["metal"], radius * 0.14)
    pen.line([(x - dy, y + dx), (x + dy, y - dx)], TONES["metal"], radius * 0.14)
    pen.circle(centre, radius * 0.18, TONES["dark"], outline=False)


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw the thing on its sheet: level or bouncing, the load further to the front or to the back."""
    design, paints = DESIGNS[thing["kind"]], _paints(thing)
    tilt, turn = TILTS[variant % 4]
    frame = Frame(pen, paints, _tilted(tilt, design.aspect))
    frame.draw(design.parts)
    x, y = frame.at(*design.places[variant % 4])
    Frame(pen, paints, (design.size, 0, x, 0, design.size, y)).draw(LOADS[thing["load"]])
    frame.draw(design.front)
    for left, top, radius in design.wheels:
        _wheel(pen, (left, top), radius, turn)
    Frame(pen, paints).draw(design.scene)
