"""What results say of measures: means over samples with intervals, and how far two rows of them are apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from samcli.evaluation.alignment.measure_file import MEASURES
from samcli.evaluation.bleu import FloatArray
from samcli.evaluation.control import rounded
from samcli.evaluation.statistics import Evidence, estimate
from samcli.evaluation.tables import Cell, Measure, Table

NAMES = {
    "nearest_word": "nearest word is true, % ↑",
    "nearest_word_things": "nearest word is true on things, % ↑",
    "aligned": "cosine with own words, x100 ↑",
    "pursuit": "words picked by pursuit that are true, % ↑",
    "residual": "energy left by pursuit, % ↓",
    "gap": "gap to the nearest embedding, distance ↓",
    "tacs": "token-caption similarity, x100 ↑",
    "entropy_before": "entropy before projection, nats",
    "entropy_after": "entropy after projection, nats",
    "similarity": "similarity of images, x100",
    "similarity_apart": "similarity to another sample's, x100",
    "best_match": "best matches of images, x100",
    "best_match_apart": "best matches in another sample's, x100",
    "shared_named": "shared thing named in full, % ↑",
    "shared_words": "words of shared thing named, % ↑",
    "other_words": "words of other things named, %",
    "shared_tokens": "tokens that name shared thing, % ↑",
    "other_tokens": "tokens that name other things, %",
}
"""What tables and figures call each measure, an arrow where one way is better; docs/alignment.md has both names."""

ABOUT_MEASURES = "arrows: which way is better; docs/alignment.md says what is measured"
_COMPARED = (
    "differences are paired by sample, p corrected by Holm's method over all of them; none is shown where every sample "
    "measures the same on both sides"
)
Lines = Sequence[Mapping[str, Any]]  # of `read_measures`
Json = Mapping[str, Any]


def evidence_of_measures(runs: Sequence[Lines], part: str = MEASURES) -> dict[str, Evidence]:
    """What each measure of a dataset is made of, from one run a seed over the same samples in the same order.

    `part` is the key of the lines that is read. Samples without a measure have no part in its mean.
    """
    values = {name: [[line.get(part, {}).get(name) for line in run] for run in runs] for name in NAMES}
    known = {name: of for name, of in values.items() if all(any(one is not None for one in run) for run in of)}
    return {name: _mean_of_known(of) for name, of in known.items()}


def _mean_of_known(values: Sequence[Sequence[float | None]]) -> Evidence:
    """Evidence of the mean over the samples that have a value, given as (seeds, samples).

    The score of a draw that holds none of them is NaN, and intervals leave it out.
    """
    known = np.array([[value is not None for value in row] for row in values], dtype=np.float64)
    sums = np.array([[value or 0.0 for value in row] for row in values], dtype=np.float64)

    def score(both: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore"):
            return np.asarray(both[..., 0] / both[..., 1], dtype=np.float64)

    return Evidence(np.stack([sums, known], axis=-1), score)


def measures_entry(lines: Lines, part: str, seed: int) -> dict[str, Any]:
    """{n, failed, failed_ids, MEASURE..., ci95} of a dataset, with bootstrap intervals over samples."""
    failed = [line["id"] for line in lines if line.get("error") is not None]
    found = {name: estimate(own, seed=seed) for name, own in evidence_of_measures([lines], part).items()}
    return {"n": len(lines), "failed": len(failed), "failed_ids": failed} | rounded(found)


def average_of_entries(entries: Mapping[str, Json]) -> dict[str, float]:
    """The unweighted means over datasets of the measures that all of them have."""
    common = [name for name in NAMES if all(name in entry for entry in entries.values())]
    return {name: round(sum(entry[name] for entry in entries.values()) / len(entries), 4) for name in common}


def alignment_table(results: Json) -> Table:
    """A row for each dataset and measure, a column for each model, and the differences to the baseline."""
    models, baseline = results["models"], results.get("baseline")
    compared = [name for name, model in models.items() if baseline and _has_gaps(model, baseline)]
    rows: list[list[Cell]] = []
    for dataset in dict.fromkeys(name for model in models.values() for name in model["datasets"]):
        entries = {name: model["datasets"].get(dataset, {}) for name, model in models.items()}
        for key, label in NAMES.items():
            if any(key in entry for entry in entries.values()):
                own = [_value(entry, key) for entry in entries.values()]
                gaps = [_gap(entries[name].get("versus", {}).get(baseline, {}).get(key)) for name in compared]
                rows.append([dataset, label, *own, *gaps])
    sizes = {name: entry for model in models.values() for name, entry in model["datasets"].items()}
    notes = [
        "; ".join(f"{name}: {entry['n']} samples, {entry['failed']} failed" for name, entry in sizes.items()),
        f"in brackets: 95 % intervals over samples; {ABOUT_MEASURES}",
        *([_COMPARED] if compared else []),
        str(results["signature"]),
    ]
    columns = ["dataset", "measure", *models, *(f"{name} - {baseline}" for name in compared)]
    return Table("alignment", columns, rows, notes)


def _has_gaps(model: Json, baseline: str) -> bool:
    return any(baseline in entry.get("versus", {}) for entry in model["datasets"].values())


def _value(entry: Json, key: str) -> Cell:
    if key not in entry:
        return None
    low, high = entry["ci95"][key]
    return Measure(entry[key], low, high)


def _gap(gap: Json | None) -> Cell:
    if gap is None:
        return None
    low, high = gap["ci95"]
    return Measure(gap["difference"], low, high, gap["p_holm"])
