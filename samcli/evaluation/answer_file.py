"""Answers to a dataset on disk: a line each as it is made, in the dataset's order once all are there."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.predictions import Prediction, read_predictions
from samcli.files import JsonLines, contents_hash

Answer = tuple[str | None, str | None]  # the text, or None and the error


class AnswerFile:
    """`predictions/DATASET.jsonl` of a run; an incomplete last line, left by a kill, is cut off.

    Raises UserError when the file holds something else than answers to these samples as they are now: their
    instructions, references and what their pictures hold.
    """

    def __init__(self, path: Path, dataset: str, samples: Sequence[Sample]) -> None:
        self.path, self.dataset, self.samples = path, dataset, samples
        self._lines = JsonLines(path)
        self._lines.trim()
        self._records = self._read()

    @property
    def missing(self) -> list[int]:
        """The places of the samples that have no answer yet, in the dataset's order."""
        return [place for place in range(len(self.samples)) if place not in self._records]

    def add(self, place: int, answer: Answer, seconds: float | None) -> None:
        """Keep the answer to the sample at a place; `seconds` it took, None when it wasn't made now."""
        record = record_of(self.dataset, self.samples[place], answer, seconds)
        self._lines.append(record)
        self._records[place] = record

    def finish(self) -> list[Prediction]:
        """All answers, in the dataset's order, in which the file is put as well."""
        ordered = [self._records[place] for place in range(len(self.samples))]
        if list(self._records) != list(range(len(self.samples))):
            self._lines.rewrite(ordered)
        return read_predictions(self.path, [self.dataset])[self.dataset]

    def _read(self) -> dict[int, dict[str, Any]]:
        places = {_key(sample.id): place for place, sample in enumerate(self.samples)}
        found: dict[int, dict[str, Any]] = {}
        for record in self._lines.read():
            place = places.get(_key(record.get("id"))) if isinstance(record, dict) else None
            if place is None or place in found or not _answers(record, self.samples[place]):
                raise UserError(
                    f"{self.path} holds something else than answers to these samples: the dataset, its pictures or the "
                    "file has changed since; --overwrite starts anew"
                )
            found[place] = record
        return found


def record_of(dataset: str, sample: Sample, answer: Answer, seconds: float | None) -> dict[str, Any]:
    """A line of the file."""
    text, error = answer
    return {"dataset": dataset, **_asked(sample), "prediction": text, "seconds": seconds, "error": error}


def _key(identity: Any) -> tuple[str, str]:
    return type(identity).__name__, str(identity)


def _answers(record: Mapping[str, Any], sample: Sample) -> bool:
    """Whether a line of a file answers a sample as it is now."""
    return all(record.get(key) == value for key, value in _asked(sample).items())


def _asked(sample: Sample) -> dict[str, Any]:
    """What a sample asks, as a line of a file keeps it: pictures are told apart by what their files hold."""
    return {
        "id": sample.id,
        "instruction": sample.instruction,
        "images_hash": contents_hash(sample.images),
        "references": list(sample.references),
    }
