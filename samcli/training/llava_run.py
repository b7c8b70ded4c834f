"""A LLaVA's two stages: the projector by captions, with objectives for its tokens, then projector and LLM by tasks."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.eye_of_model import eye_of
from samcli.alignment.labels.make import check_source, make_labels
from samcli.alignment.labels.store import LabelStore
from samcli.alignment.words import WordTable
from samcli.console import say, warn
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.files import atomic_directory, write_json, write_text
from samcli.memory import enough_memory
from samcli.model.llava.load import PatchBase, load_patch_base
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.traits import write_traits
from samcli.model.weight_loading import show_no_bar
from samcli.recipe import DataRecipe
from samcli.recipe_alignment import LlavaRecipe, ObjectiveRecipe, StageRecipe
from samcli.recipe_file import dump_recipe
from samcli.run_directory import RECIPE, RESULTS
from samcli.training.batches import Batches, Steps
from samcli.training.checkpoint import latest_checkpoint
from samcli.training.inputs import INPUTS, Inputs, check_same_inputs, check_samples, training_samples
from samcli.training.lengths import Numbers, check_sequences, cut_warnings
from samcli.training.llava_job import AlignedTraining, LabelledSteps, llava_job
from samcli.training.loop import Plan, first_process_first, fit
from samcli.training.optim import step_samples, total_steps
from samcli.training.order import EpochOrder
from samcli.training.patch_lengths import PatchLengths
from samcli.training.shared import Shared

PROJECTOR, INSTRUCTION = "projector", "instruction"
MODEL = "model"
_LESS_MEMORY = "use model.dtype bfloat16, or more passes (optim.accumulate)"


def train_llava(
    recipe: LlavaRecipe,
    out: Path,
    accelerator: Accelerator,
    *,
    accept_changes: bool = False,
    shared: Shared | None = None,
) -> dict[str, Any]:
    """Do both stages, or go on with them, and write `out/model` and `out/results.json`; return the figures.

    A finished stage is a finished run in its own folder: going on loads its last checkpoint and passes on.

    Raises UserError for missing data, labels or weights, and for data or weights that changed since the run began
    unless `accept_changes`; Interrupted after a signal with everything saved.
    """
    stages, shared = stages_of(recipe), shared or Shared()
    with first_process_first(accelerator):  # which makes or fetches what isn't there yet
        if recipe.objective.enabled:
            check_source(recipe.objective.labels, recipe.projector.data.train)
        inputs = {name: find_inputs(stage.data, f"{name}.data") for name, stage in stages.items()}
        base = load_patch_base(recipe.model, recipe.seed)
        if accelerator.is_main_process:
            found = _identity(recipe, base, inputs, shared)
            check_same_inputs(out, found, accept_changes=accept_changes)
            write_json(out / INPUTS, found)
            if accept_changes:
                write_text(out / RECIPE, dump_recipe(recipe))
        model = PatchAlignedModel(base.model)
        store = _labels(recipe, inputs[PROJECTOR], eye_of(recipe.model))
    with enough_memory(f"with {base.name} in {recipe.model.dtype} on {accelerator.device}", _LESS_MEMORY):
        model.place(accelerator.device)
    figures = {}
    for name, stage in stages.items():
        model.train_projector(with_llm=name == INSTRUCTION and recipe.instruction.train_llm)
        labels = store if name == PROJECTOR else None
        features = shared.features(stage.data, base.processor, tower_of(base), recipe.model.dtype)
        if features is not None:
            features.prepare(model, inputs[name].pictures, accelerator.process_index, accelerator.num_processes)
            accelerator.wait_for_everyone()
        batches = Batches(recipe.text, model, base.processor, features)
        figures[name] = _stage(recipe, name, model, batches, inputs[name], labels, out, accelerator)
        if name == PROJECTOR and recipe.keep_aligned and accelerator.is_main_process:
            save_llava(model, base, recipe, out / PROJECTOR / MODEL)
    if accelerator.is_main_process:
        save_llava(model, base, recipe, out / MODEL)
        write_json(out / RESULTS, figures)
        say(f"model written to {out / MODEL}")
    accelerator.wait_for_everyone()
    return figures


def stages_of(recipe: LlavaRecipe) -> dict[str, StageRecipe]:
    """The stages that a recipe has, by name, in their order."""
    return {PROJECTOR: recipe.projector} | ({INSTRUCTION: recipe.instruction} if recipe.instruction.enabled else {})


def find_inputs(data: DataRecipe, key: str) -> Inputs:
    """Find what a stage trains on and check its texts; world sets are made. Raises UserError for what is wrong.

    `key` is where the recipe has the settings.
    """
    samples, directory = training_samples(data, key)
    check_samples(samples)
    return Inputs(samples, directory)


def _identity(recipe: LlavaRecipe, base: PatchBase, inputs: dict[str, Inputs], shared: Shared) -> dict[str, str]:
    """What tells the data and the base of a run from others of their names."""
    found = {f"base_{key}": value for key, value in base.identity.items()}
    for name, stage in stages_of(recipe).items():
        of_stage = shared.identity(stage.data, inputs[name], decode=False)
        found |= {f"{name}_{key}": value for key, value in of_stage.items()}
    return found


def tower_of(base: PatchBase) -> str:
    """What tells the features that a base's projector reads from those of other towers, or of its other layers."""
    config = base.model.config
    return f"{sorted(base.identity.items())} {config.vision_feature_layer} {config.vision_feature_select_strategy}"


