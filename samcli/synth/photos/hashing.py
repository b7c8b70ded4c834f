"""Perceptual hashes: 64 bits that stay much the same when a picture is scaled, recompressed or lit a little otherwise.

They are ImageHash's `phash`: of the 8 x 8 lowest cosine frequencies of a 32 x 32 grey copy, which exceed their median.
"""

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.synth.cutout import NEUTRAL
from samcli.synth.photos.canvas import on_ground

SEEN = 128  # pixels a side of what is hashed around objects


def hash_of(picture: Image.Image) -> str:
    """The picture's hash, 16 hexadecimal digits."""
    return str(imagehash.phash(picture))


def hash_around(picture: Image.Image, objects: Image.Image) -> str:
    """The hash of what is around the objects, whose mask is L, of the picture's size, 0 outside.

    Where they are, the mean colour of the rest stands in for them.
    """
    small = picture.convert("RGB").resize((SEEN, SEEN), Image.Resampling.BOX)
    inside = objects.convert("L").resize((SEEN, SEEN), Image.Resampling.BOX)
    pixels: NDArray[np.uint8] = np.array(small)
    outside = np.asarray(inside) == 0
    pixels[~outside] = pixels[outside].mean(axis=0).round() if outside.any() else NEUTRAL
    return hash_of(Image.fromarray(pixels))


def hash_of_object(cut: Image.Image) -> str:
    """The hash of an object alone, in the middle of a neutral square, so that its proportions count.

    `cut` is RGBA with colours multiplied by alpha, cropped to the object.
    """
    side = max(cut.size)
    square = Image.new("RGBA", (side, side))
    square.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return hash_of(on_ground(square))


def distance(first: str, second: str) -> int:
    """In how many of the 64 bits two hashes differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()
