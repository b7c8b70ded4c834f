"""Heat maps laid over pictures, their legend, and the contact sheet that shows a group at a glance."""

import textwrap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from samcli.answers import for_terminal

Weights = NDArray[np.float64]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_CELL, _GAP, _MARGIN, _COLUMNS = 340, 24, 40, 4  # pixels; pictures in a row of the sheet
_PAPER, _INK, _FAINT = (250, 249, 246), (32, 36, 44), (110, 116, 126)
# Lightness rises evenly from first to last, so the order is seen in grey, and by those who don't tell red from green.
_COLOURS = np.array(
    [(30, 26, 84), (38, 68, 128), (33, 107, 142), (32, 145, 140), (66, 182, 122), (150, 213, 76), (250, 230, 52)], float
)
_OPACITY = 0.62


@dataclass(frozen=True)
class Scale:
    """From weights to colours: `middle`, the weight of a patch like all others, is the middle of the colours.

    Below and above it the colours run evenly to the least and the greatest weight of the group, so that its maps can
    be compared. All weights equal: the ends are the middle.
    """

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, weights: Weights, middle: float) -> "Scale":
        """The scale that holds all weights of a group."""
        if float(np.abs(weights - middle).max()) <= 1e-6 * middle:
            return cls(middle, middle, middle)
        return cls(min(float(weights.min()), middle), middle, max(float(weights.max()), middle))

    def colours(self, weights: Weights) -> Weights:
        """RGB, 0 to 255, with an axis more than `weights`."""
        below, above = max(self.middle - self.low, 1e-12), max(self.high - self.middle, 1e-12)
        raised = weights - self.middle
        return colours_at(0.5 + np.clip(np.where(raised < 0, raised / below, raised / above), -1, 1) / 2)


def colours_at(places: Weights) -> Weights:
    """RGB, 0 to 255, at places from 0, the first colour, to 1, the last."""
    steps = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(places, steps, _COLOURS[:, channel]) for channel in range(3)], axis=-1)


