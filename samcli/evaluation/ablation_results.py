"""What an ablation found: the scores of every row with intervals, and its paired differences to other rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samcli.data.sample import Sample
from samcli.evaluation.ablation_plan import ALIGNED, FINAL, Run
from samcli.evaluation.alignment.measure_file import read_measures
from samcli.evaluation.alignment.results import evidence_of_measures
from samcli.evaluation.entries import CAPTION_METRICS, Answered, evidence, metrics_of
from samcli.evaluation.judging import is_captioned
from samcli.evaluation.predictions import read_predictions
from samcli.evaluation.statistics import Evidence, average_of, compare, estimate, part_of
from samcli.evaluation.tasks import LINKING
from samcli.recipe import AblateRecipe, Row, SamRecipe

CAPTIONS = "captions"
"""The average over all datasets of all tasks that are scored as captions."""

Found = dict[str, dict[str, Evidence]]  # by dataset or average, and metric


@dataclass(frozen=True)
class Dataset:
    """A dataset that all rows answer."""

    task: str
    name: str
    samples: Sequence[Sample]


def summarise(
    recipe: AblateRecipe, runs: Sequence[Run], datasets: Sequence[Dataset], measured: Sequence[Dataset] = ()
) -> dict[str, Any]:
    """Results of all rows whose runs are finished, with differences to the rows that the recipe compares with.

    `averages` of a row are unweighted means over the datasets of a task, where there are several, and over all
    captions, where they are of several tasks; `averaged` names those datasets. `by_images` are the scores of linking
    for each number of images, where there are several, by names such as `world-links, 2 images`. `measures` are those
    of visual tokens on the `measured` datasets, of a LLaVA also `after stage 1`.
    """
    of_row = {row.row: [run for run in runs if run.row.row == row.row] for row in recipe.rows}
    done = {row: of for row, of in of_row.items() if all(run.finished for run in of)}
    measures = {row: _measures(of, measured) for row, of in done.items()}
    found = {row: _evidence(of, datasets) | measures[row] for row, of in done.items()}
    own = [dataset.name for dataset in datasets]
    averaged = {name: [dataset.name for dataset in members] for name, members in _averages(datasets).items()}
    more = {"averages": list(averaged), "by_images": list(_by_images(datasets))}
    rows = []
    for row in recipe.rows:
        if row.row in found:
            scores = {name: _scores(row.row, name, found, recipe.compared) for name in found[row.row]}
            of = of_row[row.row]
            layers = _layers(of[0])
            parts = {
                part: {name: scores[name] for name in names}
                for part, names in (more | {"measures": list(measures[row.row])}).items()
                if names
            }
            in_full = {"datasets": {name: scores[name] for name in own}, **parts}
            rows.append({"row": row.row, "name": row.name, "seeds": len(of), **layers, **in_full})
    sizes = {dataset.name: len(dataset.samples) for dataset in datasets}
    return {"rows": rows, "n": sizes, "averaged": averaged, "paper": recipe.paper}


def _layers(run: Run) -> dict[str, list[int]]:
    """Between which layers a row's guidance acts, where it has any."""
    training = run.recipe.training
    if not isinstance(training, SamRecipe) or not training.guidance.enabled:
        return {}
    return {"layers": [training.guidance.from_layer, training.guidance.to_layer]}


def _averages(datasets: Sequence[Dataset]) -> dict[str, list[Dataset]]:
    """Over what is averaged, by name."""
    tasks = dict.fromkeys(dataset.task for dataset in datasets)
    of = {task: [dataset for dataset in datasets if dataset.task == task] for task in tasks}
    averages = {task: members for task, members in of.items() if len(members) > 1}
    captions = [dataset for dataset in datasets if is_captioned(dataset.task)]
    if len({dataset.task for dataset in captions}) > 1:
        averages[CAPTIONS] = captions
    return averages


def _by_images(datasets: Sequence[Dataset]) -> dict[str, tuple[str, list[int]]]:
    """The linking samples of each number of images, by name: their dataset and places in it."""
    found: dict[str, tuple[str, list[int]]] = {}
    for dataset in datasets:
        counts = [len(sample.images) for sample in dataset.samples]
        if dataset.task == LINKING and len(set(counts)) > 1:
            for count in sorted(set(counts)):
                places = [place for place, images in enumerate(counts) if images == count]
                found[f"{dataset.name}, {count} images"] = (dataset.name, places)
    return found


def _evidence(runs: Sequence[Run], datasets: Sequence[Dataset]) -> Found:
    """What the scores of one row are made of."""
    found: Found = {}
    for dataset in datasets:
        answers = []
        for run in runs:
            made = read_predictions(run.predictions(dataset.name), [dataset.name])
            answers.append(Answered(dataset.name, dataset.samples, made[dataset.name]))
        found[dataset.name] = evidence(dataset.task, answers)
    for name, (whole, places) in _by_images(datasets).items():
        found[name] = {metric: part_of(scores, places) for metric, scores in found[whole].items()}
    for name, members in _averages(datasets).items():
        metrics = CAPTION_METRICS if name == CAPTIONS else metrics_of(name)
        found[name] = {metric: average_of([found[one.name][metric] for one in members]) for metric in metrics}
    return found


def _measures(runs: Sequence[Run], datasets: Sequence[Dataset]) -> Found:
    """What the measures of one row's visual tokens are made of, by dataset and stage."""
    found: Found = {}
    for dataset in datasets:
        for stage in (FINAL, ALIGNED):
            if all(run.measures(dataset.name, stage).exists() for run in runs):
                lines = [read_measures(run.measures(dataset.name, stage)) for run in runs]
                found[f"{dataset.name}, tokens {stage}".strip()] = evidence_of_measures(lines)
    return found


def _scores(row: Row, name: str, found: Mapping[str, Found], compare_with: Sequence[Row]) -> dict[str, Any]:
    """Each metric of a row on a dataset: {mean, ci95, versus: {ROW: {difference, ci95, p}}}, to four decimals."""
    scores: dict[str, Any] = {}
    for metric, own in found[row][name].items():
        value = estimate(own)
        versus = {}
        for other in compare_with:
            if other != row and metric in found.get(other, {}).get(name, {}):
                gap = compare(own, found[other][name][metric])
                versus[other] = {
                    "difference": round(gap.value, 4),
                    "ci95": _rounded(gap.interval),
                    "p": round(gap.p, 4),
                }
        scores[metric] = {"mean": round(value.value, 4), "ci95": _rounded(value.interval), "versus": versus}
    return scores


def _rounded(interval: tuple[float, float]) -> list[float]:
    return [round(end, 4) for end in interval]
