"""Pictures from hostile and from unusual files: a clear message, or the right pixels."""

import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from samcli.data.image import MAX_BYTES, as_rgb, open_image
from samcli.errors import UserError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
PNG_RGB, PNG_GREY = 2, 0


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file spelt out, whatever its header claims."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int = 32, height: int = 24) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def pixels(path: Path) -> list[list[tuple[int, ...]]]:
    """The pixels of a picture by its path, which are those of the picture as others open it."""
    picture = open_image(path)
    for opened in (Image.open(io.BytesIO(path.read_bytes())), picture):
        assert np.array_equal(np.array(as_rgb(opened, path)), np.array(picture))
    assert type(picture) is Image.Image
    assert picture.mode == "RGB"
    return [[tuple(pixel) for pixel in row] for row in np.array(picture).tolist()]


def refusal(path: Path) -> str:
    """The message with which a file is refused; it names the file."""
    with pytest.raises(UserError) as raised:
        open_image(path)
    assert str(raised.value).startswith(f"{path}: ")
    return str(raised.value)


# Refused.


def test_missing_file(tmp_path: Path) -> None:
    assert "no such image file; check the path" in refusal(tmp_path / "none.png")


def test_file_taken_for_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise(), "PNG"))
    assert "can't be read: Not a directory" in refusal(tmp_path / "a.png" / "b.png")


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    assert "can't be read: Too many levels of symbolic links" in refusal(tmp_path / "a.png")


def test_forbidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(), "PNG"))

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")  # chmod would not stop a root user

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert "can't be read: Permission denied; check the path and its permissions" in refusal(path)


def test_directory(tmp_path: Path) -> None:
    assert "is a directory, not an image" in refusal(tmp_path)


