"""Pictures from files that may be anything: an RGB image, or one message that says what the file is and what to do.

What a file is, its first bytes decide, never its name. Decoders are called by class, and only those of `_DECODERS`:
`Image.open` would warn, through filters that all threads share, about pictures that are within our limit.
"""

import re
import stat
import struct
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from samcli.errors import UserError

MAX_PIXELS = 100_000_000
MAX_BYTES = 256 * 2**20

_DECODERS: dict[str, tuple[bytes, type[ImageFile.ImageFile]]] = {  # what a file begins with, as a pattern
    "PNG": (rb"\x89PNG\r\n\x1a\n", PngImageFile),
    "JPEG": (rb"\xff\xd8\xff", JpegImageFile),
    "WebP": (rb"RIFF....WEBP", WebPImageFile),
    "GIF": (rb"GIF8[79]a", GifImageFile),
    "BMP": (rb"BM", BmpImageFile),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", TiffImageFile),
}
_OTHERS = {  # first bytes in lower case, without leading blanks; the first that fits counts
    b"<!doctype html": "HTML",
    b"<html": "HTML",
    b"<svg": "SVG",
    b"<": "HTML or XML",
    b"{": "JSON",
    b"[": "JSON",
    b"%pdf": "PDF",
    b"pk\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer (`git lfs pull` fetches the file)",
}
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_DAMAGE = (  # what PIL's decoders raise at bytes that aren't what their header says
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
)


def open_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture in a file as RGB: first frame, turned as its EXIF data says, transparency over white.

    16-bit greys are scaled to 8 bits. Raises UserError, naming the file, for whatever is no such picture, holds more
    than `max_pixels` pixels by its header (nothing is decoded then) or more than `MAX_BYTES` bytes. Thread-safe.
    """
    return as_rgb(_decoded(path, max_pixels), path)


def open_with_alpha(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[Image.Image, Image.Image | None]:
    """The picture as `open_image` gives it, and its alpha channel (L) if it has one that hides anything."""
    picture = _decoded(path, max_pixels)
    flat = as_rgb(picture, path)
    if not picture.has_transparency_data or picture.mode.startswith("I;16"):
        return flat, None
    turned: Image.Image = picture
    with suppress(*_DAMAGE):
        turned = ImageOps.exif_transpose(picture)
    alpha = turned.convert("RGBA").getchannel("A")
    hides = bool((np.asarray(alpha) < 255).any())
    return flat, alpha if hides else None


def _decoded(path: Path, max_pixels: int) -> ImageFile.ImageFile:
    """The picture in a file, its first frame read."""
    data = _read(path)
    kind = _kind(path, data)
    try:
        picture = _DECODERS[kind][1](BytesIO(data))
        _check_size(path, picture.size, max_pixels)
        picture.load()
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: more pixels than are read: {error}; shrink it first") from error
    except _DAMAGE as error:
        raise _damaged(path, kind, error) from error
    return picture


def as_rgb(picture: Image.Image, name: Path | str) -> Image.Image:
    """An opened picture as `open_image` gives it; `picture` itself stays as it is.

    Raises UserError, which begins with `name`, for one that can't be decoded or whose colours aren't known.
    """
    try:
        picture.load()
    except _DAMAGE as error:
        raise _damaged(name, picture.format or "unknown", error) from error
    with suppress(*_DAMAGE):  # unreadable EXIF data says nothing about how to turn the picture
        picture = ImageOps.exif_transpose(picture)
    return _rgb(name, picture)


def _damaged(name: Path | str, kind: str, error: Exception) -> UserError:
    reason = str(error) or type(error).__name__
    return UserError(f"{name}: a damaged or truncated {kind} image ({reason}); copy or download it again")


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{path}: is a directory, not an image; name the files in it")
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path}: is a device or pipe, not an image file; save the image to a file first")
        if status.st_size > MAX_BYTES:
            size, most = status.st_size >> 20, MAX_BYTES >> 20
            raise UserError(f"{path}: {size} MiB, and images of at most {most} MiB are read; shrink or recompress it")
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such image file; check the path") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path}: can't be read: {reason}; check the path and its permissions") from error
    if not data:
        raise UserError(f"{path}: is empty (0 bytes), not an image; copy or download it again")
    return data


def _kind(path: Path, data: bytes) -> str:
    """Key of `_DECODERS`."""
    for kind, (beginning, _) in _DECODERS.items():
        if re.match(beginning, data, re.DOTALL):
            return kind
    raise UserError(
        f"{path}: looks like {_describe(data)}, not an image; expected {', '.join(_DECODERS)}: "
        "convert it, or download the image itself"
    )


def _describe(data: bytes) -> str:
    """What bytes that no decoder takes seem to be."""
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF or video"
    beginning = data[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for mark, name in _OTHERS.items():
        if beginning.startswith(mark):
            return name
    return "plain text" if beginning.isascii() and min(beginning, default=0) > 8 else "unknown data"


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UserError(
            f"{path}: {width} x {height} = {width * height:,} pixels, "
            f"more than the {max_pixels:,} that are read; shrink it first"
        )


def _rgb(name: Path | str, picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        return _eight_bits(picture).convert("RGB")
    if picture.mode not in _MODES:
        raise UserError(
            f"{name}: how its pixels (PIL mode {picture.mode}) are to look in RGB isn't known; save it as 8-bit RGB"
        )
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """16-bit greys scaled so that 65535 becomes 255, the transparent one made white."""
    greys = np.array(picture, dtype=np.uint32)
    hidden = picture.info.get("transparency")
    if isinstance(hidden, int):
        greys[greys == hidden] = 65535
    return Image.fromarray(((greys + 128) // 257).astype(np.uint8))
