"""What is added to the caption loss so that the token of each patch means, to the LLM, what the patch shows.

Two objectives: SEA's contrastive one (arXiv 2408.11813), and patch-aligned training (arXiv 2505.17316) in our own
definition, since of that paper the abstract alone was at hand. Shapes: M images of P patches, a square grid row by row;
D the LLM's width; N pairs; L words of labels.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.words import WordTable


@dataclass(frozen=True)
class Pairs:
    """N patches of a batch, each with the word that its token is to mean; no word twice."""

    patches: Tensor  # (N,) int64, counted through all images: image * P + patch
    words: Tensor  # (N,) int64, places in the list of words

    def to(self, device: torch.device) -> "Pairs":
        """The pairs on a device."""
        return Pairs(self.patches.to(device), self.words.to(device))


def draw_pairs(labels: PatchLabels, window: int, generator: torch.Generator) -> Pairs:
    """SEA's sample of a batch: by chance one word a patch, one patch a window, one patch a word.

    Of each `window` x `window` block of the grid one of the patches that have words is drawn; for it a word, with a
    probability in proportion to its score; of the patches with the same word in the whole batch one.
    Raises ValueError for patches that form no square.
    """
    patches = _one_a_window(labels.counts, window, generator)
    words = _one_word_each(labels, patches, generator)
    kept = _one_of_each(words, generator)
    return Pairs(patches[kept], words[kept])


def _one_a_window(counts: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """One patch with words of each block that has any, as flat indices image * P + patch."""
    images, patches = counts.shape
    side = math.isqrt(patches)
    if side * side != patches:
        raise ValueError(f"{patches} patches form no square grid")
    luck = torch.rand(counts.shape, generator=generator, device=counts.device).masked_fill(counts == 0, -1)
    blocks = -(-side // window)
    edge = blocks * window - side
    whole = functional.pad(luck.view(images, side, side), (0, edge, 0, edge), value=-1.0)
    blocked = whole.view(images, blocks, window, blocks, window).transpose(2, 3).flatten(3)
    best, inside = blocked.max(dim=-1)
    image, row, column = (best >= 0).nonzero(as_tuple=True)
    place = inside[image, row, column]
    return image * patches + (row * window + place // window) * side + column * window + place % window


def _one_word_each(labels: PatchLabels, patches: Tensor, generator: torch.Generator) -> Tensor:
    """A word of each of the patches, all of which have some, drawn by the scores."""
    counts = labels.counts.flatten()
    ends = counts.cumsum(0)[patches]
    starts = ends - counts[patches]
    # double: the scores of a large batch add up to millions, and a word's share of them must not round away
    sums = functional.pad(labels.scores.double().cumsum(0), (1, 0))
    luck = torch.rand(len(patches), generator=generator, device=patches.device, dtype=torch.float64)
    drawn = torch.searchsorted(sums, sums[starts] + luck * (sums[ends] - sums[starts]), right=True) - 1
    return labels.words[drawn.clamp(starts, ends - 1)]


def _one_of_each(words: Tensor, generator: torch.Generator) -> Tensor:
    """Places of one of the equal words each, drawn by chance."""
    shuffled = torch.randperm(len(words), generator=generator, device=words.device)
    ordered, order = words[shuffled].sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return shuffled[order[first]]


def sea_loss(tokens: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """SEA's contrastive loss of N tokens (N, D) and the embeddings of their words (N, D).

    Cosines times `scale` = 1 / tau; cross-entropy of each token over all words and of each word over all tokens, halved
    and averaged. Computed in single precision at least, whatever autocast says. Without pairs: 0, with a graph.
    """
    if not len(tokens):
        return tokens.sum() * scale
    with torch.autocast(tokens.device.type, enabled=False):
        similarity = _unit(tokens) @ _unit(targets).T * scale
        own = torch.arange(len(tokens), device=tokens.device)
        by_token, by_word = (functional.cross_entropy(one, own) for one in (similarity, similarity.T))
        return (by_token + by_word) / 2


def patch_loss(tokens: Tensor, labels: PatchLabels, table: WordTable, embeddings: Tensor) -> Tensor:
    """How far patch tokens (M, P, D) are from their words: 1 - the mean of `patch_cosines`; our definition.

    Without labels: 0, with a graph.
    """
    cosines = patch_cosines(tokens, labels, table, embeddings)
    return 1 - cosines.mean() if len(cosines) else tokens[:0].sum()


def patch_cosines(tokens: Tensor, labels: PatchLabels, table: WordTable, embeddings: Tensor) -> Tensor:
    """Of each patch that has labels, in their order, the mean cosine of its token with the embeddings of its words.

    `tokens` (M, P, D); a mean is weighted by the labels' scores. `embeddings` (vocabulary, D) are the LLM's; `labels`
    are on the tokens' device. In single precision at least, whatever autocast says.
    """
    with torch.autocast(tokens.device.type, enabled=False):
        wanted = _mean_words(labels, table, embeddings)
        return (_unit(tokens.flatten(0, 1)[labels.counts.flatten() > 0]) * wanted).sum(dim=-1)


def _mean_words(labels: PatchLabels, table: WordTable, embeddings: Tensor) -> Tensor:
    """For each labelled patch the weighted mean of its words' unit embeddings, whose dot product is the mean cosine."""
    words, of_word = labels.words.unique(return_inverse=True)
    counts = labels.counts[labels.counts > 0]
    units = _unit(table.embeddings(embeddings, words))
    patch = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    sums = labels.scores.new_zeros(len(counts)).index_add(0, patch, labels.scores)
    weights = (labels.scores / sums[patch]).to(units)
    return functional.embedding_bag(of_word, units, counts.cumsum(0) - counts, mode="sum", per_sample_weights=weights)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors (..., D) of length one, in single precision at least."""
    precise = torch.promote_types(vectors.dtype, torch.float32)
    return functional.normalize(vectors.to(precise), dim=-1)
