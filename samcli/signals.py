"""Stopping politely: a first SIGTERM or Ctrl-C asks the run to save and stop, a second one stops at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Remembers the first signal; the loop looks at it between steps."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is not None:
            raise KeyboardInterrupt
        self.signal_number = number


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT while the block runs; the former handlers come back after it."""
    request = StopRequest()
    caught = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(number, request._note) for number in caught]
    try:
        yield request
    finally:
        for number, handler in zip(caught, former, strict=True):
            signal.signal(number, handler)
