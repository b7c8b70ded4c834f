"""Photographs from the sources' root, objects cut out of them, and the views that geometry and light make of one."""

import math
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import minimum_filter

from samcli.data.image import open_image, open_with_alpha
from samcli.errors import UserError
from samcli.synth.photos.kept import kept
from samcli.synth.photos.layers import resampled
from samcli.synth.photos.record import Photo, Subject
from samcli.synth.photos.stage import Rejected, Setting

LEAST_SIDE = 32  # pixels; a smaller photograph shows nothing
LARGEST_SIDE = 1536  # pixels; larger ones are shrunk to it, everywhere alike
Corners = list[tuple[float, float]]
KEPT = 40  # of photographs and cut-outs: those of a chunk of eight pairs with a distractor each, and some more
UNREADABLE, TINY = "photograph unreadable", "photograph too small"
NOTHING = "nothing was segmented"


def photograph(root: Path, photo: Photo) -> tuple[Image.Image, Image.Image | None]:
    """The photograph (RGB) and its alpha channel (L) if it has one, at most `LARGEST_SIDE` pixels a side.

    Raises Rejected for a file that is no picture, lies outside the root, or is too small.
    """
    return _photograph(root, photo.path)


@kept(KEPT)  # stages that follow one another open the same ones
def _photograph(root: Path, path: str) -> tuple[Image.Image, Image.Image | None]:
    place = root / path
    try:
        if not place.resolve().is_relative_to(root.resolve()):
            raise Rejected(UNREADABLE, f"{path} leads out of {root}")
        picture, alpha = open_with_alpha(place)
    except (UserError, OSError) as error:
        raise Rejected(UNREADABLE, str(error)) from error
    if min(picture.size) < LEAST_SIDE:
        raise Rejected(TINY, f"{path}: {picture.width} x {picture.height} pixels, at least {LEAST_SIDE} a side needed")
    size = _within(picture.size, LARGEST_SIDE)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        alpha = alpha.resize(size, Image.Resampling.LANCZOS) if alpha else None
    return picture, alpha


