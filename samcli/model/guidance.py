"""The paper's section 4: how the images of a group guide one another while their visual tokens are made.

Part A is the frozen Q-Former reading image i. Part B, the W-Former, is the same frozen layers reading a weighted merge
of the patch features of the context. At layer l part A's tokens guide part B; at layer k part B's contextual semantics
are added back into part A.

Shapes: B samples, M images in all (the sum of the samples' counts), P positions of an image (CLS and patches), V the
vision tower's width, K query tokens, T instruction tokens, H the Q-Former's width, E (source image, target row) pairs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.models.instructblip.modeling_instructblip import InstructBlipQFormerModel

from samcli.recipe_method import GuidanceRecipe


@dataclass(frozen=True)
class Groups:
    """Which image belongs to which sample: the bookkeeping of a ragged batch, as tensors."""

    counts: Tensor  # (B,) images of each sample
    owner: Tensor  # (M,) sample of each image

    @classmethod
    def of(cls, counts: Tensor) -> "Groups":
        """From the number of images of each sample."""
        return cls(counts, torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts))

    def pairs(self, include_self: bool) -> tuple[Tensor, Tensor]:
        """All (i, m) of images of one sample, as two index tensors (E,); without i = m unless `include_self`."""
        together = self.owner[:, None] == self.owner[None, :]
        if not include_self:
            together = together & ~torch.eye(len(self.owner), dtype=torch.bool, device=self.owner.device)
        target, source = together.nonzero(as_tuple=True)
        return target, source


def softmax_by_target(scores: Tensor, target: Tensor, rows: int) -> Tensor:
    """Softmax of `scores` (E, P) over the pairs that share a target row, separately for each position."""
    index = target[:, None].expand_as(scores)
    peak = scores.new_full((rows, scores.shape[1]), -torch.inf).scatter_reduce(0, index, scores.detach(), "amax")
    raised = (scores - peak[target]).exp()
    total = torch.zeros_like(peak).index_add(0, target, raised)
    weights: Tensor = raised / total[target]
    return weights


def in_own_numbers(layer: nn.Linear, values: Tensor) -> Tensor:
    """A trained layer, in single precision and perhaps elsewhere, on what frozen parts made; back in their numbers."""
    made: Tensor = layer(values.to(layer.weight))
    return made.to(values)


class AdaptiveAdjustment(nn.Module):
    """Eq. 1: merge the patch features of the context, each patch with a weight of its own.

    The score of a patch is one linear layer of its feature; `weights` and `context` decide what it is normalised over
    and what is merged for whom.
    """

    def __init__(self, settings: GuidanceRecipe, vision_width: int) -> None:
        super().__init__()
        self.settings = settings
        self.score = nn.Linear(vision_width, 1)

    def forward(self, image_embeds: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
        """Merge `image_embeds` (M, P, V); return the merged features (R, P, V) and the weights (E, P).

        R = B with context `all` (one merge serves every image of the sample), M with `others` (row i merges every
        m != i; a row without context is zero).
        """
        rows, target, source = self._pairs(groups)
        weights = self._weights(image_embeds, groups, target, source, rows)
        merged = weights.new_zeros(rows, *image_embeds.shape[1:])
        merged = merged.index_add(0, target, weights[..., None] * image_embeds[source])
        return merged.to(image_embeds.dtype), weights

    def _pairs(self, groups: Groups) -> tuple[int, Tensor, Tensor]:
        if self.settings.context == "all":
            return len(groups.counts), groups.owner, torch.arange(len(groups.owner), device=groups.owner.device)
        return len(groups.owner), *groups.pairs(include_self=False)

    def _weights(self, embeds: Tensor, groups: Groups, target: Tensor, source: Tensor, rows: int) -> Tensor:
        """The weight of every (target, source) pair at every position, (E, P), in single precision at least."""
        precise = torch.promote_types(embeds.dtype, torch.float32)
        if self.settings.weights == "mean":
            sizes = torch.bincount(target, minlength=rows)
            return (1 / sizes[target].to(precise))[:, None].expand(-1, embeds.shape[1])
        scores = in_own_numbers(self.score, embeds).to(precise).squeeze(-1)  # (M, P)
        if self.settings.weights == "softmax-patches":
            return scores.softmax(dim=-1)[source]
        if self.settings.context == "others" and self.settings.normalize == "all":
            return softmax_by_target(scores, groups.owner, len(groups.counts))[source]
        return softmax_by_target(scores[source], target, rows)


class Guidance(nn.Module):
    """The trained parts of SAM beside the projection: adaptive adjustment and two guide layers (sections 4.2, 4.3).

    The guide layers start at zero, so that an untrained model is InstructBLIP bit for bit.
    """

    def __init__(self, settings: GuidanceRecipe, vision_width: int, qformer_width: int) -> None:
        super().__init__()
        self.settings = settings
        self.adjustment = AdaptiveAdjustment(settings, vision_width)
        self.guide_in = nn.Linear(qformer_width, qformer_width)
        self.guide_out = nn.Linear(qformer_width, qformer_width)
        for layer in (self.guide_in, self.guide_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        if settings.weights == "mean":
            self.adjustment.score.requires_grad_(False)

    def guided(self, groups: Groups) -> Tensor:
        """Which images receive guidance, (M,): a lone image only with `single_image: guided` and context `all`."""
        lone_too = self.settings.single_image == "guided" and self.settings.context == "all"
        return (groups.counts[groups.owner] > 1) | lone_too


@dataclass(frozen=True)
class QFormerInputs:
    """What the Q-Former's layers read, a row for each image or each sample."""

    tokens: Tensor  # (R, K + T, H) queries and instruction after the embedding layer
    mask: Tensor  # (R, 1, 1, K + T) additive attention mask
    features: Tensor  # (R, P, V)
    queries: int  # K


