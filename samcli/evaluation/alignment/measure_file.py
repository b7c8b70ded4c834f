"""`measures/DATASET.jsonl` of a run: a line for each sample, in the dataset's order."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.files import JsonLines, contents_hash

MEASURES = "measures"
"""The directory of these files, and in a line the key of the measures of the model as it is."""
WITHOUT_CONTEXT = "without_context"
"""In a line, the key of the measures of the same weights with guidance (or linear context) left out."""


def read_measures(path: Path) -> list[dict[str, Any]]:
    """All lines: {id, images_hash, error, measures: {NAME: number or null}} and perhaps without_context, its like.

    A sample whose pictures can't be read has an `error` and no measures. Raises UserError for a file that isn't there
    or holds something else.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; `sam eval --task alignment` writes it")
    lines = JsonLines(path).read()
    if not all(isinstance(line, dict) and isinstance(line.get(MEASURES), dict) and "id" in line for line in lines):
        raise UserError(f"{path} holds something else than measures of samples")
    return lines


class MeasureFile:
    """The file while it is made: it grows by whole batches, so that a run that was stopped ends with the same bytes.

    Raises UserError when it holds measures of other samples, or of other pictures.
    """

    def __init__(self, path: Path, samples: Sequence[Sample], batch_size: int) -> None:
        self.path, self.samples = path, samples
        self._lines = JsonLines(path)
        self._lines.trim()
        there = read_measures(path) if path.exists() else []
        whole = len(there) if len(there) == len(samples) else len(there) - len(there) % batch_size
        asked = [_asked(sample) for sample in samples[:whole]]
        if len(there) > len(samples) or [{key: line.get(key) for key in _ASKED} for line in there[:whole]] != asked:
            raise UserError(
                f"{path} holds measures of other samples: the dataset, its pictures or the file has changed since; "
                "--overwrite starts anew"
            )
        if whole < len(there):
            self._lines.rewrite(there[:whole])
        self.done = whole

    def add(self, found: Sequence[dict[str, Any]]) -> None:
        """Add what was found of the next samples: {error, measures, ...} each."""
        here = self.samples[self.done : self.done + len(found)]
        self._lines.extend([_asked(sample) | one for sample, one in zip(here, found, strict=True)])
        self.done += len(found)


_ASKED = ("id", "images_hash")


def _asked(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "images_hash": contents_hash(sample.images)}
