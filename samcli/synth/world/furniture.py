"""Furniture: eight kinds in a colour and a pattern, legs and an edge band in the trim colour, and a topping.

Every kind and every topping is a table of parts (see `drafting.py`).
"""

from dataclasses import dataclass

from samcli.synth.world.drafting import Affine, Frame, Part
from samcli.synth.world.pen import RGB, Fill, Pen, Point, darker, lighter
from samcli.synth.world.things import Thing

INK = (52, 48, 60)
TONES: dict[str, RGB] = {
    "ink": INK,
    "cream": (255, 246, 222),
    "linen": (226, 232, 244),
    "glow": (255, 232, 140),
    "turquoise": (52, 190, 186),
    "foam": (176, 238, 232),
    "terracotta": (204, 104, 62),
    "rim": (226, 130, 86),
    "leaf": (78, 176, 74),
    "deep leaf": (44, 138, 66),
    "china": (226, 230, 236),
    "coffee": (120, 76, 50),
    "steam": (140, 152, 170),
    "brass": (214, 168, 72),
    "flame": (250, 140, 40),
    "coral": (240, 92, 84),
    "sail white": (252, 250, 246),
    "lilac": (196, 172, 232),
    "deep lilac": (150, 122, 200),
}


@dataclass(frozen=True)
class Design:
    """One kind of furniture: its sheet's width, its toppings' size, where they stand in each variant, and its parts."""

    aspect: float
    size: float
    places: tuple[Point, Point, Point, Point]
    parts: tuple[Part, ...]


