"""A small drawing pen: antialiased shapes in unit coordinates, filled with a colour and a pattern.

Every thing of the world is drawn with it. The pen works at `OVERSAMPLING` times the final size, on a sheet that holds
one byte a pixel, the number of its colour; the colours come in once at the end, when the sheet is reduced, which
smooths every edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw

OVERSAMPLING = 3
PERIOD = 0.13  # of a pattern, in heights of the sheet

_COVER = [0] + [255] * 255  # the alpha of each number of a colour

RGB = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

MODEL: RGB = (40, 0, 0)  # a ground that stamps are drawn in, for others to replace: no two of its tints are equal
Format = tuple[int, float, float]  # of a pen's sheet: its height, aspect and period

PALETTE: dict[str, RGB] = {
    "red": (214, 48, 49),
    "orange": (240, 134, 32),
    "yellow": (250, 212, 50),
    "green": (58, 164, 82),
    "blue": (48, 104, 212),
    "purple": (134, 66, 180),
    "pink": (247, 150, 190),
    "brown": (126, 78, 44),
    "white": (248, 246, 242),
    "black": (44, 42, 50),
    "blond": (240, 214, 120),
    "grey": (158, 160, 166),
}


@lru_cache(maxsize=4096)
def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; `share` is the part of the second, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def darker(colour: RGB, share: float = 0.3) -> RGB:
    """A shade of the colour, for outlines and shadowed sides."""
    return mix(colour, (20, 18, 30), share)


def lighter(colour: RGB, share: float = 0.4) -> RGB:
    """A tint of the colour, for highlights."""
    return mix(colour, (255, 255, 255), share)


def luminance(colour: RGB) -> float:
    """Perceived brightness from 0 (black) to 255 (white), Rec. 601 weights."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


@dataclass(frozen=True)
class Fill:
    """What a shape is filled with: a colour, perhaps by its name in `PALETTE`, and a pattern of the world."""

    colour: str | RGB
    pattern: str = "plain"

    @property
    def rgb(self) -> RGB:
        """The ground colour."""
        return PALETTE[self.colour] if isinstance(self.colour, str) else self.colour

    @property
    def mark(self) -> RGB:
        """The colour of stripes, dots and checks: always far from the ground in brightness, never another hue."""
        bright = luminance(self.rgb) > 150
        return mix(self.rgb, (50, 45, 60), 0.55) if bright else mix(self.rgb, (255, 255, 255), 0.72)

    @property
    def tints(self) -> tuple[RGB, RGB, RGB]:
        """Every colour of a shape that is filled with it: ground, outline and marks."""
        return self.rgb, outline_of(self.rgb), self.mark


