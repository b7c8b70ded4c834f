"""What `--dry-run` adds where weights and data are there: every sample checked, and two real steps of the training.

Nothing is written. The first step warms up, the second is measured.
"""

import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from samcli.console import say, warn
from samcli.data.batch import Batch
from samcli.memory import enough_memory
from samcli.model.features import FeaturesInMemory
from samcli.model.load import LESS_MEMORY, load_base
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import SamRecipe, ValidationRecipe
from samcli.synth.world.sets import SETS, is_made
from samcli.training.inputs import WORLD_SAMPLES, Inputs, read_pictures
from samcli.training.loop import Job, new_accelerator
from samcli.training.optim import build_optimizers, step_samples, total_steps
from samcli.training.precision import autocast, precision_warning
from samcli.training.sam_job import sam_job
from samcli.training.sam_run import SharedBase, find_inputs, lent, told_lengths
from samcli.training.samples import is_world_set

STEPS = 2


def rehearse(recipe: SamRecipe) -> dict[str, Any] | None:
    """Check all samples and take two steps; return what was measured on this machine, in one process.

    {"samples_checked", "seconds_per_step", "samples_per_second", "seconds_for_features", "seconds_for_run",
    "peak_memory_bytes"}. None, with a word why, for a world set that would have to be made first, and for a language
    model that several processes share. Raises UserError as the training would.
    """
    data, validation = recipe.data, recipe.validation
    if recipe.model.shard:
        say("a language model that several processes share isn't tried in one: no steps are tried")
        return None
    if is_world_set(data) and not is_made(data.train, "train", data.samples or WORLD_SAMPLES, data.seed):
        say(f"{data.train} is made when the training starts, so no steps are tried")
        return None
    if validation.data in SETS:  # which the training makes
        validation = ValidationRecipe()
    inputs = find_inputs(recipe.model_copy(update={"validation": validation}))
    read_pictures([*inputs.samples, *inputs.validation], decode=True)
    accelerator = new_accelerator(recipe.model.device)
    shared = SharedBase(load_base(recipe.model, accelerator.device))
    torch.manual_seed(recipe.seed)
    with lent(shared.base, recipe.method) as model:
        model.check_instruction_length(recipe.text.qformer_tokens)
        told_lengths(recipe, model, shared.base, inputs.samples)
        with enough_memory(f"with {shared.base.name} on {accelerator.device}", LESS_MEMORY):
            model.place(accelerator.device)
            if recipe.model.recompute_activations:
                model.recompute_activations()
            return _measured(recipe, model, shared, inputs)


def _measured(recipe: SamRecipe, model: SemanticAlignmentModel, shared: SharedBase, inputs: Inputs) -> dict[str, Any]:
    if warning := precision_warning(recipe.optim.precision, model.base.device):
        warn(warning)
    a_step = step_samples(recipe.optim, 1)
    few = list(inputs.samples[: STEPS * a_step])
    features, an_image = None, 0.0
    if recipe.data.features != "off":
        features = FeaturesInMemory(shared.base.processor)
        pictures = [path for sample in few for path in sample.images]
        an_image = _seconds(partial(features.prepare, model, pictures)) / len(set(pictures))
    job = sam_job(recipe, model, shared.base.processor, few, features, a_step)
    optimizers = build_optimizers(job.trained(), recipe.optim)
    *_, seconds = [_seconds(partial(_one_step, recipe, job, optimizers, step)) for step in range(STEPS)]
    steps = total_steps(recipe.optim, len(inputs.samples))
    of_features = an_image * len(set(inputs.pictures))
    return {
        "samples_checked": len(inputs.samples),
        "seconds_per_step": round(seconds, 4),
        "samples_per_second": round(job.step_samples / seconds, 2),
        "seconds_for_features": round(of_features, 1),
        "seconds_for_run": round(of_features + seconds * steps, 1),
        "peak_memory_bytes": _peak(model.base.device),
    }


def _one_step(
    recipe: SamRecipe, job: Job[Batch, SemanticAlignmentModel], optimizers: list[torch.optim.Optimizer], step: int
) -> None:
    passes = recipe.optim.accumulate
    for part in range(passes):
        with autocast(recipe.optim.precision, job.module.base.device):
            loss = job.module(job.batch(step, part, passes))
        (loss / passes).backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _peak(device: torch.device) -> int:
    """The most memory that was in use: of the GPU, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
