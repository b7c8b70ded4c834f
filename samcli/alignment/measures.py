"""How well visual tokens and words fit each other: a figure for each image.

Gap and token-caption similarity are SEA's diagnostics (arXiv 2408.11813). The measures of patches, matching pursuit and
the entropies follow what the abstract of patch-aligned training (arXiv 2505.17316) speaks of, in our own definitions:
no more of that paper was at hand. Shapes: M images, T visual tokens of each (P patches, where labels are asked for), D
the LLM's width, W words. A figure that an image has no ground for, such as a patch with labels, is NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.objectives import patch_cosines
from samcli.alignment.words import WordTable

TOP = 10  # tokens of an image whose similarity with the caption counts: K of SEA's TACS
PICKS = 5  # words that matching pursuit takes of a token
_AT_ONCE = 1 << 24  # products of a token and a word


def nearest_words(tokens: Tensor, words: Tensor) -> Tensor:
    """For each token (M, T, D) the place of the nearest of the words (W, D), by cosine: (M, T)."""
    units = _units(words)
    found = [(piece @ units.T).argmax(dim=-1) for piece in _pieces(_units(tokens), len(words))]
    return torch.cat(found).view(tokens.shape[:2])


def are_true(found: Tensor, labels: PatchLabels) -> Tensor:
    """Whether words that were found for patches are true of them: as `found`, (M, P) or (M, P, K).

    `found` holds places in the labels' list of words, -1 for none.
    """
    words = int(torch.cat([labels.words, found.flatten()]).max()) + 2 if found.numel() else 1
    patch = torch.arange(labels.counts.numel(), device=found.device).view(labels.counts.shape)
    patch = patch if found.ndim == 2 else patch[..., None]
    return torch.isin(patch * words + found, labels.patches * words + labels.words)


def true_share(found: Tensor, labels: PatchLabels) -> Tensor:
    """How many of the words that were found for labelled patches are true of them, in percent of each image: (M,)."""
    hits = are_true(found, labels).float().view(*labels.counts.shape, -1).mean(dim=2)
    labelled = (labels.counts > 0).float()
    return 100 * (hits * labelled).sum(dim=1) / labelled.sum(dim=1)


def mean_alignment(tokens: Tensor, labels: PatchLabels, table: WordTable, embeddings: Tensor) -> Tensor:
    """The mean over labelled patches of `patch_cosines`, what the patch objective raises: (M,)."""
    cosines = patch_cosines(tokens, labels, table, embeddings)
    labelled = labels.counts > 0
    image = torch.arange(len(tokens), device=tokens.device)[:, None].expand_as(labelled)[labelled]
    return cosines.new_zeros(len(tokens)).index_add(0, image, cosines) / labelled.sum(dim=1)


def embedding_gap(tokens: Tensor, embeddings: Tensor) -> Tensor:
    """SEA's D: the mean over tokens (M, T, D) of the Euclidean distance to the nearest row of `embeddings`: (M,)."""
    rows = embeddings.float()
    squares = rows.square().sum(dim=-1)
    distances = []
    for piece in _pieces(tokens.float(), len(rows)):
        nearest = (squares - 2 * piece @ rows.T).argmin(dim=-1)
        distances.append((piece - rows[nearest]).norm(dim=-1))  # from products alone, small ones would round away
    return torch.cat(distances).view(tokens.shape[:2]).mean(dim=1)


def caption_similarity(tokens: Tensor, captions: Sequence[Tensor], top: int = TOP) -> Tensor:
    """SEA's TACS: (M,), the mean over an image's `top` tokens of the greatest cosine with a token of its caption.

    `captions` holds the embeddings (C, D) of the tokens of each image's caption.
    """
    found = []
    for own, caption in zip(_units(tokens), captions, strict=True):
        best = (own @ _units(caption).T).amax(dim=-1)
        found.append(best.topk(min(top, len(best))).values.mean())
    return torch.stack(found) if found else tokens.new_zeros(0)


@dataclass(frozen=True)
class Pursuit:
    """What matching pursuit made of tokens."""

    picks: Tensor  # (M, T, K) places of words; -1 where the word's share of the token is negative
    residual: Tensor  # (M, T) share of the token's energy that is left


def matching_pursuit(tokens: Tensor, words: Tensor, picks: int = PICKS) -> Pursuit:
    """Take a token (M, T, D) apart into words (W, D), of length one: K = `picks` times the word of the largest product.

    Each time the word with the largest absolute product with what is left of the token is taken out of it, however
    often. A token that holds the opposite of a word doesn't name it.
    """
    units = _units(words)
    taken, energies = [], []
    for left in _pieces(_units(tokens), len(words)):
        found = []
        for _ in range(picks):
            products = left @ units.T
            place = products.abs().argmax(dim=-1, keepdim=True)
            part = products.gather(1, place)
            left = left - part * units[place[:, 0]]
            found.append(torch.where(part > 0, place, -1))
        taken.append(torch.cat(found, dim=1))
        energies.append(left.square().sum(dim=-1))
    shape = tokens.shape[:2]
    return Pursuit(torch.cat(taken).view(*shape, picks), torch.cat(energies).view(shape))


def spectral_entropy(tokens: Tensor) -> Tensor:
    """The von Neumann entropy of each image's tokens (M, T, D), centred, in nats: (M,), double, on the CPU.

    - sum of l log l over the eigenvalues l of X^T X / tr(X^T X): 0 where all tokens lie on a line, at most the
    logarithm of the smaller of T - 1 and D.
    """
    centred = tokens.cpu().double()
    centred = centred - centred.mean(dim=1, keepdim=True)
    tall = centred.shape[1] > centred.shape[2]
    squares = centred.mT @ centred if tall else centred @ centred.mT
    energies = torch.linalg.eigvalsh(squares).clamp(min=0)
    shares = energies / energies.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    entropies: Tensor = torch.special.entr(shares).sum(dim=-1)
    return entropies


@dataclass(frozen=True)
class Likeness:
    """How much the tokens of different images resemble one another, cosines."""

    mean: float  # over all pairs of tokens of two images
    best: float  # the mean over tokens of the greatest with a token of another image, over all other images


def likeness(first: Tensor, second: Tensor | None = None) -> Likeness:
    """Of the images of one sample (M, T, D) to one another, M at least 2; or to those of a second (N, T, D)."""
    other = first if second is None else second
    cosines = (_units(first).flatten(0, 1) @ _units(other).flatten(0, 1).T).view(*first.shape[:2], *other.shape[:2])
    means, best = cosines.mean(dim=(1, 3)), cosines.amax(dim=3).mean(dim=1)
    if second is not None:
        return Likeness(float(means.mean()), float(best.mean()))
    different = ~torch.eye(len(first), dtype=torch.bool, device=first.device)
    return Likeness(float(means[different].mean()), float(best[different].mean()))


def _units(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors.float(), dim=-1)


def _pieces(tokens: Tensor, words: int) -> tuple[Tensor, ...]:
    """Tokens (M, T, D) in rows (N, D), so few at once that their products with all words are bounded."""
    pieces: tuple[Tensor, ...] = tokens.flatten(0, 1).split(max(1, _AT_ONCE // max(1, words)))
    return pieces
