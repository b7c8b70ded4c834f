"""`sam train --dry-run`: what a recipe would do and what it needs, told in seconds without weights, data or a network.

The model is built on the meta device: sizes and names without numbers.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from rich.console import Console
from torch import nn
from transformers import AutoConfig, InstructBlipConfig, InstructBlipForConditionalGeneration

from samcli.errors import UserError
from samcli.model.find import underlying
from samcli.model.guidance_checks import guidance_warnings
from samcli.model.known_sizes import KNOWN, known_config
from samcli.model.load import count_parameters
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.small import small_config
from samcli.recipe import BaseRecipe, ModelRecipe, SamRecipe
from samcli.recipe_alignment import LlavaRecipe
from samcli.training.cost_parts import Load, numbers, summed
from samcli.training.costs import Held, step_flops, step_memory
from samcli.training.llava_plan import all_trained, meta_llava, missing_for_llava, plan_llava
from samcli.training.optim import build_optimizers, schedule_warning, total_steps
from samcli.training.plan_data import TrainingData, find_training_data, local_base, missing_weights
from samcli.training.plan_table import plan_table
from samcli.training.small.base import build_processor, check_queries
from samcli.training.small.language import EPOCH

_SHARED_BY = 4  # GPUs, as many as the paper's training had
_TOKENS = 64  # of an instruction and of an answer: a sentence or two
_SETTINGS = {
    "model": "base revision device dtype llm_bits shard recompute_activations",
    "guidance": "enabled context weights normalize from_layer to_layer single_image",
    "data": "train augment features",
    "optim": "optimizer learning_rate min_learning_rate schedule warmup_steps weight_decay decay_biases betas "
    "batch_size batch_is accumulate epochs steps clip_norm precision",
    "text": "qformer_tokens prompt_tokens answer_tokens",
    "checkpoint": "every_steps every_minutes keep keep_best",
    "validation": "data samples shown every_steps",
}


def plan(recipe: SamRecipe | LlavaRecipe | BaseRecipe, samples: int | None = None) -> dict[str, Any]:
    """What training by `recipe` would be: parameters by part, steps, FLOPs, memory, settings, and what is missing.

    `samples` takes the place of the number of training samples, which is else counted, or assumed and said so. FLOPs
    are of one step of all devices together, memory of one device that computes a pass of a step alone; both are
    estimates. All three are None, and the base is listed as missing, where its sizes aren't known. Kind llava
    has them for each of its `stages`. Raises UserError as `meta_model` does.
    """
    if isinstance(recipe, BaseRecipe):
        return _plan_of_base(recipe)
    if isinstance(recipe, LlavaRecipe):
        return plan_llava(recipe, samples)
    model = meta_model(recipe)
    data = find_training_data(recipe.data, samples)
    load = _load(recipe, data)
    return {
        "kind": recipe.kind,
        "parameters": _parameters(model),
        "steps": total_steps(recipe.optim, len(data.image_counts)),
        **_costs(recipe, model, load),
        "data": {"expected": data.where, "samples": len(data.image_counts), "images_per_sample": round(load.images, 2)},
        "settings": _settings(recipe),
        "assumed": [*data.assumed, _assumed_costs(recipe, load)],
        "warnings": _warnings(recipe, data),
        "missing": [*missing_weights(recipe.model), *data.missing],
    }


def plan_text(plan: dict[str, Any]) -> str:
    """A plan as text for a terminal of 110 columns."""
    console = Console(file=io.StringIO(), width=110, highlight=False)
    with console.capture() as captured:
        console.print(plan_table(plan))
    return captured.get()


def meta_model(recipe: SamRecipe) -> SemanticAlignmentModel | None:
    """The recipe's model without numbers, its base's sizes known or read from its `config.json`; None without either.

    Raises UserError for layers that the base lacks, for longer instructions than its Q-Former takes, for an optimiser
    that has nothing to do, and for a base that is something else.
    """
    base = _meta_base(recipe.model)
    if base is None:
        return None
    model = _on_meta(base, recipe)
    model.check_instruction_length(recipe.text.qformer_tokens)
    build_optimizers(model.trained_parameters(), recipe.optim)
    return model


def trained_numbers(recipes: Sequence[SamRecipe | LlavaRecipe]) -> list[int | None]:
    """How many numbers each recipe trains; None where its base's sizes aren't known. Raises as `meta_model`."""
    base_of, llava_of = cache(_meta_base), cache(meta_llava)  # several recipes have one base
    return [
        all_trained(recipe, llava_of(recipe.model))
        if isinstance(recipe, LlavaRecipe)
        else _all_trained(recipe, base_of(recipe.model))
        for recipe in recipes
    ]


def _all_trained(recipe: SamRecipe, base: InstructBlipForConditionalGeneration | None) -> int | None:
    if base is None:
        return None
    model = _on_meta(base, recipe)
    count = sum(parameter.numel() for _, parameter in model.trained_parameters())
    model.release()
    return count


def missing_for(recipe: SamRecipe | LlavaRecipe, *, trained: bool) -> list[str]:
    """What a run of the recipe lacks: its base's weights and, where it is `trained`, its data and what labels it."""
    if isinstance(recipe, LlavaRecipe):
        return missing_for_llava(recipe, trained=trained)
    data = find_training_data(recipe.data, None).missing if trained else []
    return [*missing_weights(recipe.model), *data]


def _meta_base(settings: ModelRecipe) -> InstructBlipForConditionalGeneration | None:
    config = _config(settings)
    if config is None:
        return None
    with torch.device("meta"):
        return InstructBlipForConditionalGeneration(config)


