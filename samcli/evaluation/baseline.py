"""A run held against an earlier one: differences on the same samples, with p corrected for their number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.entries import Answered
from samcli.evaluation.predictions import for_samples, read_predictions
from samcli.evaluation.statistics import Evidence, compare, holm, resamples_for
from samcli.files import read_json
from samcli.run_directory import RESULTS

Found = Mapping[str, Mapping[str, Evidence]]  # by dataset and metric
Key = TypeVar("Key")


class Asked(Protocol):
    """Samples of a dataset, whether they are answered yet or not."""

    @property
    def samples(self) -> Sequence[Sample]:
        """Its samples."""
        ...


def read_baseline(run: Path, asked: Mapping[str, Asked]) -> tuple[str, dict[str, Answered]]:
    """What an earlier run calls its model, and its answers to the same samples.

    Raises UserError when `run` is no finished run, has no answers to one of the datasets or to all of its samples, or
    answered samples of other references.
    """
    results = read_json(run / RESULTS) if (run / RESULTS).is_file() else None
    models = list(results["models"]) if isinstance(results, dict) and "models" in results else []
    if len(models) != 1:
        raise UserError(f"--baseline {run}: expected the directory of a finished `sam eval` of one model")
    found = read_predictions(run / "predictions", list(asked))
    earlier = {}
    for name, ours in asked.items():
        ids = {str(sample.id): sample.references for sample in ours.samples}
        made = [prediction for prediction in found[name] if prediction.id in ids]
        if len(made) < len(ids):
            raise UserError(f"--baseline {run}: {name}: it answers {len(made)} of the {len(ids)} samples")
        if others := [one.id for one in made if one.references and one.references != tuple(ids[one.id])]:
            raise UserError(
                f"--baseline {run}: {name}: {len(others)} of its samples have other references, such as {others[0]!r}: "
                "it was asked about another split or version"
            )
        earlier[name] = Answered(name, ours.samples, for_samples(made, ids))
    return models[0], earlier


def versus(ours: Found, theirs: Found, seed: int) -> dict[str, dict[str, Any]]:
    """{DATASET: {METRIC: {difference, ci95, p, p_holm}}}: ours minus theirs, paired by sample; see `differences`."""
    pairs = {
        (name, metric): (own, theirs[name][metric]) for name, metrics in ours.items() for metric, own in metrics.items()
    }
    found: dict[str, dict[str, Any]] = {}
    for (name, metric), entry in differences(pairs, seed).items():
        found.setdefault(name, {})[metric] = entry
    return found


def differences(pairs: Mapping[Key, tuple[Evidence, Evidence]], seed: int) -> dict[Key, dict[str, Any]]:
    """First minus second of each pair as results keep it, to four decimals: {difference, ci95, p, p_holm}.

    `p_holm` is corrected over all pairs.
    """
    resamples = resamples_for(len(pairs))
    gaps = {key: compare(first, second, resamples, seed) for key, (first, second) in pairs.items()}
    corrected = holm([gap.p for gap in gaps.values()])
    return {
        key: {
            "difference": round(gap.value, 4),
            "ci95": [round(end, 4) for end in gap.interval],
            "p": round(gap.p, 4),
            "p_holm": round(p, 4),
        }
        for (key, gap), p in zip(gaps.items(), corrected, strict=True)
    }