DESIGNS: dict[str, Design] = {
    "sofa": Design(
        1.4,
        1.2,
        ((0.165, 0.43), (1.235, 0.43), (0.165, 0.43), (1.235, 0.43)),
        (
            ("box", "trim", (0.1, 0.8, 0.23, 0.985, 0.02)),
            ("box", "trim", (1.17, 0.8, 1.3, 0.985, 0.02)),
            ("box", "body", (0.14, 0.17, 1.26, 0.72, 0.12)),
            ("box", "plain", (0.2, 0.56, 1.2, 0.8, 0.05)),
            ("line", "edge", (0.014, 0.7, 0.58, 0.7, 0.76)),
            ("box", "trim", (0.08, 0.77, 1.32, 0.87, 0.03)),
            ("box", "shade", (0.03, 0.42, 0.29, 0.82, 0.09)),
            ("box", "shade", (1.11, 0.42, 1.37, 0.82, 0.09)),
        ),
    ),
    "chair": Design(
        0.74,
        1.1,
        ((0.2, 0.6), (0.52, 0.6), (0.22, 0.6), (0.5, 0.6)),
        (
            ("box", "trim", (0.12, 0.3, 0.22, 0.7, 0.02)),
            ("box", "trim", (0.52, 0.3, 0.62, 0.7, 0.02)),
            ("box", "trim", (0.08, 0.7, 0.2, 0.985, 0.02)),
            ("box", "trim", (0.54, 0.7, 0.66, 0.985, 0.02)),
            ("box", "body", (0.06, 0.02, 0.68, 0.46, 0.1)),
            ("box", "plain", (0.03, 0.56, 0.71, 0.68, 0.05)),
            ("box", "trim", (0.05, 0.66, 0.69, 0.76, 0.02)),
        ),
    ),
    "table": Design(
        1.25,
        1.1,
        ((0.3, 0.39), (0.94, 0.39), (0.62, 0.39), (0.85, 0.39)),
        (
            ("poly", "trim", (0.12, 0.6, 0.27, 0.6, 0.22, 0.985, 0.1, 0.985)),
            ("poly", "trim", (1.13, 0.6, 0.98, 0.6, 1.03, 0.985, 1.15, 0.985)),
            ("blob", "body", (0.08, 0.4, 1.17, 0.4, 1.22, 0.77, 0.92, 0.71, 0.62, 0.79, 0.33, 0.71, 0.03, 0.77)),
            ("box", "trim", (0.03, 0.37, 1.22, 0.47, 0.04)),
        ),
    ),
    "lamp": Design(
        1.1,
        1.3,
        ((0.88, 0.985), (0.87, 0.985), (0.89, 0.985), (0.87, 0.985)),
        (
            ("box", "trim", (0.29, 0.4, 0.39, 0.75, 0.02)),
            ("poly", "trim", (0.3, 0.66, 0.38, 0.72, 0.16, 0.985, 0.05, 0.985)),
            ("poly", "trim", (0.38, 0.66, 0.3, 0.72, 0.52, 0.985, 0.63, 0.985)),
            ("oval", "glow", (0.22, 0.36, 0.46, 0.56)),
            ("poly", "body", (0.19, 0.02, 0.49, 0.02, 0.665, 0.44, 0.015, 0.44)),
            ("box", "trim", (0.015, 0.4, 0.665, 0.49, 0.03)),
        ),
    ),
    "bed": Design(
        1.5,
        1.25,
        ((0.76, 0.43), (1.14, 0.43), (0.94, 0.43), (0.62, 0.43)),
        (
            ("box", "trim", (0.06, 0.82, 0.19, 0.985, 0.02)),
            ("box", "trim", (1.31, 0.82, 1.44, 0.985, 0.02)),
            ("box", "cream", (0.12, 0.54, 1.42, 0.8, 0.06)),
            ("blob", "linen", (0.17, 0.38, 0.47, 0.42, 0.5, 0.58, 0.16, 0.58)),
            ("box", "shade", (0.03, 0.16, 0.19, 0.86, 0.06)),
            ("box", "body", (0.46, 0.42, 1.42, 0.78, 0.09)),
            ("box", "shade", (1.35, 0.4, 1.48, 0.86, 0.05)),
            ("box", "trim", (0.04, 0.75, 1.46, 0.86, 0.03)),
        ),
    ),
    "cabinet": Design(
        0.8,
        1.0,
        ((0.25, 0.36), (0.55, 0.36), (0.4, 0.36), (0.55, 0.36)),
        (
            ("box", "trim", (0.09, 0.82, 0.23, 0.985, 0.02)),
            ("box", "trim", (0.57, 0.82, 0.71, 0.985, 0.02)),
            ("box", "body", (0.05, 0.38, 0.75, 0.86, 0.04)),
            ("line", "edge", (0.022, 0.4, 0.43, 0.4, 0.85)),
            ("oval", "trim", (0.27, 0.58, 0.36, 0.67)),
            ("oval", "trim", (0.44, 0.58, 0.53, 0.67)),
            ("box", "trim", (0.02, 0.34, 0.78, 0.44, 0.03)),
        ),
    ),
    "clock": Design(
        1.1,
        1.3,
        ((0.875, 0.985), (0.87, 0.985), (0.88, 0.985), (0.87, 0.985)),
        (
            ("box", "trim", (0.06, 0.84, 0.2, 0.985, 0.02)),
            ("box", "trim", (0.46, 0.84, 0.6, 0.985, 0.02)),
            ("box", "body", (0.1, 0.4, 0.56, 0.84, 0.0)),
            ("blob", "body", (0.02, 0.5, 0.02, 0.13, 0.2, 0.1, 0.33, 0.0, 0.46, 0.1, 0.64, 0.13, 0.64, 0.5)),
            ("oval", "trim", (0.145, 0.09, 0.515, 0.46)),
            ("oval", "cream", (0.2, 0.145, 0.46, 0.405)),
            ("line", "ink", (0.028, 0.33, 0.185, 0.33, 0.28, 0.405, 0.31)),
            ("box", "trim", (0.03, 0.78, 0.63, 0.88, 0.03)),
        ),
    ),
    "bench": Design(
        1.45,
        1.3,
        ((0.32, 0.67), (1.12, 0.67), (0.72, 0.67), (1.12, 0.67)),
        (
            ("box", "trim", (0.13, 0.12, 0.25, 0.985, 0.03)),
            ("box", "trim", (1.2, 0.12, 1.32, 0.985, 0.03)),
            ("box", "body", (0.03, 0.17, 1.42, 0.52, 0.05)),
            ("box", "trim", (0.05, 0.71, 1.4, 0.8, 0.02)),
            ("box", "shade", (0.015, 0.62, 1.435, 0.73, 0.03)),
        ),
    ),
}

