"""PNG files of drawn pictures, quickly.

Every row is stored as its difference to the row above. In drawings that is as good as trying all filters on each row,
which takes Pillow longer than compressing them.
"""

import struct
import zlib

import numpy as np
from PIL import Image

LEVEL = 2  # of compression: a third of the time that Pillow's files take, which are 6 % smaller
_UP = 2  # the filter's number


def encode(picture: Image.Image) -> bytes:
    """An RGB picture as the bytes of a PNG file."""
    rows = np.asarray(picture).reshape(picture.height, -1)
    filtered = np.empty((rows.shape[0], 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", *picture.size, 8, 2, 0, 0, 0)  # 8 bits, RGB, not interlaced
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, LEVEL)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
