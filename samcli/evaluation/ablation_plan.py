"""Which trainings and evaluations an ablation consists of, and what of it is done."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from samcli.data.dataset import read_dataset
from samcli.errors import UserError
from samcli.evaluation.tasks import ALIGNMENT, datasets_of, task_of
from samcli.recipe import RESUMED_WITH, AblateRecipe, DecodingRecipe, ModelRecipe, Row, RowRecipe, SamRecipe
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe
from samcli.recipe_file import changed_settings, find_recipe, load_recipe
from samcli.recipe_yaml import read_yaml
from samcli.run_directory import RECIPE, RESULTS, goes_on

Settings = TypeVar("Settings")
FINAL, ALIGNED = "", "after stage 1"
"""The models of a run: the one that it ends with, and of a LLaVA perhaps the one between its stages."""
Weights = Callable[[ModelRecipe | LlavaModelRecipe], dict[str, str]]
RUN_RESUMED_WITH = tuple(f"training.{key}" for key in RESUMED_WITH)


class RunRecipe(BaseModel):
    """All that one run's results depend on; kept in the run's folder, and compared before it counts as finished."""

    model_config = ConfigDict(frozen=True)

    row: Row
    train: bool
    training: SamRecipe | LlavaRecipe
    datasets: tuple[str, ...]
    decoding: DecodingRecipe
    batch_size: int
    limit: int | None
    measured: tuple[str, ...] = ()
    weights: dict[str, str]  # of the base: `samcli.model.weights.base_identity`


@dataclass(frozen=True)
class Run:
    """One row with one seed."""

    row: RowRecipe
    seed: int
    folder: Path
    recipe: RunRecipe

    @property
    def label(self) -> str:
        """What people call it."""
        return f"row {self.row.row} ({self.row.name}), seed {self.seed}"

    def predictions(self, dataset: str) -> Path:
        """Its file of answers to a dataset."""
        return self.folder / "predictions" / f"{dataset}.jsonl"

    def measures(self, dataset: str, stage: str) -> Path:
        """The file of what was measured of its visual tokens, with the model of a stage."""
        return self.folder / "-".join(filter(None, ["measures", *stage.split()])) / f"{dataset}.jsonl"

    @property
    def trained(self) -> bool:
        """Whether its training, if it needs one, has ended."""
        return not self.row.train or (self.folder / "train" / RESULTS).exists()

    @property
    def finished(self) -> bool:
        """Whether it was trained and scored, with this recipe."""
        if not (self.folder / RESULTS).exists() or not (self.folder / RECIPE).exists():
            return False
        return not changed_settings(read_yaml(self.folder / RECIPE), self.recipe, RUN_RESUMED_WITH)

    @property
    def state(self) -> str:
        """What is left to do."""
        if self.finished:
            return "finished"
        try:
            goes_on(self.folder, self.recipe, RUN_RESUMED_WITH)
        except UserError:
            return "another run is in its place"
        return "to evaluate" if self.trained else "to train and evaluate"


def plan_runs(recipe: AblateRecipe, out: Path) -> list[Run]:
    """All runs of the recipe, row by row, seed by seed from the training recipe's own on; untrained rows need one only.

    Raises UserError for rows that repeat, rows without meaning, and datasets of no task.
    """
    if not recipe.rows:
        raise UserError("rows: the recipe has none; an ablation needs at least one")
    numbers = Counter(row.row for row in recipe.rows)
    if repeated := [number for number, count in numbers.items() if count > 1]:
        raise UserError(f"rows: row {repeated[0]} is there {numbers[repeated[0]]} times; give each its own number")
    weights = cache(_weights)  # several runs have one base
    seeds = [(row, later) for row in recipe.rows for later in range(recipe.seeds if row.train else 1)]
    return [_run(recipe, row, later, out, weights) for row, later in seeds]


def further_runs(recipe: AblateRecipe, out: Path) -> list[Run]:
    """Finished runs of the recipe's rows with more seeds than it asks for, as an earlier call left them."""
    weights = cache(_weights)
    found = []
    for row in (row for row in recipe.rows if row.train):
        for later in count(recipe.seeds):
            run = _run(recipe, row, later, out, weights)
            if not run.finished:
                break
            found.append(run)
    return found


def _run(recipe: AblateRecipe, row: RowRecipe, later: int, out: Path, weights: Weights) -> Run:
    training = _training(recipe.base, row, later)
    model = training.model
    settings = RunRecipe(
        row=row.row,
        train=row.train,
        training=training,
        datasets=tuple(name for _, name in chosen_datasets(recipe)),
        decoding=recipe.decoding.over(_own_decoding(training)),
        batch_size=recipe.batch_size,
        limit=recipe.limit,
        measured=tuple(chosen_measured(recipe)),
        weights=weights(model),
    )
    return Run(row, training.seed, out / f"row-{row.row}" / f"seed-{training.seed}", settings)


