"""Answers of a model to a dataset's samples: batch by batch, each kept on disk as soon as it is made."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from samcli.console import progress, warn
from samcli.data.batch import Batch
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import Interrupted, UserError
from samcli.evaluation.predictions import Prediction, read_predictions
from samcli.files import JsonLines, contents_hash
from samcli.memory import is_out_of_memory
from samcli.model.captioner import Captioner
from samcli.model.processor import Processor
from samcli.recipe import DecodingRecipe
from samcli.signals import StopRequest, listening


@dataclass(frozen=True)
class Seen:
    """What the vision tower made of some samples: features (M, P, V) of the readable ones, reasons for the others."""

    faults: tuple[str | None, ...]  # one for each sample, None: readable
    counts: tuple[int, ...]  # images of each readable sample
    features: Tensor | None  # None when nothing was readable


SeenBatches = dict[tuple[str, int, int], Seen]
"""Features by dataset and the samples' place in it: the tower is frozen, so models on one base can share them."""


Answer = tuple[str | None, str | None]  # the text, or None and the error


class Answers(Protocol):
    """Whatever answers: a model of ours, or one that runs elsewhere."""

    def to(self, start: int, samples: Sequence[Sample]) -> list[Answer]:
        """An answer to each of the samples that begin at place `start` of the dataset."""
        ...


def predict(answers: Answers, dataset: str, samples: Sequence[Sample], path: Path, batch_size: int) -> list[Prediction]:
    """One prediction for each sample, in order, also kept in `path`, where the same call goes on if it was stopped.

    Batches are cut from the whole dataset, so that stopping doesn't change what is answered together: the file is the
    same to the byte, but for the seconds. A sample that can't be answered gets its `error`, and its neighbours their
    answers. Raises Interrupted after a signal (all
    answers so far are kept), UserError when `path` holds answers to other samples.
    """
    done = count_answered(path, samples)
    lines = JsonLines(path)
    with listening() as stop, progress(dataset, len(samples), done) as advance:
        for start in range(done - done % batch_size, len(samples), batch_size):
            _stop_if_asked(stop, max(start, done), samples, path)
            batch = samples[start : start + batch_size]
            began = time.monotonic()
            made = answers.to(start, batch)
            seconds = round((time.monotonic() - began) / len(batch), 4)
            for place, (sample, (text, error)) in enumerate(zip(batch, made, strict=True), start):
                if place >= done:
                    lines.append(_record(dataset, sample, text, error, seconds))
                    advance(1)
        _stop_if_asked(stop, len(samples), samples, path)
    return read_predictions(path, [dataset])[dataset]


def count_answered(path: Path, samples: Sequence[Sample]) -> int:
    """How many of the samples, from the start, `path` already holds answers to; an incomplete last line is cut off.

    Raises UserError when it holds answers to other samples.
    """
    lines = JsonLines(path)
    lines.trim()
    records = lines.read()
    if len(records) > len(samples) or not all(map(_answers, records, samples)):
        raise UserError(
            f"{path} holds something else than answers to these samples: the dataset, its pictures or the file has "
            "changed since; --overwrite starts anew"
        )
    return len(records)


def _answers(record: Any, sample: Sample) -> bool:
    """Whether a line of a file answers a sample as it is now."""
    return isinstance(record, dict) and all(record.get(key) == value for key, value in _asked(sample).items())


def _asked(sample: Sample) -> dict[str, Any]:
    """What a sample asks, as a line of a file keeps it: pictures are told apart by what their files hold."""
    return {
        "id": sample.id,
        "instruction": sample.instruction,
        "images_hash": contents_hash(sample.images),
        "references": list(sample.references),
    }


def _stop_if_asked(stop: StopRequest, start: int, samples: Sequence[Sample], path: Path) -> None:
    if stop.signal_number is not None:
        message = f"stopped after {start} of {len(samples)} answers, kept in {path}; the same command goes on"
        raise Interrupted(stop.signal_number, message)


def _record(dataset: str, sample: Sample, text: str | None, error: str | None, seconds: float) -> dict[str, Any]:
    return {"dataset": dataset, **_asked(sample), "prediction": text, "seconds": seconds, "error": error}


@dataclass
class OwnAnswers:
    """Of a model of ours; when the accelerator's memory is too small, batches are halved.

    What is given as `shared` is filled with features that other models on the same base can use too.
    """

    captioner: Captioner
    dataset: str
    decoding: DecodingRecipe
    size: int  # samples answered at once
    shared: SeenBatches | None = None

    def to(self, start: int, samples: Sequence[Sample]) -> list[Answer]:
        """Answers to the samples that begin at place `start` of the dataset."""
        made: list[Answer] = []
        while len(made) < len(samples):
            piece = samples[len(made) : len(made) + self.size]
            try:
                made += self._together(start + len(made), piece)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(piece), error)
        return made

    def _halve(self, tried: int, error: Exception) -> None:
        if tried == 1:
            raise UserError(
                "out of memory with one sample at once; use fewer beams, --dtype bfloat16 or another device"
            ) from error
        self.size = tried // 2
        torch.cuda.empty_cache()
        warn(f"out of memory with {tried} samples at once; going on with {self.size}")

    def _together(self, start: int, samples: Sequence[Sample]) -> list[Answer]:
        seen = self._see(start, samples)
        readable = [sample for sample, fault in zip(samples, seen.faults, strict=True) if fault is None]
        texts = iter(self._generate(seen, [sample.instruction for sample in readable]))
        return [(None, fault) if fault is not None else (next(texts), None) for fault in seen.faults]

    def _see(self, start: int, samples: Sequence[Sample]) -> Seen:
        place = (self.dataset, start, len(samples))
        if self.shared is not None and place in self.shared:
            return self.shared[place]
        found = [_readable(sample, self.captioner.processor) for sample in samples]
        groups = [pictures for pictures, _ in found if pictures]
        seen = Seen(tuple(fault for _, fault in found), tuple(map(len, groups)), self._features(groups))
        if self.shared is not None:
            self.shared[place] = seen
        return seen

    def _features(self, groups: list[list[Image.Image]]) -> Tensor | None:
        if not groups:
            return None
        pixels = self.captioner.processor.pixels([picture for group in groups for picture in group])
        return self.captioner.model.encode_images(pixels.to(self.captioner.device)).cpu()

    def _generate(self, seen: Seen, instructions: list[str]) -> list[str]:
        if seen.features is None:
            return []
        declared = seen.counts if self.captioner.model.declares_images else None
        texts = self.captioner.processor.texts(instructions, None, self.captioner.text, declared)
        batch = Batch(torch.tensor(seen.counts), image_embeds=seen.features, **texts).to(self.captioner.device)
        return self.captioner.processor.decode(self.captioner.model.generate(batch, self.decoding))


def _readable(sample: Sample, processor: Processor) -> tuple[list[Image.Image], str | None]:
    """The sample's pictures, in the model's size, or none and why it can't be answered."""
    if not sample.instruction.strip():
        return [], "the instruction is empty"
    try:
        return [processor.square(open_image(path)) for path in sample.images], None
    except UserError as error:
        return [], str(error)
