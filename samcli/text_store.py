"""Texts kept on disk by key, shared by all runs and processes: what was made once isn't made again."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from samcli.console import warn
from samcli.database import database

Found = TypeVar("Found")

# Named by what the first stores held; another name would make them look empty.
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL)"


class TextStore:
    """A file of texts; one that can't be used is said once, and then holds nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._broken = False

    def get(self, key: str) -> str | None:
        """The text under a key, if there is one."""
        row = self._with_store(lambda store: store.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone())
        return row[0] if row and isinstance(row[0], str) else None

    def put(self, key: str, text: str) -> None:
        """Keep a text under a key, in place of what was."""
        self._with_store(lambda store: store.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text)))

    def _with_store(self, do: Callable[[sqlite3.Connection], Found]) -> Found | None:
        """What `do` returns; None where the store can't be used."""
        if self._broken:
            return None
        try:
            with database(self.path, _TABLE) as store:
                return do(store)
        except (sqlite3.Error, OSError) as error:
            self._broken = True
            warn(f"{self.path}: what was kept there can't be used ({error}); going on without it")
            return None
