"""Ragged batches: all images of a batch in one flat tensor, with the number of images of each sample."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

IMAGE = -1
"""Stands in a prompt's ids where the visual tokens of the next image go, for all images or for none."""


@dataclass(frozen=True)
class Batch:
    """B samples with M images in all; texts are right-padded, a mask beside each.

    Either `pixel_values` (M, 3, H, W) or `image_embeds` (M, P, V), the vision tower's output, is given.
    """

    image_counts: Tensor  # (B,) int64
    qformer_ids: Tensor  # (B, T)
    qformer_mask: Tensor
    prompt_ids: Tensor  # (B, L), BOS first; visual tokens go before all of it, or to the `IMAGE`s in it
    prompt_mask: Tensor
    pixel_values: Tensor | None = None
    image_embeds: Tensor | None = None
    answer_ids: Tensor | None = None  # (B, A), without BOS, EOS last
    answer_mask: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if value is not None})

    def pieces(self, size: int) -> "Iterator[Batch]":
        """The same samples, `size` at a time."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        first = 0
        for start in range(0, len(self.image_counts), size):
            samples = slice(start, start + size)
            images = slice(first, first := first + int(self.image_counts[samples].sum()))
            cut = {name: images if name in ("pixel_values", "image_embeds") else samples for name in values}
            yield replace(self, **{name: value[cut[name]] for name, value in values.items() if value is not None})


def pad_right(rows: list[list[int]], fill: int = 0) -> tuple[Tensor, Tensor]:
    """Token lists as one tensor (B, longest) and its mask."""
    longest = max((len(row) for row in rows), default=0)
    ids = torch.tensor([row + [fill] * (longest - len(row)) for row in rows], dtype=torch.int64)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], dtype=torch.int64)
    return ids.view(len(rows), longest), mask.view(len(rows), longest)
