"""What transformers' processors make of scores: penalties for repetition, no end too early, temperature."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList


def processed(processors: LogitsProcessorList, said: Sequence[Sequence[Sequence[int]]], scores: Tensor) -> Tensor:
    """Scores (n, K, W) after processors that see what each of K beams of each of n samples `said`.

    Samples may have said more or less; processors want rectangles, so those of one length go together. The scores given
    may be changed.
    """
    if not processors:
        return scores
    lengths = [len(beams[0]) for beams in said]
    for length in dict.fromkeys(lengths):
        group = [place for place, own in enumerate(lengths) if own == length]
        ids: Any = torch.tensor([beam for place in group for beam in said[place]], device=scores.device)
        if len(group) == len(said):
            return processors(ids, scores.flatten(0, 1)).view_as(scores)
        where = torch.tensor(group, device=scores.device)
        part: Tensor = processors(ids, scores[where].flatten(0, 1))
        scores[where] = part.view(len(group), *scores.shape[1:])
    return scores
