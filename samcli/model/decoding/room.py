"""How many samples can be under way at a time in what memory is left."""

from typing import Any

import torch

_KEPT_FREE = 0.2  # of what is left: a layer's keys while they grow, a step's own tensors
_LOGITS_COPIES = 4  # of a step, in single precision: as they are, as log-probabilities, as sums, and one to sort


def bytes_of_sample(settings: Any, element_size: int, beams: int, prompt: int, steps: int) -> int:
    """Memory that a sample needs at most: keys and values of its prompt and all beams, and a step's logits."""
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    channels = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
    columns = prompt + steps * beams
    cache = 2 * settings.num_hidden_layers * heads * channels * columns * element_size
    return int(cache + _LOGITS_COPIES * 4 * beams * settings.vocab_size)


def fitting(free: int, of_sample: int) -> int:
    """Samples that fit into so many bytes; one at least, which is tried in any case."""
    return max(1, int(free * (1 - _KEPT_FREE)) // of_sample)


def free_bytes(device: torch.device) -> int | None:
    """What a GPU has left for this process; None of other devices, whose memory the system lends."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
