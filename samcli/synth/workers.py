"""Samples made by several processes, in order; the processes never outlive the one that started them."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from samcli.errors import UserError
from samcli.processes import settle
from samcli.recipe import SynthRecipe
from samcli.synth.pipeline import Pipeline
from samcli.synth.world.pipelines import set_pipeline
from samcli.synth.writer import Entry, failed_sample, write_sample

MOST_AT_ONCE = 16  # samples handed to a process at a time


@dataclass(frozen=True)
class Job:
    """A sample to be made, and why its earlier attempts were rejected."""

    index: int
    rejections: tuple[str, ...] = ()


def make_sample(recipe: SynthRecipe, out: Path, job: Job) -> Entry:
    """Make a sample, with new chances as long as it is rejected, and write its images below `out`.

    After the recipe's number of attempts it counts as failed. Raises UserError when the disk is full.
    """
    pipeline = _pipeline(recipe)
    rejections = list(job.rejections)
    for _ in range(recipe.attempts):
        draft = pipeline.make(job.index, len(rejections))
        if draft.rejected is None:
            return write_sample(out, draft, [name for name, _ in pipeline.stages], rejections)
        rejections.append(draft.rejected)
    return failed_sample(job.index, rejections)


@lru_cache(maxsize=1)
def _pipeline(recipe: SynthRecipe) -> Pipeline:
    """The recipe's stages; built once in each process, since stages may hold models."""
    return set_pipeline(recipe.dataset, recipe.split, recipe.seed, recipe.size)


def make_samples(recipe: SynthRecipe, out: Path, jobs: Sequence[Job], workers: int) -> Generator[Entry, None, None]:
    """The finished samples in the order of the jobs, made by `workers` processes (0: one for each core).

    Raises UserError when the disk is full or a process was killed. Closing the generator stops the processes.
    """
    make = partial(make_sample, recipe, out)
    count = min(workers or os.cpu_count() or 1, len(jobs))
    if count <= 1:
        yield from map(make, jobs)
        return
    share = max(1, min(MOST_AT_ONCE, len(jobs) // (4 * count)))
    pool = ProcessPoolExecutor(count, initializer=settle)
    try:
        yield from pool.map(make, jobs, chunksize=share)
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, perhaps because memory ran out; what is finished is kept: "
            "the same command goes on, fewer --workers need less memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