def _on_meta(base: InstructBlipForConditionalGeneration, recipe: SamRecipe) -> SemanticAlignmentModel:
    with torch.device("meta"):
        try:
            return SemanticAlignmentModel(base, recipe.method)
        except ValueError as error:
            raise UserError(str(error)) from error


def _config(settings: ModelRecipe) -> InstructBlipConfig | None:
    known = known_config(underlying(settings).base)
    if known is not None:
        return known
    directory = local_base(settings)
    if directory is None or not (directory / "config.json").exists():
        return None
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"can't read {directory / 'config.json'}: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(config, InstructBlipConfig):
        raise UserError(f"{settings.base} is not an InstructBLIP ({KNOWN[0]} is one)")
    return config


def _parts(model: InstructBlipForConditionalGeneration) -> dict[str, list[nn.Module | nn.Parameter]]:
    return {
        "vision_tower": [model.vision_model],
        "qformer": [model.qformer, model.query_tokens],
        "language_projection": [model.language_projection],
        "language_model": [model.language_model],
    }


def _parameters(model: SemanticAlignmentModel | None) -> dict[str, Any]:
    if model is None:
        return {"trained": None, "frozen": None, "by_part": {}}
    parts = _parts(model.base)
    if model.guidance is not None:
        parts["guide_layers"] = [model.guidance.guide_in, model.guidance.guide_out]
        parts["adaptive_layer"] = [model.guidance.adjustment]
    parts |= {name: [part] for name, part in (("linear_context", model.linear), ("vpgc", model.vpgc)) if part}
    return summed({name: numbers(members) for name, members in parts.items()})


def _warnings(recipe: SamRecipe, data: TrainingData) -> list[str]:
    schedule = schedule_warning(recipe.optim, total_steps(recipe.optim, len(data.image_counts)))
    return [*guidance_warnings(recipe.guidance, data.image_counts), *([schedule] if schedule else [])]


def _load(recipe: SamRecipe, data: TrainingData) -> Load:
    images = sum(data.image_counts) / len(data.image_counts)
    instruction = min(_TOKENS, recipe.text.qformer_tokens, recipe.text.prompt_tokens or _TOKENS)
    return Load(recipe.optim.batch_size, images, instruction, min(_TOKENS, recipe.text.answer_tokens))


def _costs(recipe: SamRecipe, model: SemanticAlignmentModel | None, load: Load) -> dict[str, Any]:
    if model is None:
        return {"flops_per_step": None, "flops_by_part": {}, "memory_bytes": None, "memory_by_part": {}}
    flops = step_flops(model, load, recipe.data.features != "off", recipe.model.recompute_activations)
    memory = _memory(recipe, model, load)
    return {
        "flops_per_step": round(sum(flops.values())),
        "flops_by_part": {name: round(value) for name, value in flops.items()},
        "memory_bytes": sum(memory.values()),
        "memory_by_part": memory,
    }


def _memory(recipe: SamRecipe, model: SemanticAlignmentModel, load: Load) -> dict[str, int]:
    one_pass = replace(load, samples=_at_once(recipe), images=math.ceil(load.images))
    settings = recipe.model
    shared_by = _SHARED_BY if settings.shard else 1
    held = Held(getattr(torch, settings.dtype), settings.llm_bits, shared_by, settings.recompute_activations)
    return step_memory(model, one_pass, held, recipe.optim.precision)


def _assumed_costs(recipe: SamRecipe, load: Load) -> str:
    devices = f"one of {_SHARED_BY} devices" if recipe.model.shard else "one device"
    return (
        f"instructions of {load.instruction_tokens} tokens and answers of {load.answer_tokens}; for memory, {devices} "
        f"with {_at_once(recipe)} samples at once"
    )


def _at_once(recipe: SamRecipe) -> int:
    """Samples that a device computes in one pass; where the LLM is shared out, so are the samples of a step."""
    optim = recipe.optim
    devices = _SHARED_BY if recipe.model.shard and optim.batch_is == "global" else 1
    return max(1, optim.batch_size // optim.accumulate // devices)


def _settings(recipe: SamRecipe) -> dict[str, Any]:
    """The settings that decide what is trained and how, by their dotted keys."""
    values = recipe.model_dump(mode="json")
    keys = {part: keys.split() for part, keys in _SETTINGS.items()}
    keys |= {part: [*values[part]] for part in ("linear", "vpgc", "mmicl") if values[part]["enabled"]}
    shown = {f"{part}.{key}": values[part][key] for part in values if part in keys for key in keys[part]}
    return {"seed": recipe.seed, **shown}


def _plan_of_base(recipe: BaseRecipe) -> dict[str, Any]:
    """Stage 0: three steps, each of which trains a part of its own; FLOPs and memory are small and not estimated."""
    check_queries(recipe)
    processor = build_processor(recipe)
    sizes = (len(processor.tokenizer), len(processor.qformer_tokenizer))
    with torch.device("meta"):
        model = InstructBlipForConditionalGeneration(small_config(recipe.sizes, *sizes))
    by_part = {name: numbers(members) for name, members in _parts(model).items()}
    samples = {"vision": recipe.pictures, "language": EPOCH, "alignment": recipe.pictures}
    steps = {name: total_steps(getattr(recipe, name), count) for name, count in samples.items()}
    return {
        "kind": recipe.kind,
        "parameters": {"trained": count_parameters(model), "frozen": 0, "by_part": by_part},
        "steps": sum(steps.values()),
        "steps_by_part": steps,
        "flops_per_step": None,
        "memory_bytes": None,
        "pictures": recipe.pictures,
        "warnings": [],
        "missing": [],
    }
