"""The two kinds of language model that an InstructBLIP has: LLaMA's decoder (Vicuna), and T5's encoder and decoder."""

from typing import Any

from torch import nn
from transformers import InstructBlipForConditionalGeneration


def is_decoder_only(base: InstructBlipForConditionalGeneration) -> bool:
    """Whether prompt and answer stand in one sequence."""
    return bool(base.config.use_decoder_only_language_model)


def reading_layers(base: InstructBlipForConditionalGeneration) -> nn.ModuleList:
    """The transformer layers that the prompt passes through."""
    llm: Any = base.language_model
    layers: nn.ModuleList = llm.get_decoder().layers if is_decoder_only(base) else llm.get_encoder().block
    return layers


def transformer_layers(base: InstructBlipForConditionalGeneration) -> list[nn.Module]:
    """All transformer layers: those that read, and a T5's that answer."""
    llm: Any = base.language_model
    return [*reading_layers(base), *([] if is_decoder_only(base) else llm.get_decoder().block)]


def attention_matrices(layer: nn.Module) -> list[tuple[nn.Module, str]]:
    """Queries and values of a layer's self-attention: the module that holds each, and its name there."""
    either: Any = layer
    attention: nn.Module = either.self_attn if hasattr(layer, "self_attn") else either.layer[0].SelfAttention
    return [(attention, name) for name in (("q_proj", "v_proj") if hasattr(attention, "q_proj") else ("q", "v"))]
