"""Samples made by several processes of this machine, which never outlive the one that started them."""

import os
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from samcli.console import be_quiet, stderr
from samcli.processes import done_by, settle
from samcli.synth.work import Bundle, Made, Work, make


def make_locally(work: Work, out: Path, bundles: Sequence[Bundle]) -> Generator[Made | None, None, None]:
    """The finished samples of each bundle as they are done, made by the work's number of processes; None meanwhile.

    What a killed process was at is made again. Raises UserError when the disk is full, or processes are killed again
    and again. Closing the generator stops the processes.
    """
    count = min(work.workers, len(bundles))
    if count <= 1:
        for bundle in bundles:
            yield make(work, out, bundle)
        return
    start = partial(_pool, work.start_method)
    for done in done_by(start, partial(make, work, out), list(bundles), count):
        yield None if done is None else done[1]


def _pool(start_method: str, count: int) -> ProcessPoolExecutor:
    context = get_context(start_method)
    arguments = (start_method == "spawn", stderr.quiet, _gpus(), context.Value("i", 0))
    return ProcessPoolExecutor(count, context, initializer=_begin, initargs=arguments)


def _gpus() -> list[str]:
    """The GPUs that this process was told to use, by number; none where it wasn't told."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return [name for name in chosen.split(",") if name]


def _begin(is_new: bool, quiet: bool, gpus: list[str], started: Any) -> None:
    """Settle a process: one thread, so that bytes don't depend on cores, and one GPU of those that were named."""
    with started.get_lock():
        place = started.value
        started.value += 1
    if is_new:
        os.environ["OMP_NUM_THREADS"] = "1"
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
    if quiet:
        be_quiet()
    settle()