# Toppings stand on the origin and are about 0.29 high.
TOPPINGS: dict[str, tuple[Part, ...]] = {
    "vase": (
        (
            "blob",
            "turquoise",
            (-0.07, -0.31, 0.07, -0.31, 0.035, -0.24, 0.04, -0.17, 0.115, -0.1, 0.07, 0.0)
            + (-0.07, 0.0, -0.115, -0.1, -0.04, -0.17, -0.035, -0.24),
        ),
        ("line", "foam", (0.03, -0.06, -0.095, 0.06, -0.095)),
    ),
    "plant": (
        ("blob", "leaf", (-0.01, -0.1, -0.15, -0.13, -0.16, -0.26, -0.06, -0.22)),
        ("blob", "leaf", (0.01, -0.1, 0.15, -0.13, 0.16, -0.26, 0.06, -0.22)),
        ("blob", "deep leaf", (-0.03, -0.1, -0.085, -0.2, 0.0, -0.32, 0.085, -0.2, 0.03, -0.1)),
        ("poly", "terracotta", (-0.1, -0.13, 0.1, -0.13, 0.07, 0.0, -0.07, 0.0)),
        ("line", "rim", (0.03, -0.09, -0.11, 0.09, -0.11)),
    ),
    "cup": (
        ("line", "steam", (0.025, -0.06, -0.2, -0.035, -0.225, -0.06, -0.25, -0.035, -0.28)),
        ("line", "steam", (0.025, 0.02, -0.2, 0.045, -0.225, 0.02, -0.25, 0.045, -0.28)),
        ("oval", "china", (0.04, -0.155, 0.165, -0.03)),
        ("oval", "coffee", (0.075, -0.12, 0.13, -0.065)),
        ("blob", "china", (-0.125, -0.19, 0.1, -0.19, 0.085, 0.0, -0.11, 0.0)),
        ("oval", "coffee", (-0.115, -0.2, 0.09, -0.155)),
    ),
    "candle": (
        ("oval", "brass", (-0.12, -0.05, 0.12, 0.0)),
        ("box", "cream", (-0.062, -0.19, 0.062, -0.02, 0.015)),
        ("blob", "flame", (0.0, -0.35, 0.085, -0.23, 0.0, -0.15, -0.085, -0.23)),
        ("oval", "glow", (-0.028, -0.24, 0.028, -0.18)),
    ),
    "ball": (
        ("oval", "sail white", (-0.135, -0.27, 0.135, 0.0)),
        ("blob", "coral", (-0.13, -0.16, -0.02, -0.17, 0.0, -0.14, -0.03, -0.11, -0.11, -0.05)),
        ("blob", "coral", (-0.05, -0.265, 0.085, -0.25, 0.03, -0.16, 0.0, -0.14)),
        ("blob", "coral", (0.01, -0.14, 0.13, -0.15, 0.11, -0.05, 0.0, 0.0, -0.02, -0.01)),
    ),
    "cushion": (
        (
            "blob",
            "lilac",
            (-0.16, -0.22, 0.0, -0.24, 0.1, -0.29, 0.13, -0.15, 0.16, -0.03, 0.02, -0.03, -0.11, 0.01, -0.12, -0.1),
        ),
        ("oval", "deep lilac", (-0.03, -0.17, 0.04, -0.1)),
    ),
}

MARGIN = 0.015

# How each variant is seen: width as a share of the full one, and how far the top leans to the right.
VIEWS = ((1.0, 0.0), (0.9, 0.1), (0.84, 0.0), (0.9, -0.1))


def aspect(thing: Thing) -> float:
    """The width of the thing's sheet, its height being 1."""
    return DESIGNS[thing["kind"]].aspect


def _paints(thing: Thing) -> dict[str, Fill | RGB]:
    """The fixed tones, and those of this thing's words."""
    body, trim = Fill(thing["colour"], thing["pattern"]), Fill(thing["trim"])
    plain = Fill(thing["colour"])
    shade = lighter(plain.rgb, 0.16) if thing["colour"] == "black" else darker(plain.rgb, 0.1)
    return {**TONES, "body": body, "plain": plain, "shade": shade, "edge": darker(plain.rgb, 0.5), "trim": trim}


def _view(variant: int, width: float) -> Affine:
    """The map of a variant: narrowed about the middle and leaning, inside a sheet of this width."""
    share, lean = VIEWS[variant % 4]
    share = min(share, 1 - abs(lean) / (width - 2 * MARGIN))
    return share, -lean, (1 - share) * width / 2 + lean / 2, 0, 1, 0


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw the thing on its sheet: frontal, narrower, or leaning a little to either side."""
    design = DESIGNS[thing["kind"]]
    frame = Frame(pen, _paints(thing), _view(variant, design.aspect))
    frame.draw(design.parts)
    x, y = frame.at(*design.places[variant % 4])
    reach = 0.17 * design.size + MARGIN
    x = min(max(x, reach), design.aspect - reach)
    Frame(pen, TONES, (design.size, 0, x, 0, design.size, y)).draw(TOPPINGS[thing["topping"]])
