"""Answers that some other program made, read for scoring, with every fault of a file in one message."""

import json
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from samcli.console import warn
from samcli.errors import UserError
from samcli.files import is_writable, read_json

_SHOWN = 10
_FEW = 0.1  # share of references that may differ from the dataset's, as cleaned texts do
NO_PREDICTION = "there is no prediction for this sample"
_EXAMPLE = '{"id": 0, "prediction": "A red sofa."}'


@dataclass(frozen=True)
class Prediction:
    """An answer for one sample; `error` says why there is none, and then the text is empty."""

    id: str
    text: str
    references: tuple[str, ...] = ()
    dataset: str | None = None
    seconds: float | None = None
    error: str | None = None


def read_predictions(path: Path, datasets: Sequence[str]) -> dict[str, list[Prediction]]:
    """The predictions at `path` for each of the named datasets, whatever the case of the names, in the file's order.

    `path` is a JSON list or JSON lines (`.jsonl`), of the released records {sample_id, pred_response, gt_response} or
    of ours {dataset, id, prediction, references, seconds, error}, or a directory with DATASET/pred.json or
    DATASET.jsonl. Raises UserError with all faults: records that don't fit, repeated ids, datasets without predictions,
    records that don't name their dataset where several were asked for.
    """
    faults: list[str] = []
    if path.is_dir():
        found: dict[str, list[Prediction]] = {}
        for name in datasets:
            found |= _by_dataset(_file_of(path, name, faults), [name], faults)
    else:
        found = _by_dataset(path, datasets, faults)
    if faults:
        more = [f"... and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise UserError("\n  ".join([f"can't score {path}:", *faults[:_SHOWN], *more]))
    return found


def has_predictions(path: Path, dataset: str) -> bool:
    """Whether there are predictions for a dataset at `path`; faults of a file are told when it is read."""
    if path.is_dir():
        return _file_of(path, dataset, []) is not None
    return path.is_file()


def for_samples(predictions: Sequence[Prediction], samples: Mapping[str, Sequence[str]]) -> list[Prediction]:
    """One prediction for each of a dataset's samples, in the dataset's order, with the dataset's references.

    `samples` maps each id of the whole dataset to its references. A sample without a prediction gets an empty one whose
    `error` says so: it counts as failed and scores 0. Raises UserError when there are predictions for other samples.
    """
    given = {prediction.id: prediction for prediction in predictions}
    if strange := [name for name in given if name not in samples]:
        raise UserError(
            f"{len(strange)} predictions are for samples that the dataset doesn't have, such as {strange[0]!r}; "
            "were they made for another version of it?"
        )
    differing = [name for name, one in given.items() if one.references and one.references != tuple(samples[name])]
    if len(differing) > _FEW * len(given):
        raise UserError(
            f"{len(differing)} of {len(given)} references beside the predictions differ from the dataset's, such as "
            f"that of {differing[0]!r}: they answer another version or split of it, or number its samples otherwise"
        )
    if differing:
        warn(
            f"{len(differing)} of {len(given)} references beside the predictions differ from the dataset's, "
            f"such as that of {differing[0]!r}; the dataset's are used"
        )
    missing = Prediction("", "", error=NO_PREDICTION)
    return [replace(given.get(name, missing), id=name, references=tuple(texts)) for name, texts in samples.items()]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Released(_Record):
    """A record of the released pred.json."""

    sample_id: int | str = Field(description="a whole number or text")
    pred_response: str = Field(description="text")
    gt_response: str | None = Field(None, description="text or null")

    def as_prediction(self) -> Prediction:
        references = () if self.gt_response is None else (self.gt_response,)
        return Prediction(str(self.sample_id), self.pred_response, references)


class _Ours(_Record):
    """A line of our predictions/DATASET.jsonl."""

    id: int | str = Field(description="a whole number or text")
    prediction: str | None = Field(description="text, or null beside an error")
    dataset: str | None = Field(None, description="text or null")
    references: list[str] = Field(default_factory=list, description="a list of texts")
    seconds: Annotated[float, Field(ge=0)] | None = Field(None, description="a number from 0, or null")
    error: str | None = Field(None, description="text or null")

    @model_validator(mode="after")
    def _answer_or_error(self) -> Self:
        if self.prediction is None and self.error is None:
            raise ValueError("`prediction` is null, and no `error` says why")
        return self

    def as_prediction(self) -> Prediction:
        text = self.prediction if self.error is None and self.prediction else ""
        return Prediction(str(self.id), text, tuple(self.references), self.dataset, self.seconds, self.error)


def _file_of(directory: Path, dataset: str, faults: list[str]) -> Path | None:
    for entry in sorted(directory.iterdir()):
        if entry.name.casefold() == dataset.casefold() and (entry / "pred.json").is_file():
            return entry / "pred.json"
        if entry.name.casefold() == f"{dataset}.jsonl".casefold():
            return entry
    faults.append(f"there is neither {dataset}/pred.json nor {dataset}.jsonl in it")
    return None


def _by_dataset(file: Path | None, datasets: Sequence[str], faults: list[str]) -> dict[str, list[Prediction]]:
    if file is None:
        return {}
    before = len(faults)
    predictions = list(_predictions(file, faults))
    named = sorted({one.dataset for one in predictions if one.dataset is not None})
    if len(datasets) > 1 and any(one.dataset is None for one in predictions):
        faults.append(f"{file.name} has predictions without a dataset; name the one that they are for, not several")
    found = {
        name: [one for one in predictions if one.dataset is None or one.dataset.casefold() == name.casefold()]
        for name in datasets
    }
    if len(faults) == before:
        holds = f"it has {', '.join(map(repr, named))}" if named else "it is empty"
        faults += [f"{file.name} has no predictions for {name}; {holds}" for name in datasets if not found[name]]
        faults += [fault for name in datasets for fault in _repeated(found[name], file)]
    return found


def _repeated(predictions: Sequence[Prediction], file: Path) -> Iterator[str]:
    for name, count in Counter(one.id for one in predictions).items():
        if count > 1:
            yield f"{file.name} has {count} predictions for sample {name!r}"


def _predictions(file: Path, faults: list[str]) -> Iterator[Prediction]:
    records = _lines(file, faults) if file.suffix == ".jsonl" else _list(file)
    for place, record in records:
        if not isinstance(record, dict):
            faults.append(f"{file.name}, {place}: {reprlib.repr(record)} is not an object")
            continue
        if not _encodable(record):
            faults.append(f"{file.name}, {place}: holds half of a surrogate pair, which is no character")
            continue
        kind = _Released if "sample_id" in record or "pred_response" in record else _Ours
        try:
            yield kind.model_validate(record).as_prediction()
        except ValidationError as error:
            faults += [f"{file.name}, {place}: {fault}" for fault in _explain(error, kind)]


def _encodable(record: Any) -> bool:
    """Whether all texts of a record can be written."""
    return is_writable(json.dumps(record, ensure_ascii=False))


def _explain(error: ValidationError, kind: type[_Record]) -> list[str]:
    """A line for each key that doesn't fit, however many ways of fitting were tried."""
    lines: dict[str, str] = {}
    for fault in error.errors():
        key = str(fault["loc"][0]) if fault["loc"] else ""
        if not key:
            lines[key] = str(fault["ctx"]["error"])
        elif fault["type"] == "missing":
            lines[key] = f"`{key}` is missing"
        else:
            lines[key] = f"`{key}` must be {kind.model_fields[key].description}"
    return list(lines.values())


def _list(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        records = read_json(file)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: can't be read as JSON: {error}") from None
    if not isinstance(records, list):
        raise UserError(f"{file}: must hold a JSON list of records such as {_EXAMPLE} (.jsonl: a line each)")
    for number, record in enumerate(records, 1):
        yield f"record {number}", record


def _lines(file: Path, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """The records of a file of JSON lines; a last line without its end counts if it is whole, as other programs write.

    That, and the numbers of faulty lines, is why this isn't `files.JsonLines`.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{file}: can't be read: {error.strerror or error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                warn(f"{file}: the last line is incomplete and is left out")
            else:
                faults.append(f"{file.name}, line {number}: not valid JSON: {error}")
        else:
            yield f"line {number}", record
