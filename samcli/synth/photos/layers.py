"""Transparent pictures whose colours are multiplied by alpha: scaled, moved and put in front of one another.

They have mode RGBA. Pillow takes colours of that mode for not multiplied and would multiply them once more before it
resamples, so resampling is done in its mode RGBa.
"""

from collections.abc import Callable

from PIL import Image, ImageChops

Size = tuple[int, int]


def scaled(layer: Image.Image, size: Size) -> Image.Image:
    """The layer, smaller or larger."""
    return resampled(layer, lambda own: own.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))


def resampled(layer: Image.Image, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The layer after a change that mixes pixels; no colour is brighter than its alpha allows."""
    changed = change(Image.frombytes("RGBa", layer.size, layer.tobytes()))
    whole = Image.frombytes("RGBA", changed.size, changed.tobytes())
    return ImageChops.darker(whole, Image.merge("RGBA", (whole.getchannel("A"),) * 4))


def blended(front: Image.Image, behind: Image.Image) -> Image.Image:
    """Two layers of one size, one in front of the other."""
    gap = ImageChops.invert(front.getchannel("A"))
    return ImageChops.add(front, ImageChops.multiply(behind, Image.merge("RGBA", (gap,) * 4)))
