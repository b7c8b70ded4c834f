"""`sam train --dry-run` for kind llava: both stages, their parameters, steps and costs, and the labels they need."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import torch
from torch import nn
from transformers import LlavaForConditionalGeneration

from samcli.model.llava.config import local_config
from samcli.model.llava.model import PatchAlignedModel
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe, ObjectiveRecipe, StageRecipe
from samcli.training.cost_parts import Load, numbers, summed
from samcli.training.label_plan import LabelPlan, plan_labels
from samcli.training.llava_costs import stage_flops, stage_memory
from samcli.training.llava_job import AlignedTraining
from samcli.training.llava_run import INSTRUCTION, PROJECTOR, stages_of
from samcli.training.optim import build_optimizers, schedule_warning, total_steps
from samcli.training.plan_data import TrainingData, find_training_data, missing_patch_weights
from samcli.training.published_sets import CAPTIONS, MIX

_TOKENS = 64  # of an instruction and of an answer: a sentence or two
_ASSUMED_DATA = {PROJECTOR: CAPTIONS, INSTRUCTION: MIX}
_OPTIM = "optimizer learning_rate schedule warmup_steps weight_decay batch_size batch_is accumulate epochs clip_norm"
_SETTINGS = {
    "model": "base vision llm new_projector feature_layer dtype device",
    "text": "template prompt_tokens answer_tokens",
    "objective.sea": "enabled weight temperature learn_temperature window",
    "objective.patch": "enabled weight ramp_steps",
    "objective.labels": "source words",
    "projector.data": "train features",
    "projector.optim": f"{_OPTIM} precision",
    "instruction": "enabled train_llm",
    "instruction.data": "train features",
    "instruction.optim": f"{_OPTIM} precision",
}


def plan_llava(recipe: LlavaRecipe, samples: int | None = None) -> dict[str, Any]:
    """What both stages would be: `plan` of `plan.py` says what is in it, and raises.

    `stages` has for each stage its parameters, steps, data, FLOPs and memory; `labels` is what `plan_labels` says, None
    where no objective needs any. `samples` takes the place of the number of samples of each stage.
    """
    model = meta_llava(recipe.model)
    data = {name: _data(name, stage, samples) for name, stage in stages_of(recipe).items()}
    stages = {name: _stage(recipe, name, model, found) for name, found in data.items()}
    labels = plan_labels(recipe) if recipe.objective.enabled else None
    return {
        "kind": recipe.kind,
        "parameters": _of_all_stages([stage["parameters"] for stage in stages.values()]),
        "steps": sum(stage["steps"] for stage in stages.values()),
        "stages": stages,
        "labels": _known_of(labels),
        "settings": _settings(recipe),
        "assumed": _assumed(recipe, data, labels.assumed if labels is not None else []),
        "warnings": [warning for name, found in data.items() for warning in _warnings(recipe, name, found)],
        "missing": missing_for_llava(recipe, trained=True),
    }


def meta_llava(settings: LlavaModelRecipe) -> PatchAlignedModel | None:
    """A recipe's model without numbers; None where its sizes aren't known. Raises UserError as `local_config`."""
    config = local_config(settings)
    if config is None:
        return None
    with torch.device("meta"):
        return PatchAlignedModel(LlavaForConditionalGeneration(config))


def all_trained(recipe: LlavaRecipe, model: PatchAlignedModel | None) -> int | None:
    """How many numbers a recipe trains in one of its stages or in both; None without model. Raises as `plan_llava`."""
    trained: int | None = _of_all_stages([_parameters(recipe, name, model) for name in stages_of(recipe)])["trained"]
    return trained


def missing_for_llava(recipe: LlavaRecipe, *, trained: bool) -> list[str]:
    """What a run of the recipe lacks: its base's weights and, where it is `trained`, models that label, and data."""
    weights = missing_patch_weights(recipe.model)
    if not trained:
        return weights
    found = [_data(name, stage, None) for name, stage in stages_of(recipe).items()]
    labels = plan_labels(recipe) if recipe.objective.enabled else None
    return [*weights, *_of_labels(labels), *(fault for one in found for fault in one.missing)]


def _known_of(plan: LabelPlan | None) -> dict[str, Any] | None:
    """A plan of labels as JSON; what is assumed and missing is listed with that of the whole training."""
    if plan is None:
        return None
    known = {key: value for key, value in asdict(plan).items() if key not in ("assumed", "missing")}
    return known | {"place": None if plan.place is None else str(plan.place)}


def _of_labels(plan: LabelPlan | None) -> list[str]:
    """What labels lack beside their data, which a stage lacks as well."""
    return [] if plan is None else [fault for fault in plan.missing if not fault.startswith("data: ")]


def _data(name: str, stage: StageRecipe, samples: int | None) -> TrainingData:
    return find_training_data(stage.data, samples, f"{name}.data", _ASSUMED_DATA[name])


