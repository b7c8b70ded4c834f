"""What a training step of kind sam costs, from the sizes of a model that need not hold any weights.

How FLOPs are counted is said in `cost_parts.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import nn

from samcli.model.guidance import Guidance
from samcli.model.language import is_decoder_only, transformer_layers
from samcli.model.sam import SemanticAlignmentModel
from samcli.training.cost_parts import (
    TRAINED_BYTES,
    Load,
    Products,
    decoder_products,
    linear_numbers,
    logits_bytes,
    token_bytes,
    tower_flops,
)

_BYTES_IN_BITS = {8: 1.0, 4: 0.5 + 4 / 64}  # bitsandbytes keeps a scale of four bytes for 64 numbers of four bits


@dataclass(frozen=True)
class Held:
    """How frozen weights and activations are held: what `llm_bits`, `shard` and `recompute_activations` choose."""

    dtype: torch.dtype = torch.float32
    llm_bits: int | None = None
    shared_by: int = 1  # devices, of the LLM's layers
    recomputed: bool = False


def step_flops(
    model: SemanticAlignmentModel, load: Load, cached_features: bool = False, recomputed: bool = False
) -> dict[str, float]:
    """FLOPs of one step, forward and backward, by part.

    `cached_features` leaves out the vision tower; `recomputed` adds a second forward pass of the LLM's layers.
    """
    language, head = _language(model, load)
    seen = 0.0 if cached_features else load.all_images
    parts = {
        "vision_tower": tower_flops(model.base.vision_model, seen, _positions(model)),
        "qformer": _part_a(model, load),
        "wformer": _part_b(model, load),
        "guide_layers": _guide_layers(model, load),
        "linear_context": _linear_context(model, load),
        "second_look": _second_look(model, load),
        "language_projection": _projection(model, load),
        "language_model_forward": language.forward + head.forward,
        "language_model_again": language.forward if recomputed else 0.0,
        "language_model_backward": language.backward + head.backward,
        "trained_attention": _trained_attention(model, load),
    }
    return {name: flops for name, flops in parts.items() if flops}


def step_memory(
    model: SemanticAlignmentModel, load: Load, held: Held = Held(), precision: str = "fp32"
) -> dict[str, int]:
    """Bytes on one device that computes the whole load at once: an estimate, without buffers and fragmentation."""
    trained = sum(parameter.numel() for _, parameter in model.trained_parameters())
    computed = 2 if precision == "bf16" else held.dtype.itemsize
    memory = {name: size * trained for name, size in TRAINED_BYTES.items()}
    memory["frozen_weights"] = _frozen_weights(model, held)
    of_language = _language_activations(model, load, computed, held)
    memory["activations"] = of_language + _qformer_activations(model, load, computed)
    if computed < held.dtype.itemsize and held.llm_bits is None and not held.recomputed:
        # autocast's rounded copies of frozen weights live until the backward pass
        memory["rounded_weights"] = computed * linear_numbers([model.base.language_model])
    return memory


def _frozen_weights(model: SemanticAlignmentModel, held: Held) -> int:
    """Bytes: the LLM's layers as they are held, one of them whole where they are shared out, all else in `dtype`."""
    layers = transformer_layers(model.base)
    sizes = [_layer_bytes(layer, held) for layer in layers]
    outside = _frozen_numbers(model) - sum(map(_frozen_numbers, layers))
    of_layers = sum(sizes) / held.shared_by + (max(sizes) if held.shared_by > 1 else 0)
    return int(held.dtype.itemsize * outside + of_layers)


def _layer_bytes(layer: nn.Module, held: Held) -> float:
    """Frozen bytes of one of the LLM's layers; norms and biases aren't held in fewer bits."""
    linear = sum(part.weight.numel() for part in layer.modules() if _is_frozen_linear(part))
    others = _frozen_numbers(layer) - linear
    of_linear = held.dtype.itemsize if held.llm_bits is None else _BYTES_IN_BITS[held.llm_bits]
    return of_linear * linear + held.dtype.itemsize * others


def _is_frozen_linear(part: nn.Module) -> TypeGuard[nn.Linear]:
    return isinstance(part, nn.Linear) and not part.weight.requires_grad


def _frozen_numbers(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if not parameter.requires_grad)


