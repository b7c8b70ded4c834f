"""Samples made by several processes of this machine, which never outlive the one that started them."""

from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from samcli.console import be_quiet, stderr
from samcli.gpus import take_gpu
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
    start = partial(_pool, work.start_method, work.devices)
    for done in done_by(start, partial(make, work, out), list(bundles), count):
        yield None if done is None else done[1]


def _pool(start_method: str, devices: list[str], count: int) -> ProcessPoolExecutor:
    context = get_context(start_method)
    arguments = (stderr.quiet, devices, context.Value("i", 0))
    return ProcessPoolExecutor(count, context, initializer=_begin, initargs=arguments)


def _begin(quiet: bool, devices: list[str], started: Any) -> None:
    take_gpu(devices, started)
    if quiet:
        be_quiet()
    settle()
