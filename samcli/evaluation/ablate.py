"""`sam ablate`: rows that differ in a few settings, each trained with several seeds and scored on the same samples."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.console import say, warn
from samcli.errors import UserError
from samcli.evaluation.ablation_plan import (
    FINAL,
    RUN_RESUMED_WITH,
    Run,
    chosen,
    chosen_datasets,
    chosen_measured,
    further_runs,
    plan_runs,
)
from samcli.evaluation.ablation_results import Dataset, summarise
from samcli.evaluation.alignment.measuring import measure_samples
from samcli.evaluation.answer_file import AnswerFile
from samcli.evaluation.entries import Answered, entry_of, report_failures
from samcli.evaluation.figure5 import draw_figure5
from samcli.evaluation.interval_plot import draw_intervals
from samcli.evaluation.judging import check_samples
from samcli.evaluation.own_answers import TOGETHER, OwnAnswers, SeenBatches
from samcli.evaluation.predict import here, predict
from samcli.evaluation.tasks import ALIGNMENT, load_dataset
from samcli.evaluation.trainees import Trainee, trainee_of
from samcli.files import write_json
from samcli.lock import Busy, locked
from samcli.model.captioner import Captioner
from samcli.recipe import AblateRecipe, ModelRecipe, SamRecipe
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe
from samcli.recipe_file import changed_settings
from samcli.recipe_yaml import read_yaml
from samcli.run_directory import RECIPE, RESULTS, check_place, goes_on, held, open_run

# May differ between two calls on one directory: what a run depends on is compared in the run's own folder.
_MAY_CHANGE = ("seeds", "rows", "compare_with", "paper")


@dataclass
class _Common:
    """What rows on one base share: the base, features of training pictures, and features of the test pictures."""

    trainees: dict[ModelRecipe | LlavaModelRecipe, Trainee] = field(default_factory=dict)

    def of(self, training: SamRecipe | LlavaRecipe) -> Trainee:
        """What trains on a recipe's base, which is loaded on first use."""
        if training.model not in self.trainees:
            self.trainees[training.model] = trainee_of(training)
        return self.trainees[training.model]


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
    runs = plan_runs(recipe, out)
    wanted = chosen(runs, only)
    datasets = [_dataset(recipe, task, name) for task, name in chosen_datasets(recipe)]
    measured = [_dataset(recipe, ALIGNMENT, name) for name in chosen_measured(recipe)]
    with _opened(recipe, out, overwrite, whole=not only):
        for run in runs:
            if not (overwrite and run in wanted):
                _check_run(run, datasets, goes_on_with=run in wanted)
        common = _Common()
        busy = [run for run in wanted if not _carry_out_alone(run, datasets, measured, common, overwrite=overwrite)]
        left = [run for run in busy if not _carry_out_alone(run, datasets, measured, common, overwrite=False)]
        for run in left:
            say(f"{run.label}: another process is at work on it; the same command shows its row when it is done")
        with locked(out / ".results.lock", wait=True):  # who comes last sees all that the others finished
            results = summarise(recipe, [*runs, *_further(recipe, out, datasets)], datasets, measured)
            write_json(out / RESULTS, results)
            (draw_figure5 if recipe.paper == "figure5" else draw_intervals)(results, out / "figures")
        return results


def refusals(recipe: AblateRecipe, out: Path, *, only: Sequence[str] | None = None) -> list[str]:
    """What in `out` would keep `ablate` (without `overwrite`) from its work, in its words; nothing is changed."""
    try:
        check_place(out)
        goes_on(out, recipe, _MAY_CHANGE)
        runs = plan_runs(recipe, out)
        wanted = chosen(runs, only)
        answered = chosen_datasets(recipe) if any(run.finished for run in runs) else []
        datasets = [_dataset(recipe, task, name) for task, name in answered]
    except UserError as error:
        return [str(error)]
    found = []
    for run in runs:
        try:
            _check_run(run, datasets, goes_on_with=run in wanted)
        except UserError as error:
            found.append(str(error))
    return found


def _dataset(recipe: AblateRecipe, task: str, name: str) -> Dataset:
    found = load_dataset(name, recipe.data_root, recipe.image_root, recipe.reading)
    check_samples(task, name, found.samples)
    return Dataset(task, name, found.samples[: recipe.limit])