def overlay(picture: Image.Image, grid: Weights, scale: Scale) -> Image.Image:
    """The picture in grey under the colours of its weights (rows, columns), which flow from patch to patch."""
    layer = Image.fromarray(grid.astype(np.float32)).resize(picture.size, Image.Resampling.BILINEAR)
    # little contrast: dark places of the picture must not look like low weights
    grey = 90 + 0.5 * np.asarray(ImageOps.autocontrast(picture.convert("L"), cutoff=1), dtype=float)[..., None]
    colours = scale.colours(np.asarray(layer, dtype=float))
    return Image.fromarray((_OPACITY * colours + (1 - _OPACITY) * grey).round().astype(np.uint8))


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """The picture at the largest size that fits a square of `side` pixels; no side is less than one pixel."""
    scale = side / max(picture.size)
    width, height = (max(1, round(scale * length)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _legend(width: int, scale: Scale, meaning: str) -> Image.Image:
    """The bar of colours with the weights at its ends and middle."""
    legend = Image.new("RGB", (width, 76), _PAPER)
    draw = ImageDraw.Draw(legend)
    draw.text((0, 0), _shortened(meaning, _font(15), width), _FAINT, _font(15))
    spread = scale.low < scale.high
    bar = np.broadcast_to(colours_at(np.linspace(0, 1, width)), (16, width, 3)).round().astype(np.uint8)
    legend.paste(Image.fromarray(np.ascontiguousarray(bar)), (0, 27))
    middle = f"{scale.middle:.3f} = even" if spread else f"{scale.middle:.3f}: all weights are equal"
    draw.line([(width // 2, 25), (width // 2, 46)], _INK, 2)
    draw.text((width // 2, 50), middle, _INK, _font(16), anchor="ma")
    if spread:
        draw.text((0, 50), f"{scale.low:.3f}", _INK, _font(16))
        draw.text((width, 50), f"{scale.high:.3f}", _INK, _font(16), anchor="ra")
    return legend


def _range(grid: Weights) -> str:
    return f"min {grid.min():.3f}   mean {grid.mean():.3f}   max {grid.max():.3f}"


def with_legend(drawn: Image.Image, grid: Weights, scale: Scale, meaning: str) -> Image.Image:
    """A map on paper, its range and the legend below."""
    width = max(drawn.width, 420)
    page = Image.new("RGB", (width + 2 * _GAP, drawn.height + 2 * _GAP + 116), _PAPER)
    page.paste(drawn, (_GAP + (width - drawn.width) // 2, _GAP))
    ImageDraw.Draw(page).text((_GAP, drawn.height + _GAP + 10), _range(grid), _INK, _font(17))
    page.paste(_legend(width, scale, meaning), (_GAP, drawn.height + _GAP + 42))
    return page


@dataclass(frozen=True)
class Words:
    """What stands on a contact sheet."""

    prompt: str
    answer: str
    meaning: str


def contact_sheet(
    pictures: list[Image.Image],
    maps: list[Image.Image],
    weights: Weights,
    names: list[str],
    words: Words,
    scale: Scale,
) -> Image.Image:
    """Prompt and answer, then each picture above its map, `_COLUMNS` in a row, and one legend."""
    columns = min(len(pictures), _COLUMNS)
    rows = -(-len(pictures) // columns)
    width = columns * _CELL + (columns - 1) * _GAP + 2 * _MARGIN
    header = _header(width - 2 * _MARGIN, words)
    cells = [_cell(*parts) for parts in zip(pictures, maps, weights, names, strict=True)]
    heights = [max(cell.height for cell in cells[row * columns : (row + 1) * columns]) + _GAP for row in range(rows)]
    page = Image.new("RGB", (width, 2 * _MARGIN + header.height + sum(heights) + 76), _PAPER)
    page.paste(header, (_MARGIN, _MARGIN))
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        top = _MARGIN + header.height + sum(heights[:row])
        page.paste(cell, (_MARGIN + column * (_CELL + _GAP), top))
    page.paste(_legend(width - 2 * _MARGIN, scale, words.meaning), (_MARGIN, page.height - _MARGIN - 76))
    return page


def _header(width: int, words: Words) -> Image.Image:
    prompt, answer = _wrapped(words.prompt, _font(19), width), _wrapped(words.answer, _font(24), width)
    middle = 28 * len(prompt) + 8
    header = Image.new("RGB", (width, middle + 34 * len(answer) + _GAP), _PAPER)
    draw = ImageDraw.Draw(header)
    for number, line in enumerate(prompt):
        draw.text((0, 28 * number), line, _FAINT, _font(19))
    for number, line in enumerate(answer):
        draw.text((0, middle + 34 * number), line, _INK, _font(24))
    return header


def _cell(picture: Image.Image, drawn: Image.Image, grid: Weights, name: str) -> Image.Image:
    """A picture under its name, its map and the map's range below."""
    shown = [fitted(one, _CELL) for one in (picture, drawn)]
    cell = Image.new("RGB", (_CELL, 28 + 2 * shown[0].height + 8 + 30), _PAPER)
    draw = ImageDraw.Draw(cell)
    draw.text((0, 0), _shortened(name, _font(17), _CELL), _INK, _font(17))
    left = (_CELL - shown[0].width) // 2
    cell.paste(shown[0], (left, 28))
    cell.paste(shown[1], (left, 28 + shown[0].height + 8))
    draw.text((0, cell.height - 24), _range(grid), _FAINT, _font(15))
    return cell


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """At most eight lines of text that fit the width."""
    text = for_terminal(text)
    letters = max(8, int(0.95 * width * len(text) / max(1, font.getlength(text))))
    lines = textwrap.wrap(text, letters, max_lines=8, placeholder=" ...") or [""]
    return [_shortened(line, font, width) for line in lines]


def _shortened(text: str, font: Font, width: int) -> str:
    """The text, or as much of its beginning as fits the width."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
