"""What the parts that models of both families have cost in a training step: a vision tower, a decoder.

FLOPs count a multiplication and an addition as two and leave out everything but matrix products. A frozen part through
which gradients pass costs its products with weights once more in the backward pass, those of attention twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from samcli.model.answer_loss import PIECE

TRAINED_BYTES = {"weights": 4, "gradients": 4, "optimizer": 8}
"""Bytes for each trained number: it, its gradient and AdamW's two moments, all in float32."""


@dataclass(frozen=True)
class Load:
    """What one optimiser step reads; token counts are of one sample, without padding."""

    samples: int
    images: float  # of one sample, on average
    instruction_tokens: int
    answer_tokens: int

    @property
    def all_images(self) -> float:
        """Images of the step."""
        return self.samples * self.images


@dataclass(frozen=True)
class Products:
    """Forward FLOPs of matrix products with weights, and of those within attention."""

    weights: float
    attention: float = 0.0

    @property
    def forward(self) -> float:
        """FLOPs of a forward pass."""
        return self.weights + self.attention

    @property
    def backward(self) -> float:
        """FLOPs of passing gradients through, while the weights stay as they are."""
        return self.weights + 2 * self.attention


def numbers(members: Iterable[nn.Module | nn.Parameter]) -> dict[str, int]:
    """How many numbers of modules and parameters are trained and frozen; those that are shared count once."""
    own = [[*member.parameters()] if isinstance(member, nn.Module) else [member] for member in members]
    each = {id(parameter): parameter for parameters in own for parameter in parameters}.values()
    trained = sum(parameter.numel() for parameter in each if parameter.requires_grad)
    return {"trained": trained, "frozen": sum(parameter.numel() for parameter in each) - trained}


def summed(by_part: dict[str, dict[str, int]]) -> dict[str, Any]:
    """`numbers` of a model's parts, with their sums over all of it."""
    totals = {state: sum(part[state] for part in by_part.values()) for state in ("trained", "frozen")}
    return {**totals, "by_part": by_part}


def linear_numbers(modules: Iterable[nn.Module]) -> int:
    """Numbers in the weights of all linear layers."""
    return sum(part.weight.numel() for module in modules for part in module.modules() if isinstance(part, nn.Linear))


def tower_flops(tower: Any, images: float, positions: int) -> float:
    """Forward FLOPs of a vision tower that sees each image at so many positions, a class token among them or not."""
    settings = tower.config
    patches = (settings.image_size // settings.patch_size) ** 2
    embedding = 2 * tower.embeddings.patch_embedding.weight.numel() * patches
    weights = 2 * linear_numbers([tower.encoder]) * positions
    attention = 4 * positions**2 * settings.hidden_size * settings.num_hidden_layers
    return float(images * (embedding + weights + attention))


def decoder_products(decoder: nn.Module, settings: Any, sequences: int, length: float) -> Products:
    """A LLaMA's layers over whole sequences of so many tokens; `settings` is its configuration."""
    weights = 2 * sequences * length * linear_numbers([decoder])
    attention = 4 * sequences * length**2 * settings.hidden_size * settings.num_hidden_layers
    return Products(float(weights), float(attention))


def token_bytes(width: int, inner: int, computed: int, *, trained: bool = False) -> int:
    """What a decoder's layer keeps of a token for its backward pass, computing in numbers of `computed` bytes.

    Attention's four inputs and outputs, both norms, the gated feed-forward part of width `inner`; of a layer that
    trains also what enters its matrices, and the norms before their weights.
    """
    frozen = (4 * width + 3 * inner) * computed + 2 * 4 * width
    return frozen + ((2 * width + inner) * computed + 2 * 4 * width) * trained


def logits_bytes(answer_tokens: int, words: int) -> int:
    """Logits of so many answer tokens and their gradient; behind a frozen head but a piece of them is ever there."""
    return 2 * 4 * min(answer_tokens * words, PIECE)
