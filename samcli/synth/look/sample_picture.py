"""A sample's stages as one picture: its objects with their masks, canvases, results, texts and scores."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from PIL import Image, ImageDraw, ImageFont

from samcli.answers import for_terminal
from samcli.errors import UserError
from samcli.synth.look.seen import Panel, Row, Score, Seen
from samcli.synth.photos.stage import Rejected

WIDTH = 1280  # pixels, of everything
_MARGIN, _GAP = 32, 18
_SIDE, _SIDE_OF_SOURCES, _SIDE_OF_MANY = 256, 190, 110
_LEAST_SIDE = 140
_MANY = 3  # objects in a picture; more are shown smaller
_SMALL, _PLAIN, _LARGE = 13, 15, 21
_LINES_OF_CAPTION = 4
_INK, _QUIET, _LINE, _BAD, _GROUND = "#20242c", "#666d78", "#c9cdd5", "#b3352f", "#ffffff"


def draw_sample(seen: Seen) -> Image.Image:
    """The picture, RGB; what is missing on disk is said in its place."""
    inner = WIDTH - 2 * _MARGIN
    blocks = [_words(_heading(seen), inner, _LARGE, bold=True)]
    why = [_words(line, inner, _PLAIN, _BAD) for line in (*seen.reasons, seen.detail) if line]
    why += [_words(f"earlier try: {reason}", inner, _PLAIN, _QUIET) for reason in seen.earlier]
    if why:
        blocks.append(_stacked(why, 4))
    for row in seen.rows:
        blocks.append(_row(row, inner))
    texts = (("asked", seen.asked), ("answer", seen.answer), *seen.texts)
    if told := [_told(name, text, inner) for name, text in texts if text]:
        blocks.append(_stacked(told, 6))
    if seen.scores:
        blocks.append(_scores(seen.scores, inner))
    return _framed(_stacked(blocks, _GAP))


def _heading(seen: Seen) -> str:
    return "  ·  ".join(filter(None, (f"sample {seen.id}", seen.kind, seen.status)))


def _row(row: Row, width: int) -> Image.Image:
    """Panels side by side, wrapped where they need to; an arrow between one stage and the next."""
    steps: list[Image.Image] = []
    for stage, panels in groupby(row.panels, key=lambda panel: panel.stage):
        steps += _step(stage, list(panels), is_first=not steps)
    title = [_words(row.title, width, _PLAIN, bold=True)] if row.title else []
    return _stacked([*title, *_flowed(steps, width)], 8)


def _step(stage: str, panels: Sequence[Panel], *, is_first: bool) -> list[Image.Image]:
    """A stage's panels; many objects in a block of three columns."""
    if stage == "source" and len(panels) > _MANY:
        tiles = [_padded(_tile(panel, _SIDE_OF_MANY), _SIDE_OF_MANY) for panel in panels]
        return [_stacked(_flowed(tiles, _MANY * (_SIDE_OF_MANY + _GAP)), 8)]
    fits = max(_LEAST_SIDE, (WIDTH - 2 * _MARGIN) // len(panels) - _GAP)
    tiles = [_tile(panel, _SIDE_OF_SOURCES if stage == "source" else min(_SIDE, fits)) for panel in panels]
    return tiles if is_first else [_beside([_arrow(), tiles[0]]), *tiles[1:]]


def _flowed(tiles: Sequence[Image.Image], width: int) -> list[Image.Image]:
    lines: list[list[Image.Image]] = [[]]
    for tile in tiles:
        if lines[-1] and sum(each.width + _GAP for each in lines[-1]) + tile.width > width:
            lines.append([])
        lines[-1].append(tile)
    return [_beside(line) for line in lines if line]


def _tile(panel: Panel, side: int) -> Image.Image:
    """A panel over its caption."""
    try:
        picture = panel.paint(side)
    except (UserError, Rejected, OSError, ValueError) as error:
        picture = _missing(side, f"{error}: {error.detail}" if isinstance(error, Rejected) else str(error))
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), outline=_LINE)
    width = min(side, max(picture.width, _LEAST_SIDE))
    parts = [picture, _words(panel.caption, width, _SMALL, _QUIET, most=_LINES_OF_CAPTION)]
    fits = side > _SIDE_OF_MANY
    fine = ", ".join(f"{score.name} {score.value:.3g}" for score in panel.scores if fits and not score.is_out)
    parts += [_words(fine, width, _SMALL, _QUIET)] * bool(fine)
    parts += [_words(_said(score), width, _SMALL, _BAD) for score in panel.scores if score.is_out]
    return _stacked(parts, 4)


