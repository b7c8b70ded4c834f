"""Stopping politely: a first SIGTERM or Ctrl-C asks the run to save and stop, a second one stops at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CAUGHT = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Remembers the first signal; the loop looks at it between steps."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is not None:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Put the handlers back after the block, which sets others, or calls a library that does, seen by Python or not.

    Works in the main thread alone, as all setting of handlers does.
    """
    former = {number: signal.getsignal(number) for number in CAUGHT}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while the block runs; the former handlers come back after it."""
    request = StopRequest()
    with handlers_kept():
        for number in CAUGHT:
            signal.signal(number, request._note)
        yield request
