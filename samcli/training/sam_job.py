"""What trains in stage 1 of the paper, and on which batches."""

from collections.abc import Sequence

from samcli.data.batch import Batch
from samcli.data.sample import Sample
from samcli.model.features import Features
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import SamRecipe
from samcli.training.batches import Batches, Steps, answer_tokens
from samcli.training.lengths import Lengths
from samcli.training.loop import Job
from samcli.training.order import EpochOrder


def sam_job(
    recipe: SamRecipe,
    model: SemanticAlignmentModel,
    processor: Processor,
    samples: Sequence[Sample],
    features: Features | None,
    a_step: int,
) -> Job[Batch, SemanticAlignmentModel]:
    """What `fit` needs: `a_step` samples at a time in a seeded order, as pixels or as features that are kept."""
    seed, window = recipe.seed, recipe.data.group_by_length
    lengths = (
        Lengths.of(processor, samples, declared=model.declares_images).sequence(recipe.text, model.queries)
        if window
        else None
    )
    order = EpochOrder(len(samples), a_step, seed, lengths, window)
    batches = Batches(recipe.text, model, processor, features)
    steps = Steps(samples, order, batches, recipe.data.augment, seed)
    return Job(
        "sam",
        model,
        steps.batch,
        weight=answer_tokens,
        describe=steps.describe,
        samples=len(samples),
        step_samples=a_step,
    )
