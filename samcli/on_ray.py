"""Ray Data as the engines use it: joined or started quietly, its rows taken as they come, its errors told as ours."""

import logging
import os
import queue
import socket
import threading
from collections.abc import Generator
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any

from samcli.errors import UserError, first_line
from samcli.processes import TICK
from samcli.signals import handlers_kept

PATIENCE = 10.0  # seconds that whoever is asked to answer, or to end, may take
ADDRESS = "RAY_ADDRESS"
COLLECTING = "rows of Ray"


def ray_started() -> Any:
    """The package `ray`, in touch with the cluster that $RAY_ADDRESS names, else this machine's, started if need be.

    To be called in the main thread. Raises UserError without Ray, and where no cluster answers.
    """
    # Else a late call starts a cluster that nobody ends; Ray looks at it when it is imported.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs Ray: pip install 'samcli[ray]'") from None
    if not ray.is_initialized():
        _join_or_start(ray)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # results alone are printed
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _join_or_start(ray: Any) -> None:
    address = os.environ.get(ADDRESS, "")
    try:
        _knock(address)
        _init_in_thread(ray)
    except ConnectionError as error:
        where = f"{ADDRESS}={address}" if address else "the address left by ray start"
        mend = f"or unset {ADDRESS} and Ray is started on this machine" if address else "or end what is left: ray stop"
        told = f"no Ray cluster answers at {where}; start one (ray start --head), {mend} ({first_line(error)})"
        raise UserError(told) from error


def _knock(address: str) -> None:
    """Raise ConnectionError where nobody answers, since Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit() and "://" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise ConnectionError(str(error)) from error


def _init_in_thread(ray: Any) -> None:
    """In the main thread Ray would answer SIGTERM itself from the start, and die of it half-started."""
    logging.getLogger("ray").setLevel(logging.ERROR)  # it warns that it can't
    started: Future[None] = Future()
    threading.Thread(target=_init_and_stay, args=(ray, started), daemon=True).start()
    done = False
    while not done:
        with handlers_kept():  # its core takes SIGTERM from any thread, some time on the way
            done = bool(wait([started], TICK).done)
    started.result()


def _init_and_stay(ray: Any, started: "Future[None]") -> None:
    """Stay, because the system ends Ray's processes with the thread that started them."""
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except BaseException as error:
        started.set_exception(error)
    else:
        started.set_result(None)
        threading.Event().wait()


def rows_as_done(dataset: Any, count: int) -> Generator[dict[str, Any] | None, None, None]:
    """The dataset's `count` rows in the order in which they are done; None when none is yet.

    Nothing of the dataset's is at work any more when the generator has ended or was closed, if Ray does as it is asked
    within PATIENCE: a thread that asks Ray something while it shuts down takes the whole process with it.

    Raises UserError when Ray ends early, what an actor of ours raised as UserError, and whatever else Ray raises.
    """
    rows: queue.Queue[Any] = queue.Queue()
    collecting = threading.Thread(target=_collect, args=(dataset, rows), daemon=True, name=COLLECTING)
    collecting.start()
    try:
        while count:
            try:
                row = rows.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if isinstance(row, BaseException):
                yield None  # the signal that ended Ray may have come here too: a last chance to look
                raise _own_error(row)
            count -= 1
            yield row
    finally:
        _stop(dataset, collecting)


def _collect(dataset: Any, rows: "queue.Queue[Any]") -> None:
    """Hand over the rows as they come, or what ended them; in a thread, so that a wish to stop is noticed meanwhile."""
    try:
        for row in dataset.iter_rows():
            rows.put(row)
        rows.put(UserError("Ray ended before all was done; the same command goes on"))
    except BaseException as error:
        rows.put(error)


def _stop(dataset: Any, collecting: threading.Thread) -> None:
    """End what is under way, but don't wait long for a Ray that was ended itself, as by a signal to a whole group."""
    ending = threading.Thread(target=_end, args=(dataset, collecting), daemon=True)
    ending.start()
    ending.join(PATIENCE)


def _end(dataset: Any, collecting: threading.Thread) -> None:
    """Shut down the executor: a thread that Ray Data keeps to itself, known by its name, if it was started yet."""
    while collecting.is_alive():
        name = f"StreamingExecutor-{dataset.get_dataset_id()}"
        for executor in [thread for thread in threading.enumerate() if thread.name == name]:
            with suppress(Exception):  # of a Ray that is ending itself
                executor.shutdown(force=True)  # type: ignore[attr-defined]
        collecting.join(TICK)


def _own_error(error: BaseException) -> BaseException:
    """What an actor of ours raised, without what Ray wraps around it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return UserError(str(inner))
        inner = inner.__cause__ or getattr(inner, "cause", None)
    return error
