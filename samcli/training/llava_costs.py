"""What a training step of kind llava costs in one of its stages, from the sizes of a model without weights.

How FLOPs are counted is said in `cost_parts.py`. A part that trains costs its products with weights once more in the
backward pass. What objectives and their labels cost is left out: it is small beside the LLM.
"""

from typing import Any

import torch

from samcli.model.llava.model import PatchAlignedModel
from samcli.training.cost_parts import (
    TRAINED_BYTES,
    Load,
    decoder_products,
    linear_numbers,
    logits_bytes,
    token_bytes,
    tower_flops,
)


def stage_flops(model: PatchAlignedModel, load: Load, cached_features: bool = False) -> dict[str, float]:
    """FLOPs of one step with what trains now, forward and backward, by part.

    `cached_features` leaves out the vision tower.
    """
    core, llm = model.base.model, _text(model)
    tokens = load.samples * _sequence(model, load)
    layers = decoder_products(core.language_model, llm, load.samples, _sequence(model, load))
    head = 2.0 * load.samples * load.answer_tokens * linear_numbers([model.base.lm_head])
    trained = 2 * tokens * linear_numbers([core.language_model]) + head if _trains_llm(model) else 0.0
    seen = 0.0 if cached_features else load.all_images
    parts = {
        "vision_tower": tower_flops(core.vision_tower, seen, model.patches + model.has_class_token),
        "projector": _projector(model, load),
        "language_model_forward": layers.forward + head,
        "language_model_backward": layers.backward + head,
        "language_model_gradients": trained,
    }
    return {name: flops for name, flops in parts.items() if flops}


def stage_memory(model: PatchAlignedModel, load: Load, dtype: torch.dtype, precision: str) -> dict[str, int]:
    """Bytes on one device that computes the whole load at once, what is frozen held in `dtype`: an estimate.

    Buffers, fragmentation and what the vision tower needs for a moment are left out.
    """
    trained = sum(parameter.numel() for _, parameter in model.trained_parameters())
    frozen = sum(parameter.numel() for parameter in model.base.parameters() if not parameter.requires_grad)
    computed = 2 if precision == "bf16" else 4
    memory = {name: size * trained for name, size in TRAINED_BYTES.items()}
    memory["frozen_weights"] = dtype.itemsize * frozen
    memory["activations"] = _activations(model, load, computed)
    if rounded := _rounded_numbers(model, dtype, computed):
        memory["rounded_weights"] = computed * rounded  # autocast's copies live until the backward pass
    return memory


def _text(model: PatchAlignedModel) -> Any:
    return model.base.config.text_config


def _trains_llm(model: PatchAlignedModel) -> bool:
    return bool(model.base.lm_head.weight.requires_grad)


def _sequence(model: PatchAlignedModel, load: Load) -> float:
    """Tokens of one sample in the language model."""
    return load.images * model.patches + load.instruction_tokens + load.answer_tokens


def _projector(model: PatchAlignedModel, load: Load) -> float:
    """Forward, gradients of both layers, and of what the second reads: the first reads what is frozen."""
    projector: Any = model.base.model.multi_modal_projector
    first, second = (layer.weight.numel() for layer in (projector.linear_1, projector.linear_2))
    return float(2 * load.all_images * model.patches * (2 * first + 3 * second))


def _activations(model: PatchAlignedModel, load: Load, computed: int) -> int:
    """What decoder and projector keep for the backward pass."""
    llm = _text(model)
    layers = llm.num_hidden_layers * load.samples * _sequence(model, load)
    of_tokens = layers * token_bytes(llm.hidden_size, llm.intermediate_size, computed, trained=_trains_llm(model))
    _, width = model.feature_shape
    of_patches = load.all_images * model.patches * (width + 3 * llm.hidden_size) * computed
    answers = load.samples * load.answer_tokens
    logits = 2 * 4 * answers * llm.vocab_size if _trains_llm(model) else logits_bytes(answers, llm.vocab_size)
    return int(of_tokens + of_patches + logits)


def _rounded_numbers(model: PatchAlignedModel, dtype: torch.dtype, computed: int) -> int:
    """Weights of linear layers that autocast rounds: those that train are float32."""
    core = model.base.model
    llm = linear_numbers([core.language_model])
    held = 4 if _trains_llm(model) else dtype.itemsize
    return (linear_numbers([core.multi_modal_projector]) if computed < 4 else 0) + (llm if computed < held else 0)
