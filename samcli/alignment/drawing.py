"""Pictures of what visual tokens are nearest to: words over patches, or lists of words below pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Mark = Literal["true", "other", "none"]
"""Whether a word is true (of its patch, or of what the pictures share), true of something else there, or neither."""

_CELL, _SIDE, _GAP, _LINE = 66, 300, 20, 21  # pixels: a patch, a picture, between things, a line of text
_PAPER, _INK, _FAINT = (250, 249, 246), (32, 36, 44), (110, 116, 126)
_TRUE, _OTHER = (18, 122, 66), (176, 92, 10)
_SHADE = (12, 14, 20, 118)  # over patches whose word isn't true, so that the others stand out in grey as well
_DIGITS = 26


@dataclass(frozen=True)
class Said:
    """The word nearest to a token."""

    word: str
    mark: Mark = "none"


def patch_picture(picture: Image.Image, grid: Sequence[Sequence[Said]]) -> Image.Image:
    """A square picture, and beside it the same with the word of each patch (rows of columns), true ones framed."""
    side = len(grid) * _CELL
    drawn = picture.resize((side, side), Image.Resampling.BICUBIC).convert("RGBA")
    shade = Image.new("RGBA", drawn.size, (0, 0, 0, 0))
    veil = ImageDraw.Draw(shade)
    cells = [(row, column, said) for row, line in enumerate(grid) for column, said in enumerate(line)]
    for row, column, said in cells:
        if said.mark != "true":
            veil.rectangle(_cell(row, column), fill=_SHADE)
    drawn = Image.alpha_composite(drawn, shade).convert("RGB")
    draw = ImageDraw.Draw(drawn)
    for row, column, said in cells:
        left, top, right, bottom = _cell(row, column)
        if said.mark == "true":
            draw.rectangle((left + 1, top + 1, right - 1, bottom - 1), outline=_TRUE, width=4)
        middle = ((left + right) / 2, (top + bottom) / 2)
        fill = (255, 255, 255) if said.mark == "true" else (226, 228, 233)
        draw.text(middle, said.word, fill, _fitting(said.word, _CELL - 8), "mm", stroke_width=2, stroke_fill=(0, 0, 0))
    page = Image.new("RGB", (_SIDE + _GAP + side, max(_SIDE, side)), _PAPER)
    page.paste(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), (0, 0))
    page.paste(drawn, (_SIDE + _GAP, 0))
    return page


def _cell(row: int, column: int) -> tuple[int, int, int, int]:
    return column * _CELL, row * _CELL, (column + 1) * _CELL - 1, (row + 1) * _CELL - 1


def token_picture(
    pictures: Sequence[Image.Image], columns: Sequence[Sequence[Sequence[Said]]], titles: Sequence[str]
) -> Image.Image:
    """Pictures side by side, below each its tokens' words.

    `columns` holds for each picture as many lists of words as there are `titles`, token by token; a word that differs
    from the first list's is underlined.
    """
    tokens = max(len(words) for own in columns for words in own)
    width = len(pictures) * _SIDE + (len(pictures) - 1) * _GAP
    page = Image.new("RGB", (width, _SIDE + _GAP + (tokens + 1) * _LINE + 6), _PAPER)
    draw = ImageDraw.Draw(page)
    for number, (picture, own) in enumerate(zip(pictures, columns, strict=True)):
        left = number * (_SIDE + _GAP)
        page.paste(picture.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), (left, 0))
        for token in range(tokens):
            top = _SIDE + _GAP + (token + 1) * _LINE
            draw.text((left + _DIGITS - 8, top), str(token + 1), _FAINT, _font(12), "ra")
        for place, (title, words) in enumerate(zip(titles, own, strict=True)):
            room = (_SIDE - _DIGITS) // len(titles)
            _list_words(draw, (left + _DIGITS + place * room, _SIDE + _GAP), title, words, own[0], room - 8)
    return page


def _list_words(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    title: str,
    words: Sequence[Said],
    first: Sequence[Said],
    room: int,
) -> None:
    """A title and a word a line below it, underlined where another word stands in the first list."""
    left, top = corner
    draw.text((left, top - 3), title, _FAINT, _fitting(title, room))
    for line, (said, former) in enumerate(zip(words, first, strict=True), start=1):
        font = _fitting(said.word, room)
        colour = {"true": _TRUE, "other": _OTHER, "none": _INK}[said.mark]
        place = (left, top + line * _LINE)
        draw.text(place, said.word, colour, font)
        if said.word != former.word:
            below = top + (line + 1) * _LINE - 3
            draw.line([(left, below), (left + font.getlength(said.word), below)], colour, 2)


def with_text(picture: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text above it."""
    line = Image.new("RGB", (max(picture.width, round(_font(15).getlength(text)) + 1), _LINE + 4), _PAPER)
    ImageDraw.Draw(line).text((0, 0), text, _INK, _font(15))
    page = Image.new("RGB", (line.width, line.height + picture.height), _PAPER)
    page.paste(line, (0, 0))
    page.paste(picture, (0, line.height))
    return page


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures one below the other."""
    height = sum(one.height for one in pictures) + (len(pictures) - 1) * _GAP
    page = Image.new("RGB", (max(one.width for one in pictures), height), _PAPER)
    top = 0
    for one in pictures:
        page.paste(one, (0, top))
        top += one.height + _GAP
    return page


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _fitting(text: str, room: int) -> Font:
    """The largest font up to 15 in which a text fits so many pixels; the smallest that can be read where none does."""
    return next((font for size in range(15, 8, -1) if (font := _font(size)).getlength(text) <= room), _font(8))
