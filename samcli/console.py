"""What people see while work is done: everything here goes to standard error, results alone to standard output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def say(message: str) -> None:
    """Print a line for people, as it is: no markup is read from it."""
    stderr.print(message, markup=False)


def warn(message: str) -> None:
    """Print a warning for people."""
    stderr.print(f"warning: {message}", markup=False, style="yellow")


def be_quiet() -> None:
    """Print no progress and no messages from now on; results and errors still appear."""
    stderr.quiet = True


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; the value is a function that advances it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=stderr, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda count: bar.update(task, advance=count)
