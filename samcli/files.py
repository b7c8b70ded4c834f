"""Files that are never half-written: temporary name, flush to disk, rename."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from samcli.errors import UserError


def cache_root() -> Path:
    """Where what can be made again is kept: $SAM_CACHE, else ~/.cache/samcli."""
    return Path(os.environ.get("SAM_CACHE") or "~/.cache/samcli").expanduser()


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; when the block ends well, flush it and rename it to `path`.

    After any failure (an exception, a full disk, a kill) `path` is what it was before. Raises UserError when the
    disk is full or the directory can't be written.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        _discard(temporary)


def temporary_beside(path: Path) -> Path:
    """A name beside `path` that nobody else writes to, be it another thread or another machine of the same number."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")


def _discard(temporary: Path) -> None:
    """Remove what is left of a temporary file; where none could be made, there is none."""
    with suppress(OSError):
        temporary.unlink()


def sync(path: Path) -> None:
    """Flush a file, or a directory's entries, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; keys keep their order, NaN is refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` atomically."""
    with atomic_write(path) as file:
        file.write(text)


def save_tensors(path: Path, save: Callable[[str], None]) -> None:
    """Let `save` write a file of tensors under a temporary name, flush it and rename it to `path`."""
    from safetensors import SafetensorError

    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(str(temporary))
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except (OSError, SafetensorError) as error:
        raise _unwritable(path, error) from error
    finally:
        _discard(temporary)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Fill a directory beside `path`; when the block ends well, flush it and rename it to `path`, in place of what was.

    After any failure `path` is what it was before; after a kill between the renames, the next call puts it back. Raises
    UserError when the disk is full or the directory can't be written.
    """
    from safetensors import SafetensorError

    staging, former = (path.with_name(f".{path.name}.{role}.tmp") for role in ("new", "old"))
    try:
        _tidy(path, staging, former)
        staging.mkdir(parents=True)
        yield staging
        for entry in (staging, *staging.rglob("*")):
            sync(entry)
        if path.exists():
            os.replace(path, former)
        os.replace(staging, path)
        sync(path.parent)
    except Exception as error:  # tokenizers raise nothing more precise
        if isinstance(error, OSError | SafetensorError) or type(error) is Exception:
            raise _unwritable(path, error) from error
        raise
    finally:
        _tidy(path, staging, former)


def _tidy(path: Path, staging: Path, former: Path) -> None:
    """Put `former` back where `path` is missing, and remove what else is left over."""
    if former.exists() and not path.exists():
        os.replace(former, path)
    for left in (staging, former):
        shutil.rmtree(left, ignore_errors=True)


def _unwritable(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"can't write {path}: {reason}; what was there before is unchanged")


def is_writable(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON can spell halves of characters, which can't."""
    return text == text.encode(errors="ignore").decode()


def read_json(path: Path) -> Any:
    """Read a JSON file; raises UserError that names the file and the place of the fault."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:  # nested thousands deep, or a number of thousands of digits
        raise UserError(f"{path}: can't be read as JSON: {error}") from error


_BLOCK = 1 << 16


class JsonLines:
    """A file of one JSON record a line that only grows; a torn last line, left by a kill, is cut off when reopened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Any]:
        """All whole records; an incomplete last line is ignored. Raises UserError for a file that can't be read."""
        return [record for _, record in self.places()]

    def places(self, opened: IO[bytes] | None = None) -> Iterator[tuple[int, Any]]:
        """All whole records as `read` gives them, one after the other, each with the byte at which it begins.

        `opened` is the file, for whoever reads on in it: by then another may have its name.
        """
        try:
            with nullcontext(opened) if opened else open(self.path, "rb") as file:
                place = 0
                for line in file:
                    if line.endswith(b"\n") and line != b"\n":
                        yield place, json.loads(line)
                    place += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"{self.path}: can't be read: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.path}: a line is not valid JSON ({error}); remove the file to start anew") from None

    def trim(self) -> None:
        """Cut off what follows the last complete line; raises UserError when that can't be done."""
        try:
            with open(self.path, "rb+") as file:
                end = whole = file.seek(0, os.SEEK_END)
                while whole:  # back from the end, block by block
                    start = max(0, whole - _BLOCK)
                    file.seek(start)
                    newline = file.read(whole - start).rfind(b"\n")
                    whole = start + newline + 1
                    if newline >= 0:
                        break
                if whole < end:
                    file.truncate(whole)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(f"can't write {self.path}: {error.strerror or error}") from error

    def append(self, record: Any) -> None:
        """Add a record and flush it to disk; raises UserError when the disk is full or the file can't be written."""
        self.extend([record])

    def extend(self, records: Iterable[Any]) -> None:
        """Add records and flush them to disk at once; raises UserError as `append` does."""
        lines = "".join(map(_json_line, records))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(f"can't write {self.path}: {error.strerror or error}") from error

    def rewrite(self, records: Iterable[Any]) -> None:
        """Make the file hold these records alone, atomically; raises UserError when that can't be done."""
        with atomic_write(self.path) as file:
            file.writelines(map(_json_line, records))


def _json_line(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def contents_hash(paths: Iterable[Path]) -> str:
    """A hash of what files hold, in their order, whatever they are called; one that can't be read counts as empty."""
    digest = hashlib.sha256()
    for path in paths:
        with suppress(OSError):
            if os.path.isfile(path):
                state = os.stat(path)
                digest.update(_sha256_of(path, state.st_size, state.st_mtime_ns).encode())
        digest.update(b";")
    return digest.hexdigest()


@lru_cache(maxsize=100_000)
def _sha256_of(path: Path, _size: int, _changed: int) -> str:
    """The hash of a file that hasn't changed since: pictures are asked about many times in one run."""
    return sha256(path)
