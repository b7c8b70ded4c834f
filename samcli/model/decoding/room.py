"""How many samples can be under way at a time in a GPU's memory."""

from dataclasses import dataclass
from typing import Any

import torch

from samcli.model.decoding.search import READ

_KEPT_FREE = 0.2  # for the vision tower, a layer's keys while they grow, a step's own tensors
_LOGITS_COPIES = 4  # of a step, in single precision: as they are, as log-probabilities, as sums, and one to sort


@dataclass(frozen=True)
class Sizes:
    """Bytes of a language model's keys and values in a column, and of a token's logits."""

    column: int
    logits: int

    @classmethod
    def of(cls, settings: Any, element_size: int) -> "Sizes":
        """By a configuration, in numbers of so many bytes."""
        heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
        channels = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
        column = 2 * settings.num_hidden_layers * heads * channels * element_size
        return cls(column, _LOGITS_COPIES * 4 * settings.vocab_size)

    def of_sample(self, beams: int, prompt: int, steps: int) -> int:
        """Bytes that a sample needs at most: its prompt, all that its beams may say, and a step's logits."""
        return self.column * (prompt + steps * beams) + self.logits * beams

    def fitting(self, memory: int, beams: int, prompt: int, steps: int) -> int:
        """Samples that fit into so many bytes, while some are read; one at least, which is tried in any case."""
        usable = int(memory * (1 - _KEPT_FREE)) - READ * prompt * self.column
        return max(1, usable // self.of_sample(beams, prompt, steps))


def memory_beside(llm: Any) -> int | None:
    """What a GPU has beside a language model, in bytes; None where the model isn't on one GPU alone."""
    devices = {parameter.device for parameter in llm.parameters()}
    if len(devices) != 1 or (device := devices.pop()).type != "cuda":
        return None
    weights = sum(parameter.numel() * parameter.element_size() for parameter in llm.parameters())
    return int(torch.cuda.get_device_properties(device).total_memory - weights)
