"""Characters: men, women, boys and girls with a garment, a hairdo and an accessory."""

from dataclasses import dataclass
from functools import cached_property
from math import cos, hypot, pi, sin

from samcli.synth.world.pen import PALETTE, RGB, Fill, Pen, Point, darker, lighter
from samcli.synth.world.things import Thing

GROUND = 0.985
PERIOD = 0.105  # of the pattern, so that a child's shirt still shows several
SKIN: RGB = (244, 190, 154)
TROUSERS: RGB = (92, 95, 108)
INK: RGB = (40, 34, 44)
WHITE: RGB = (252, 250, 246)
TEAL: RGB = (0, 116, 124)
GOLD: RGB = (255, 196, 30)
TAN: RGB = (206, 160, 100)
MAGENTA: RGB = (226, 30, 136)
VIOLET_GREY: RGB = (122, 112, 158)
LIP: RGB = (206, 30, 62)

CENTRE = 0.34
WIDTH = {"balloon": 0.94, "umbrella": 0.96, "bag": 0.76}
TOP = {"hat": 0.13, "crown": 0.13, "balloon": 0.085, "umbrella": 0.085}


@dataclass(frozen=True)
class Build:
    """Proportions of a kind: half-widths and head radii as shares of the figure's height, and its fixed colours."""

    head: Point
    shoulder: float
    waist: float
    hip: float
    limb: float
    shoe: RGB
    sock: RGB


BUILDS = {
    "man": Build((0.112, 0.135), 0.172, 0.15, 0.135, 0.085, (74, 50, 40), SKIN),
    "woman": Build((0.108, 0.135), 0.12, 0.08, 0.13, 0.062, LIP, SKIN),
    "boy": Build((0.182, 0.202), 0.13, 0.125, 0.12, 0.072, (40, 96, 190), SKIN),
    "girl": Build((0.182, 0.202), 0.1, 0.085, 0.125, 0.06, (232, 74, 140), WHITE),
}
# Per garment, rows from shoulder to hem: height as a share of the body, then the width as a share of a part's.
PROFILES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "coat": ((0, 0.55, "shoulder"), (0.04, 1, "shoulder"), (0.3, 1.25, "waist"), (0.78, 1.75, "hip")),
    "shirt": ((0, 0.5, "shoulder"), (0.04, 1, "shoulder"), (0.28, 1.05, "waist"), (0.5, 1.12, "hip")),
    "jumpsuit": ((0, 0.5, "shoulder"), (0.04, 1, "shoulder"), (0.28, 1, "waist"), (0.46, 1.05, "hip")),
    "dress": ((0, 0.6, "shoulder"), (0.05, 0.85, "shoulder"), (0.27, 0.95, "waist"), (0.88, 2.0, "hip")),
}
SLEEVES = {"coat": 0.9, "shirt": 0.45, "jumpsuit": 0.9, "dress": 0.0}
# Per variant: left hand, right hand (from the shoulder's outer point, as shares of the height), spread of the feet.
POSES: tuple[tuple[Point, Point, Point], ...] = (
    ((-0.06, 0.25), (0.06, 0.25), (-0.07, 0.07)),
    ((-0.12, -0.14), (0.06, 0.25), (-0.06, 0.08)),
    ((-0.1, 0.2), (0.1, 0.2), (-0.14, 0.14)),
    ((-0.115, 0.02), (0.115, 0.02), (-0.09, 0.09)),
)
HAIRLINES: dict[str, tuple[Point, ...]] = {
    "man": ((1.04, 0.1), (0.86, -0.05), (0.74, -0.42), (0.1, -0.5), (-0.74, -0.42), (-0.86, -0.05), (-1.04, 0.1)),
    "woman": ((1.1, 0.42), (0.84, 0.1), (0.5, -0.2), (0, -0.7), (-0.5, -0.2), (-0.84, 0.1), (-1.1, 0.42)),
    "boy": (
        ((1.02, 0), (0.76, -0.44), (0.52, -0.08), (0.26, -0.46), (0, -0.1))
        + ((-0.26, -0.46), (-0.52, -0.08), (-0.76, -0.44), (-1.02, 0))
    ),
    "girl": ((1.08, 0.4), (0.84, 0.3), (0.8, -0.18), (0, -0.1), (-0.8, -0.18), (-0.84, 0.3), (-1.08, 0.4)),
}
CROWN_ARC = tuple((-cos(pi * step / 12), -sin(pi * step / 12)) for step in range(13))
CLOUD = tuple((1.14 * cos(pi * turn / 180), 1.06 * sin(pi * turn / 180) - 0.08) for turn in range(-215, 40, 28))
FRINGE = ((-0.72, -0.5), (-0.36, -0.68), (0, -0.72), (0.36, -0.68), (0.72, -0.5))
LOCK = ((0.72, -0.5), (1.14, -0.4), (1.34, 0.8), (1.42, 2.0), (1.2, 2.16), (0.92, 2.0), (0.9, 0.9))
CHILD_LOCK = ((0.72, -0.5), (1.14, -0.4), (1.26, 0.8), (1.3, 1.55), (1.1, 1.7), (0.8, 1.55), (0.88, 0.8))
TAIL = ((-0.7, -0.72), (-1.2, -1.0), (-1.75, -0.62), (-1.95, 0.2), (-1.8, 1.3), (-1.5, 0.8), (-1.32, 0), (-0.9, -0.2))
CHILD_TAIL = ((-0.7, -0.7), (-1.15, -0.95), (-1.5, -0.6), (-1.62, 0.2), (-1.45, 1.2), (-1.25, 0.6), (-0.9, -0.1))


