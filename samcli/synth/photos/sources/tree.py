"""The directories below the sources' root: each listed once, in the order of names, and none outside the root."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from samcli.errors import UserError
from samcli.files import is_writable
from samcli.synth.photos.sources.items import Account

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
UNREAD = frozenset(
    ".heic .heif .avif .jxl .jp2 .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .raw .svg .psd .tga .ppm .mpo .exr".split()
)
FOREIGN = "{ending} files, which aren't read (convert them to JPEG or PNG)"
OUT_OF_ROOT = "links that lead out of the root"
LINKED = "links to directories, which aren't followed"
NO_TEXT = "file names that are no text"
_NEVER = frozenset({"__MACOSX"})  # what an archiver adds beside the files


@dataclass(frozen=True)
class Listing:
    """What a directory holds, by name; hidden entries aren't in it."""

    directories: tuple[str, ...]
    pictures: tuple[str, ...]  # files with a picture's extension
    files: frozenset[str]
    skipped: Mapping[str, str]  # what isn't read, and why


class Tree:
    """The directories below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.realpath(root)
        self._listings: dict[Path, Listing] = {}

    def holds(self, path: Path) -> bool:
        """Whether a path stays below the root, links followed."""
        return Path(os.path.realpath(path)).is_relative_to(self._real)

    def relative(self, directory: Path, name: str) -> str:
        """The path from the root to a file of a directory, as photographs have it."""
        return (directory / name).relative_to(self.root).as_posix()

    def listing(self, directory: Path) -> Listing:
        """What the directory holds; nothing for one that isn't there. Raises UserError if it can't be listed."""
        if directory not in self._listings:
            self._listings[directory] = self._list(directory)
        return self._listings[directory]

    def _list(self, directory: Path) -> Listing:
        directories, files, skipped = [], [], {}
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name in _NEVER:
                        continue
                    if reason := self._reason_against(entry):
                        skipped[entry.name] = reason
                    elif entry.is_dir():
                        directories.append(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return Listing((), (), frozenset(), {})
        except OSError as error:
            raise UserError(f"{directory}: can't be listed: {error.strerror or error}; check its permissions") from None
        pictures = sorted(name for name in files if os.path.splitext(name)[1].lower() in EXTENSIONS)
        return Listing(tuple(sorted(directories)), tuple(pictures), frozenset(files), dict(sorted(skipped.items())))

    def _reason_against(self, entry: os.DirEntry[str]) -> str | None:
        """Why an entry isn't read; links could leave the root or lead in circles."""
        if not is_writable(entry.name):
            return NO_TEXT
        if (ending := os.path.splitext(entry.name)[1].lower()) in UNREAD and not entry.is_dir():
            return FOREIGN.format(ending=ending)
        if not entry.is_symlink():
            return None
        if not self.holds(Path(entry.path)):
            return OUT_OF_ROOT
        return LINKED if entry.is_dir() else None

    def walk(self, directory: Path, account: Account) -> Iterator[tuple[Path, Listing]]:
        """The directory and all below it, with what they hold, in the order of names."""
        waiting = [directory]
        while waiting:
            here = waiting.pop()
            listing = self.listing(here)
            for name, reason in listing.skipped.items():
                account.leave_out(reason, os.fsencode(here / name).decode(errors="replace"))
            yield here, listing
            waiting += [here / name for name in reversed(listing.directories)]
