"""What a model is asked on a dataset: its samples as the recipe reads, limits and controls them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samcli.console import say_once
from samcli.data.dataset import DatasetOnDisk
from samcli.data.sample import Sample, missing_images
from samcli.errors import UserError
from samcli.evaluation.control import controlled
from samcli.evaluation.judging import check_samples, is_captioned
from samcli.evaluation.scores import check_references
from samcli.evaluation.tasks import load_dataset
from samcli.recipe import EvalRecipe


@dataclass(frozen=True)
class Questions:
    """A dataset's samples; `data` says how they were read, `unlike` what isn't as the paper had it."""

    name: str
    samples: Sequence[Sample]
    data: Mapping[str, Any] = field(default_factory=dict)
    unlike: Sequence[str] = ()


def read_questions(recipe: EvalRecipe, name: str) -> Questions:
    """The samples that a model is asked about; raises UserError where the dataset isn't there or is faulty."""
    return questions_of(recipe, name, read(recipe, name))


def questions_of(recipe: EvalRecipe, name: str, found: DatasetOnDisk) -> Questions:
    """The same of a dataset that was read."""
    samples = controlled(recipe.task, _chosen(recipe, name, found.samples), recipe.control)
    return Questions(name, samples, found.record(recipe.reading), found.unlike_the_paper(recipe.reading))


def _chosen(recipe: EvalRecipe, name: str, samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples that the recipe wants; raises UserError for ids that the dataset doesn't have."""
    if recipe.ids is None:
        return samples[: recipe.limit]
    by_id = {str(sample.id): sample for sample in samples}
    if unknown := [one for one in recipe.ids if str(one) not in by_id]:
        raise UserError(f"{name} has no sample {unknown[0]!r}; its ids look like {', '.join(list(by_id)[:3])}")
    return [by_id[str(one)] for one in recipe.ids][: recipe.limit]


def read(recipe: EvalRecipe, name: str) -> DatasetOnDisk:
    """The whole dataset, as the recipe reads it; raises UserError when it lacks what the task is judged by."""
    found = load_dataset(name, recipe.data_root, recipe.image_root, recipe.reading)
    check_samples(recipe.task, name, found.samples)
    return found


def check_before_hours_are_spent(recipe: EvalRecipe, questions: Questions) -> None:
    """Raise UserError for samples that can't be scored whatever the answers; warn of missing pictures."""
    samples = questions.samples
    if is_captioned(recipe.task):
        ids = [str(sample.id) for sample in samples]
        check_references(recipe.protocol, ids, [sample.references for sample in samples])
    warn_of_missing(questions)


def warn_of_missing(questions: Questions) -> None:
    """Warn of samples that will fail since their pictures aren't there."""
    if missing := missing_images(questions.samples):
        say_once(
            f"warning: {questions.name}: {len(missing)} pictures are missing, such as {missing[0]}; their samples will "
            "count as failed (--set reading.missing=drop leaves them out, and says how many)",
            "yellow",
        )
