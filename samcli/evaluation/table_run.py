"""Several models on the datasets of a task: each a run of its own, then one table with differences to a baseline."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samcli.console import say, warn
from samcli.errors import UserError
from samcli.evaluation.baseline import Found, differences
from samcli.evaluation.control import LABELS
from samcli.evaluation.entries import Answered, average, evidence, metrics_of
from samcli.evaluation.predictions import has_predictions
from samcli.evaluation.questions import check_before_hours_are_spent, read_questions
from samcli.evaluation.run import Evaluated, answer_and_score
from samcli.evaluation.statistics import estimate
from samcli.evaluation.tasks import datasets_of
from samcli.files import write_json
from samcli.names import folder_name
from samcli.recipe import Control
from samcli.recipe_tables import EntryRecipe, TableRecipe
from samcli.run_directory import RESULTS, held, open_run

RUNS = "models"
MAY_CHANGE = ("models", "controls", "controlled", "baseline", "workers", "engine", "reuse_answers")


@dataclass(frozen=True)
class Row:
    """A model of the table, perhaps with a control."""

    entry: EntryRecipe
    control: Control | None = None

    @property
    def name(self) -> str:
        """What the row is called."""
        return self.entry.name + LABELS[self.control]

    def folder(self, out: Path, number: int) -> Path:
        """The directory of its run with the `number`-th adapter; a hash tells names that look alike apart."""
        return out / RUNS / "-".join(filter(None, [folder_name(self.entry.name), self.control, str(number)]))


@dataclass(frozen=True)
class RowFound:
    """The runs of a row, one for each training seed, and what its scores are made of."""

    row: Row
    runs: Sequence[Evaluated]
    evidence: Found


@dataclass(frozen=True)
class Tabled:
    """What a table found: what its `results.json` holds, and the answers of each row (with its first seed)."""

    results: dict[str, Any]
    answers: Mapping[str, Mapping[str, Answered]]


def run_table(recipe: TableRecipe, out: Path, *, overwrite: bool = False) -> Tabled:
    """Ask and score all models, or go on where that stopped.

    Datasets that aren't there, and models that can't be had, are told and left out. Raises UserError when none is left,
    Interrupted after a signal, with all answers kept.
    """
    found, left_out = ask_models(recipe, out, overwrite=overwrite)
    return Tabled(_results(recipe, found, left_out, out), {one.row.name: one.runs[0].answers for one in found})


def ask_models(
    recipe: TableRecipe, out: Path, *, overwrite: bool = False
) -> tuple[list[RowFound], dict[str, list[str]]]:
    """The rows of a table, and what was left out: `datasets` and `models`, each with why."""
    if not recipe.models:
        raise UserError("models: the recipe has none; a table needs at least one")
    datasets, missing = _datasets(recipe)
    left_out: dict[str, list[str]] = {"datasets": missing, "models": []}
    rows = []
    for row in rows_of(recipe):
        own = tuple(name for name in datasets if _has_answers(row.entry, name))
        if reason := _lacking(recipe, row.entry, own):
            warn(f"left out: {row.name}: {reason}")
            left_out["models"].append(f"{row.name}: {reason}")
        else:
            rows.append((row, own))
    if not rows:
        raise UserError("no model of the recipe is there:\n  " + "\n  ".join(left_out["models"]))
    with held(out):
        open_run(out, recipe, overwrite=overwrite, may_change=MAY_CHANGE)
        found = []
        for row, own in rows:
            runs = _runs(recipe, row, own, out, overwrite=overwrite)
            found.append(RowFound(row, runs, _evidence(recipe, runs, own)))
    return found, left_out


def _lacking(recipe: TableRecipe, entry: EntryRecipe, datasets: tuple[str, ...]) -> str | None:
    """Why a model can't be asked here: its weights, endpoint or answers aren't there. None where it can."""
    if entry.predictions is not None:
        if not Path(entry.predictions).exists():
            return f"no such file or directory: {Path(entry.predictions).absolute()}"
        return None if datasets else f"{entry.predictions} holds no answers to any of the datasets"
    from samcli.evaluation.subject import subject_of  # loads torch

    try:
        for adapter in entry.adapters or (None,):
            _ = subject_of(recipe.evaluation(entry, adapter, recipe.task, datasets)).weights
    except UserError as error:
        return str(error)
    return None


def _has_answers(entry: EntryRecipe, dataset: str) -> bool:
    """Whether a model can answer a dataset at all: one that is asked can, and answers made elsewhere may lack some."""
    return entry.predictions is None or has_predictions(Path(entry.predictions), dataset)


def rows_of(recipe: TableRecipe) -> list[Row]:
    """The rows: every model, and below it those with controls."""
    controlled = recipe.controlled or (recipe.models[-1].name,)
    rows = []
    for entry in recipe.models:
        controls = recipe.controls if entry.name in controlled and entry.predictions is None else ()
        rows += [Row(entry), *(Row(entry, control) for control in controls)]
    return rows


def _datasets(recipe: TableRecipe) -> tuple[tuple[str, ...], list[str]]:
    """The datasets that are there and can be read, and why the others are left out."""
    there, told = [], []
    entry = recipe.models[0]
    for name in datasets_of(recipe.task, recipe.datasets):
        try:
            asked = recipe.evaluation(entry, None, recipe.task, (name,))
            asked = asked.model_copy(update={"limit": recipe.limit, "protocol": recipe.protocol})
            check_before_hours_are_spent(asked, read_questions(asked, name))
            there.append(name)
        except UserError as error:
            warn(f"left out: {error}")
            told.append(str(error).splitlines()[0])
    if not there:
        raise UserError("none of the datasets is there:\n  " + "\n  ".join(told))
    return tuple(there), told


def _runs(recipe: TableRecipe, row: Row, datasets: tuple[str, ...], out: Path, *, overwrite: bool) -> list[Evaluated]:
    runs = []
    for number, adapter in enumerate(row.entry.adapters or (None,)):
        asked = recipe.evaluation(row.entry, adapter, recipe.task, datasets)
        asked = asked.model_copy(update={"control": row.control, "protocol": recipe.protocol, "limit": recipe.limit})
        say(f"{row.name}: {', '.join(datasets)}")
        answers = Path(row.entry.predictions) if row.entry.predictions else None
        runs.append(answer_and_score(asked, row.folder(out, number), predictions=answers, overwrite=overwrite))
    return runs


def _evidence(recipe: TableRecipe, runs: Sequence[Evaluated], datasets: Sequence[str]) -> Found:
    return {name: evidence(recipe.task, [run.answers[name] for run in runs], recipe.protocol) for name in datasets}


def _results(
    recipe: TableRecipe, found: Sequence[RowFound], left_out: Mapping[str, Sequence[str]], out: Path
) -> dict[str, Any]:
    models = {one.row.name: _model(recipe, one) for one in found}
    wanted = recipe.baseline or recipe.models[0].name
    baseline = next((one for one in found if one.row.name == wanted), None)
    if baseline is not None:
        _add_differences(recipe, models, found, baseline)
    widest = max(found, key=lambda one: len(one.evidence)).runs[0].results
    results = {
        "task": recipe.task,
        "protocol": widest["protocol"],
        "signature": widest["signature"],
        "baseline": wanted if baseline is not None else None,
        "models": models,
        "wanted_baseline": wanted,
        "left_out": {key: list(lines) for key, lines in left_out.items() if lines},
    }
    if len(models) == 1:  # scripts read one model at the top
        results |= {key: next(iter(models.values()))[key] for key in ("datasets", "average")}
    write_json(out / RESULTS, results)
    say(f"results: {out / RESULTS}")
    return results


def _model(recipe: TableRecipe, found: RowFound) -> dict[str, Any]:
    """What results hold of a row: that of its one run, or means over its seeds."""
    own: dict[str, Any] = next(iter(found.runs[0].results["models"].values()))
    about: dict[str, Any] = {key: own[key] for key in ("weights", "world", "control") if key in own}
    if len(found.runs) == 1:
        return {"datasets": own["datasets"], "average": own["average"], **about}
    entries = {name: _over_seeds(recipe, found, name) for name in own["datasets"]}
    return {
        "datasets": entries,
        "average": average(entries, metrics_of(recipe.task)),
        "seeds": len(found.runs),
        **about,
    }


def _over_seeds(recipe: TableRecipe, found: RowFound, name: str) -> dict[str, Any]:
    """The mean over seeds with its interval, over seeds and samples, and the spread between seeds."""
    runs = [run.results["datasets"][name] for run in found.runs]
    metrics = metrics_of(recipe.task)
    estimates = {key: estimate(found.evidence[name][key], seed=recipe.seed) for key in metrics}
    entry = {**runs[0], **_failures(runs), "seeds": len(runs)}
    entry |= {key: round(estimates[key].value, 4) for key in metrics}
    entry["ci95"] = {key: [round(end, 4) for end in estimates[key].interval] for key in metrics}
    entry["spread"] = {key: round(float(np.std([run[key] for run in runs], ddof=1)), 4) for key in metrics}
    return entry


def _failures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was asked and what failed, over all seeds."""
    kinds: Counter[str] = Counter()
    for run in runs:
        kinds.update(run.get("failed_by", {}))
    ids = dict.fromkeys(one for run in runs for one in run["failed_ids"])
    counts: dict[str, Any] = {key: sum(run[key] for run in runs) for key in ("n", "failed")}
    return counts | {"failed_ids": list(ids)} | ({"failed_by": dict(kinds)} if kinds else {})


def _add_differences(
    recipe: TableRecipe, models: dict[str, Any], found: Sequence[RowFound], baseline: RowFound
) -> None:
    """Add to each entry how far it is from the baseline's; p is corrected over the whole table.

    Rows with controls aren't compared: they tell whether a model looks, not which is better.
    """
    pairs = {
        (one.row.name, name, metric): (own, baseline.evidence[name][metric])
        for one in found
        if one is not baseline and one.row.control is None
        for name, metrics in one.evidence.items()
        if name in baseline.evidence
        for metric, own in metrics.items()
    }
    for (model, name, metric), entry in differences(pairs, recipe.seed).items():
        versus = models[model]["datasets"][name].setdefault("versus", {}).setdefault(baseline.row.name, {})
        versus[metric] = entry