@dataclass(frozen=True)
class Figure:
    """Where a character's parts lie on its sheet."""

    thing: Thing
    build: Build
    top: float
    hands: tuple[Point, Point]
    feet: tuple[float, float]

    @cached_property
    def height(self) -> float:
        """From the hair to the ground."""
        return GROUND - self.top

    @cached_property
    def is_child(self) -> bool:
        """Boys and girls have large heads on small bodies."""
        return self.thing["kind"] in ("boy", "girl")

    @cached_property
    def head(self) -> Point:
        """The middle of the face."""
        return CENTRE, self.top + 1.1 * self.build.head[1] * self.height

    @cached_property
    def shoulder(self) -> float:
        """The height of the shoulders, just below the chin."""
        return self.top + (2.02 if self.is_child else 2.18) * self.build.head[1] * self.height

    def at(self, spot: Point) -> Point:
        """A spot of the head, in units of its radii from the middle of the face."""
        wide, high = self.build.head
        return self.head[0] + spot[0] * wide * self.height, self.head[1] + spot[1] * high * self.height

    def around(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        """A box in units of the head's radii."""
        return *self.at((left, top)), *self.at((right, bottom))

    def down(self, share: float) -> float:
        """The height of a spot of the body: 0 at the shoulders, 1 at the ground."""
        return self.shoulder + share * (GROUND - self.shoulder)

    def half(self, part: str) -> float:
        """Half the width of the shoulders, the waist or the hips on the sheet."""
        return float(getattr(self.build, part)) * self.height


def aspect(thing: Thing) -> float:
    """Width of the sheet for a height of 1."""
    return WIDTH.get(thing["accessory"], 0.68)


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw the character: standing, an arm raised, walking or with both arms out."""
    figure = _figure(thing, variant)
    hair = PALETTE[thing["hair"]]
    _hold_above(pen, figure)
    _hair_behind(pen, figure, hair)
    _arms(pen, figure)
    _legs(pen, figure)
    _garment(pen, figure)
    _head(pen, figure, hair)
    _hair_before(pen, figure, hair)
    _wear(pen, figure)


def _figure(thing: Thing, variant: int) -> Figure:
    build, top = BUILDS[thing["kind"]], TOP.get(thing["accessory"], 0.085 if thing["style"] == "curly" else 0.025)
    left, right, feet = POSES[variant % len(POSES)]
    if thing["accessory"] in ("balloon", "umbrella") and right[1] > 0.1:
        right = (0.12, 0.1)
    figure = Figure(thing, build, top, ((0, 0), (0, 0)), feet)
    tall, shrink, reach = figure.height, 0.8 if figure.is_child else 1.0, build.shoulder * figure.height
    hands = (
        (CENTRE - reach + left[0] * tall, figure.shoulder + (0.05 + left[1] * shrink) * tall),
        (CENTRE + reach + right[0] * tall, figure.shoulder + (0.05 + right[1] * shrink) * tall),
    )
    return Figure(thing, build, top, hands, feet)


def _limb(pen: Pen, start: Point, end: Point, width: float, fill: Fill | RGB) -> None:
    (x0, y0), (x1, y1) = start, end
    length = hypot(x1 - x0, y1 - y0) or 1.0
    across, along = (y0 - y1) / length * width / 2, (x1 - x0) / length * width / 2
    pen.polygon(
        ((x0 + across, y0 + along), (x1 + across, y1 + along), (x1 - across, y1 - along), (x0 - across, y0 - along)),
        fill,
    )


def _arms(pen: Pen, figure: Figure) -> None:
    thing, width = figure.thing, figure.build.limb * figure.height
    sleeve = SLEEVES[thing["garment"]]
    for side, (x, y) in zip((-1, 1), figure.hands, strict=True):
        start = (CENTRE + side * (figure.half("shoulder") - width / 2), figure.shoulder + 0.6 * width)
        pen.circle((x, y), width * 0.55, SKIN)
        _limb(pen, start, (x, y), width * 0.8, SKIN)
        if sleeve:
            end = (start[0] + (x - start[0]) * sleeve, start[1] + (y - start[1]) * sleeve)
            _limb(pen, start, end, width * 1.15, Fill(thing["colour"], thing["pattern"]))


def _ankles(figure: Figure) -> list[Point]:
    return [(CENTRE + foot * figure.height, GROUND - 0.035) for foot in figure.feet]


def _legs(pen: Pen, figure: Figure) -> None:
    bare = figure.thing["garment"] == "dress"
    width = figure.build.limb * figure.height * (0.9 if bare else 1.2)
    for side, (x, y) in zip((-1, 1), _ankles(figure), strict=True):
        hip = (CENTRE + side * figure.half("hip") * 0.5, figure.down(0.4))
        _limb(pen, hip, (x, y), width, figure.build.sock if bare else TROUSERS)
        _shoe(pen, figure, (x, y), side)


def _shoe(pen: Pen, figure: Figure, ankle: Point, side: int) -> None:
    x, y = ankle[0] + side * 0.012, ankle[1]
    wide = 0.075 if figure.thing["kind"] == "man" else 0.062
    pen.ellipse((x - wide, y - 0.035, x + wide, GROUND), figure.build.shoe)


def _outline(figure: Figure) -> list[Point]:
    rows = PROFILES[figure.thing["garment"]]
    sides = [(share * figure.half(part), figure.down(down)) for down, share, part in rows]
    middle: list[Point] = []
    if figure.thing["garment"] == "jumpsuit":
        (left, y), (right, _) = _ankles(figure)
        cuff, fork = figure.build.limb * figure.height * 0.72, figure.down(0.58)
        middle = [(right + cuff, y - 0.01), (right - cuff, y - 0.01), (CENTRE, fork)]
        middle += [(left + cuff, y - 0.01), (left - cuff, y - 0.01)]
    elif figure.thing["garment"] == "coat":
        middle = [(CENTRE + 0.02, figure.down(0.78)), (CENTRE, figure.down(0.68)), (CENTRE - 0.02, figure.down(0.78))]
    right_side = [(CENTRE + half, y) for half, y in sides]
    left_side = [(CENTRE - half, y) for half, y in reversed(sides)]
    return right_side + middle + left_side


def _garment(pen: Pen, figure: Figure) -> None:
    fill = Fill(figure.thing["colour"], figure.thing["pattern"])
    wide = figure.half("shoulder")
    pen.rectangle((CENTRE - wide * 0.3, figure.shoulder - 0.05, CENTRE + wide * 0.3, figure.shoulder + 0.02), SKIN)
    pen.polygon(_outline(figure), fill)
    {"coat": _coat, "shirt": _shirt, "jumpsuit": _jumpsuit, "dress": _dress}[figure.thing["garment"]](pen, figure, fill)


def _coat(pen: Pen, figure: Figure, fill: Fill) -> None:
    wide, top, deep = figure.half("shoulder") * 0.62, figure.shoulder, figure.down(0.25)
    edge = darker(fill.rgb, 0.55)
    pen.polygon(((CENTRE - wide, top), (CENTRE + wide, top), (CENTRE, deep)), WHITE)
    for side in (-1, 1):
        lapel = ((0.45, 0.0), (1.0, 0.0), (1.15, 0.12), (0.0, 0.29))
        pen.polygon([(CENTRE + side * wide * x, figure.down(y)) for x, y in lapel], darker(fill.rgb, 0.2))
    pen.line(((CENTRE, deep), (CENTRE, figure.down(0.68))), edge, 0.016)
    for share in (0.36, 0.47, 0.58):
        pen.circle((CENTRE + 0.045, figure.down(share)), 0.021, GOLD)


def _shirt(pen: Pen, figure: Figure, fill: Fill) -> None:
    wide, top = figure.half("shoulder") * 0.5, figure.shoulder
    pen.polygon(((CENTRE - wide, top), (CENTRE + wide, top), (CENTRE, figure.down(0.09))), SKIN)
    for side in (-1, 1):
        tip = (CENTRE + side * wide * 0.6, figure.down(0.13))
        pen.polygon(((CENTRE + side * wide, top), tip, (CENTRE, figure.down(0.08))), lighter(fill.rgb, 0.3))


def _jumpsuit(pen: Pen, figure: Figure, fill: Fill) -> None:
    waist, edge = figure.half("waist"), darker(fill.rgb, 0.55)
    pen.line(((CENTRE, figure.down(0.02)), (CENTRE, figure.down(0.5))), edge, 0.018)
    pen.rectangle((CENTRE - waist, figure.down(0.28), CENTRE + waist, figure.down(0.34)), darker(fill.rgb, 0.25))


def _dress(pen: Pen, figure: Figure, fill: Fill) -> None:
    wide, waist = figure.half("shoulder") * 0.5, figure.half("waist") * 1.05
    pen.pieslice((CENTRE - wide, figure.down(-0.1), CENTRE + wide, figure.down(0.1)), 0, 180, SKIN)
    pen.rectangle((CENTRE - waist, figure.down(0.25), CENTRE + waist, figure.down(0.3)), darker(fill.rgb, 0.3))


def _head(pen: Pen, figure: Figure, hair: RGB) -> None:
    kind = figure.thing["kind"]
    ear = 0.26 if kind == "boy" else 0.16
    for side in (-1, 1):
        pen.ellipse(figure.around(side * 1.02 - ear, 0.1 - ear, side * 1.02 + ear, 0.1 + ear), SKIN)
    pen.ellipse(figure.around(-1, -1, 1, 1), SKIN)
    {"man": _man, "woman": _woman, "boy": _boy, "girl": _girl}[kind](pen, figure, hair)
    size = 0.13 if figure.is_child else 0.14
    for side in (-1, 1):
        x = side * 0.4
        pen.ellipse(figure.around(x - size, 0.08 - size * 1.3, x + size, 0.08 + size * 1.3), INK, outline=False)
        pen.ellipse(figure.around(x, -0.06, x + size * 0.7, 0.05), WHITE, outline=False)


def _man(pen: Pen, figure: Figure, hair: RGB) -> None:
    pen.pieslice(figure.around(-1.06, -0.7, 1.06, 1.34), 0, 180, hair)
    pen.ellipse(figure.around(-0.3, 0.56, 0.3, 0.86), (226, 120, 110))
    for side in (-1, 1):
        pen.polygon([figure.at((side * x, y)) for x, y in ((0, 0.28), (0.62, 0.42), (0.72, 0.6), (0, 0.58))], hair)


def _lashes(pen: Pen, figure: Figure) -> None:
    for side in (-1, 1):
        for start, end in (((0.5, 0.02), (0.7, 0.09)), ((0.48, 0.13), (0.64, 0.22))):
            pen.line([figure.at((side * x, y)) for x, y in (start, end)], INK, 0.012)


def _woman(pen: Pen, figure: Figure, hair: RGB) -> None:
    _lashes(pen, figure)
    pen.pieslice(figure.around(-0.42, 0.2, 0.42, 0.82), 10, 170, LIP, outline=False)


def _boy(pen: Pen, figure: Figure, hair: RGB) -> None:
    for side in (-1, 1):
        pen.line([figure.at((side * x, y)) for x, y in ((0.22, -0.22), (0.6, -0.26))], darker(hair, 0.3), 0.02)
    pen.pieslice(figure.around(-0.48, 0.0, 0.48, 0.84), 0, 180, (120, 30, 40))
    pen.rectangle(figure.around(-0.36, 0.43, 0.36, 0.55), WHITE, outline=False)


def _girl(pen: Pen, figure: Figure, hair: RGB) -> None:
    _lashes(pen, figure)
    for side in (-1, 1):
        pen.ellipse(figure.around(side * 0.6 - 0.26, 0.28, side * 0.6 + 0.26, 0.72), (244, 110, 120), outline=False)
    pen.arc(figure.around(-0.22, 0.36, 0.22, 0.68), 10, 170, LIP, 0.02)


def _hair_behind(pen: Pen, figure: Figure, hair: RGB) -> None:
    style = figure.thing["style"]
    if style == "long":
        low = 1.5 if figure.is_child else 1.8
        pen.rectangle(figure.around(-1.16, -0.6, 1.16, low), darker(hair, 0.15), radius=0.06)
    elif style == "curly":
        reach = 0.36 if figure.is_child else 0.42
        for x, y in CLOUD:
            pen.ellipse(figure.around(x - reach, y - reach * 0.9, x + reach, y + reach * 0.9), hair)


def _hair_before(pen: Pen, figure: Figure, hair: RGB) -> None:
    style = figure.thing["style"]
    if style == "long":
        for side in (-1, 1):
            pen.polygon([figure.at((side * x, y)) for x, y in (CHILD_LOCK if figure.is_child else LOCK)], hair)
    elif style == "tied":
        pen.polygon([figure.at(spot) for spot in (CHILD_TAIL if figure.is_child else TAIL)], hair)
    top = [(x * 1.08, y * 1.1) for x, y in CROWN_ARC]
    pen.polygon([figure.at(spot) for spot in [*top, *HAIRLINES[figure.thing["kind"]]]], hair)
    if style == "curly":
        for x, y in FRINGE:
            pen.ellipse(figure.around(x - 0.3, y - 0.27, x + 0.3, y + 0.27), hair)
    elif style == "tied":
        pen.ellipse(figure.around(-1.16, -0.84, -0.82, -0.36), lighter(hair, 0.65))
    if figure.thing["kind"] == "woman":
        for side in (-1, 1):
            pen.ellipse(figure.around(side * 1.02 - 0.19, 0.5, side * 1.02 + 0.19, 0.84), GOLD)


def _hold_above(pen: Pen, figure: Figure) -> None:
    x, y = figure.hands[1]
    if figure.thing["accessory"] == "balloon":
        pen.line(((x, y), (0.76, 0.37)), INK, 0.012)
        pen.polygon(((0.76, 0.33), (0.795, 0.39), (0.725, 0.39)), MAGENTA)
        pen.ellipse((0.6, 0.015, 0.92, 0.35), MAGENTA)
        pen.ellipse((0.66, 0.06, 0.73, 0.15), lighter(MAGENTA, 0.65), outline=False)
    elif figure.thing["accessory"] == "umbrella":
        pen.line(((0.74, 0.028), (0.74, 0.2), (x, y), (x - 0.012, y + 0.09)), INK, 0.022)
        pen.pieslice((0.535, 0.035, 0.945, 0.415), 180, 360, VIOLET_GREY)
        pen.pieslice((0.665, 0.035, 0.815, 0.415), 180, 360, lighter(VIOLET_GREY, 0.4))


def _wear(pen: Pen, figure: Figure) -> None:
    wears = {"hat": _hat, "crown": _crown, "scarf": _scarf, "bag": _bag}
    accessory = figure.thing["accessory"]
    if accessory in wears:
        wears[accessory](pen, figure)


def _hat(pen: Pen, figure: Figure) -> None:
    brim, crown = (1.3, 0.85) if figure.is_child else (1.6, 1.0)
    line = figure.at((0, -0.82))[1]
    left, right = figure.at((-crown, 0))[0], figure.at((crown, 0))[0]
    pen.rectangle((left, 0.015, right, line), TEAL, radius=0.04)
    pen.rectangle((left, line - 0.055, right, line - 0.015), GOLD, outline=False)
    pen.ellipse((figure.at((-brim, 0))[0], line - 0.03, figure.at((brim, 0))[0], line + 0.03), TEAL)


def _crown(pen: Pen, figure: Figure) -> None:
    low, high = figure.at((0, -0.78))[1], 0.02
    half = (0.72 if figure.is_child else 1.0) * figure.build.head[0] * figure.height
    teeth = ((-1.15, 0), (-0.5, 0.55), (0, 0), (0.5, 0.55), (1.15, 0), (0.95, 1), (-0.95, 1))
    pen.polygon([(CENTRE + x * half, high + y * (low - high)) for x, y in teeth], GOLD)
    pen.circle((CENTRE, low - 0.035), 0.02, LIP, outline=False)


def _scarf(pen: Pen, figure: Figure) -> None:
    top, half = figure.shoulder - 0.02, max(figure.half("shoulder") * 0.85, 0.11)
    x, low = CENTRE - 0.35 * half, figure.down(0.46)
    pen.polygon(((x - 0.05, top + 0.04), (x + 0.04, top + 0.04), (x + 0.03, low), (x - 0.08, low)), TEAL)
    pen.polygon(
        ((x - 0.068, low - 0.055), (x + 0.028, low - 0.055), (x + 0.026, low - 0.02), (x - 0.074, low - 0.02)), WHITE
    )
    pen.rectangle((CENTRE - half, top, CENTRE + half, top + 0.085), TEAL, radius=0.04)


def _bag(pen: Pen, figure: Figure) -> None:
    x, y = figure.hands[1]
    pen.arc((x - 0.06, y - 0.03, x + 0.06, y + 0.13), 180, 360, darker(TAN, 0.5), 0.022)
    pen.rectangle((x - 0.105, y + 0.045, x + 0.105, y + 0.22), TAN, radius=0.03)
    pen.rectangle((x - 0.105, y + 0.045, x + 0.105, y + 0.115), lighter(TAN, 0.35), radius=0.03)
    pen.circle((x, y + 0.12), 0.022, GOLD)
