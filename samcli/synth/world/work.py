"""The embedded world's sets as work for the engines: one step, which makes a sample from its number."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samcli.recipe import SynthRecipe
from samcli.synth.ledger import Entry, Ledger, is_complete
from samcli.synth.pipeline import Pipeline
from samcli.synth.work import Bundle, Job, Step
from samcli.synth.world.pipelines import set_pipeline
from samcli.synth.writer import failed_sample, merge, write_sample

MOST_AT_ONCE = 16  # samples handed to a process at a time


@dataclass(frozen=True)
class WorldWork:
    """A set of the embedded world."""

    recipe: SynthRecipe
    chunk: int = 1
    start_method: Literal["fork"] = "fork"
    changeable: tuple[str, ...] = ()
    pools: tuple[tuple[str, ...], ...] = (("make",),)

    @property
    def samples(self) -> int:
        """Samples in the set."""
        return self.recipe.samples

    @property
    def title(self) -> str:
        """The set's name."""
        return self.recipe.dataset

    @property
    def workers(self) -> int:
        """The recipe's number of processes, else one for each core."""
        return self.recipe.workers or os.cpu_count() or 1

    @property
    def devices(self) -> list[str]:
        """None."""
        return []

    def identity(self) -> SynthRecipe:
        """The recipe; how many processes work is no part of what is made."""
        return self.recipe.model_copy(update={"workers": 0})

    def bundles(self, jobs: Sequence[Job]) -> list[Bundle]:
        """Some at a time, so that handing them over costs nothing, and few enough for all processes to be busy."""
        size = max(1, min(MOST_AT_ONCE, len(jobs) // (4 * self.workers)))
        return [tuple(jobs[start : start + size]) for start in range(0, len(jobs), size)]

    def check(self, out: Path | None) -> None:
        """The world is made of nothing."""

    def begin(self, out: Path) -> None:
        """There is nothing to note."""

    def step(self, name: str, out: Path) -> Step:
        """Jobs to entries."""
        recipe = self.recipe
        pipeline = set_pipeline(recipe.dataset, recipe.split, recipe.seed, recipe.size)
        return lambda jobs: [make_sample(pipeline, recipe.attempts, out, job) for job in jobs]

    def gpus(self, pool: tuple[str, ...]) -> float:
        """None."""
        return 0.0

    def pack(self, items: Sequence[Any]) -> str:
        """Jobs or entries as JSON."""
        return json.dumps(
            [item.to_json() if isinstance(item, Entry) else [item.index, item.rejections] for item in items]
        )

    def unpack(self, text: str) -> list[Any]:
        """Jobs."""
        return [Job(index, tuple(rejections)) for index, rejections in json.loads(text)]

    def is_finished(self, out: Path) -> bool:
        """Whether the set is merged."""
        return is_complete(out)

    def finish(self, out: Path, entries: Ledger) -> None:
        """Write annotations and manifest."""
        merge(out, entries)


def make_sample(pipeline: Pipeline, attempts: int, out: Path, job: Job) -> Entry:
    """Make a sample, with new chances as long as it is rejected, and write its images below `out`.

    After so many attempts it counts as failed. Raises UserError when the disk is full.
    """
    rejections = list(job.rejections)
    for _ in range(attempts):
        draft = pipeline.make(job.index, len(rejections))
        if draft.rejected is None:
            return write_sample(out, draft, [name for name, _ in pipeline.stages], rejections)
        rejections.append(draft.rejected)
    return failed_sample(job.index, rejections)