def _missing(side: int, why: str) -> Image.Image:
    box = Image.new("RGB", (side, side), _GROUND)
    box.paste(_words(why, side - 16, _SMALL, _BAD, most=side // 20), (8, 8))
    return box


def _arrow() -> Image.Image:
    sheet = Image.new("RGB", (26, _SIDE), _GROUND)
    draw, middle = ImageDraw.Draw(sheet), _SIDE_OF_SOURCES // 2
    draw.line((2, middle, 20, middle), fill=_QUIET, width=2)
    draw.polygon([(16, middle - 6), (25, middle), (16, middle + 6)], fill=_QUIET)
    return sheet


def _told(name: str, text: str, width: int) -> Image.Image:
    """A text beside its name."""
    left = 190
    return _beside([_padded(_words(name, left, _PLAIN, _QUIET), left), _words(text, width - left - _GAP, _PLAIN)])


def _scores(scores: Sequence[Score], width: int) -> Image.Image:
    """In three columns, those outside their limits in red."""
    column = (width - 2 * _GAP) // 3
    cells = [_padded(_words(_said(score), column, _SMALL, _BAD if score.is_out else _INK), column) for score in scores]
    lines = [_beside(cells[place : place + 3]) for place in range(0, len(cells), 3)]
    return _stacked([_words("scores", width, _PLAIN, bold=True), *lines], 5)


def _said(score: Score) -> str:
    wanted = f"  ({'wanted ' if score.is_out else ''}{score.limit})" if score.limit else ""
    return f"{score.name} {score.value:.3g}{wanted}"


def _words(
    text: str, width: int, size: int, colour: str = _INK, *, bold: bool = False, most: int | None = None
) -> Image.Image:
    """A text in lines no wider than `width`; of more than `most` lines the last one ends in dots."""
    font = _font(size, bold)
    lines = _lines(for_terminal(text), width, font)
    if most is not None and len(lines) > most:
        lines[most - 1 :] = [f"{lines[most - 1][:-1]}…"]
    height, widest = round(1.4 * size), max(font.getlength(line) for line in lines)
    sheet = Image.new("RGB", (round(widest) + 1, height * len(lines)), _GROUND)
    draw = ImageDraw.Draw(sheet)
    for place, line in enumerate(lines):
        draw.text((0, place * height + height // 2), line, font=font, fill=colour, anchor="lm")
    return sheet


def _lines(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """The text broken between words, and within those that are too long for a line."""
    lines = []
    for paragraph in text.split("\n"):
        rest = " ".join(paragraph.split())
        while font.getlength(rest) > width and len(rest) > 1:
            fits = bisect_right([font.getlength(rest[:end]) for end in range(1, min(len(rest), width))], width)
            end = max(rest.rfind(" ", 0, fits + 1), 0) or max(1, fits)
            lines.append(rest[:end])
            rest = rest[end:].lstrip()
        lines.append(rest)
    return lines


@lru_cache(maxsize=8)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along: it is there on every machine."""
    from matplotlib import get_data_path

    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf", size)


def _stacked(blocks: Sequence[Image.Image], gap: int) -> Image.Image:
    sheet = Image.new(
        "RGB", (max(each.width for each in blocks), sum(each.height + gap for each in blocks) - gap), _GROUND
    )
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height + gap
    return sheet


def _beside(blocks: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new(
        "RGB", (sum(each.width + _GAP for each in blocks) - _GAP, max(each.height for each in blocks)), _GROUND
    )
    left = 0
    for block in blocks:
        sheet.paste(block, (left, 0))
        left += block.width + _GAP
    return sheet


def _padded(block: Image.Image, width: int) -> Image.Image:
    sheet = Image.new("RGB", (max(width, block.width), block.height), _GROUND)
    sheet.paste(block, (0, 0))
    return sheet


def _framed(block: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (WIDTH, block.height + 2 * _MARGIN), _GROUND)
    sheet.paste(block, (_MARGIN, _MARGIN))
    return sheet
