"""The measures of one sample's visual tokens, whichever its pictures and what is known of them allow."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from samcli.alignment import measures
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.lens import Seen
from samcli.alignment.words import WordTable
from samcli.data.sample import Sample
from samcli.evaluation.alignment.truth import Named, Truth, of_things

Measures = dict[str, float | None]
"""By name; None where a sample has no ground for a measure that others have."""


class Ruler:
    """Measures samples of one dataset against the words of one LLM.

    `embeddings` (vocabulary, D) are the LLM's input embeddings, `tokenizer` is its own.
    """

    def __init__(self, embeddings: Tensor, tokenizer: Any, truth: Truth) -> None:
        self.truth = truth
        self._embeddings, self._tokenizer = embeddings, tokenizer
        self._table = WordTable(truth.words, tokenizer)
        self._words = self._table.embeddings(embeddings, torch.arange(len(truth.words)))

    def nearest(self, tokens: Tensor) -> Tensor:
        """The place of the truth's word that is nearest to each token (M, T, D): (M, T)."""
        return measures.nearest_words(tokens, self._words)

    def measure(self, samples: Sequence[Sample], seen: Seen) -> list[Measures]:
        """The measures of each sample, means over its images; `seen` holds the images of all of them.

        The images of the next sample, around the end, are those that a sample's own are compared with from outside.

        Shares in percent, cosines x100; gap in the embeddings' own unit, entropies in nats.
        """
        counts = [len(sample.images) for sample in samples]
        seen = Seen(seen.before, seen.tokens.to(self._embeddings.device))  # of a model that is spread over several
        nearest = self.nearest(seen.tokens) if self.truth.words else seen.tokens.new_zeros(sum(counts), 0)
        of_images = self._of_images(samples, seen, nearest)
        whole: list[Measures] = [{} for _ in samples]
        for name, values in of_images.items():
            for found, own in zip(whole, values.cpu().split(counts), strict=True):
                found[name] = _number(own.nanmean())
        own = seen.tokens.split(counts)
        for sample, found, tokens, others, places in zip(
            samples, whole, own, [*own[1:], own[0]], nearest.cpu().split(counts), strict=True
        ):
            if len(tokens) > 1:
                found |= _likeness(tokens, others if len(samples) > 1 else None)
            if self.truth.words and (named := Named.of(sample)) is not None:
                found |= self._naming(named, places)
        return whole

    def _of_images(self, samples: Sequence[Sample], seen: Seen, nearest: Tensor) -> dict[str, Tensor]:
        """What is measured image by image, (M,) each."""
        found = {
            "gap": measures.embedding_gap(seen.tokens, self._embeddings),
            "tacs": 100 * measures.caption_similarity(seen.tokens, self._captions(samples)),
            "entropy_before": measures.spectral_entropy(seen.before),
            "entropy_after": measures.spectral_entropy(seen.tokens),
        }
        if not self.truth.words:
            return found
        pursuit = measures.matching_pursuit(seen.tokens, self._words)
        found["residual"] = 100 * pursuit.residual.mean(dim=1)
        if (labels := self.truth.labels(samples)) is not None:
            found |= self._of_patches(seen.tokens, nearest, labels.to(seen.tokens.device), pursuit)
        return found

    def _of_patches(
        self, tokens: Tensor, nearest: Tensor, labels: PatchLabels, pursuit: measures.Pursuit
    ) -> dict[str, Tensor]:
        """What can be held against the truth of patches, (M,) each."""
        return {
            "nearest_word": measures.true_share(nearest, labels),
            "nearest_word_things": measures.true_share(nearest, of_things(labels)),
            "aligned": 100 * measures.mean_alignment(tokens, labels, self._table, self._embeddings),
            "pursuit": measures.true_share(pursuit.picks, labels),
        }

    def _captions(self, samples: Sequence[Sample]) -> list[Tensor]:
        """The embeddings of the tokens of each image's caption: its sample's first reference."""
        texts = [sample.references[0] for sample in samples]
        ids = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        device = self._embeddings.device
        found = [self._embeddings[torch.tensor(own, dtype=torch.int64, device=device)] for own in ids]
        return [own for own, sample in zip(found, samples, strict=True) for _ in sample.images]

    def _naming(self, named: Named, nearest: Tensor) -> Measures:
        """Whether the words nearest to the tokens of a linking sample's images (M, T) name what the images share."""
        said = [[self.truth.words[place] for place in own] for own in nearest.tolist()]
        shared = [len(named.shared & set(words)) / len(named.shared) for words in said]
        others = [len(own & set(words)) / len(own) for own, words in zip(named.others, said, strict=True) if own]
        of_others = zip(named.others, said, strict=True)
        return {
            "shared_named": 100 * _mean([float(share == 1) for share in shared]),
            "shared_words": 100 * _mean(shared),
            "other_words": 100 * _mean(others) if others else None,
            "shared_tokens": 100 * _mean([_mean([float(w in named.shared) for w in words]) for words in said]),
            "other_tokens": 100 * _mean([_mean([float(w in own) for w in words]) for own, words in of_others]),
        }


def _likeness(tokens: Tensor, others: Tensor | None) -> Measures:
    """How alike the images of a sample (M, T, D) are, and how like those of another sample, if there is one."""
    within, apart = measures.likeness(tokens), None if others is None else measures.likeness(tokens, others)
    return {
        "similarity": 100 * within.mean,
        "similarity_apart": None if apart is None else 100 * apart.mean,
        "best_match": 100 * within.best,
        "best_match_apart": None if apart is None else 100 * apart.best,
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _number(value: Tensor) -> float | None:
    number = float(value)
    return None if number != number else number
