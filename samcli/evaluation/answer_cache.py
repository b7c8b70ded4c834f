"""Answers that were made before, by whatever run: asked again of the same model, the same question costs nothing."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from samcli import __version__
from samcli.console import warn
from samcli.data.sample import Sample
from samcli.files import cache_root, contents_hash

Found = TypeVar("Found")

_WAIT = 30  # seconds for another process that writes
_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL)"


class AnswerCache:
    """Texts by model, settings, instruction and what the pictures hold; failures and empty answers are never kept.

    `fingerprint` is all that an answer depends on beside the sample: weights, numbers, decoding. A cache that can't be
    used is said once, and then answers nothing.
    """

    def __init__(self, fingerprint: Mapping[str, Any], path: Path | None = None) -> None:
        self.path = path or cache_root() / "answers.sqlite"
        self._fingerprint = {"samcli": __version__, **fingerprint}
        self._broken = False

    def get(self, sample: Sample) -> str | None:
        """The answer to a sample, if it was made before."""
        key = self._key(sample)
        row = self._with_store(lambda store: store.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone())
        text = row[0] if row else None
        return text if isinstance(text, str) and text.strip() else None

    def put(self, sample: Sample, text: str | None) -> None:
        """Keep an answer, unless it is empty."""
        if text is not None and text.strip():
            entry = self._key(sample), text
            self._with_store(lambda store: store.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", entry))

    def _key(self, sample: Sample) -> str:
        asked = [self._fingerprint, sample.instruction, contents_hash(sample.images)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _with_store(self, do: Callable[[sqlite3.Connection], Found]) -> Found | None:
        """What `do` returns; None where the store can't be used."""
        if self._broken:
            return None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as store, store:  # the second commits
                store.execute(_TABLE)
                return do(store)
        except (sqlite3.Error, OSError) as error:
            self._broken = True
            warn(f"{self.path}: the cache of answers can't be used ({error}); going on without it")
            return None