def run_layers(
    qformer: InstructBlipQFormerModel, inputs: QFormerInputs, tokens: Tensor, first: int, last: int
) -> Tensor:
    """Pass `tokens` (R, K + T, H) through the frozen layers `first` to `last`, 1-based and inclusive."""
    for layer in qformer.encoder.layer[first - 1 : last]:
        tokens = layer(tokens, inputs.mask, inputs.features, query_length=inputs.queries)
    return tokens


def guided_tokens(
    qformer: InstructBlipQFormerModel,
    guidance: Guidance,
    image_side: QFormerInputs,
    context_side: QFormerInputs,
    groups: Groups,
) -> Tensor:
    """Part A and part B together: the Q-Former's output (M, K + T, H) for every image, guided by its context.

    `image_side` has a row for each image; `context_side` one for each sample or image, as the merge has.
    """
    low, high = guidance.settings.from_layer, guidance.settings.to_layer
    depth = len(qformer.encoder.layer)
    query = run_layers(qformer, image_side, image_side.tokens, 1, low - 1)  # q^l
    window = run_layers(qformer, context_side, context_side.tokens, 1, low - 1)  # w^l
    if len(window) != len(query):  # context `all`: what the images share so far was computed once a sample
        window, context_side = window[groups.owner], _for_each_image(context_side, groups)
    window = window + in_own_numbers(guidance.guide_in, query)  # h_i enters part B
    window = run_layers(qformer, context_side, window, low, high)  # w^{k+1}
    semantics = in_own_numbers(guidance.guide_out, window) * guidance.guided(groups)[:, None, None]  # c_i
    query = run_layers(qformer, image_side, query, low, high - 1) + semantics  # q^k
    return run_layers(qformer, image_side, query, high, depth)


def _for_each_image(inputs: QFormerInputs, groups: Groups) -> QFormerInputs:
    """Repeat the row of each sample for each of its images."""
    owner = groups.owner
    return QFormerInputs(inputs.tokens[owner], inputs.mask[owner], inputs.features[owner], inputs.queries)