@contextmanager
def _opened(recipe: AblateRecipe, out: Path, overwrite: bool, *, whole: bool) -> Iterator[None]:
    """Make `out` the directory of this ablation and hold it while the block runs, with others of the same recipe.

    Only who is alone there may change its recipe or, with `overwrite`, remove runs: all of them if `whole`. Raises
    UserError when it holds another ablation, or others are at work there on another recipe.
    """
    check_place(out)
    if overwrite:
        with held(out):
            open_run(out, recipe, overwrite=whole, may_change=_MAY_CHANGE)
            yield
        return
    with ExitStack() as stack:
        with locked(out / ".open.lock", wait=True):  # processes that start at once do so one after the other
            with suppress(Busy), held(out):
                open_run(out, recipe, overwrite=False, may_change=_MAY_CHANGE)
            stack.enter_context(held(out, shared=True))
            if changed := changed_settings(read_yaml(out / RECIPE), recipe, ("seeds",)):
                raise UserError(
                    f"{out}: another process is at work there on another recipe; give another --out. It differs in: "
                    f"{'; '.join(changed)}"
                )
        yield


def _further(recipe: AblateRecipe, out: Path, datasets: Sequence[Dataset]) -> list[Run]:
    """Finished runs with more seeds than the recipe asks for, but for those that answered other samples."""
    found = []
    for run in further_runs(recipe, out):
        try:
            _check_run(run, datasets, goes_on_with=False)
            found.append(run)
        except UserError as error:
            warn(f"left out: {run.label}: {error}")
    return found


def _check_run(run: Run, datasets: Sequence[Dataset], *, goes_on_with: bool) -> None:
    """Raise UserError, before hours are spent, for a run of another recipe that would be in the way.

    Also for a finished one that answered other samples than the datasets' of now.
    """
    if goes_on_with:
        goes_on(run.folder, run.recipe, RUN_RESUMED_WITH)
    for dataset in datasets if run.finished else ():
        path = run.predictions(dataset.name)
        if AnswerFile(path, dataset.name, dataset.samples).missing:
            raise UserError(
                f"{path} lacks answers to some samples: the dataset or the file has changed since; "
                "--overwrite starts anew"
            )


def _carry_out_alone(
    run: Run, datasets: Sequence[Dataset], measured: Sequence[Dataset], common: _Common, *, overwrite: bool
) -> bool:
    """Carry a run out, unless another process is at work on it or has finished it; False for the former."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(run.folder))
        except Busy:
            return False
        if run.finished and not overwrite:
            say(f"{run.label}: finished already")
        else:
            _carry_out(run, datasets, measured, common, overwrite=overwrite)
    return True


def _answer(run: Run, captioner: Captioner, dataset: Dataset, seen: SeenBatches) -> dict[str, Any]:
    """Answer a dataset; return what the run's results say of it."""
    at_once = run.recipe.batch_size
    answers = OwnAnswers(captioner, dataset.name, run.recipe.decoding, at_once, seen)
    path = run.predictions(dataset.name)
    made = predict(here(answers), dataset.name, dataset.samples, path, at_once * TOGETHER)
    answered = Answered(dataset.name, dataset.samples, made)
    report_failures(answered)
    return entry_of(dataset.task, answered)


def _carry_out(
    run: Run, datasets: Sequence[Dataset], measured: Sequence[Dataset], common: _Common, *, overwrite: bool
) -> None:
    """Train if need be, answer all datasets, measure visual tokens, and write the run's results last."""
    open_run(run.folder, run.recipe, overwrite=overwrite, may_change=RUN_RESUMED_WITH)
    training = run.recipe.training
    trainee = common.of(training)
    trained = run.folder / "train"
    if not run.trained:
        say(f"{run.label}: training")
        trainee.train(training, trained)
    say(f"{run.label}: answering {', '.join(dataset.name for dataset in datasets)}")
    entries = {}
    for stage, opened in trainee.captioners(training, trained if run.row.train else None).items():
        with opened() as captioner:
            if stage == FINAL:
                entries = {one.name: _answer(run, captioner, one, trainee.seen) for one in datasets}
            for one in measured:
                path = run.measures(one.name, stage)
                measure_samples(captioner, one.name, one.samples, path, run.recipe.batch_size)
    write_json(run.folder / RESULTS, {"row": run.row.row, "name": run.row.name, "seed": run.seed, "datasets": entries})
