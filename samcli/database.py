"""A file with one table, which several processes may use at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_WAIT = 30  # seconds for another process that writes


@contextmanager
def database(path: Path, table: str) -> Iterator[sqlite3.Connection]:
    """The file for one transaction, which an exception undoes; `table` is the statement that makes its table.

    Raises sqlite3.Error or OSError where the file can't be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=_WAIT)) as opened, opened:  # the second commits
        opened.execute(table)
        yield opened
