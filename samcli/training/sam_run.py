"""Stage 1, the paper's training: guidance and projection learn from pairs of pictures, everything else is frozen."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from samcli.console import say, warn
from samcli.data.sample import ANNOTATIONS, Sample
from samcli.errors import UserError
from samcli.files import sha256, write_json, write_text
from samcli.memory import enough_memory
from samcli.model.adapter import method_record, save_adapter
from samcli.model.guidance_checks import guidance_warnings
from samcli.model.load import LESS_MEMORY, Base, fetch_base, load_base
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import SamRecipe
from samcli.recipe_faults import dotted, settings
from samcli.recipe_file import dump_recipe
from samcli.recipe_method import MethodRecipe
from samcli.run_directory import RECIPE, RECORD, RESULTS
from samcli.training.batches import Batches
from samcli.training.inputs import (
    INPUTS,
    Inputs,
    check_same_inputs,
    check_samples,
    training_samples,
    validation_samples,
)
from samcli.training.lengths import Lengths, check_sequences, cut_warnings
from samcli.training.loop import Plan, first_process_first, fit, new_accelerator
from samcli.training.optim import step_samples
from samcli.training.sam_job import sam_job
from samcli.training.shard import shard_language_model
from samcli.training.shared import Shared
from samcli.training.validation import Validation


@dataclass
class SharedBase:
    """A base that several runs train on one after the other, and what else they have in common."""

    base: Base
    common: Shared = field(default_factory=Shared)


def train_sam(
    recipe: SamRecipe,
    out: Path,
    *,
    shared: SharedBase | None = None,
    accelerator: Accelerator | None = None,
    accept_changes: bool = False,
    longer: bool = False,
) -> Any:
    """Train, or go on training, and write `out/adapter` and `out/results.json`; return the last log record.

    `longer`: the run is finished, and goes on if its recipe has steps left by now.

    Raises UserError for missing data or weights, and for data or weights that changed since the run began unless
    `accept_changes`; Interrupted after a signal with everything saved.
    """
    accelerator = accelerator or new_accelerator(recipe.model.device, recipe.trackers, out)
    place = torch.device("cpu") if recipe.model.shard else accelerator.device
    common = shared.common if shared is not None else Shared()
    found: dict[str, str] = {}
    with first_process_first(accelerator):  # which makes or fetches what isn't there yet
        inputs = find_inputs(recipe)
        files = shared.base.files if shared is not None else fetch_base(recipe.model)
        if accelerator.is_main_process:
            # where features are kept, computing them decodes the pictures anyway
            decode = recipe.data.features == "off"
            of_data = common.identity((recipe.data, recipe.validation), inputs, decode=decode)
            found = {"base": files.weights_hash()} | of_data
            check_same_inputs(out, found, accept_changes=accept_changes)
    shared = shared or SharedBase(load_base(recipe.model, place), common)
    record = _record(recipe, shared.base, inputs)
    if recipe.trackers:
        config = {dotted(keys): str(value) for keys, value in settings(recipe.model_dump(mode="json"))}
        accelerator.init_trackers("sam", config=config)

    def note() -> None:
        (out / RESULTS).unlink(missing_ok=True)
        write_json(out / INPUTS, found)
        write_json(out / RECORD, record)
        if accept_changes:
            write_text(out / RECIPE, dump_recipe(recipe))

    torch.manual_seed(recipe.seed)  # decides the first numbers of what is added to the base
    with lent(shared.base, recipe.method) as model:
        batches = prepare(recipe, model, shared, inputs, accelerator)
        record["data"]["cut"] = told_lengths(recipe, model, shared.base, inputs.samples)
        a_step = step_samples(recipe.optim, accelerator.num_processes)
        job = sam_job(recipe, model, shared.base.processor, inputs.samples, batches.features, a_step)
        plan = _plan(recipe, shared.base, batches, inputs, out, accelerator.num_processes, record)
        last = fit(job, plan, out, accelerator, note=note, longer=longer)
        if accelerator.is_main_process:
            scores = {name: value for name, value in last.items() if name != "best"}
            save_adapter(out / "adapter", model, record | {"step": last.get("step"), "scores": scores})
            write_json(out / RESULTS, last)
            say(f"adapter written to {out / 'adapter'}")
            for tracker in accelerator.trackers:
                tracker.finish()
    accelerator.wait_for_everyone()
    return last


def find_inputs(recipe: SamRecipe) -> Inputs:
    """Find what the recipe trains on and check its texts; world sets are made. Raises UserError for what is wrong."""
    samples, directory = training_samples(recipe.data)
    check_samples(samples)
    validation = validation_samples(recipe.validation, recipe.data)
    for warning in guidance_warnings(recipe.guidance, [len(sample.images) for sample in samples]):
        warn(warning)
    return Inputs(samples, directory, validation)


def prepare(
    recipe: SamRecipe, model: SemanticAlignmentModel, shared: SharedBase, inputs: Inputs, accelerator: Accelerator
) -> Batches:
    """Bring the model to its devices and the features to where they are kept; return what makes batches."""
    model.check_instruction_length(recipe.text.qformer_tokens)
    base = shared.base
    with enough_memory(f"with {base.name} in {recipe.model.dtype} on {accelerator.device}", LESS_MEMORY):
        if recipe.model.shard and accelerator.num_processes > 1:
            shard_language_model(model, accelerator.device, accelerator.num_processes)
        else:
            model.place(accelerator.device)
        if recipe.model.recompute_activations:
            model.recompute_activations()
        features = shared.common.features(recipe.data, base.processor, base.weights_hash, recipe.model.dtype)
        if features is not None:
            features.prepare(model, inputs.pictures, accelerator.process_index, accelerator.num_processes)
            accelerator.wait_for_everyone()
    return Batches(recipe.text, model, base.processor, features)


def told_lengths(
    recipe: SamRecipe, model: SemanticAlignmentModel, base: Base, samples: Sequence[Sample]
) -> dict[str, int]:
    """Tell which texts lose tokens and return how many, by setting; raises UserError for sequences that can't be."""
    lengths = Lengths.of(base.processor, samples, declared=model.declares_images)
    most = getattr(base.model.language_model.config, "max_position_embeddings", None)
    check_sequences(lengths.sequence(recipe.text, model.queries), samples, most)
    cut = lengths.cut(recipe.text)
    for warning in cut_warnings(cut, len(samples)):
        warn(warning)
    return cut