def _own_decoding(training: SamRecipe | LlavaRecipe) -> DecodingRecipe:
    from samcli.model.find import traits_of
    from samcli.model.traits import PATCHES

    model = training.model
    return PATCHES.decoding if model.base is None else traits_of(model.base, model.revision).decoding


def _weights(model: ModelRecipe | LlavaModelRecipe) -> dict[str, str]:
    """The identity of a base; that of one that isn't there is empty, since a dry run lists it beside other runs."""
    from samcli.model.find import find_base
    from samcli.model.llava.load import patch_identity

    try:
        return patch_identity(model) if isinstance(model, LlavaModelRecipe) else find_base(model).identity()
    except UserError:
        return {}


def chosen(runs: Sequence[Run], only: Sequence[str] | None) -> list[Run]:
    """The runs of the rows asked for, all if none is; raises UserError for rows that the recipe doesn't have."""
    there = list(dict.fromkeys(run.row.row for run in runs))
    if strange := [row for row in only or () if row not in there]:
        raise UserError(f"--only {','.join(strange)}: no such row; the recipe has {', '.join(there)}")
    return [run for run in runs if not only or run.row.row in only]


def chosen_datasets(recipe: AblateRecipe) -> list[tuple[str, str]]:
    """Task and name of each dataset: those that the recipe names, else the world set of each task."""
    if not recipe.datasets:
        return [(task, name) for task in recipe.tasks for name in datasets_of(task, ())]
    found = []
    for name in recipe.datasets:
        task = task_of(name) or (recipe.tasks[0] if len(recipe.tasks) == 1 else None)
        if task not in recipe.tasks:
            raise UserError(f"datasets: {name} belongs to {task or 'no known task'}; tasks: {', '.join(recipe.tasks)}")
        found += [(task, known) for known in datasets_of(task, [name])]
    return list(dict.fromkeys(found))


def chosen_measured(recipe: AblateRecipe) -> list[str]:
    """The datasets on which visual tokens are measured; raises UserError for sets of the world that don't exist."""
    return datasets_of(ALIGNMENT, recipe.measured) if recipe.measured else []


def dry_run(recipe: AblateRecipe, out: Path, *, only: Sequence[str] | None = None) -> dict[str, Any]:
    """What would be done: {"runs": [{row, name, seed, trained, folder, state}], "datasets": [...], "missing": [...]}.

    `trained` is how many numbers the run trains, None where the base's sizes aren't known.
    """
    from samcli.training.plan import missing_for, trained_numbers  # these load torch

    runs = chosen(plan_runs(recipe, out), only)
    datasets = [name for _, name in chosen_datasets(recipe)]
    trainings = [run.recipe.training for run in runs]
    missing = _distinct(fault for run in runs for fault in missing_for(run.recipe.training, trained=run.row.train))
    needed = _distinct([*datasets, *chosen_measured(recipe)])
    missing += [fault for name in needed for fault in _missing_dataset(recipe, name)]
    counts = trained_numbers(trainings)
    listed = [
        {
            "row": run.row.row,
            "name": run.row.name,
            "seed": run.seed,
            "trained": trained if run.row.train else 0,
            "folder": str(run.folder),
            "state": run.state,
        }
        for run, trained in zip(runs, counts, strict=True)
    ]
    return {"runs": listed, "datasets": datasets, "missing": missing}


def _distinct(settings: Iterable[Settings]) -> list[Settings]:
    return list(dict.fromkeys(settings))


def _missing_dataset(recipe: AblateRecipe, name: str) -> list[str]:
    """Where a dataset was looked for in vain; the world's sets are made on first use, so they are never missing."""
    try:
        if not name.startswith("world-"):
            read_dataset(name, recipe.data_root, recipe.reading, recipe.image_root)
    except UserError as error:
        return [str(error)]
    return []


def _training(base: str, row: RowRecipe, later: int) -> SamRecipe | LlavaRecipe:
    """The base recipe with the row's settings, its seed raised; raises UserError that names the row for faulty ones."""
    schemas: tuple[type[SamRecipe] | type[LlavaRecipe], ...] = (SamRecipe, LlavaRecipe)
    recipe = load_recipe(schemas, find_recipe(base), list(row.overrides.items()), origin=f"row {row.row}, overrides")
    return recipe.model_copy(update={"seed": recipe.seed + later})


def overridden(recipe: AblateRecipe, settings: dict[str, Any], flags: dict[str, Any]) -> AblateRecipe:
    """The recipe with changes to the training recipe, by dotted keys: a row's own go over settings, flags over all."""
    rows = tuple(row.model_copy(update={"overrides": settings | row.overrides | flags}) for row in recipe.rows)
    return recipe.model_copy(update={"rows": rows})
