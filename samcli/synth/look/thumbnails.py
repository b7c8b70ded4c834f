"""Small copies of pictures in files beside the page, each made once."""

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from samcli.errors import UserError
from samcli.files import temporary_beside
from samcli.synth.look.seen import Panel
from samcli.synth.photos.stage import Rejected

SIDE = 224  # pixels
_QUALITY = 78


@dataclass(frozen=True)
class Thumbnail:
    """A small copy's file name and size in pixels."""

    name: str
    width: int
    height: int


class Unwritable(Exception):
    """A small copy can't be written."""


def make_directory(directory: Path) -> None:
    """Make the copies' directory unless it is there; raises Unwritable."""
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise Unwritable(f"can't write {directory}: {error.strerror or error}") from error


def thumbnail(panel: Panel, directory: Path) -> Thumbnail | str:
    """The small copy of a panel's picture in `directory`, made if it isn't there; or why there is none.

    Raises Unwritable.
    """
    path = directory / f"{panel.key[:24]}.webp"
    try:
        size = _size(path) or _write(path, panel.paint(SIDE))
    except Rejected as error:
        return f"{error.reason}: {error.detail}" if error.detail else error.reason
    except (UserError, OSError, ValueError) as error:
        return str(error)
    return Thumbnail(path.name, *size)


def _size(path: Path) -> tuple[int, int] | None:
    """The size of a copy that is there."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, ValueError):
        return None


def _write(path: Path, picture: Image.Image) -> tuple[int, int]:
    """Rename into place but don't flush: thousands of copies would wait for the disk, and a torn one is made again."""
    temporary = temporary_beside(path)
    try:
        picture.save(temporary, "WEBP", quality=_QUALITY, method=2)
        os.replace(temporary, path)
    except OSError as error:
        raise Unwritable(f"can't write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return picture.size
