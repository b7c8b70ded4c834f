"""A look inside a model: what its visual tokens are, before and after the projection, with context and without.

Shapes: M images, T visual tokens of each (queries, or patches row by row), D the LLM's width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from samcli.data.batch import Batch
from samcli.model.captioner import Model
from samcli.model.guidance import in_own_numbers
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.sam import SemanticAlignmentModel


@dataclass(frozen=True)
class Seen:
    """What a model makes of the images of a batch."""

    before: Tensor  # (M, T, F) features of patches, or outputs of the Q-Former's queries
    tokens: Tensor  # (M, T, D) the same behind the projection: the LLM's visual tokens


def look(model: Model, batch: Batch) -> Seen:
    """The visual tokens of a batch that has `image_embeds`; raises ValueError for one without.

    A method that looks at images again inside the LLM (VPG-C) is seen with its first look alone. Raises TypeError for a
    model of neither family.
    """
    embeds = batch.image_embeds
    if embeds is None:
        raise ValueError("the batch has no image_embeds")
    with torch.no_grad():
        if isinstance(model, PatchAlignedModel):
            return Seen(embeds, model.project(embeds))
        if not isinstance(model, SemanticAlignmentModel):
            raise TypeError(f"{type(model).__name__} has no visual tokens that are known")
        outputs = model.query_outputs(embeds, batch.image_counts, batch.qformer_ids, batch.qformer_mask)
        return Seen(outputs, in_own_numbers(model.base.language_projection, outputs))


def context_of(model: Model) -> str | None:
    """What lets the images of a group act on one another's visual tokens: `guidance`, `linear`, or None."""
    if not isinstance(model, SemanticAlignmentModel):
        return None
    return next((name for name in ("guidance", "linear") if getattr(model, name) is not None), None)


@contextmanager
def without_context(model: Model) -> Iterator[None]:
    """Take that part out while the block runs; all weights stay, the projection that was trained with it too."""
    name = context_of(model)
    if name is None:
        yield
        return
    part = getattr(model, name)
    setattr(model, name, None)
    try:
        yield
    finally:
        setattr(model, name, part)
