"""A run held against an earlier one: differences on the same samples, with p corrected for their number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.entries import Answered
from samcli.evaluation.predictions import for_samples, read_predictions
from samcli.evaluation.statistics import Difference, Evidence, compare, holm, resamples_for
from samcli.files import read_json
from samcli.run_directory import RESULTS

Found = Mapping[str, Mapping[str, Evidence]]  # by dataset and metric


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
    """{DATASET: {METRIC: {difference, ci95, p, p_holm}}}: ours minus theirs, paired by sample.

    `p_holm` is corrected over all metrics and datasets.
    """
    resamples = resamples_for(sum(map(len, ours.values())))
    gaps = {
        (name, metric): compare(evidence, theirs[name][metric], resamples, seed)
        for name, metrics in ours.items()
        for metric, evidence in metrics.items()
    }
    corrected = dict(zip(gaps, holm([gap.p for gap in gaps.values()]), strict=True))
    found: dict[str, dict[str, Any]] = {}
    for (name, metric), gap in gaps.items():
        found.setdefault(name, {})[metric] = difference_entry(gap) | {"p_holm": round(corrected[name, metric], 4)}
    return found


def difference_entry(gap: Difference) -> dict[str, Any]:
    """A difference as results keep it, to four decimals."""
    low, high = gap.interval
    return {
        "difference": round(gap.value, 4),
        "ci95": [round(low, 4), round(high, 4)],
        "p": round(gap.p, 4),
    }
