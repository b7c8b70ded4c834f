"""Texts that people may change: pools of lines, and prompts, in files whose first line is `# version N`."""

import hashlib
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from samcli.errors import UserError
from samcli.synth.photos.kept import kept

Folder = Literal["instructions", "answers", "prompts"]
_SHIPPED = Path(str(resources.files("samcli"))) / "assets" / "mmlink"
_VERSION = re.compile(r"#\s*version\s+(\S+)")


@dataclass(frozen=True)
class Pool:
    """Lines to draw from; `name` is `character@1`: the file's, and its version."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """A text with places to fill in; `name` as that of a pool."""

    name: str
    text: str


def shipped(folder: Folder) -> list[str]:
    """The names of the files that come along."""
    return sorted(path.stem for path in (_SHIPPED / folder).glob("*.txt"))


@kept(64)
def read_pool(folder: Folder, name: str, placeholders: tuple[str, ...]) -> Pool:
    """A shipped pool by its name, or one from a text file by its path: a line for each text, `#` for comments.

    Raises UserError, with the line, for a file that isn't there, is empty or has placeholders that nothing fills.
    """
    path, version, numbered = _read(folder, name)
    lines = [(number, line.strip()) for number, line in numbered if line.strip() and not line.startswith("#")]
    if not lines:
        raise UserError(f"{path}: no lines in it; write one text a line")
    for number, line in lines:
        _check(f"{path}:{number}", line, placeholders)
    return Pool(f"{path.stem}@{version}", tuple(line for _, line in lines))


@kept(16)
def read_prompt(name: str, placeholders: tuple[str, ...]) -> Prompt:
    """A shipped prompt: all that follows the comments at its top."""
    path, version, numbered = _read("prompts", name)
    text = "\n".join(line for _, line in numbered if not line.startswith("#")).strip()
    _check(str(path), text, placeholders)
    return Prompt(f"{path.stem}@{version}", text)


def _read(folder: Folder, name: str) -> tuple[Path, str, list[tuple[int, str]]]:
    """Where a file is, its version (else a hash of what it holds), and its lines by number."""
    path = _SHIPPED / folder / f"{name}.txt" if name in shipped(folder) else Path(name).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"{name}: no such file, and no texts of that name come along; there are {', '.join(shipped(folder))}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: can't be read as text: {reason}") from error
    versions = (match[1] for line in text.splitlines()[:1] if (match := _VERSION.match(line)))
    version = next(versions, hashlib.sha256(text.encode()).hexdigest()[:8])
    return path, version, list(enumerate(text.splitlines(), start=1))


def _check(place: str, text: str, placeholders: Iterable[str]) -> None:
    known = set(placeholders)
    for field in _fields(place, text):
        if field not in known:
            allowed = ", ".join(f"{{{one}}}" for one in sorted(known)) or "none"
            raise UserError(f"{place}: nothing fills {{{field}}}; placeholders here: {allowed}")


def _fields(place: str, text: str) -> Iterator[str]:
    try:
        for _, field, form, conversion in string.Formatter().parse(text):
            if field is not None:
                yield field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
    except ValueError as error:
        raise UserError(f"{place}: a brace without its partner ({error}); a plain brace is written twice") from error
