"""`sam ablate`: rows that differ in a few settings, each trained with several seeds and scored on the same samples."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.console import say
from samcli.errors import UserError
from samcli.evaluation.ablation_plan import RUN_RESUMED_WITH, Run, chosen, chosen_datasets, plan_runs
from samcli.evaluation.ablation_results import Dataset, summarise
from samcli.evaluation.entries import (
    Answered,
    caption_entry,
    caption_scores,
    linking_entry,
    report_failures,
)
from samcli.evaluation.figure5 import draw_figure5
from samcli.evaluation.interval_plot import draw_intervals
from samcli.evaluation.predict import OwnAnswers, SeenBatches, count_answered, predict
from samcli.evaluation.tasks import LINKING, load_samples
from samcli.files import write_json
from samcli.lock import Busy, locked
from samcli.model.adapter import find_adapter
from samcli.model.captioner import Captioner
from samcli.model.load import load_base, resolve_device
from samcli.recipe import AblateRecipe, ModelRecipe
from samcli.run_directory import RESULTS, held, open_run
from samcli.training.sam_run import Shared, lent, train_sam

# May differ between two calls on one directory: what a run depends on is compared in the run's own folder.
_MAY_CHANGE = ("seeds", "rows", "compare_with", "paper")


@dataclass
class _Common:
    """What all rows share: the bases with their features of training pictures, and features of the test pictures."""

    trained: dict[ModelRecipe, Shared] = field(default_factory=dict)
    seen: dict[ModelRecipe, SeenBatches] = field(default_factory=dict)

    def of(self, model: ModelRecipe) -> tuple[Shared, SeenBatches]:
        """Both for one base, which is loaded on first use."""
        if model not in self.trained:
            base = load_base(model, resolve_device(model.device))
            self.trained[model], self.seen[model] = Shared(base), {}
        return self.trained[model], self.seen[model]


def ablate(
    recipe: AblateRecipe,
    out: Path,
    *,
    only: Sequence[str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train and score what isn't finished yet, and return what `results.json` holds: all finished rows.

    `only` names rows. `out/row-R/seed-S` holds `train/`, `predictions/` and
    `results.json` of a run. More rows or seeds may be added to a directory, and several processes may share its runs.
    Raises UserError when it holds runs of another recipe (unless `overwrite`, which removes the rows asked for),
    Interrupted after a signal, all kept.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "sam ablate trains each row in one process: start it without a launcher, once for each GPU "
            "(CUDA_VISIBLE_DEVICES) with the same --out, and they share the runs"
        )
    with held(out, shared=not overwrite):
        return _ablate(recipe, out, only, overwrite)


def _ablate(recipe: AblateRecipe, out: Path, only: Sequence[str] | None, overwrite: bool) -> dict[str, Any]:
    planned = plan_runs(recipe, out)
    wanted = chosen(planned, only)
    datasets = [Dataset(task, name, load_samples(task, name)[: recipe.limit]) for task, name in chosen_datasets(recipe)]
    with locked(out / ".open.lock", wait=True):
        open_run(out, recipe, overwrite=overwrite and not only, may_change=_MAY_CHANGE)
    for run in planned:
        if run.finished and not (overwrite and run in wanted):
            _check_answers(run, datasets)
    common = _Common()
    for run in wanted:
        try:
            with held(run.folder):
                if run.finished and not (overwrite and only):
                    say(f"{run.label}: finished already")
                else:
                    _carry_out(run, datasets, common, overwrite=overwrite)
        except Busy:
            say(f"{run.label}: another process is at work on it")
    with locked(out / ".results.lock", wait=True):  # who comes last sees all that the others finished
        results = summarise(recipe, planned, datasets)
        write_json(out / RESULTS, results)
        (draw_figure5 if recipe.paper == "figure5" else draw_intervals)(results, out / "figures")
    return results


def _check_answers(run: Run, datasets: Sequence[Dataset]) -> None:
    """Raise UserError, before hours are spent, when a finished run answered other samples than the datasets' of now."""
    for dataset in datasets:
        path = run.predictions(dataset.name)
        if count_answered(path, dataset.samples) < len(dataset.samples):
            raise UserError(
                f"{path} lacks answers to some samples: the dataset or the file has changed since; "
                "--overwrite starts anew"
            )


def _carry_out(run: Run, datasets: Sequence[Dataset], common: _Common, *, overwrite: bool) -> None:
    """Train if need be, answer all datasets, and write the run's results last."""
    open_run(run.folder, run.recipe, overwrite=overwrite, may_change=RUN_RESUMED_WITH)
    training = run.recipe.training
    shared, seen = common.of(training.model)
    if not run.trained:
        say(f"{run.label}: training")
        train_sam(training, run.folder / "train", shared=shared)
    say(f"{run.label}: answering {', '.join(dataset.name for dataset in datasets)}")
    entries = {}
    with _captioner(run, shared) as captioner:
        for dataset in datasets:
            path = run.predictions(dataset.name)
            at_once = run.recipe.batch_size
            answers = OwnAnswers(captioner, dataset.name, run.recipe.decoding, at_once, seen)
            made = predict(answers, dataset.name, dataset.samples, path, at_once)
            answered = Answered(dataset.name, dataset.samples, made)
            report_failures(answered)
            entries[dataset.name] = _entry(dataset.task, answered)
    write_json(run.folder / RESULTS, {"row": run.row.row, "name": run.row.name, "seed": run.seed, "datasets": entries})


@contextmanager
def _captioner(run: Run, shared: Shared) -> Iterator[Captioner]:
    """The run's model on the shared base, which gets its own projection back afterwards."""
    base = shared.base
    adapter = find_adapter(str(run.folder / "train" / "adapter")) if run.row.train else None
    method = adapter.method if adapter is not None else run.recipe.training.method
    with lent(base, method) as model:
        if adapter is not None:
            adapter.load_into(model)
        model.eval().place(resolve_device(run.recipe.training.model.device))
        name = adapter.name if adapter is not None else None
        yield Captioner(model, base.processor, base.name, name, base.traits, run.recipe.training.text)


def _entry(task: str, answered: Answered) -> dict[str, Any]:
    if task == LINKING:
        return linking_entry(answered, control=None, seed=0)
    return caption_entry(answered, caption_scores(answered), seed=0)