def _plan(
    recipe: SamRecipe,
    base: Base,
    batches: Batches,
    inputs: Inputs,
    out: Path,
    processes: int,
    about: dict[str, Any],
) -> Plan:
    plan = Plan(recipe.optim, recipe.checkpoint, recipe.log_every, about=about)
    if not inputs.validation:
        return plan
    at_once = max(1, recipe.optim.batch_size // recipe.optim.accumulate // processes)
    shown = recipe.validation.shown
    watch = Validation(inputs.validation, shown, at_once, batches, base.traits.decoding, out)
    return replace(plan, watch=watch, watch_every=recipe.validation.every_steps)


@contextmanager
def lent(base: Base, method: MethodRecipe) -> Iterator[SemanticAlignmentModel]:
    """A model on the base, which gets its own projection and layers back afterwards.

    Raises UserError for layers that the base lacks.
    """
    projection = {name: value.clone() for name, value in base.model.language_projection.state_dict().items()}
    try:
        model = SemanticAlignmentModel(base.model, method)
    except ValueError as error:
        raise UserError(f"{base.name}: {error}") from error
    try:
        yield model
    finally:
        model.release()
        base.model.language_projection.load_state_dict(projection)


def _record(recipe: SamRecipe, base: Base, inputs: Inputs) -> dict[str, Any]:
    """What `adapter.json` says of the run."""
    annotations = sha256(inputs.directory / ANNOTATIONS)
    data = {"name": recipe.data.train, "samples": len(inputs.samples), "annotations_sha256": annotations}
    return {
        "base": {
            "id": base.name,
            "revision": base.revision,
            "hash": base.weights_hash,
            "completed_from": recipe.model.completed_from,
        },
        **method_record(recipe.method),
        "recipe": recipe.model_dump(mode="json"),
        "data": data,
    }
