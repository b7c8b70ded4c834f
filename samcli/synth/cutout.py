"""Cutting subjects out of their photos and standing them on a canvas (the paper's composition)."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from PIL import Image, ImageChops

from samcli.synth.compose import Box, NoRoomError, arrange
from samcli.synth.pipeline import Draft, Frame, Source

NEUTRAL = (200, 200, 200)
_UNMASKED = [255] + [0] * 255  # of a mask's levels


class NothingSegmentedError(Exception):
    """A photo's mask is missing or empty."""


def cut_out(source: Source) -> Image.Image:
    """The subject alone, RGBA with colours multiplied by alpha, cropped to its mask.

    The photo's ground, which shines through at soft edges, is estimated from outside the mask and taken out again.
    Raises NothingSegmentedError when the source has no mask or an empty one.
    """
    if source.mask is None or (box := source.mask.getbbox()) is None:
        raise NothingSegmentedError("nothing was segmented")
    mask = source.mask.crop(box)
    shining = coloured(mask, _shares(_ground(source.photo, source.mask)))
    subject = ImageChops.subtract(source.photo.crop(box), shining)
    subject.putalpha(mask)
    return subject


def coloured(mask: Image.Image, colours: bytes) -> Image.Image:
    """A picture in which each level of the mask has one of 256 RGB colours."""
    numbers = mask.copy()
    numbers.putpalette(colours)
    return numbers.convert("RGB")


@lru_cache(maxsize=64)
def _shares(ground: tuple[int, int, int]) -> bytes:
    """How much of the ground shines through each level of a mask."""
    return bytes(round(level * (255 - alpha) / 255) for alpha in range(256) for level in ground)


def _ground(photo: Image.Image, mask: Image.Image) -> tuple[int, int, int]:
    """The median colour outside the mask; white where nothing is outside."""
    counts = photo.histogram(mask.point(_UNMASKED))
    return _median(counts[:256]), _median(counts[256:512]), _median(counts[512:])


def _median(counts: Sequence[int]) -> int:
    """The median of levels from 0 to 255 that occur so often, a half rounded down; 255 when none occurs."""
    seen = list(accumulate(counts))
    half = seen[-1] / 2
    return (bisect_left(seen, half) + bisect_right(seen, half)) // 2 if half else 255


def paste(canvas: Image.Image, cutout: Image.Image, corner: tuple[int, int]) -> None:
    """Lay a cut-out (colours multiplied by alpha) onto an RGB canvas, in place; outside parts are cut off."""
    left, top = corner
    box = (max(left, 0), max(top, 0), min(left + cutout.width, canvas.width), min(top + cutout.height, canvas.height))
    if box[0] >= box[2] or box[1] >= box[3]:
        return
    part = cutout.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))
    gap = ImageChops.invert(part.getchannel("A"))
    under = ImageChops.multiply(canvas.crop(box), Image.merge("RGB", (gap, gap, gap)))
    canvas.paste(ImageChops.add(under, part.convert("RGB")), box[:2])


def lay(canvas: Image.Image, cutout: Image.Image, box: Box) -> Image.Image:
    """Scale the cut-out to its box, blend it onto the RGB canvas in place; return its alpha on the canvas's size."""
    size = canvas.width
    height = max(1, round(box.height * size))
    width = max(1, round(height * cutout.width / cutout.height))
    scaled = cutout.resize((width, height), Image.Resampling.BOX)
    corner = (round(box.left * size), round(box.bottom * size) - height)
    paste(canvas, scaled, corner)
    alpha = Image.new("L", canvas.size, 0)
    alpha.paste(scaled.getchannel("A"), corner)
    return alpha


class Composer:
    """Places every frame's subjects, without overlap, on a neutral canvas of `size` pixels a side."""

    def __init__(self, size: int, extents: dict[int, tuple[float, float]]) -> None:
        self.size, self.extents = size, extents

    def __call__(self, draft: Draft) -> Draft:
        """Fill in canvas, mask and boxes of every frame; reject a draft that lacks a mask, or room for its subjects."""
        try:
            for number, frame in enumerate(draft.frames):
                self._compose(frame, random.Random(f"{draft.seed}/compose/{number}"))
        except (NothingSegmentedError, NoRoomError) as error:
            draft.rejected = str(error)
        return draft

    def _compose(self, frame: Frame, rng: random.Random) -> None:
        cutouts = [cut_out(source) for source in frame.sources]
        aspects = [cutout.width / cutout.height for cutout in cutouts]
        frame.boxes = arrange(rng, aspects, self.extents[len(cutouts)])
        frame.canvas = Image.new("RGB", (self.size, self.size), NEUTRAL)
        frame.mask = Image.new("L", frame.canvas.size, 0)
        for cutout, box in sorted(zip(cutouts, frame.boxes, strict=True), key=lambda pair: pair[1].bottom):
            frame.mask = ImageChops.lighter(frame.mask, lay(frame.canvas, cutout, box))


def overlap(boxes: Sequence[Box]) -> float:
    """The largest shared area of two boxes, in shares of the canvas."""
    worst = 0.0
    for index, a in enumerate(boxes):
        for b in boxes[:index]:
            wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
            high = min(a.bottom, b.bottom) - max(a.top, b.top)
            worst = max(worst, max(0.0, wide) * max(0.0, high))
    return worst