def test_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert "is a device or pipe" in refusal(tmp_path / "a.png")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert "is empty (0 bytes), not an image; copy or download it again" in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\n\n<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b'\xef\xbb\xbf<HTML lang="en">', "HTML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b'<?xml version="1.0"?><error/>', "HTML or XML"),
        (b'{"error": "not found"}', "JSON"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer (`git lfs pull` fetches the file)"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "HEIC, AVIF or video"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "unknown data"),
        (b"not found", "plain text"),
        (b"\x93NUMPY\1\0", "unknown data"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "plain text"),
    ],
)
def test_other_content_under_an_image_name(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    expected = f"looks like {what}, not an image; expected PNG, JPEG, WebP, GIF, BMP, TIFF: convert it, or download"
    assert expected in refusal(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_file(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(noise(), kind)
    (tmp_path / "a.png").write_bytes(data[: int(len(data) * share)])
    message = refusal(tmp_path / "a.png")
    assert f"a damaged or truncated {kind} image (" in message
    assert message.endswith("; copy or download it again")


def test_damaged_checksum(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    assert "a damaged or truncated PNG image" in refusal(tmp_path / "a.png")


def test_huge_header_in_a_small_file_is_refused_undecoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(20_000, 20_000, 8, PNG_RGB, bytes(1000)))
    assert path.stat().st_size < 200
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    expected = "20000 x 20000 = 400,000,000 pixels, more than the 100,000,000 that are read; shrink it first"
    assert expected in refusal(path)


def test_huge_header_of_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "a"
    bmp = bytearray(encoded(noise(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 20_000, 20_000)
    jpeg = bytearray(encoded(noise(), "JPEG"))
    jpeg[(start := jpeg.index(b"\xff\xc0") + 5) : start + 4] = struct.pack(">HH", 20_000, 20_000)
    gif = bytearray(encoded(noise(), "GIF"))
    gif[6:10] = struct.pack("<HH", 20_000, 20_000)
    for data in (bmp, jpeg, gif):
        path.write_bytes(data)
        assert "20000 x 20000 = 400,000,000 pixels" in refusal(path)


def test_huge_header_that_the_decoder_itself_refuses(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(), "WEBP", xmp=b"<x/>"))
    start = data.index(b"VP8X") + 12
    data[start : start + 6] = (15_999).to_bytes(3, "little") * 2
    (tmp_path / "a.webp").write_bytes(data)
    assert "more pixels than are read: Image size (256000000 pixels)" in refusal(tmp_path / "a.webp")


def test_limit_of_pixels_is_inclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(10, 10), "PNG"))
    assert open_image(path, max_pixels=100).size == (10, 10)
    with pytest.raises(UserError, match="10 x 10"):
        open_image(path, max_pixels=99)


def test_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encoded(noise(), "TIFF"))
    os.truncate(path, MAX_BYTES + (1 << 20))  # sparse: takes no room on disk
    assert "257 MiB, and images of at most 256 MiB are read" in refusal(path)


def test_pixels_without_a_known_range(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(encoded(Image.new("F", (2, 2), 0.5), "TIFF"))
    assert "(PIL mode F) are to look in RGB isn't known; save it as 8-bit RGB" in refusal(tmp_path / "a.tif")


@pytest.mark.filterwarnings("ignore")
def test_bytes_changed_at_random_give_a_picture_or_a_message(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x112] = 6
    originals = [encoded(noise(), kind, exif=exif) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    originals += [encoded(noise().convert("P"), kind) for kind in ("GIF", "BMP", "PNG")]
    path, messages = tmp_path / "a", []
    for original in originals * 50:
        data = bytearray(original)
        for _ in range(generator.integers(1, 6)):
            data[generator.integers(min(len(data), 400))] = generator.integers(256)
        path.write_bytes(data)
        try:
            assert open_image(path).mode == "RGB"
        except UserError as error:
            messages.append(str(error))
    assert all(message.startswith(f"{path}: ") for message in messages)
    assert 100 < len(messages) < 350


# Accepted.


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_content_decides_not_the_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(Image.new("RGB", (2, 1), RED), kind))
    assert pixels(tmp_path / "a.jpg") == [[RED, RED]]


def test_one_pixel(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1, 1, 8, PNG_RGB, b"\0" + bytes(GREEN)))
    assert pixels(tmp_path / "a.png") == [[GREEN]]


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_first_frame_of_an_animation(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 2
    (tmp_path / "a").write_bytes(data)
    assert pixels(tmp_path / "a") == [[RED] * 4] * 4


def test_cmyk(tmp_path: Path) -> None:
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    (tmp_path / "a.jpg").write_bytes(encoded(ink, "JPEG", quality=100))
    assert np.abs(np.array(open_image(tmp_path / "a.jpg"), dtype=int) - RED).max() <= 4


def test_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([*BLUE, *GREEN])
    picture.putdata([1, 0])
    (tmp_path / "a.png").write_bytes(encoded(picture, "PNG"))
    assert pixels(tmp_path / "a.png") == [[GREEN, BLUE]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entry_is_white(tmp_path: Path, kind: str) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([*BLUE, *GREEN])
    picture.putdata([1, 0])
    (tmp_path / "a").write_bytes(encoded(picture, kind, transparency=0))
    assert pixels(tmp_path / "a") == [[GREEN, WHITE]]


def test_half_transparent_palette_entry_is_mixed_with_white(tmp_path: Path) -> None:
    picture = Image.new("P", (1, 1))
    picture.putpalette([0, 0, 0])
    (tmp_path / "a.png").write_bytes(encoded(picture, "PNG", transparency=bytes([128])))
    assert pixels(tmp_path / "a.png") == [[(127, 127, 127)]]


@pytest.mark.parametrize(("mode", "value"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
def test_alpha_channel_is_flattened_on_white(tmp_path: Path, mode: str, value: tuple[int, ...]) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new(mode, (1, 1), value), "PNG"))
    assert pixels(tmp_path / "a.png") == [[WHITE]]


def test_transparent_colour_of_a_picture_without_alpha_is_white(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (1, 1), RED), "PNG", transparency=RED))
    assert pixels(tmp_path / "a.png") == [[WHITE]]


def test_sixteen_bit_greys_are_scaled(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(4, 1, 16, PNG_GREY, b"\0" + struct.pack(">4H", 0, 257, 32896, 65535)))
    assert pixels(tmp_path / "a.png") == [[(0,) * 3, (1,) * 3, (128,) * 3, WHITE]]


def test_sixteen_bit_tiff_is_scaled(tmp_path: Path) -> None:
    greys = Image.fromarray(np.array([[0, 257, 32896, 65535]], dtype=np.uint16))
    (tmp_path / "a.tif").write_bytes(encoded(greys, "TIFF"))
    assert pixels(tmp_path / "a.tif") == [[(0,) * 3, (1,) * 3, (128,) * 3, WHITE]]


def test_transparent_sixteen_bit_grey_is_white(tmp_path: Path) -> None:
    greys = Image.fromarray(np.array([[0, 257]], dtype=np.uint16))
    (tmp_path / "a.png").write_bytes(encoded(greys, "PNG", transparency=257))
    assert pixels(tmp_path / "a.png") == [[(0,) * 3, WHITE]]


def test_sixteen_bit_colours_keep_their_high_byte(tmp_path: Path) -> None:
    row = b"\0" + struct.pack(">3H", 65535, 257, 0)
    (tmp_path / "a.png").write_bytes(png(1, 1, 16, PNG_RGB, row))
    assert pixels(tmp_path / "a.png") == [[(255, 1, 0)]]


def test_one_bit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 1, 1, PNG_GREY, b"\0\x40"))
    assert pixels(tmp_path / "a.png") == [[(0,) * 3, WHITE]]


