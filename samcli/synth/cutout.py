"""Cutting subjects out of their photos and standing them on a canvas (the paper's composition)."""

import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from samcli.synth.compose import Box, NoRoomError, arrange
from samcli.synth.pipeline import Draft, Frame, Source

NEUTRAL = (200, 200, 200)


class NothingSegmentedError(Exception):
    """A photo's mask is missing or empty."""


def cut_out(source: Source) -> Image.Image:
    """The subject alone, RGBA with colours multiplied by alpha, cropped to its mask.

    The photo's ground, which shines through at soft edges, is estimated from outside the mask and taken out again.
    Raises NothingSegmentedError when the source has no mask or an empty one.
    """
    if source.mask is None or (box := source.mask.getbbox()) is None:
        raise NothingSegmentedError("nothing was segmented")
    photo = np.asarray(source.photo, dtype=np.float32)
    alpha = np.asarray(source.mask, dtype=np.float32)[..., None] / 255
    outside = photo[alpha[..., 0] == 0]
    ground = np.median(outside, axis=0) if len(outside) else np.full(3, 255.0)
    own = np.clip(photo - ground * (1 - alpha), 0, 255)
    pixels = np.concatenate([own, alpha * 255], axis=-1).round().astype(np.uint8)
    return Image.fromarray(pixels, "RGBA").crop(box)


def lay(canvas: Image.Image, cutout: Image.Image, box: Box) -> Image.Image:
    """Scale the cut-out to its box, blend it onto the RGB canvas in place; return its alpha on the canvas's size."""
    size = canvas.width
    height = max(1, round(box.height * size))
    width = max(1, round(height * cutout.width / cutout.height))
    scaled = cutout.resize((width, height), Image.Resampling.BOX)
    sheet = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    sheet.paste(scaled, (round(box.left * size), round(box.bottom * size) - height))
    top = np.asarray(sheet, dtype=np.uint16)
    cover = top[..., 3:]
    under = np.asarray(canvas, dtype=np.uint16) * (255 - cover) // 255
    canvas.paste(Image.fromarray(np.minimum(under + top[..., :3], 255).astype(np.uint8), "RGB"))
    return sheet.getchannel("A")


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
            alpha = lay(frame.canvas, cutout, box)
            frame.mask = _union(frame.mask, alpha)


def _union(first: Image.Image, second: Image.Image) -> Image.Image:
    return Image.fromarray(np.maximum(np.asarray(first), np.asarray(second)), "L")


def overlap(boxes: Sequence[Box]) -> float:
    """The largest shared area of two boxes, in shares of the canvas."""
    worst = 0.0
    for index, a in enumerate(boxes):
        for b in boxes[:index]:
            wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
            high = min(a.bottom, b.bottom) - max(a.top, b.top)
            worst = max(worst, max(0.0, wide) * max(0.0, high))
    return worst
