"""Ray Data as the engines use it: joined or started quietly, its rows taken as they come, its errors told as ours."""

import logging
import queue
import threading
from collections.abc import Generator
from typing import Any

from samcli.errors import UserError
from samcli.processes import TICK


def ray_started() -> Any:
    """The package `ray`, in touch with the cluster that $RAY_ADDRESS names, or with one started on this machine.

    Raises UserError without Ray.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs Ray: pip install 'samcli[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # results alone are printed
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def rows_as_done(dataset: Any, count: int) -> Generator[dict[str, Any] | None, None, None]:
    """The dataset's `count` rows in the order in which they are done; None when none is yet.

    Raises UserError when Ray ends early, what an actor of ours raised as UserError, and whatever else Ray raises.
    """
    rows: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_collect, args=(dataset, rows), daemon=True).start()
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


def _collect(dataset: Any, rows: "queue.Queue[Any]") -> None:
    """Hand over the rows as they come, or what ended them; in a thread, so that a wish to stop is noticed meanwhile."""
    try:
        for row in dataset.iter_rows():
            rows.put(row)
        rows.put(UserError("Ray ended before all was done; the same command goes on"))
    except BaseException as error:
        rows.put(error)


def _own_error(error: BaseException) -> BaseException:
    """What an actor of ours raised, without what Ray wraps around it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return UserError(str(inner))
        inner = inner.__cause__ or getattr(inner, "cause", None)
    return error
