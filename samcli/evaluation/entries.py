"""What results say of one dataset, from its samples and the answers to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samcli.console import warn
from samcli.data.sample import Sample
from samcli.evaluation.control import control_rates, rounded
from samcli.evaluation.predictions import NO_PREDICTION, Prediction
from samcli.evaluation.scores import Scores, score
from samcli.evaluation.statistics import Estimate, Evidence, estimate, evidence_of, mean_of, proportion
from samcli.evaluation.tasks import LINKING, shared_thing
from samcli.recipe import Protocol
from samcli.synth.world.grammar import read_mentions

CAPTION_METRICS = ("rouge_l", "cider", "bleu_4")
LINKING_METRICS = ("named_in_full", "named_in_part")
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
    return LINKING_METRICS if task == LINKING else CAPTION_METRICS


def caption_scores(answered: Answered, protocol: Protocol = "released") -> Scores:
    """Scores by a protocol; a sample without an answer is scored as an empty one."""
    if protocol not in answered.scored:  # results, differences, tables and pages all want them
        ids = [str(sample.id) for sample in answered.samples]
        texts = [prediction.text for prediction in answered.predictions]
        references = [sample.references for sample in answered.samples]
        answered.scored[protocol] = score(protocol, ids, texts, references)
    return answered.scored[protocol]


def judge(answer: str, sample: Sample) -> dict[str, bool]:
    """Whether an answer names the shared thing, in full and in part (kind and colour).

    Strictly: it must name exactly one thing, so listing everything in sight earns nothing.
    """
    shared, mentions = shared_thing(sample), read_mentions(answer)
    alone = len(mentions) == 1
    return {
        "named_in_full": alone and mentions[0].names_in_full(shared),
        "named_in_part": alone and mentions[0].names_in_part(shared),
    }


def judgements(answered: Answered) -> dict[str, list[bool]]:
    """`judge` for each sample, by metric."""
    pairs = zip(answered.samples, answered.predictions, strict=True)
    verdicts = [judge(prediction.text, sample) for sample, prediction in pairs]
    return {metric: [verdict[metric] for verdict in verdicts] for metric in LINKING_METRICS}


def evidence(task: str, runs: Sequence[Answered], protocol: Protocol = "released") -> dict[str, Evidence]:
    """What each metric of a dataset is made of, from one run a seed over the same samples."""
    if task != LINKING:
        return evidence_of([caption_scores(run, protocol) for run in runs])
    found = [judgements(run) for run in runs]
    return {metric: mean_of([100 * np.array(one[metric], dtype=float) for one in found]) for metric in LINKING_METRICS}


def linking_entry(answered: Answered, control: str | None, seed: int) -> dict[str, Any]:
    """{n, failed, failed_ids, named_in_full, named_in_part, ci95}, in percent with Wilson's intervals.

    Where samples have different numbers of images, `by_images` has {n, METRIC} of each number. With the control
    `shuffle`, its rates are added, see `control.control_rates`.
    """
    hits = judgements(answered)
    found: dict[str, Estimate] = {key: proportion(sum(hit), len(hit)) for key, hit in hits.items()}
    if control == "shuffle":
        found |= control_rates(answered.samples, answered.predictions, seed)
    return _counts(answered) | rounded(found) | _by_images(answered.samples, hits)


def _by_images(samples: Sequence[Sample], hits: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    """The metrics of each number of images, where there are several."""
    places: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(len(sample.images), []).append(place)
    if len(places) < 2:
        return {}
    found: dict[str, Any] = {}
    for images, chosen in sorted(places.items()):
        shares = {key: round(100 * sum(hit[place] for place in chosen) / len(chosen), 4) for key, hit in hits.items()}
        found[str(images)] = {"n": len(chosen), **shares}
    return {"by_images": found}


def caption_entry(answered: Answered, scores: Scores, seed: int) -> dict[str, Any]:
    """{n, failed, failed_ids, rouge_l, cider, bleu_4, ci95}, x100, with bootstrap intervals over samples."""
    intervals = {key: estimate(parts, seed=seed) for key, parts in evidence_of([scores]).items()}
    values = {key: Estimate(getattr(scores, key), found.low, found.high) for key, found in intervals.items()}
    return _counts(answered) | rounded(values)


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
