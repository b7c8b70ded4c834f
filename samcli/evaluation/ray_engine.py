"""Batches answered on a cluster by Ray Data: one model an actor, which Ray starts again when its machine is lost."""

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from samcli.evaluation.predict import NOTHING, Asked, Made
from samcli.evaluation.workers import answer_batch
from samcli.on_ray import ray_started, rows_as_done
from samcli.recipe import DecodingRecipe, EvalRecipe


@dataclass(frozen=True)
class OnRay:
    """Joins the cluster that $RAY_ADDRESS names, or starts Ray on this machine; paths must be the same everywhere."""

    recipe: EvalRecipe
    decoding: DecodingRecipe

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers in the order in which they are done; raises UserError without Ray."""
        if not batches:
            return
        ray = ray_started()
        cluster: dict[str, float] = ray.cluster_resources()
        gpus = 1 if cluster.get("GPU") and self.recipe.model.device in ("auto", "cuda") else 0
        count = min(self.recipe.workers, len(batches))
        rows = ray.data.from_items(
            [{"number": number} for number in range(len(batches))], override_num_blocks=len(batches)
        )
        answered = rows.map(
            _Actor,  # a class is what makes Ray hold the model in an actor
            fn_constructor_args=(self.recipe, self.decoding, dataset, ray.put(list(batches))),
            concurrency=count,
            num_gpus=gpus,
        )
        with closing(rows_as_done(answered, len(batches))) as done:
            for row in done:
                if row is None:
                    yield NOTHING
                else:
                    answers = [(text, error) for text, error in json.loads(row["answers"])]
                    yield Made(batches[row["number"]].places, answers, row["seconds"])


class _Actor:
    """Holds the model on one machine."""

    def __init__(self, recipe: EvalRecipe, decoding: DecodingRecipe, dataset: str, batches: Any) -> None:
        import ray

        self.recipe, self.decoding, self.dataset = recipe, decoding, dataset
        self.batches: list[Asked] = ray.get(batches)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        made = answer_batch(self.recipe, self.decoding, self.dataset, self.batches[row["number"]])
        return {"number": row["number"], "answers": json.dumps(made.answers), "seconds": made.seconds}
