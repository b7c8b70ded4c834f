"""Answers that were made before, by whatever run: asked again of the same model, the same question costs nothing."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli import __version__
from samcli.data.sample import Sample
from samcli.files import cache_root, contents_hash
from samcli.text_store import TextStore


class AnswerCache:
    """Texts by model, settings, instruction and what the pictures hold; failures and empty answers are never kept.

    `fingerprint` is all that an answer depends on beside the sample: weights, numbers, decoding. A cache that can't be
    used is said once, and then answers nothing.
    """

    def __init__(self, fingerprint: Mapping[str, Any], path: Path | None = None) -> None:
        self._store = TextStore(path or cache_root() / "answers.sqlite")
        self._fingerprint = {"samcli": __version__, **fingerprint}

    def get(self, sample: Sample) -> str | None:
        """The answer to a sample, if it was made before."""
        text = self._store.get(self._key(sample))
        return text if text is not None and text.strip() else None

    def put(self, sample: Sample, text: str | None) -> None:
        """Keep an answer, unless it is empty."""
        if text is not None and text.strip():
            self._store.put(self._key(sample), text)

    def _key(self, sample: Sample) -> str:
        asked = [self._fingerprint, sample.instruction, contents_hash(sample.images)]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
