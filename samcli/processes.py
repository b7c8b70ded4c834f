"""Worker processes that never outlive the one that started them."""

import os
import signal
import threading
from multiprocessing import connection, parent_process


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