TURNED = {  # where EXIF puts the pixels of the row RED, GREEN
    1: [[RED, GREEN]],
    2: [[GREEN, RED]],
    3: [[GREEN, RED]],
    4: [[RED, GREEN]],
    5: [[RED], [GREEN]],
    6: [[RED], [GREEN]],
    7: [[GREEN], [RED]],
    8: [[GREEN], [RED]],
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    picture = Image.new("RGB", (2, 1), RED)
    picture.putpixel((1, 0), GREEN)
    exif = Image.Exif()
    exif[0x112] = orientation
    (tmp_path / "a").write_bytes(encoded(picture, kind, exif=exif))
    assert pixels(tmp_path / "a") == TURNED[orientation]


def test_exif_orientation_of_a_photograph(tmp_path: Path) -> None:
    picture = Image.new("RGB", (32, 16), BLUE)
    picture.paste(RED, (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x112] = 6
    (tmp_path / "a.jpg").write_bytes(encoded(picture, "JPEG", exif=exif, quality=95))
    turned = open_image(tmp_path / "a.jpg")
    assert turned.size == (16, 32)
    top, bottom = np.array(turned, dtype=int)[[4, 28], 8]
    assert np.abs(top - RED).max() <= 4
    assert np.abs(bottom - BLUE).max() <= 4


def test_unreadable_exif_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    data = encoded(Image.new("RGB", (8, 4), WHITE), "JPEG", exif=b"Exif\0\0XX no such byte order")
    (tmp_path / "a.jpg").write_bytes(data)
    assert pixels(tmp_path / "a.jpg") == [[WHITE] * 8] * 4


def test_threads_warnings_and_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # PIL would warn from here on, and raise from twice as many
    sizes = [(5, 5), (8, 8), (20, 10), (300, 300)]
    for width, height in sizes:
        Image.new("RGB", (width, height), GREEN).save(tmp_path / f"{width}.png")
    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        found = list(pool.map(lambda size: open_image(tmp_path / f"{size[0]}.png").size, sizes * 20))
        assert warnings.filters == filters
    assert found == sizes * 20
    assert Image.MAX_IMAGE_PIXELS == 40
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
