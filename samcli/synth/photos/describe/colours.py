"""The main colours of cut-out objects, by name: told from their pixels where nothing else describes them."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

RGB = tuple[int, int, int]
NAMED: tuple[tuple[str, RGB], ...] = (
    ("black", (20, 20, 22)),
    ("black", (44, 42, 46)),
    ("dark grey", (82, 84, 88)),
    ("grey", (128, 130, 134)),
    ("light grey", (190, 192, 196)),
    ("white", (242, 242, 240)),
    ("beige", (222, 200, 168)),
    ("beige", (238, 224, 200)),
    ("dark brown", (66, 42, 28)),
    ("brown", (126, 78, 44)),
    ("light brown", (178, 130, 84)),
    ("dark red", (112, 18, 26)),
    ("red", (206, 40, 44)),
    ("orange", (240, 134, 32)),
    ("yellow", (248, 214, 54)),
    ("light yellow", (250, 238, 150)),
    ("olive", (118, 116, 44)),
    ("dark green", (24, 74, 42)),
    ("green", (58, 160, 78)),
    ("light green", (158, 214, 140)),
    ("turquoise", (60, 190, 190)),
    ("dark turquoise", (14, 108, 114)),
    ("dark blue", (26, 38, 92)),
    ("blue", (46, 98, 204)),
    ("light blue", (150, 196, 238)),
    ("dark purple", (66, 26, 92)),
    ("purple", (134, 66, 180)),
    ("light purple", (196, 168, 226)),
    ("pink", (247, 150, 190)),
    ("dark pink", (222, 52, 132)),
)
"""Examples of each colour, sRGB."""

_LIGHT_COUNTS = 0.6  # a difference in lightness, beside one in hue: shade and sun change it most
_LEAST_SHARE, _MOST_NAMES = 0.12, 3
_SAMPLED = 96  # pixels a side
_SRGB, _LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
_TO_LAB = ImageCms.buildTransform(_SRGB, _LAB, "RGB", "LAB")


def main_colours(cutouts: Sequence[Image.Image]) -> list[str]:
    """One to three colour names, the largest first, of an object's views: RGBA with colours multiplied by alpha.

    Each pixel takes the name of the nearest example in CIELAB; shares are means over the views. Shades of one colour
    count as the commonest of them. Empty where no view shows anything.
    """
    shares: dict[str, float] = {}
    seen = [names for cut in cutouts if (names := _names(cut))]
    for names in seen:
        total = sum(names.values())
        for name, count in names.items():
            shares[name] = shares.get(name, 0) + count / total / len(seen)
    largest = sorted(_merged(shares).items(), key=lambda one: -one[1])[:_MOST_NAMES]
    return [name for place, (name, share) in enumerate(largest) if place == 0 or share >= _LEAST_SHARE]


def _names(cut: Image.Image) -> Counter[str]:
    """Pixels of each colour among those that are all object."""
    small = cut.copy()
    small.thumbnail((_SAMPLED, _SAMPLED), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32).reshape(-1, 4)
    solid = pixels[pixels[:, 3] > 200]
    if not len(solid):
        solid = pixels[pixels[:, 3] > 0]
    if not len(solid):
        return Counter()
    own = np.clip(solid[:, :3] * 255 / solid[:, 3:], 0, 255).round().astype(np.uint8)
    distances = np.linalg.norm(_lab(own)[:, None] - _EXAMPLES[None], axis=-1)
    return Counter(NAMED[number][0] for number in distances.argmin(axis=1).tolist())


def _merged(shares: dict[str, float]) -> dict[str, float]:
    """Shares by colour, its shades under the name of the largest."""
    groups: dict[str, dict[str, float]] = {}
    for name, share in shares.items():
        groups.setdefault(name.split()[-1], {})[name] = share
    return {max(shades, key=shades.__getitem__): sum(shades.values()) for shades in groups.values()}


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 3) sRGB bytes as L*, a*, b*, lightness weighted down."""
    turned = ImageCms.applyTransform(Image.fromarray(pixels[None]), _TO_LAB)
    if turned is None:
        raise RuntimeError("a transform that makes a new picture returned none")
    flat = np.asarray(turned)[0]
    lightness = flat[:, :1].astype(np.float32) * (100 / 255 * _LIGHT_COUNTS)
    return np.concatenate([lightness, flat[:, 1:].view(np.int8).astype(np.float32)], axis=1)


def _examples(colours: Iterable[RGB]) -> NDArray[np.float32]:
    return _lab(np.asarray(list(colours), dtype=np.uint8))


_EXAMPLES = _examples(colour for _, colour in NAMED)