def _labels(recipe: LlavaRecipe, inputs: Inputs, eye: Eye) -> LabelStore | None:
    if not recipe.objective.enabled:
        return None
    return make_labels(recipe.objective.labels, inputs.samples, inputs.directory, eye, device=recipe.model.device)


def _stage(
    recipe: LlavaRecipe,
    name: str,
    model: PatchAlignedModel,
    batches: Batches,
    inputs: Inputs,
    store: LabelStore | None,
    out: Path,
    accelerator: Accelerator,
) -> dict[str, Any]:
    stage = stages_of(recipe)[name]
    objective = recipe.objective if store is not None else ObjectiveRecipe()
    # a tokenizer of its own: batches are made ahead in a thread, with the model's
    words = WordTable(store.words, copy.deepcopy(batches.processor.tokenizer)) if store is not None else None
    if name == PROJECTOR:
        _check_order(stage, len(inputs.samples), out, accelerator.num_processes)
    a_step = step_samples(stage.optim, accelerator.num_processes)
    lengths = _told_lengths(recipe, model, batches.processor, inputs.samples)
    order = EpochOrder(len(inputs.samples), a_step, recipe.seed, lengths, stage.data.group_by_length)
    steps = LabelledSteps(Steps(inputs.samples, order, batches, stage.data.augment, recipe.seed), objective, store)
    training = AlignedTraining(model, objective, words).to(accelerator.device)
    if store is not None:
        on = [part for part, it in (("sea", objective.sea), ("patch", objective.patch)) if it.enabled]
        say(f"{name}: with objective.{' and objective.'.join(on)}, labels in {store.directory}")
    job = llava_job(name, training, steps, inputs.samples, a_step)
    torch.manual_seed(recipe.seed)
    figures = fit(job, Plan(stage.optim, recipe.checkpoint, recipe.log_every), out / name, accelerator)
    return figures | ({"temperature": training.temperature} if objective.sea.enabled else {})


def _check_order(stage: StageRecipe, samples: int, out: Path, processes: int) -> None:
    """Raise UserError when stage 1 would go on although stage 2 has begun with the projector that it was done with."""
    first, second = (latest_checkpoint(out / name / "checkpoints") for name in (PROJECTOR, INSTRUCTION))
    steps = total_steps(stage.optim, samples, processes)
    if second is not None and (first is None or first.step < steps):
        done = 0 if first is None else first.step
        raise UserError(
            f"{out}: stage 2 began with a projector of {done} steps, and the recipe wants {steps}; keep "
            "projector.optim as it was, or start anew with --overwrite"
        )


def _told_lengths(recipe: LlavaRecipe, model: PatchAlignedModel, processor: Any, samples: Sequence[Sample]) -> Numbers:
    """Tokens of each sample; tells which texts lose some, and raises UserError for sequences that can't be."""
    lengths = PatchLengths.of(processor, samples, recipe.text)
    for warning in cut_warnings(lengths.cut(recipe.text), len(samples)):
        warn(warning)
    whole = lengths.sequence(recipe.text, model.patches)
    text: Any = model.base.config.text_config
    check_sequences(whole, samples, getattr(text, "max_position_embeddings", None))
    return whole


def save_llava(model: PatchAlignedModel, base: PatchBase, recipe: LlavaRecipe, directory: Path) -> None:
    """Write the whole model in the hub's format, in the recipe's numbers, with processor and `sam.json`.

    What `directory` held is replaced, whole or not at all. Raises UserError when it can't be written.
    """
    dtype = getattr(torch, recipe.model.dtype)
    state = {name: value.to(dtype) for name, value in model.base.state_dict().items()}
    show_no_bar(small=base.traits.world)
    with atomic_directory(directory) as staging:
        model.base.save_pretrained(staging, state_dict=state)
        base.processor.save(staging)
        write_traits(staging, base.traits.model_copy(update={"template": recipe.text.template}))
