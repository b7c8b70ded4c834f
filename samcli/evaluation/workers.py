"""Batches answered by several processes of this machine; one that is killed costs its unfinished batches only."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from samcli.console import be_quiet, warn
from samcli.errors import UserError
from samcli.evaluation.predict import NOTHING, TICK, Answers, Asked, Made, timed
from samcli.processes import settle
from samcli.recipe import DecodingRecipe, EvalRecipe

_MOST_FAILURES = 3  # in a row, without an answer in between


@dataclass(frozen=True)
class Processes:
    """Each process loads the recipe's model once for a dataset; cores are shared out among them."""

    recipe: EvalRecipe
    decoding: DecodingRecipe

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers in the order in which they are done; batches of a killed process are done again.

        Raises UserError when processes die again and again without an answer, and whatever a process raises.
        """
        left = dict(enumerate(batches))
        failures = 0
        while left:
            before = len(left)
            try:
                yield from self._answer(dataset, left)
            except BrokenProcessPool as error:
                failures = failures + 1 if len(left) == before else 1
                if failures == _MOST_FAILURES:
                    raise UserError(
                        f"processes that answer were killed {failures} times, perhaps because memory ran out; all "
                        "answers are kept: the same command goes on, fewer --workers need less memory"
                    ) from error
                warn(f"a process that answers was killed; batches that are done again: up to {len(left)}")

    def _answer(self, dataset: str, left: dict[int, Asked]) -> Generator[Made, None, None]:
        """Answers to what is left, each taken out of it before it is handed over."""
        count = min(self.recipe.workers, len(left))
        threads = max(1, (os.cpu_count() or 1) // count)
        context = get_context("spawn")
        gpus = _gpus() if self.recipe.model.device in ("auto", "cuda") else []
        started = (threads, gpus, context.Value("i", 0))
        pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=started)
        try:
            running: dict[Future[Made], int] = {
                pool.submit(answer_batch, self.recipe, self.decoding, dataset, batch): number
                for number, batch in left.items()
            }
            while running:
                done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
                for future in done:
                    made = future.result()
                    left.pop(running.pop(future))
                    yield made
                if not done:
                    yield NOTHING
        finally:
            for process in list((pool._processes or {}).values()):
                process.kill()  # what they are at is done again, and nobody waits for it
            pool.shutdown(cancel_futures=True)


def _gpus() -> list[str]:
    """The GPUs of this machine that may be used, by the names that CUDA knows them by."""
    import torch

    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return chosen.split(",") if chosen else [str(number) for number in range(torch.cuda.device_count())]


def _begin(threads: int, gpus: list[str], started: Any) -> None:
    with started.get_lock():
        place = started.value
        started.value += 1
    if gpus:  # each process sees one of them, before torch looks
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
    import torch

    settle()
    be_quiet()
    torch.set_num_threads(threads)


def answer_batch(recipe: EvalRecipe, decoding: DecodingRecipe, dataset: str, batch: Asked) -> Made:
    """Answers to a batch, by the model that this process holds; runs in a process of its own."""
    return timed(_answers(recipe, decoding, dataset), batch)


_held: dict[str, Answers] = {}  # the one model that this process has loaded, by what it was loaded for


def _answers(recipe: EvalRecipe, decoding: DecodingRecipe, dataset: str) -> Answers:
    from samcli.evaluation.subject import local_subject

    wanted = f"{recipe.model_dump_json()} {decoding.model_dump_json()} {dataset}"
    if wanted not in _held:
        _held.clear()
        _held[wanted] = local_subject(recipe).answers(dataset, decoding)
    return _held[wanted]