@lru_cache(maxsize=64)
def _marks(pattern: str, width: int, height: int, period: int) -> Image.Image:
    """Where the marks of a pattern lie on a sheet: 255 there, else 0."""
    image = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(image)
    half = period // 2
    if pattern == "striped":
        for top in range(0, height, period):
            pen.rectangle((0, top, width, top + half - 1), fill=255)
    elif pattern == "dotted":
        radius = period * 0.3
        for row, y in enumerate(range(half // 2, height + period, period)):
            for x in range(half * (row % 2), width + period, period):
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    elif pattern == "checked":
        for row, y in enumerate(range(0, height, half)):
            for x in range(half * (row % 2), width, period):
                pen.rectangle((x, y, x + half - 1, y + half - 1), fill=255)
    return image


def shaded(colour: RGB) -> RGB:
    """The colour of a side that is turned away; lighter where the front is nearly black, so that it can be told."""
    return lighter(colour, 0.3) if luminance(colour) < 60 else darker(colour, 0.45)


def outline_of(colour: RGB) -> RGB:
    """The colour of the line around a shape of this colour."""
    return darker(colour, 0.45)


@dataclass(frozen=True)
class Stamp:
    """Shapes that were drawn once, to be laid onto other sheets of the same size, in other colours."""

    inks: Image.Image  # numbers of colours
    mask: Image.Image
    corner: tuple[int, int]
    colours: tuple[RGB, ...]


class Pen:
    """Draws on a transparent sheet `aspect` wide and 1 high; y grows downwards, the ground is at y = 1.

    `height` is the final height in pixels; the sheet is `OVERSAMPLING` times as large until `finish`. Pattern
    elements keep their size relative to the sheet (`period`), so that they stay visible in small pictures. A sheet
    takes up to 255 colours.
    """

    def __init__(self, height: int, aspect: float = 1.0, period: float = PERIOD) -> None:
        self.format = (height, aspect, period)
        self.scale = height * OVERSAMPLING
        self.sheet = Image.new("P", (round(aspect * height) * OVERSAMPLING, self.scale), 0)
        self._colours: list[RGB] = []
        self._inks: dict[RGB, int] = {}
        self._pen = ImageDraw.Draw(self.sheet)
        self._period = max(4, 2 * round(period * self.scale / 2))
        self._line = max(1, round(0.012 * self.scale))

    def _ink(self, colour: RGB) -> int:
        """The number of a colour on this sheet; 0 is transparent."""
        if colour not in self._inks:
            self._colours.append(colour)
            self._inks[colour] = len(self._colours)
        return self._inks[colour]

    def _points(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def _box(self, box: Box) -> Box:
        left, top, right, bottom = box
        return left * self.scale, top * self.scale, right * self.scale, bottom * self.scale

    def _paint(self, shape: str, where: Sequence[Point] | Box, fill: Fill | RGB, outline: bool, **more: float) -> None:
        ground = fill.rgb if isinstance(fill, Fill) else fill
        edge = self._ink(outline_of(ground)) if outline else None
        width = self._line if outline else 0
        draw = getattr(self._pen, shape)
        if isinstance(fill, Fill) and fill.pattern != "plain":
            draw(where, fill=self._ink(ground), **more)
            self._mark(shape, where, fill, **more)
            if outline:
                draw(where, outline=edge, width=width, **more)
        else:
            draw(where, fill=self._ink(ground), outline=edge, width=width, **more)

    def _mark(self, shape: str, where: Sequence[Point] | Box, fill: Fill, **more: float) -> None:
        """Lay the marks of the fill's pattern over a shape."""
        mask = Image.new("L", self.sheet.size, 0)
        getattr(ImageDraw.Draw(mask), shape)(where, fill=255, **more)
        if box := mask.getbbox():
            marks = _marks(fill.pattern, *mask.size, self._period).crop(box)
            self.sheet.paste(self._ink(fill.mark), box, ImageChops.darker(mask.crop(box), marks))

    def polygon(self, points: Sequence[Point], fill: Fill | RGB, outline: bool = True) -> None:
        """A filled polygon."""
        self._paint("polygon", self._points(points), fill, outline)

    def ellipse(self, box: Box, fill: Fill | RGB, outline: bool = True) -> None:
        """A filled ellipse inside `box` = (left, top, right, bottom)."""
        self._paint("ellipse", self._box(box), fill, outline)

    def circle(self, centre: Point, radius: float, fill: Fill | RGB, outline: bool = True) -> None:
        """A filled circle."""
        x, y = centre
        self.ellipse((x - radius, y - radius, x + radius, y + radius), fill, outline)

    def rectangle(self, box: Box, fill: Fill | RGB, radius: float = 0.0, outline: bool = True) -> None:
        """A filled rectangle, its corners rounded by `radius`."""
        if radius:
            self._paint("rounded_rectangle", self._box(box), fill, outline, radius=radius * self.scale)
        else:
            self._paint("rectangle", self._box(box), fill, outline)

    def pieslice(self, box: Box, start: float, end: float, fill: Fill | RGB, outline: bool = True) -> None:
        """A slice of the ellipse in `box`; angles in degrees, clockwise from three o'clock."""
        self._paint("pieslice", self._box(box), fill, outline, start=start, end=end)

    def line(self, points: Sequence[Point], colour: RGB, width: float = 0.02) -> None:
        """A polyline with round joints and ends; `width` in units of the sheet's height."""
        thick, ink = max(1, round(width * self.scale)), self._ink(colour)
        scaled = self._points(points)
        self._pen.line(scaled, fill=ink, width=thick, joint="curve")
        for x, y in (scaled[0], scaled[-1]):
            self._pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=ink)

    def arc(self, box: Box, start: float, end: float, colour: RGB, width: float = 0.02) -> None:
        """Part of an ellipse's outline; angles in degrees, clockwise from three o'clock."""
        self._pen.arc(self._box(box), start, end, fill=self._ink(colour), width=max(1, round(width * self.scale)))

    def stamp(self) -> Stamp:
        """What has been drawn so far."""
        box = self.sheet.getbbox() or (0, 0, 1, 1)
        inks = self.sheet.crop(box)
        return Stamp(inks, inks.point(_COVER, "1"), box[:2], tuple(self._colours))

    def lay(self, stamp: Stamp, colours: Mapping[RGB, RGB]) -> None:
        """Lay a stamp onto the sheet, with other colours in place of some of its own."""
        used = len(self._colours)
        self._colours += (colours.get(colour, colour) for colour in stamp.colours)
        if used:
            self.sheet.paste(stamp.inks.point([*range(used, 256), *[0] * used]), stamp.corner, stamp.mask)
        else:
            self.sheet.paste(stamp.inks, stamp.corner)

    def finish(self) -> Image.Image:
        """The sheet at its final size, RGBA, edges smoothed, colours multiplied by their alpha."""
        self.sheet.putpalette(bytes((0, 0, 0, *(level for colour in self._colours for level in colour))))
        small = self.sheet.convert("RGB").reduce(OVERSAMPLING)
        small.putalpha(self.sheet.point(_COVER, "L").reduce(OVERSAMPLING))
        return small