def _positions(model: SemanticAlignmentModel) -> int:
    """Patches of an image, and CLS."""
    vision = model.base.vision_model.config
    return int((vision.image_size // vision.patch_size) ** 2 + 1)


def _layer(model: SemanticAlignmentModel, number: int, load: Load) -> Products:
    """One Q-Former layer, 1-based, over the tokens of one image; text tokens have a feed-forward part of their own."""
    layer, queries, text = model.base.qformer.encoder.layer[number - 1], model.queries, load.instruction_tokens
    width, tokens, positions = model.base.qformer.config.hidden_size, queries + text, _positions(model)
    weights = 2 * tokens * linear_numbers([layer.attention])
    weights += 2 * queries * linear_numbers([layer.intermediate_query, layer.output_query])
    weights += 2 * text * linear_numbers([layer.intermediate, layer.output])
    attention = 4 * tokens**2 * width
    if layer.has_cross_attention:
        read = linear_numbers([layer.crossattention.attention.key, layer.crossattention.attention.value])
        weights += 2 * positions * read + 2 * queries * (linear_numbers([layer.crossattention]) - read)
        attention += 4 * queries * positions * width
    return Products(float(weights), float(attention))


def _depth(model: SemanticAlignmentModel) -> int:
    return len(model.base.qformer.encoder.layer)


def _part_a(model: SemanticAlignmentModel, load: Load) -> float:
    """The Q-Former on every image; gradients reach it from the layer on at which guidance comes back."""
    layers = {number: _layer(model, number, load) for number in range(1, _depth(model) + 1)}
    flops = sum(layer.forward for layer in layers.values())
    flops += sum(layer.backward for number, layer in layers.items() if number >= _context_enters(model))
    return load.all_images * flops


def _context_enters(model: SemanticAlignmentModel) -> int:
    """The Q-Former layer, 1-based, from which part A passes gradients; one beyond the last where none does."""
    if model.guidance is not None:
        return model.guidance.settings.to_layer
    return model.linear.settings.layer if model.linear is not None else _depth(model) + 1


def _w_layers(guidance: Guidance, load: Load) -> Iterable[tuple[int, float, bool]]:
    """The W-Former's layers up to k: number, rows (an image, or a sample where its images share), gradients or not."""
    settings = guidance.settings
    shared = load.samples if settings.context == "all" else load.all_images
    for number in range(1, settings.to_layer + 1):
        below = number < settings.from_layer
        yield number, shared if below else load.all_images, not below or settings.weights != "mean"


def _part_b(model: SemanticAlignmentModel, load: Load) -> float:
    """The W-Former on the merged context; below layer l gradients pass for the adaptive layer's sake alone."""
    if model.guidance is None:
        return 0.0
    flops = 0.0
    for number, rows, gradients in _w_layers(model.guidance, load):
        layer = _layer(model, number, load)
        flops += rows * (layer.forward + (layer.backward if gradients else 0.0))
    return flops


def _guide_layers(model: SemanticAlignmentModel, load: Load) -> float:
    """Both guide layers and the adaptive one; what enters the first guide layer is frozen and needs no gradient."""
    if model.guidance is None:
        return 0.0
    rows = load.all_images * (model.queries + load.instruction_tokens)
    into, out = (2 * rows * layer.weight.numel() for layer in (model.guidance.guide_in, model.guidance.guide_out))
    scores = 0.0
    if model.guidance.settings.weights != "mean":
        scores = 2 * load.all_images * _positions(model) * model.guidance.adjustment.score.weight.numel()
    return float(2 * into + 3 * out + 2 * scores)


def _linear_context(model: SemanticAlignmentModel, load: Load) -> float:
    """Row 4's layer; what enters it is frozen."""
    if model.linear is None:
        return 0.0
    rows = 1 if model.linear.settings.reads == "patches" else model.queries + load.instruction_tokens
    return float(2 * 2 * load.all_images * rows * model.linear.project.weight.numel())


def _second_look(model: SemanticAlignmentModel, load: Load) -> float:
    """VPG-C's second pass through the whole Q-Former, with gradients, and its two layers."""
    if model.vpgc is None:
        return 0.0
    layers = (_layer(model, number, load) for number in range(1, _depth(model) + 1))
    looks = load.all_images * sum(layer.forward + layer.backward for layer in layers)
    asks = load.samples * model.vpgc.ask.weight.numel()
    return float(looks + 6 * (asks + load.all_images * model.queries * model.vpgc.tell.weight.numel()))


def _trained_attention(model: SemanticAlignmentModel, load: Load) -> float:
    """Gradients of MMICL's matrices; low-rank ones cost their passes too."""
    trained = sum(part.numel() for part in model.base.language_model.parameters() if part.requires_grad)
    products = 6 if model.method.mmicl.form == "low-rank" else 2
    return float(products * load.samples * _sequence(model, load) * trained)


def _projection(model: SemanticAlignmentModel, load: Load) -> float:
    """The projection: forward, its own gradients where it trains, and what it reads where that passes them on."""
    products = 1 + model.base.language_projection.weight.requires_grad + (_context_enters(model) <= _depth(model))
    return float(2 * products * load.all_images * model.queries * model.base.language_projection.weight.numel())


def _sequence(model: SemanticAlignmentModel, load: Load) -> float:
    """Tokens of one sample in the language model."""
    return load.images * model.queries + load.instruction_tokens + load.answer_tokens


def _language(model: SemanticAlignmentModel, load: Load) -> tuple[Products, Products]:
    """The language model's layers over whole sequences, and its head over the answers."""
    settings = model.base.language_model.config
    head = 2 * load.samples * load.answer_tokens * settings.hidden_size * settings.vocab_size
    layers = _decoder_only(model, load) if is_decoder_only(model.base) else _encoder_decoder(model, load)
    return layers, Products(float(head))


def _decoder_only(model: SemanticAlignmentModel, load: Load) -> Products:
    """LLaMA, over visual tokens, prompt and answer in one sequence."""
    llm = model.base.language_model
    return decoder_products(llm.get_decoder(), llm.config, load.samples, _sequence(model, load))


def _encoder_decoder(model: SemanticAlignmentModel, load: Load) -> Products:
    """T5: the encoder over visual tokens and prompt, the decoder over the answer, which reads what the encoder made."""
    llm, settings = model.base.language_model, model.base.language_model.config
    answer, prompt = load.answer_tokens, _sequence(model, load) - load.answer_tokens
    read = [part for block in llm.get_decoder().block for part in _read_by_cross_attention(block)]
    weights = prompt * (linear_numbers([llm.get_encoder()]) + linear_numbers(read))
    weights += answer * (linear_numbers([llm.get_decoder()]) - linear_numbers(read))
    inner = settings.num_heads * settings.d_kv
    attention = 4 * inner * settings.num_layers * (prompt**2 + answer**2 + answer * prompt)
    return Products(float(2 * load.samples * weights), float(load.samples * attention))


def _read_by_cross_attention(block: nn.Module) -> list[nn.Module]:
    attention: Any = block.get_submodule("layer.1.EncDecAttention")
    return [attention.k, attention.v]


def _language_activations(model: SemanticAlignmentModel, load: Load, computed: int, held: Held) -> int:
    """What the language model keeps for its backward pass; recomputed, of all layers but one what enters them."""
    settings = model.base.language_model.config
    inner = settings.intermediate_size if is_decoder_only(model.base) else settings.d_ff
    per_token = token_bytes(settings.hidden_size, inner, computed)
    tokens = load.samples * _sequence(model, load)
    logits = logits_bytes(load.samples * load.answer_tokens, settings.vocab_size)
    layers = settings.num_hidden_layers
    if held.recomputed:
        return int(tokens * (per_token + layers * settings.hidden_size * held.dtype.itemsize) + logits)
    return int(layers * tokens * per_token + logits)


def _qformer_activations(model: SemanticAlignmentModel, load: Load, computed: int) -> int:
    """What the Q-Former's layers that gradients pass through keep, those of part B and of a second look among them."""
    settings = model.base.qformer.config
    rows = load.all_images * (_depth(model) - _context_enters(model) + 1)
    if model.guidance is not None:
        rows += sum(rows for _, rows, gradients in _w_layers(model.guidance, load) if gradients)
    if model.vpgc is not None:
        rows += load.all_images * _depth(model)
    tokens = model.queries + load.instruction_tokens
    per_token = (4 * settings.hidden_size + settings.intermediate_size) * computed + 2 * 4 * settings.hidden_size
    return int(rows * tokens * per_token)
