"""Worker processes that never outlive the one that started them, and whose work is done again if they are killed."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, parent_process
from typing import Any, TypeVar

from samcli.console import warn
from samcli.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
TICK = 0.5  # seconds after which whoever waits is handed None, so that a wish to stop is noticed
_MOST_FAILURES = 3  # in a row, without a result in between


def done_by(
    start: Callable[[int], ProcessPoolExecutor], run: Callable[[Task], Result], tasks: list[Task], count: int
) -> Generator[tuple[Task, Result] | None, None, None]:
    """Tasks and their results in the order in which they are done, by up to `count` processes; None when none is yet.

    `start` makes a pool of so many processes. What a killed process was at is done again by new ones. Closing the
    generator kills the processes: what they are at is lost. Raises UserError when processes are killed again and again
    without a result, and whatever `run` raises.
    """
    left, failures = dict(enumerate(tasks)), 0
    while left:
        before = len(left)
        try:
            yield from _done_by(start(min(count, before)), run, left)
        except BrokenProcessPool as error:
            failures = failures + 1 if len(left) == before else 1
            if failures == _MOST_FAILURES:
                raise UserError(
                    f"worker processes were killed {failures} times, perhaps because memory ran out; what is finished "
                    "is kept: the same command goes on, fewer --workers need less memory"
                ) from error
            warn(f"a worker process was killed; parts of the work that are done again: up to {len(left)}")


def _done_by(
    pool: ProcessPoolExecutor, run: Callable[[Task], Result], left: dict[int, Task]
) -> Generator[tuple[Task, Result] | None, None, None]:
    """What is left, each task taken out of it before its result is handed over."""
    try:
        running: dict[Future[Any], int] = {pool.submit(run, task): number for number, task in left.items()}
        while running:
            done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                yield left.pop(running.pop(future)), result
            if not done:
                yield None
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(cancel_futures=True)


def settle() -> None:
    """Make this process obey its parent alone: signals are the parent's to answer, and when it is gone, so are we."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_leave_with, args=(parent.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    """End this process as soon as the parent is gone, even if it was killed."""
    connection.wait([sentinel])
    os._exit(1)
