"""What the language model reads: visual tokens and words of every sample as one sequence without gaps.

Shapes: B samples, M images in all, K visual tokens an image, D LLM width, S the longest sequence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from samcli.data.batch import IMAGE, Batch

IGNORED = -100
Side = Literal["left", "right"]


@dataclass(frozen=True)
class TokenSequence:
    """Sequences padded on one side, with the places of what was put into them."""

    embeds: Tensor  # (B, S, D)
    mask: Tensor  # (B, S)
    labels: Tensor  # (B, S), IGNORED but for answer tokens
    visual_rows: Tensor  # (M * K,) sample and place of each visual token, image by image
    visual_columns: Tensor
    last_of_prompt: Tensor  # (B,) place of the last token before the answer

    @property
    def length(self) -> int:
        """S."""
        return int(self.embeds.shape[1])


def join(visual: Tensor, batch: Batch, embed: Callable[[Tensor], Tensor], *, answers: bool, pad: Side) -> TokenSequence:
    """Visual tokens (M, K, D), prompts and, if wanted, `answers`, each sample's parts one behind the other.

    Visual tokens come first, or where the prompt has `IMAGE`. `embed` is the LLM's input embedding.
    """
    ids, mask = _with_images(batch)
    labels = torch.full_like(ids, IGNORED)
    before_answer = ids.shape[1]
    if answers:
        answer_ids, answer_mask = wanted_answers(batch)
        ids, mask = torch.cat([ids, answer_ids], dim=1), torch.cat([mask, answer_mask], dim=1)
        labels = torch.cat([labels, answer_ids], dim=1)
    width = mask * torch.where(ids == IMAGE, visual.shape[1], 1)  # (B, T) tokens that each id stands for
    lengths = width.sum(dim=1)
    longest, device = int(lengths.max()), ids.device
    source = torch.arange(ids.numel(), device=device).repeat_interleave(width.flatten())  # of each token, all samples
    row = source // ids.shape[1]
    start = longest - lengths if pad == "left" else torch.zeros_like(lengths)
    column = torch.arange(len(source), device=device) - (lengths.cumsum(0) - lengths - start)[row]
    chosen = ids.flatten()[source]
    visible = chosen == IMAGE
    words = embed(chosen.clamp(min=0))  # (tokens, D)
    tokens = words.masked_scatter(visible[:, None], visual.flatten(0, 1).to(words.dtype))

    def placed(fill: float, values: Tensor) -> Tensor:
        empty = values.new_full((len(ids), longest, *values.shape[1:]), fill)
        return empty.index_put((row, column), values)

    return TokenSequence(
        embeds=placed(0, tokens),
        mask=placed(0, torch.ones_like(chosen)),
        labels=placed(IGNORED, labels.flatten()[source]),
        visual_rows=row[visible],
        visual_columns=column[visible],
        last_of_prompt=start + width[:, :before_answer].sum(dim=1) - 1,
    )


def wanted_answers(batch: Batch) -> tuple[Tensor, Tensor]:
    """Answer ids and their mask, (B, A) each. Raises ValueError for a batch without them."""
    if batch.answer_ids is None or batch.answer_mask is None:
        raise ValueError("the batch has no answers")
    return batch.answer_ids, batch.answer_mask


def _with_images(batch: Batch) -> tuple[Tensor, Tensor]:
    """Prompts (B, T) with an `IMAGE` for each image, and their mask."""
    if (batch.prompt_ids == IMAGE).any():
        return batch.prompt_ids, batch.prompt_mask
    most = int(batch.image_counts.max())
    present = torch.arange(most, device=batch.image_counts.device) < batch.image_counts[:, None]  # (B, most images)
    ids = torch.cat([torch.full_like(present, IMAGE, dtype=batch.prompt_ids.dtype), batch.prompt_ids], dim=1)
    return ids, torch.cat([present.to(batch.prompt_mask.dtype), batch.prompt_mask], dim=1)