def _within(size: tuple[int, int], most: int) -> tuple[int, int]:
    """The size, shrunk so that no side is longer than `most`."""
    factor = min(1.0, most / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


class Cut(NamedTuple):
    """All that decides what a cut-out looks like."""

    root: Path
    out: Path
    path: str
    mask: str | None
    warp: str | None
    erode: int
    feather: float
    most: int  # pixels of its longer side: no more than a canvas can show


def cut_of(setting: Setting, subject: Subject) -> Cut:
    """How the subject is cut out of its photograph."""
    recipe, place = setting.recipe, (setting.root, setting.out, subject.photo.path)
    return Cut(*place, subject.mask, subject.warp, recipe.compose.erode, recipe.compose.feather, recipe.size)


def cutout(setting: Setting, subject: Subject) -> Image.Image:
    """The object alone, RGBA with colours multiplied by alpha, cropped to its mask: eroded, feathered, warped.

    It is kept for others who ask, so it mustn't be changed in place. Raises Rejected when the photograph can't be read,
    was not segmented or nothing is left of the mask.
    """
    return cutout_of(cut_of(setting, subject))


@kept(KEPT)
def cutout_of(cut: Cut) -> Image.Image:
    """See `cutout`."""
    photo, _ = _photograph(cut.root, cut.path)
    if cut.mask is None:
        raise Rejected(NOTHING, cut.path)
    try:
        mask = open_image(cut.out / cut.mask).convert("L")
    except UserError as error:
        raise Rejected("mask unreadable", cut.mask) from error
    if mask.size != photo.size:
        raise Rejected("photograph changed", f"{cut.path} is {photo.size}, its mask {mask.size}")
    if (box := mask.getbbox()) is None:
        raise Rejected(NOTHING, cut.path)
    ground = backdrop_colour(photo, mask)
    size = _within((box[2] - box[0], box[3] - box[1]), cut.most)
    shown, cover = (one.resize(size, Image.Resampling.HAMMING, box, reducing_gap=2.0) for one in (photo, mask))
    soft = softened(cover, cut.erode, cut.feather)
    if (inner := soft.getbbox()) is None:
        raise Rejected(NOTHING, cut.path)
    own = _own_colours(shown.crop(inner), soft.crop(inner), ground)
    return own if cut.warp is None else warped(own, cut.warp)


def softened(mask: Image.Image, erode: int, feather: float) -> Image.Image:
    """The mask, smaller by `erode` pixels, where the backdrop shines through, with an edge `feather` pixels soft.

    A wide soft edge, which would reach out into the backdrop, begins further inside.
    """
    inset = erode + max(0, math.ceil(feather) - 1)
    if inset:
        shrunk = minimum_filter(np.asarray(mask), 2 * inset + 1, mode="constant", cval=0)
        mask = Image.fromarray(shrunk)
    return mask.filter(ImageFilter.GaussianBlur(feather)) if feather else mask


def backdrop_colour(photo: Image.Image, mask: Image.Image) -> NDArray[np.float32]:
    """The median colour outside the mask, RGB; white where there is no outside."""
    step = max(1, max(photo.size) // 256)
    outside = np.asarray(photo)[::step, ::step][np.asarray(mask)[::step, ::step] == 0]
    return np.median(outside, axis=0).astype(np.float32) if len(outside) else np.full(3, 255.0, np.float32)


def _own_colours(photo: Image.Image, alpha: Image.Image, ground: NDArray[np.float32]) -> Image.Image:
    """RGBA with colours multiplied by alpha, without the ground that shines through at soft edges."""
    cover = np.asarray(alpha)
    own = np.dstack([np.asarray(photo), cover])
    own[cover == 0] = 0
    soft = (cover > 0) & (cover < 255)
    share = cover[soft, None].astype(np.float32) / 255
    own[soft, :3] = np.clip(own[soft, :3] - ground * (1 - share), 0, 255 * share).round().astype(np.uint8)
    return Image.fromarray(own, "RGBA")


def warped(cut: Image.Image, seed: str) -> Image.Image:
    """Another view of a cut-out: a small turn, a change of perspective, other light; cropped to what is left."""
    rng = random.Random(seed)
    width, height = cut.size
    pad = round(0.2 * max(cut.size))
    sheet = Image.new("RGBA", (width + 2 * pad, height + 2 * pad))
    sheet.paste(cut, (pad, pad))
    corners: Corners = [(pad, pad), (pad, pad + height), (pad + width, pad + height), (pad + width, pad)]
    reach = 0.1
    moved: Corners = [
        (x + rng.uniform(-reach, reach) * width, y + rng.uniform(-reach, reach) * height) for x, y in corners
    ]
    tilt, angle = _perspective(moved, corners), rng.choice((-1, 1)) * rng.uniform(4, 12)
    smooth = Image.Resampling.BICUBIC
    turned = resampled(
        sheet, lambda own: own.transform(own.size, Image.Transform.PERSPECTIVE, tilt, smooth).rotate(angle, smooth)
    )
    lit = _lit(turned, gain=rng.uniform(0.8, 1.15), slope=rng.uniform(-0.25, 0.25), warmth=rng.uniform(-0.06, 0.06))
    return lit.crop(lit.getbbox())


def _perspective(source: Corners, target: Corners) -> list[float]:
    """The eight coefficients by which PIL looks up, for each target point, the source point."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    wanted = np.asarray([value for point in target for value in point], dtype=np.float64)
    return [float(value) for value in np.linalg.solve(np.asarray(rows, dtype=np.float64), wanted)]


def _lit(cut: Image.Image, gain: float, slope: float, warmth: float) -> Image.Image:
    """Other light: brighter or darker, more so towards one side, warmer or cooler."""
    pixels = np.asarray(cut, dtype=np.float32).copy()
    across = np.linspace(1 - slope, 1 + slope, cut.width, dtype=np.float32)[None, :, None]
    tint = np.asarray([1 + warmth, 1, 1 - warmth], dtype=np.float32)
    pixels[..., :3] = np.minimum(pixels[..., :3] * gain * across * tint, pixels[..., 3:])
    return Image.fromarray(pixels.round().astype(np.uint8), "RGBA")
