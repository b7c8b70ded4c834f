"""Intervals and differences: equal to hand-made cases, and right as often as they claim."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu

from samcli.evaluation import statistics
from samcli.evaluation.bleu import bleu_counts, corpus_bleu
from samcli.evaluation.released_protocol import clean_up
from samcli.evaluation.scores import score
from samcli.evaluation.statistics import (
    average_of,
    bleu_of,
    compare,
    estimate,
    evidence_of,
    mean_of,
    part_of,
    proportion,
)

GOLDENS = Path(__file__).parent / "goldens" / "scores-a"


def golden_texts() -> tuple[list[str], list[list[str]]]:
    records = json.loads((GOLDENS / "AESOP" / "pred.json").read_text())
    return (
        [clean_up(record["pred_response"]) for record in records],
        [[clean_up(record["gt_response"])] for record in records],
    )


def random_texts() -> tuple[list[str], list[list[str]]]:
    """Answers of 0 to 9 words with 1 to 4 references, from six words, so that n-grams match and repeat."""
    generator = np.random.default_rng(0)

    def text(shortest: int) -> str:
        return " ".join(generator.choice(list("abcdef"), size=generator.integers(shortest, 10)))

    answers = [text(0) for _ in range(60)]
    return answers, [[text(1) for _ in range(generator.integers(1, 5))] for _ in answers]


@pytest.mark.parametrize("texts", [golden_texts(), random_texts()], ids=["goldens", "several references"])
def test_bleu_from_counts_equals_pycocoevalcap(texts: tuple[list[str], list[list[str]]]) -> None:
    answers, references = texts
    whole, samples = Bleu(4).compute_score(
        dict(enumerate(references)), {place: [text] for place, text in enumerate(answers)}, verbose=0
    )
    counts = bleu_counts(answers, references)
    assert corpus_bleu(counts.sum(axis=0)) == pytest.approx(whole[3], rel=1e-12)
    assert corpus_bleu(counts) == pytest.approx(samples[3], rel=1e-9, abs=1e-15)


def test_bleu_counts_by_hand() -> None:
    counts = bleu_counts(["a b a", ""], [["a b", "a a c d"], ["a"]])
    assert counts.tolist() == [[3, 1, 0, 0, 3, 2, 1, 0, 3, 2], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]


def test_interval_of_two_samples() -> None:
    """Resampled means of {0, 1} are 0, 1/2 and 1, with shares of 1/4, 1/2 and 1/4."""
    found = estimate(mean_of([0, 1]))
    assert (found.value, found.interval) == (0.5, (0, 1))


def test_estimates_repeat_and_depend_on_the_seed() -> None:
    evidence = mean_of(np.random.default_rng(0).normal(size=50))
    assert estimate(evidence) == estimate(evidence)
    assert estimate(evidence).interval != estimate(evidence, seed=1).interval


def test_large_datasets_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = mean_of(np.random.default_rng(0).normal(size=50))
    whole = estimate(evidence)
    monkeypatch.setattr(statistics, "_BLOCK", 170)
    assert estimate(evidence).interval == pytest.approx(whole.interval, abs=0.05)
    assert len(statistics._bootstrap([evidence], 1000, 0)[0]) == 1000


def test_interval_of_a_mean_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    intervals = [estimate(mean_of(generator.exponential(size=80))) for _ in range(300)]
    assert 0.90 <= np.mean([found.low <= 1 <= found.high for found in intervals]) <= 0.97


def test_interval_over_seeds_covers_what_one_over_samples_misses() -> None:
    """Ten seeds with an effect of their own as large as the noise of a sample, over the same 40 samples."""
    generator = np.random.default_rng(1)
    rows = [
        generator.normal(size=(10, 1)) + generator.normal(size=40) + generator.normal(size=(10, 40)) for _ in range(200)
    ]
    over_seeds = [estimate(mean_of(row)) for row in rows]
    over_samples = [estimate(mean_of(row.mean(axis=0))) for row in rows]
    assert 0.87 <= np.mean([found.low <= 0 <= found.high for found in over_seeds]) <= 0.98
    assert np.mean([found.low <= 0 <= found.high for found in over_samples]) < 0.75


def test_samples_are_shared_by_all_seeds_of_a_resample() -> None:
    """Three seeds that score every sample alike say no more about the samples than one seed does."""
    scores = np.random.default_rng(2).normal(size=100)
    one, three = estimate(mean_of(scores)), estimate(mean_of([scores] * 3))
    assert three.high - three.low == pytest.approx(one.high - one.low, rel=0.1)


def test_difference_of_a_row_from_itself() -> None:
    evidence = mean_of(np.random.default_rng(0).normal(size=(3, 50)))
    found = compare(evidence, evidence)
    assert (found.value, found.interval, found.p) == (0, (0, 0), 1)


def test_difference_is_paired_by_sample_and_seed() -> None:
    scores = np.random.default_rng(0).normal(scale=10, size=(3, 50))
    found = compare(mean_of(scores + 1), mean_of(scores))
    assert (found.value, *found.interval) == pytest.approx((1, 1, 1))
    assert found.p == pytest.approx(2 / 1001)


def test_rows_with_different_numbers_of_seeds_are_paired_by_sample() -> None:
    scores = np.random.default_rng(0).normal(scale=10, size=50)
    found = compare(mean_of([scores + 1, scores + 2, scores + 3]), mean_of(scores))
    assert found.value == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((1, 3), abs=0.1)


def test_p_is_small_only_as_often_as_it_says_when_there_is_no_difference() -> None:
    generator = np.random.default_rng(3)
    rows = [[mean_of(row) for row in generator.normal(size=(2, 60))] for _ in range(300)]
    found = [compare(first, second) for first, second in rows]
    assert 0.02 <= np.mean([one.p < 0.05 for one in found]) <= 0.09


def test_rows_over_different_samples_are_not_compared() -> None:
    with pytest.raises(ValueError, match="50 and 49 samples"):
        compare(mean_of(np.zeros(50)), mean_of(np.zeros(49)))


def test_evidence_of_a_run_gives_its_scores_x100() -> None:
    records = json.loads((GOLDENS / "VIST" / "pred.json").read_text())
    ids = [str(record["sample_id"]) for record in records]
    references = [[record["gt_response"]] for record in records]
    run = score("released", ids, [record["pred_response"] for record in records], references)
    worse = score("released", ids, ["a"] * len(ids), references)
    for metric, evidence in evidence_of([run]).items():
        found = estimate(evidence)
        assert found.value == pytest.approx(getattr(run, metric))
        assert found.low < found.value < found.high
        both = estimate(evidence_of([run, worse])[metric])
        assert both.value == pytest.approx((getattr(run, metric) + getattr(worse, metric)) / 2)
        assert compare(evidence, evidence_of([worse])[metric]).p < 0.01


def test_runs_over_different_samples_are_not_one_row() -> None:
    first, second = (score("released", [name], ["a"], [["a"]]) for name in "ab")
    with pytest.raises(ValueError, match="the same samples"):
        evidence_of([first, second])


def test_bleu_is_resampled_as_a_corpus_score() -> None:
    answers, references = golden_texts()
    counts = bleu_counts(answers, references)
    found = estimate(bleu_of(counts))
    assert found.value == pytest.approx(100 * float(corpus_bleu(counts.sum(axis=0))))
    assert found.value != pytest.approx(100 * float(np.mean(corpus_bleu(counts))), abs=1)
    assert found.low < found.value < found.high


def test_proportion_has_the_wilson_interval() -> None:
    assert proportion(5, 10).interval == pytest.approx((23.659, 76.341), abs=1e-3)
    none, every = proportion(0, 10), proportion(10, 10)
    assert (none.low, none.high) == pytest.approx((0, 27.753), abs=1e-3)
    assert (every.low, every.high) == pytest.approx((72.247, 100), abs=1e-3)


def test_a_part_is_scored_as_if_it_were_alone() -> None:
    scores = np.arange(12.0).reshape(2, 6)
    assert estimate(part_of(mean_of(scores), [1, 4, 5])) == estimate(mean_of(scores[:, [1, 4, 5]]))


def test_an_average_of_datasets_is_the_mean_of_their_scores() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.normal(10, 1, (3, 40)), generator.normal(30, 2, (3, 90))
    counts = generator.integers(1, 9, (3, 25, 10))
    average = average_of([mean_of(first), mean_of(second), bleu_of(counts)])
    parts = [estimate(part) for part in (mean_of(first), mean_of(second), bleu_of(counts))]
    whole = estimate(average)
    assert whole.value == pytest.approx(sum(part.value for part in parts) / 3)
    assert whole.low < whole.value < whole.high
    alone = estimate(average_of([mean_of(second)]))
    assert alone == estimate(mean_of(second))


@pytest.mark.filterwarnings("error")
def test_an_average_of_few_samples_has_an_interval_although_some_draws_miss_a_dataset() -> None:
    few = mean_of(np.arange(3.0))
    found, gap = estimate(average_of([few, few])), compare(average_of([few, few]), average_of([few, few]))
    assert found.low < found.value == 1 < found.high
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_draws_without_a_score_make_no_difference_surer() -> None:
    """Two datasets of a sample each: half of the draws miss one, and say nothing for or against a difference."""
    ahead, behind = (average_of([mean_of([value]), mean_of([0.0])]) for value in (1.0, 0.0))
    found = compare(ahead, behind)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert 2 / 601 < found.p < 2 / 401
