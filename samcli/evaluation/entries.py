"""What results say of one dataset, from its samples and the answers to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samcli.console import warn
from samcli.data.sample import Sample
from samcli.evaluation.control import control_rates, rounded
from samcli.evaluation.judging import RULES, Rule, is_captioned
from samcli.evaluation.predictions import NO_PREDICTION, Prediction
from samcli.evaluation.scores import Scores, score
from samcli.evaluation.statistics import Estimate, Evidence, estimate, evidence_of, mean_of, proportion
from samcli.evaluation.tasks import LINKING
from samcli.recipe import Control, Protocol

CAPTION_METRICS = ("rouge_l", "cider", "bleu_4")
_NAMED = 5


@dataclass(frozen=True)
class Answered:
    """A dataset's samples, and an answer to each in the same order.

    `data` says how the dataset was read, `unlike` what of it isn't as the paper had it.
    """

    name: str
    samples: Sequence[Sample]
    predictions: Sequence[Prediction]
    data: Mapping[str, Any] = field(default_factory=dict)
    unlike: Sequence[str] = ()
    scored: dict[Protocol, Scores] = field(default_factory=dict, repr=False, compare=False)  # by `caption_scores`

    @property
    def failed(self) -> list[Prediction]:
        """The samples without an answer, which count as empty ones."""
        return [prediction for prediction in self.predictions if prediction.error is not None]


def metrics_of(task: str) -> tuple[str, ...]:
    """The metrics of a task, as results name them."""
    captions = CAPTION_METRICS if is_captioned(task) else ()
    return captions + (RULES[task].metrics if task in RULES else ())


def caption_scores(answered: Answered, protocol: Protocol = "released") -> Scores:
    """Scores by a protocol; a sample without an answer is scored as an empty one."""
    if protocol not in answered.scored:  # results, differences, tables and pages all want them
        ids = [str(sample.id) for sample in answered.samples]
        texts = [prediction.text for prediction in answered.predictions]
        references = [sample.references for sample in answered.samples]
        answered.scored[protocol] = score(protocol, ids, texts, references)
    return answered.scored[protocol]


def judgements(rule: Rule, answered: Answered) -> dict[str, list[float]]:
    """What a rule says of each answer, by metric, x100."""
    pairs = zip(answered.samples, answered.predictions, strict=True)
    verdicts = [rule.judge(prediction.text, sample) for sample, prediction in pairs]
    return {metric: [100.0 * verdict[metric] for verdict in verdicts] for metric in rule.metrics}


def sample_scores(task: str, answered: Answered, protocol: Protocol = "released") -> list[list[float]]:
    """For each sample its scores x100, in the order of `metrics_of`."""
    columns: list[list[float]] = []
    if is_captioned(task):
        of_samples = caption_scores(answered, protocol).samples
        columns += [[100 * getattr(one, metric) for one in of_samples] for metric in CAPTION_METRICS]
    if task in RULES:
        columns += judgements(RULES[task], answered).values()
    return [list(row) for row in zip(*columns, strict=True)]


def evidence(task: str, runs: Sequence[Answered], protocol: Protocol = "released") -> dict[str, Evidence]:
    """What each metric of a dataset is made of, from one run a seed over the same samples."""
    found: dict[str, Evidence] = {}
    if is_captioned(task):
        found |= evidence_of([caption_scores(run, protocol) for run in runs])
    if task in RULES:
        judged = [judgements(RULES[task], run) for run in runs]
        found |= {metric: mean_of([one[metric] for one in judged]) for metric in RULES[task].metrics}
    return found


def entry_of(
    task: str, answered: Answered, protocol: Protocol = "released", control: Control | None = None, seed: int = 0
) -> dict[str, Any]:
    """{n, failed, failed_ids, METRIC, ci95}, x100, with an interval of each metric.

    Intervals of captions and of what is more or less so are bootstrap intervals over samples, those of what is true or
    false are Wilson's. Where samples of a task with a rule of its own have different numbers of images, `by_images`
    has {n, METRIC} of each number. With the control `shuffle`, linking's rates are added, see `control.control_rates`.
    """
    found: dict[str, Estimate] = {}
    more: dict[str, Any] = {}
    if is_captioned(task):
        found |= _caption_estimates(caption_scores(answered, protocol), seed)
    if task in RULES:
        rule, values = RULES[task], judgements(RULES[task], answered)
        found |= {metric: proportion(sum(v > 0 for v in values[metric]), len(values[metric])) for metric in rule.hits}
        found |= {metric: estimate(mean_of(values[metric]), seed=seed) for metric in rule.grades}
        more = _by_images(answered.samples, values)
    if task == LINKING and control == "shuffle":
        found |= control_rates(answered.samples, answered.predictions, seed)
    return _counts(answered) | rounded(found) | more


def _caption_estimates(scores: Scores, seed: int) -> dict[str, Estimate]:
    intervals = {key: estimate(parts, seed=seed) for key, parts in evidence_of([scores]).items()}
    return {key: Estimate(getattr(scores, key), found.low, found.high) for key, found in intervals.items()}


def _by_images(samples: Sequence[Sample], values: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The metrics of each number of images, where there are several."""
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(len(sample.images), []).append(place)
    if len(places) < 2:
        return {}
    found: dict[str, Any] = {}
    for images, chosen in sorted(places.items()):
        means = {key: round(sum(of[place] for place in chosen) / len(chosen), 4) for key, of in values.items()}
        found[str(images)] = {"n": len(chosen), **means}
    return {"by_images": found}


def report_failures(answered: Answered) -> None:
    """Name the samples that count as empty because they could not be answered."""
    if failed := answered.failed:
        named = "; ".join(f"{one.id}: {one.error}" for one in failed[:_NAMED])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        total = len(answered.samples)
        warn(f"{answered.name}: {len(failed)} of {total} samples failed and count as empty answers: {named}{more}")


def average(entries: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, float]:
    """The unweighted means over datasets, as the paper's tables have them."""
    return {key: round(sum(entry[key] for entry in entries.values()) / len(entries), 4) for key in metrics}


def _counts(answered: Answered) -> dict[str, Any]:
    """{n, failed, failed_ids}, and where some failed, `failed_by`: how many by what kind of reason."""
    failed = answered.failed
    found: dict[str, Any] = {
        "n": len(answered.samples),
        "failed": len(failed),
        "failed_ids": [one.id for one in failed],
    }
    if empty := sum(one.error is None and not one.text.strip() for one in answered.predictions):
        found["empty"] = empty
    if failed:
        found["failed_by"] = dict(Counter(_reason(one.error or "") for one in failed))
    return found


def _reason(error: str) -> str:
    """The kind of an error: what models behind an endpoint do, or what is wrong with a sample."""
    kind = error.partition(":")[0]
    if error == NO_PREDICTION:
        return "no prediction"
    return kind if kind in ("refused", "empty answer", "rejected") else "can't be asked"
