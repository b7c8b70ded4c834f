"""Batches answered by several processes of this machine; one that is killed costs its unfinished batches only."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

from samcli.console import be_quiet
from samcli.evaluation.predict import NOTHING, Answers, Asked, Made, timed
from samcli.gpus import take_gpu, usable_gpus
from samcli.processes import done_by, settle
from samcli.recipe import DecodingRecipe, EvalRecipe


@dataclass(frozen=True)
class Processes:
    """Each process loads the recipe's model once for a dataset; cores are shared out among them."""

    recipe: EvalRecipe
    decoding: DecodingRecipe

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers in the order in which they are done; batches of a killed process are done again."""
        work = partial(answer_batch, self.recipe, self.decoding, dataset)
        for done in done_by(self._start, work, list(batches), self.recipe.workers):
            yield NOTHING if done is None else done[1]

    def _start(self, count: int) -> ProcessPoolExecutor:
        threads = max(1, (os.cpu_count() or 1) // count)
        context = get_context("spawn")
        gpus = usable_gpus(self.recipe.model.device)
        return ProcessPoolExecutor(count, context, initializer=_begin, initargs=(threads, gpus, context.Value("i", 0)))


def _begin(threads: int, gpus: list[str], started: Any) -> None:
    take_gpu(gpus, started)
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
