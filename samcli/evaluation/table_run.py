"""Several models on the datasets of a task: each a run of its own, then one table with differences to a baseline."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from samcli.console import say, warn
from samcli.data.dataset import is_there
from samcli.errors import UserError
from samcli.evaluation.baseline import Found, difference_entry
from samcli.evaluation.entries import Answered, average, caption_scores, evidence, metrics_of
from samcli.evaluation.results import GRAMMAR, protocol_signature
from samcli.evaluation.run import Evaluated, answer_and_score
from samcli.evaluation.statistics import Difference, compare, estimate, holm
from samcli.evaluation.tasks import LINKING, datasets_of, is_of_the_world
from samcli.files import write_json
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
        told = {"shuffle": ", other pictures", "blank": ", black pictures", None: ""}
        return self.entry.name + told[self.control]

    def folder(self, out: Path, number: int) -> Path:
        """The directory of its run with the `number`-th adapter."""
        words = "-".join(re.findall(r"[A-Za-z0-9.]+", self.entry.name)) or "model"
        return out / RUNS / "-".join(filter(None, [words, self.control, str(number)]))


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
    with held(out):
        open_run(out, recipe, overwrite=overwrite, may_change=MAY_CHANGE)
    found = []
    for row in rows_of(recipe):
        try:
            runs = _runs(recipe, row, datasets, out, overwrite=overwrite)
        except UserError as error:
            reason = f"{row.name}: {str(error).splitlines()[0]}"
            warn(f"left out: {reason}")
            left_out["models"].append(reason)
            continue
        found.append(RowFound(row, runs, _evidence(recipe, runs, datasets)))
    if not found:
        raise UserError("no model of the recipe could be asked: " + "; ".join(left_out["models"]))
    return found, left_out


def rows_of(recipe: TableRecipe) -> list[Row]:
    """The rows: every model, and below it those with controls."""
    controlled = recipe.controlled or (recipe.models[-1].name,)
    rows = []
    for entry in recipe.models:
        controls = recipe.controls if entry.name in controlled and entry.predictions is None else ()
        rows += [Row(entry), *(Row(entry, control) for control in controls)]
    return rows


def _datasets(recipe: TableRecipe) -> tuple[tuple[str, ...], list[str]]:
    """The datasets that are there, and why the others are left out."""
    names = datasets_of(recipe.task, recipe.datasets)
    faults = {
        name: fault
        for name in names
        if not is_of_the_world(name)
        and (fault := is_there(name, recipe.data_root, recipe.reading, recipe.image_root)) is not None
    }
    for fault in faults.values():
        warn(f"left out: {fault}")
    if len(faults) == len(names):
        raise UserError("none of the datasets is there:\n  " + "\n  ".join(map(str, faults.values())))
    told = [str(fault).splitlines()[0] for fault in faults.values()]
    return tuple(name for name in names if name not in faults), told


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
    baseline = next((one for one in found if one.row.name == (recipe.baseline or found[0].row.name)), None)
    if baseline is not None:
        _add_differences(recipe, models, found, baseline)
    first = found[0].runs[0].answers
    results = {
        "task": recipe.task,
        "protocol": GRAMMAR if recipe.task == LINKING else recipe.protocol,
        "signature": protocol_signature(recipe.task, first, _scores(recipe, first)),
        "baseline": baseline.row.name if baseline is not None else None,
        "models": models,
        "left_out": {key: list(lines) for key, lines in left_out.items() if lines},
    }
    write_json(out / RESULTS, results)
    say(f"results: {out / RESULTS}")
    return results


def _scores(recipe: TableRecipe, answers: Mapping[str, Answered]) -> list[Any]:
    if recipe.task == LINKING:
        return []
    return [caption_scores(answered, recipe.protocol) for answered in answers.values()]


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
    entry = {**runs[0], "failed": sum(run["failed"] for run in runs), "seeds": len(runs)}
    entry |= {key: round(estimates[key].value, 4) for key in metrics}
    entry["ci95"] = {key: [round(end, 4) for end in estimates[key].interval] for key in metrics}
    entry["spread"] = {key: round(float(np.std([run[key] for run in runs], ddof=1)), 4) for key in metrics}
    return entry


def _add_differences(
    recipe: TableRecipe, models: dict[str, Any], found: Sequence[RowFound], baseline: RowFound
) -> None:
    """Add to each entry how far it is from the baseline's; p is corrected over the whole table."""
    gaps: dict[tuple[str, str, str], Difference] = {
        (one.row.name, name, metric): compare(own, baseline.evidence[name][metric], seed=recipe.seed)
        for one in found
        if one is not baseline
        for name, metrics in one.evidence.items()
        for metric, own in metrics.items()
    }
    corrected = holm([gap.p for gap in gaps.values()])
    for ((model, name, metric), gap), p in zip(gaps.items(), corrected, strict=True):
        versus = models[model]["datasets"][name].setdefault("versus", {}).setdefault(baseline.row.name, {})
        versus[metric] = difference_entry(gap) | {"p_holm": round(p, 4)}
