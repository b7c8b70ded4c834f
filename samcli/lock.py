"""Locks, so that two processes never write the same files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from samcli.console import warn
from samcli.errors import UserError


class Busy(UserError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool, shared: bool = False, of: Path | None = None) -> Iterator[None]:
    """Hold a lock on the file `path`, made if it isn't there, while the block runs; a killed process lets go of it.

    `shared`: with others that share it. When another process holds it: wait for it, or raise Busy, which names `of`
    (default: the directory of `path`). Raises UserError when the file can't be opened. Where the file system has no
    locks, warn.
    """
    subject = of or path.parent
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        with _opened(path) as file:
            try:
                fcntl.flock(file, operation)
            except BlockingIOError:
                raise Busy(f"{subject}: another process is at work there; wait for it, or stop it") from None
            except OSError as error:
                warn(f"{subject}: can't be locked ({error.strerror or error}); see that no other process works there")
            if _is_at(path, file):  # else its last holder has removed it
                yield
                return


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "a+")  # NFS shares a lock only on what may be read too
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror or error}") from error


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return False
