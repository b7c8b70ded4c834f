"""Ray Data as the engines use it: joined or started quietly, its rows taken as they come, its errors told as ours."""

import logging
import os
import queue
import socket
import threading
from collections.abc import Generator
from concurrent.futures import Future, wait
from typing import Any

from samcli.errors import UserError
from samcli.processes import TICK
from samcli.signals import handlers_kept

PATIENCE = 10.0  # seconds
ADDRESS = "RAY_ADDRESS"
_MEND = "start the cluster (ray start --head), or unset it and Ray is started on this machine"


def ray_started() -> Any:
    """The package `ray`, in touch with the cluster that $RAY_ADDRESS names, or with one started on this machine.

    Raises UserError without Ray, and where no cluster answers at that address.
    """
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # else a late call starts a cluster that nobody ends
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs Ray: pip install 'samcli[ray]'") from None
    if not ray.is_initialized():
        _start(ray)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # results alone are printed
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _start(ray: Any) -> None:
    address = os.environ.get(ADDRESS, "")
    _check(address)
    try:
        _init(ray)
    except ConnectionError as error:
        raise UserError(f"no Ray cluster at {ADDRESS}={address}: {_MEND}") from error


def _check(address: str) -> None:
    """Knock, since Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"nobody answers at {ADDRESS}={address} ({error}): {_MEND}") from error


def _init(ray: Any) -> None:
    """Start Ray or join it, in a thread: in the main one it would answer SIGTERM itself, and die of it half-started."""
    logging.getLogger("ray").setLevel(logging.ERROR)  # it would tell of that
    started: Future[None] = Future()
    threading.Thread(target=_start_and_stay, args=(ray, started), daemon=True).start()
    while not started.done():
        with handlers_kept():  # its core takes SIGTERM from any thread
            wait([started], TICK)
    started.result()


def _start_and_stay(ray: Any, started: "Future[None]") -> None:
    """Stay, because the system ends Ray's processes with the thread that started them."""
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
        started.set_result(None)
    except BaseException as error:
        started.set_exception(error)
    threading.Event().wait()


def rows_as_done(dataset: Any, count: int) -> Generator[dict[str, Any] | None, None, None]:
    """The dataset's `count` rows in the order in which they are done; None when none is yet.

    Nothing of the dataset's is at work any more when the generator has ended or was closed: a thread that asked Ray
    something while it shuts down would take the whole process with it.

    Raises UserError when Ray ends early, what an actor of ours raised as UserError, and whatever else Ray raises.
    """
    rows: queue.Queue[Any] = queue.Queue()
    collecting = threading.Thread(target=_collect, args=(dataset, rows), daemon=True)
    collecting.start()
    try:
        while count:
            try:
                row = rows.get(timeout=TICK)
            except queue.Empty:
                yield None
                continue
            if isinstance(row, BaseException):
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
