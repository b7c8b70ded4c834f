"""A dataset answered: batches planned once, answered here or elsewhere, each answer kept as soon as it is made."""

import time
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from samcli.console import progress
from samcli.data.sample import Sample
from samcli.errors import Interrupted
from samcli.evaluation.answer_cache import AnswerCache
from samcli.evaluation.answer_file import Answer, AnswerFile
from samcli.evaluation.predictions import Prediction
from samcli.signals import StopRequest, listening


@dataclass(frozen=True)
class Asked:
    """Samples that are answered together, and their places in the dataset."""

    places: tuple[int, ...]
    samples: tuple[Sample, ...]

    def without(self, left_out: Container[int]) -> "Asked":
        """The same without some places."""
        kept = [(place, one) for place, one in zip(self.places, self.samples, strict=True) if place not in left_out]
        return Asked(tuple(place for place, _ in kept), tuple(one for _, one in kept))


@dataclass(frozen=True)
class Made:
    """The answers to a batch, and the seconds that each of them took."""

    places: tuple[int, ...]
    answers: Sequence[Answer]
    seconds: float | None


NOTHING = Made((), (), None)


class Answers(Protocol):
    """Whatever answers: a model of ours, or one that runs elsewhere."""

    def to(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Answer]]:
        """An answer to each of the samples, with its place among them, in the order in which they are done."""
        ...


class Engine(Protocol):
    """Where batches are answered: here, in several processes, or on many machines."""

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers, in whatever order they are done; closing the generator ends the work."""
        ...


@dataclass(frozen=True)
class Here:
    """Answers in this process, batch after batch; `load` is called when there is something to answer.

    An answer's seconds are those since the one before it.
    """

    load: Callable[[], Answers]

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers to the batches, one by one."""
        if batches:
            answers = self.load()
            for batch in batches:
                began = time.monotonic()
                for place, answer in answers.to(batch.samples):
                    done = time.monotonic()
                    yield Made((batch.places[place],), [answer], round(done - began, 4))
                    began = done


def here(answers: Answers) -> Here:
    """Answers in this process, by what is loaded already."""
    return Here(lambda: answers)


def timed(answers: Answers, batch: Asked) -> Made:
    """The answers to a batch and how long each took."""
    began = time.monotonic()
    made = in_order(answers.to(batch.samples))
    return Made(batch.places, made, round((time.monotonic() - began) / len(batch.samples), 4))


def in_order(answered: Iterable[tuple[int, Answer]]) -> list[Answer]:
    """Answers by their places."""
    return [answer for _, answer in sorted(answered, key=lambda pair: pair[0])]


def predict(
    engine: Engine,
    dataset: str,
    samples: Sequence[Sample],
    path: Path,
    batch_size: int,
    cache: AnswerCache | None = None,
    *,
    together: bool = True,
) -> list[Prediction]:
    """One prediction for each sample, in order, also kept in `path`, where the same call goes on if it was stopped.

    The finished file is the same to the byte however often it was stopped, but for the seconds: where samples that are
    answered `together` may influence one another, a half-answered batch is answered again as a whole. A sample that
    can't be answered gets its `error`, and its neighbours their answers.

    Raises Interrupted after a signal (all answers so far are kept), UserError when `path` holds answers to others.
    """
    file = AnswerFile(path, dataset, samples)
    with listening() as stop, progress(dataset, len(samples), len(samples) - len(file.missing)) as advance:
        left_out = set() if together else set(range(len(samples))) - set(file.missing)
        for place in file.missing if cache is not None else ():
            _stop_if_asked(stop, file)
            if cache is not None and (text := cache.get(samples[place])) is not None:
                file.add(place, (text, None), None)
                left_out.add(place)
                advance(1)
        missing = set(file.missing)
        batches = [batch.without(left_out) for batch in plan_batches(samples, batch_size)]
        batches = [batch for batch in batches if missing.intersection(batch.places)]
        with closing(engine.answer(dataset, batches)) as answered:
            for made in answered:
                for place, answer in zip(made.places, made.answers, strict=True):
                    if place in missing:
                        file.add(place, answer, made.seconds)
                        advance(1)
                        if cache is not None and answer[1] is None:
                            cache.put(samples[place], answer[0])
                _stop_if_asked(stop, file)
        _stop_if_asked(stop, file)
    return file.finish()


def plan_batches(samples: Sequence[Sample], batch_size: int) -> list[Asked]:
    """The samples in batches of like numbers of images and lengths of instructions, the largest first.

    Batches are cut from the whole dataset, so that stopping doesn't change what is answered together, and what needs
    the most memory is tried at once.
    """

    def size(place: int) -> tuple[int, int, int]:
        return -len(samples[place].images), -len(samples[place].instruction), place

    order = sorted(range(len(samples)), key=size)
    cut = [tuple(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
    return [Asked(places, tuple(samples[place] for place in places)) for places in cut]


def _stop_if_asked(stop: StopRequest, file: AnswerFile) -> None:
    if stop.signal_number is not None:
        done = len(file.samples) - len(file.missing)
        message = f"stopped after {done} of {len(file.samples)} answers, kept in {file.path}; the same command goes on"
        raise Interrupted(stop.signal_number, message)
