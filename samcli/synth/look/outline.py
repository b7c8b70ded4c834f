"""A photograph with what its mask keeps: the object in its colours, the rest pale, an outline between."""

from PIL import Image, ImageChops, ImageFilter

_LINE = (230, 0, 126)  # magenta: neither skin, wood nor sky
_PALE = (225, 228, 233)


def outlined(photo: Image.Image, mask: Image.Image, side: int) -> Image.Image:
    """The photograph (RGB) within `side` pixels, its mask (L, of the same size) drawn into it."""
    small = photo.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    kept = mask.resize(small.size, Image.Resampling.BOX).point(lambda level: 255 if level > 127 else 0)
    rest = Image.blend(small.convert("L").convert("RGB"), Image.new("RGB", small.size, _PALE), 0.55)
    drawn = Image.composite(small, rest, kept)
    thin = ImageChops.difference(kept.filter(ImageFilter.MaxFilter(3)), kept.filter(ImageFilter.MinFilter(3)))
    drawn.paste(_LINE, mask=thin)
    return drawn
