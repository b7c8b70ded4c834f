"""What people see while work is done: everything here goes to standard error, results alone to standard output."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from samcli.answers import for_terminal

SECONDS_BETWEEN_LINES = 30  # where no bar can be drawn


class Advance(Protocol):
    """Moves a progress bar on."""

    def __call__(self, count: int, note: str = "") -> None:
        """Count `count` things as done and show `note` beside the bar."""


stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)


def say(message: str, style: str | None = None) -> None:
    """Print a line for people: no markup is read from it, no escape code passes, and paths stay whole."""
    stderr.print(for_terminal(message), markup=False, emoji=False, style=style, soft_wrap=True)


def say_once(message: str, style: str | None = None, *, about: str | None = None) -> None:
    """Print a line for people, unless this process has printed it, or another line `about` the same, before."""
    if (about or message) not in _said:
        _said.add(about or message)
        say(message, style)


_said: set[str] = set()


def warn(message: str) -> None:
    """Print a warning for people."""
    say(f"warning: {message}", "yellow")


def which_rank() -> str:
    """`rank N: ` in one of several processes that train together, as torchrun numbers them."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return f"rank {os.environ.get('RANK', '?')}: " if several else ""


def complain(message: str) -> None:
    """Print why a command can't go on, however quiet it is to be."""
    stderr.quiet = False
    say(message, "red")


def be_quiet() -> None:
    """Print no progress and no messages from now on; results and errors still appear."""
    stderr.quiet = True


class _Told:
    """How far work has come, in a line every so many seconds."""

    def __init__(self, what: str, total: int, done: int) -> None:
        self.what, self.total, self.done, self.began_with = what, total, done, done
        self.began = self.said = time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self.said > SECONDS_BETWEEN_LINES:
            self.said = now
            minutes = (now - self.began) / max(1, self.done - self.began_with) * (self.total - self.done) / 60
            say(f"{self.what}: {self.done:,} of {self.total:,}  {minutes:.0f} min left")


@contextmanager
def progress(what: str, total: int, done: int = 0, *, lines: bool = True) -> Iterator[Advance]:
    """Show a progress bar on a terminal, elsewhere a line now and then, if `lines`.

    The value is a function that advances it, perhaps with a note beside it.
    """
    times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=stderr, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(for_terminal(what), total=total, completed=done, note="")
        told = _Told(what, total, done)

        def advance(count: int, note: str = "") -> None:
            bar.update(task, advance=count, note=note)
            if lines and bar.disable:
                told.advance(count)

        yield advance
