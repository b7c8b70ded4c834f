"""Batches answered on a cluster by Ray Data: one model an actor, which Ray starts again when its machine is lost."""

import json
import logging
import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from samcli.errors import UserError
from samcli.evaluation.predict import NOTHING, TICK, Asked, Made
from samcli.evaluation.workers import answer_batch
from samcli.recipe import DecodingRecipe, EvalRecipe


@dataclass(frozen=True)
class OnRay:
    """Joins the cluster that $RAY_ADDRESS names, or starts Ray on this machine; paths must be the same everywhere."""

    recipe: EvalRecipe
    decoding: DecodingRecipe

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers in the order in which they are done; raises UserError without Ray."""
        try:
            import ray
            import ray.data
        except ImportError:
            raise UserError("--engine ray needs Ray: pip install 'samcli[ray]'") from None
        if not batches:
            return
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # results alone are printed
        ray.data.DataContext.get_current().enable_progress_bars = False
        cluster: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpus = 1 if cluster.get("GPU") and self.recipe.model.device in ("auto", "cuda") else 0
        count = min(self.recipe.workers, len(batches))
        rows = ray.data.from_items(
            [{"number": number} for number in range(len(batches))], override_num_blocks=len(batches)
        )
        answered = rows.map(
            _Actor,  # type: ignore[arg-type]  # a class is what makes Ray hold the model in an actor
            fn_constructor_args=(self.recipe, self.decoding, dataset, ray.put(list(batches))),
            concurrency=count,
            num_gpus=gpus,
        )
        rows_done: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=_collect, args=(answered, rows_done), daemon=True).start()
        left = len(batches)
        while left:
            try:
                row = rows_done.get(timeout=TICK)
            except queue.Empty:
                yield NOTHING
                continue
            if isinstance(row, BaseException):
                raise _own_error(row)
            left -= 1
            answers = [(text, error) for text, error in json.loads(row["answers"])]
            yield Made(batches[row["number"]].places, answers, row["seconds"])


def _collect(answered: Any, rows_done: "queue.Queue[Any]") -> None:
    """Hand over the rows as they come, or what ended them; in a thread, so that a wish to stop is noticed meanwhile."""
    try:
        for row in answered.iter_rows():
            rows_done.put(row)
        rows_done.put(UserError("Ray ended before all was answered; the same command goes on"))
    except BaseException as error:
        rows_done.put(error)


def _own_error(error: BaseException) -> BaseException:
    """What an actor of ours raised, without what Ray wraps around it."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, UserError):
            return UserError(str(inner))
        inner = inner.__cause__ or getattr(inner, "cause", None)
    return error


class _Actor:
    """Holds the model on one machine."""

    def __init__(self, recipe: EvalRecipe, decoding: DecodingRecipe, dataset: str, batches: Any) -> None:
        import ray

        self.recipe, self.decoding, self.dataset = recipe, decoding, dataset
        self.batches: list[Asked] = ray.get(batches)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        made = answer_batch(self.recipe, self.decoding, self.dataset, self.batches[row["number"]])
        return {"number": row["number"], "answers": json.dumps(made.answers), "seconds": made.seconds}
