"""The words of the patches of some images, however they were found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchLabels:
    """Scored words for each of P patches of M images, in one flat list: a patch may have none, one or several.

    Patches run row by row. Words are indices into a list of words that whoever made the labels keeps.
    """

    counts: Tensor  # (M, P) int64, words of each patch
    words: Tensor  # (L,) int64, image by image and patch by patch, L the sum of counts
    scores: Tensor  # (L,) float32, above 0

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The labels of several lots of images, one behind the other."""
        fields = ([getattr(part, name) for part in parts] for name in ("counts", "words", "scores"))
        return cls(*(torch.cat(field) for field in fields))

    @property
    def patches(self) -> Tensor:
        """(L,) the patch that each word is of, counted through all images: image * P + patch."""
        counts = self.counts.flatten()
        return torch.arange(len(counts), device=counts.device).repeat_interleave(counts)

    def to(self, device: torch.device) -> "PatchLabels":
        """The labels on a device."""
        return PatchLabels(self.counts.to(device), self.words.to(device), self.scores.to(device))
