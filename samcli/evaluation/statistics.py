"""How sure a score is: percentile bootstrap over samples, and over seeds and samples where several seeds were run.

A score is kept as addends of each sample whose sums give the score, so that one resample is one weighted sum:
ROUGE-L and CIDEr are means of sample scores (CIDEr's document frequencies stay those of all references), BLEU-4 is
computed from resampled n-gram counts. All rows and metrics see the same draws.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samcli.evaluation.bleu import FloatArray, corpus_bleu
from samcli.evaluation.scores import Scores

RESAMPLES = 1000
_TAILS = (0.025, 0.975)
_NORMAL_975 = 1.959963984540054
# Weights held at once, which bounds the memory of large datasets.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Evidence:
    """What a score is made of: `addends` (seeds, samples, parts), and `score`, from sums (..., parts) to (...)."""

    addends: FloatArray
    score: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, in the value's own unit."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """The interval alone, as results.json keeps it."""
        return self.low, self.high


@dataclass(frozen=True)
class Difference(Estimate):
    """First minus second, with the two-sided p of the hypothesis that there is none."""

    p: float


def mean_of(scores: npt.ArrayLike) -> Evidence:
    """Evidence of a mean of sample scores, given as (seeds, samples), or (samples,) of one run."""
    values = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    return Evidence(np.stack([values, np.ones_like(values)], axis=-1), lambda sums: sums[..., 0] / sums[..., 1])


def bleu_of(counts: npt.ArrayLike) -> Evidence:
    """Evidence of corpus BLEU-4 x100, from counts (seeds, samples, 10), or (samples, 10) of one run."""
    values = np.asarray(counts, dtype=np.float64)
    return Evidence(values if values.ndim == 3 else values[None], lambda sums: corpus_bleu(sums) * 100)


def evidence_of(runs: Sequence[Scores]) -> dict[str, Evidence]:
    """Evidence of each metric, x100, from one run a seed over the same samples in the same order."""
    if len({tuple(sample.id for sample in run.samples) for run in runs}) != 1:
        raise ValueError("the runs of one row must have scored the same samples in the same order")
    return {
        "rouge_l": mean_of([[sample.rouge_l * 100 for sample in run.samples] for run in runs]),
        "cider": mean_of([[sample.cider * 100 for sample in run.samples] for run in runs]),
        "bleu_4": bleu_of([run.bleu_counts for run in runs]),
    }


def average_of(parts: Sequence[Evidence]) -> Evidence:
    """Evidence of the unweighted mean of several datasets' scores, from as many seeds on each of them.

    The samples of all datasets are drawn from together. The score of a draw that holds none of a small dataset is NaN,
    and intervals leave it out.
    """
    sizes = [part.addends.shape[-1] for part in parts]
    ends = np.cumsum(sizes)
    blocks = []
    for part, end, size in zip(parts, ends, sizes, strict=True):
        block = np.zeros((*part.addends.shape[:2], ends[-1]))
        block[..., end - size : end] = part.addends
        blocks.append(block)

    def score(sums: FloatArray) -> FloatArray:
        pieces = zip(parts, np.split(sums, ends[:-1], axis=-1), strict=True)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.mean([part.score(piece) for part, piece in pieces], axis=0), dtype=np.float64)

    return Evidence(np.concatenate(blocks, axis=1), score)


def part_of(whole: Evidence, places: Sequence[int]) -> Evidence:
    """Evidence of the same score on some of the samples."""
    return Evidence(whole.addends[:, places], whole.score)


def estimate(evidence: Evidence, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean over seeds of the score, with its percentile bootstrap interval.

    With several seeds the bootstrap is hierarchical: seeds are drawn, then samples, the same samples for every drawn
    seed. Few seeds say little about the spread between seeds: with 3, that part comes out about a fifth too small.
    """
    (draws,) = _bootstrap([evidence], resamples, seed)
    return Estimate(_value(evidence), *_interval(draws))


def compare(first: Evidence, second: Evidence, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """The difference of two rows over the same samples: the same samples are drawn for both.

    Rows with equally many seeds are paired by seed as well; otherwise their seeds are drawn apart. p is twice the
    smaller tail of the bootstrap differences beyond 0, never below 2 / (resamples + 1). Draws in which a row has no
    score (NaN) count nowhere.
    """
    if first.addends.shape[1] != second.addends.shape[1]:
        raise ValueError(f"rows of {first.addends.shape[1]} and {second.addends.shape[1]} samples can't be paired")
    draws = np.subtract(*_bootstrap([first, second], resamples, seed))
    known = draws[~np.isnan(draws)]
    tail = min(int(np.sum(known <= 0)), int(np.sum(known >= 0)))
    p = min(1.0, 2 * (tail + 1) / (len(known) + 1))
    return Difference(_value(first) - _value(second), *_interval(draws), p=p)


def proportion(successes: int, samples: int) -> Estimate:
    """A share in percent with its Wilson interval, which unlike the bootstrap's stays honest at 0 % and 100 %."""
    share, weight = successes / samples, _NORMAL_975**2 / samples
    centre = (share + weight / 2) / (1 + weight)
    half = np.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    return Estimate(share * 100, max(0.0, float(centre - half)) * 100, min(1.0, float(centre + half)) * 100)


def resamples_for(comparisons: int) -> int:
    """Resamples that let p be small enough to stay below 0.05 when it is corrected for so many comparisons."""
    return max(RESAMPLES, 100 * comparisons)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction of several p for their number: the chance of even one false finding stays below the level."""
    order = sorted(range(len(ps)), key=lambda place: ps[place])
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = largest
    return corrected


def _value(evidence: Evidence) -> float:
    return float(np.mean(evidence.score(evidence.addends.sum(axis=1))))


def _interval(draws: FloatArray) -> tuple[float, float]:
    low, high = np.nanquantile(draws, _TAILS)
    return float(low), float(high)


def _bootstrap(rows: Sequence[Evidence], resamples: int, seed: int) -> list[FloatArray]:
    """The score of each row in each resample, (resamples,) a row."""
    generator = np.random.default_rng(seed)
    samples = rows[0].addends.shape[1]
    blocks: list[list[FloatArray]] = []
    for size in _blocks(resamples, samples):
        sample_weights = _weights(generator, size, samples)
        seed_weights = {seeds: _weights(generator, size, seeds) for seeds in sorted({len(row.addends) for row in rows})}
        blocks.append([_resampled(row, sample_weights, seed_weights[len(row.addends)]) for row in rows])
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _blocks(resamples: int, samples: int) -> Iterator[int]:
    size = max(1, _BLOCK // samples)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _weights(generator: np.random.Generator, resamples: int, things: int) -> FloatArray:
    """How often each thing was drawn, (resamples, things); every row sums to `things`."""
    drawn = generator.integers(things, size=(resamples, things)) + things * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * things).reshape(resamples, things).astype(np.float64)


def _resampled(row: Evidence, sample_weights: FloatArray, seed_weights: FloatArray) -> FloatArray:
    # einsum without BLAS adds in one fixed order, whatever the number of threads: results stay equal to the byte.
    sums = np.einsum("rn,snk->rsk", sample_weights, row.addends)
    scores = np.einsum("rs,rs->r", seed_weights, row.score(sums))
    return np.asarray(scores / len(row.addends), dtype=np.float64)
