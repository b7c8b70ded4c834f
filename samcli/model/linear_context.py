"""Row 4 of the paper's Table 3: a linear layer in place of the W-Former.

The paper says no more than "contextual semantics extracted by a simple linear layer". Two readings are offered, each
with two initialisations.

Shapes: M images in all, P positions of an image, V vision width, K query tokens, T instruction tokens, H Q-Former
width.
"""

import torch
from torch import Tensor, nn
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerModel

from samcli.model.guidance import Groups, QFormerInputs, in_own_numbers, run_layers
from samcli.recipe_method import LinearRecipe


class LinearContext(nn.Module):
    """What the other images hold, through one linear layer, added to part A's tokens at one layer."""

    def __init__(self, settings: LinearRecipe, vision_width: int, qformer_width: int) -> None:
        super().__init__()
        self.settings = settings
        self.project = nn.Linear(vision_width if settings.reads == "patches" else qformer_width, qformer_width)
        if settings.init == "zero":
            nn.init.zeros_(self.project.weight)
            nn.init.zeros_(self.project.bias)

    def tokens(self, qformer: InstructBlipQFormerModel, image_side: QFormerInputs, groups: Groups) -> Tensor:
        """The Q-Former's output (M, K + T, H) for every image; an image without others passes as it is."""
        layer, depth = self.settings.layer, len(qformer.encoder.layer)
        query = run_layers(qformer, image_side, image_side.tokens, 1, layer - 1)
        context = in_own_numbers(self.project, self._context(query, image_side, groups))
        query = query + context * (groups.counts[groups.owner] > 1)[:, None, None]
        return run_layers(qformer, image_side, query, layer, depth)

    def _context(self, query: Tensor, image_side: QFormerInputs, groups: Groups) -> Tensor:
        """Mean patch of the others (M, 1, V), or mean of their tokens (M, K + T, H)."""
        if self.settings.reads == "patches":
            return mean_of_others(image_side.features.mean(dim=1, keepdim=True), groups)
        return mean_of_others(query, groups)


def mean_of_others(values: Tensor, groups: Groups) -> Tensor:
    """For each image the mean of `values` (M, ...) over the other images of its sample; zero where there are none."""
    precise = values.to(torch.promote_types(values.dtype, torch.float32))
    sums = precise.new_zeros(len(groups.counts), *values.shape[1:]).index_add(0, groups.owner, precise)
    others = (groups.counts[groups.owner] - 1).clamp(min=1).view(-1, *[1] * (values.ndim - 1))
    return ((sums[groups.owner] - precise) / others).to(values.dtype)