def _parameters(recipe: LlavaRecipe, stage: str, model: PatchAlignedModel | None) -> dict[str, Any]:
    """The numbers that a stage trains and leaves as they are, in all and of each part."""
    if model is None:
        return {"trained": None, "frozen": None, "by_part": {}}
    model.train_projector(with_llm=stage == INSTRUCTION and recipe.instruction.train_llm)
    with torch.device("meta"):
        training = AlignedTraining(model, recipe.objective if stage == PROJECTOR else ObjectiveRecipe(), None)
    build_optimizers(_trained(training), stages_of(recipe)[stage].optim)
    core = model.base.model
    parts: dict[str, list[nn.Module | nn.Parameter]] = {
        "vision_tower": [core.vision_tower],
        "projector": [core.multi_modal_projector],
        "language_model": [core.language_model, model.base.lm_head],
    }
    if training.log_scale.requires_grad:
        parts["temperature"] = [training.log_scale]
    return summed({name: numbers(members) for name, members in parts.items()})


def _trained(training: AlignedTraining) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in training.named_parameters() if parameter.requires_grad)


def _of_all_stages(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of a model, trained if one of the stages trains them."""
    by_part: dict[str, dict[str, int]] = {}
    for stage in stages:
        for name, part in stage["by_part"].items():
            former = by_part.get(name, {"trained": 0, "frozen": sum(part.values())})
            by_part[name] = min(former, part, key=lambda one: one["frozen"])
    return summed(by_part) if by_part else {"trained": None, "frozen": None, "by_part": {}}


def _stage(recipe: LlavaRecipe, name: str, model: PatchAlignedModel | None, data: TrainingData) -> dict[str, Any]:
    optim, load = stages_of(recipe)[name].optim, _load(recipe, name, data)
    parameters = _parameters(recipe, name, model)  # from here on that is what trains
    return {
        "parameters": parameters,
        "steps": total_steps(optim, len(data.image_counts)),
        "data": {"expected": data.where, "samples": len(data.image_counts), "images_per_sample": round(load.images, 2)},
        **_costs(recipe, name, model, load),
    }


def _load(recipe: LlavaRecipe, stage: str, data: TrainingData) -> Load:
    images = sum(data.image_counts) / len(data.image_counts)
    instruction = min(_TOKENS, recipe.text.prompt_tokens or _TOKENS)
    batch = stages_of(recipe)[stage].optim.batch_size
    return Load(batch, images, instruction, min(_TOKENS, recipe.text.answer_tokens))


def _costs(recipe: LlavaRecipe, stage: str, model: PatchAlignedModel | None, load: Load) -> dict[str, Any]:
    if model is None:
        return {"flops_per_step": None, "flops_by_part": {}, "memory_bytes": None, "memory_by_part": {}}
    settings = stages_of(recipe)[stage]
    flops = stage_flops(model, load, settings.data.features != "off")
    one_pass = replace(load, samples=_at_once(settings), images=math.ceil(load.images))
    memory = stage_memory(model, one_pass, getattr(torch, recipe.model.dtype), settings.optim.precision)
    return {
        "flops_per_step": round(sum(flops.values())),
        "flops_by_part": {name: round(value) for name, value in flops.items()},
        "memory_bytes": sum(memory.values()),
        "memory_by_part": memory,
    }


def _at_once(stage: StageRecipe) -> int:
    return max(1, stage.optim.batch_size // stage.optim.accumulate)


def _settings(recipe: LlavaRecipe) -> dict[str, Any]:
    """The settings that decide what is trained and how, by their dotted keys."""
    whole = recipe.model_dump(mode="json")
    shown = {"seed": recipe.seed}
    for section, keys in _SETTINGS.items():
        values = reduce(lambda tree, key: tree[key], section.split("."), whole)
        shown |= {f"{section}.{key}": values[key] for key in keys.split()}
    return shown


def _assumed(recipe: LlavaRecipe, data: dict[str, TrainingData], labels: Sequence[str]) -> list[str]:
    stages = stages_of(recipe)
    of_data = [f"{name}: {line}" for name, found in data.items() for line in found.assumed]
    load = _load(recipe, PROJECTOR, data[PROJECTOR])
    at_once = " and ".join(f"{_at_once(stage)} ({name})" for name, stage in stages.items())
    costs = (
        f"instructions of {load.instruction_tokens} tokens and answers of {load.answer_tokens}; for memory, one device "
        f"with {at_once} samples at once; what objectives cost is small beside the LLM, and left out"
    )
    return [*of_data, *(f"labels: {line}" for line in labels), costs]


def _warnings(recipe: LlavaRecipe, stage: str, data: TrainingData) -> list[str]:
    optim = stages_of(recipe)[stage].optim
    warning = schedule_warning(optim, total_steps(optim, len(data.image_counts)), f"{stage}.optim")
    return [f"{stage}: {warning}"] if warning else []
