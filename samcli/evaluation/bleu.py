"""Corpus BLEU-4 from counts that add up over samples, so that it can be resampled; equal to pycocoevalcap's."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

ORDERS = 4
# pycocoevalcap adds these to numerators and denominators, so that nothing is divided by zero.
_TINY, _SMALL = 1e-15, 1e-9


def bleu_counts(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> IntArray:
    """Counts of each sample (samples, 10): n-grams matched (1..4), n-grams predicted (1..4), words, reference words.

    Words are what white space separates. With several references a match counts up to the largest count in one of
    them, and the length is that of the closest one, the shorter of two equally close.
    """
    rows = [
        _counts(answer.split(), [text.split() for text in texts])
        for answer, texts in zip(predictions, references, strict=True)
    ]
    return np.array(rows, dtype=np.int64).reshape(len(rows), 2 * ORDERS + 2)


def corpus_bleu(totals: npt.ArrayLike) -> FloatArray:
    """BLEU-4 in 0..1 of summed counts (..., 10); returns (...)."""
    sums = np.asarray(totals, dtype=np.float64)
    matched, predicted = sums[..., :ORDERS], sums[..., ORDERS : 2 * ORDERS]
    precision = np.prod((matched + _TINY) / (predicted + _SMALL), axis=-1) ** (1 / ORDERS)
    length_ratio = (sums[..., -2] + _TINY) / (sums[..., -1] + _SMALL)
    return np.asarray(precision * np.exp(np.minimum(0.0, 1 - 1 / length_ratio)), dtype=np.float64)


def _counts(answer: list[str], references: list[list[str]]) -> list[int]:
    allowed: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        allowed |= _ngrams(reference)
    matched = [0] * ORDERS
    for ngram, count in (_ngrams(answer) & allowed).items():
        matched[len(ngram) - 1] += count
    predicted = [max(0, len(answer) - order) for order in range(ORDERS)]
    closest = min((abs(len(reference) - len(answer)), len(reference)) for reference in references)[1]
    return [*matched, *predicted, len(answer), closest]


def _ngrams(words: list[str]) -> Counter[tuple[str, ...]]:
    return Counter(
        tuple(words[start : start + order]) for order in range(1, ORDERS + 1) for start in range(len(words) - order + 1)
    )
