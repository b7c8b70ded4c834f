"""A lock on a directory's work, so that two processes never write the same part of it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samcli.errors import UserError


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; it is released even when the process is killed.

    When another process holds it: wait for it, or raise UserError, as when the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115  (closed below: what the block raises is not about this file)
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise UserError(f"{path.parent}: another process is at work there; wait for it, or stop it") from None
        yield
