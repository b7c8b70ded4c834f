"""Tables of several models as the paper prints them: a row a model, a column a score, best bold, second underlined."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from samcli.evaluation.published import PAPER, published_rows
from samcli.evaluation.result_tables import METRICS, decoding_notes, own_measure, reasons_against, tasks_datasets
from samcli.evaluation.tables import Cell, Measure, Table

Json = Mapping[str, Any]
AVERAGE = "average"


def comparison_table(results: Json) -> Table:
    """The results of a table recipe, with the paper's rows below ours where a dataset is the paper's."""
    models: Json = results["models"]
    names = list(dict.fromkeys(name for model in models.values() for name in model["datasets"]))
    metrics = [key for key in METRICS if any(key in e for m in models.values() for e in m["datasets"].values())]
    places = [*names, *([AVERAGE] if len(names) > 1 else [])]
    ours = [_own_row(name, model, places, metrics) for name, model in models.items()]
    plain = [place for place, model in enumerate(models.values()) if not model.get("control")]
    published = _published(results, names, places, metrics)
    rows = [*_ranked(ours, plain), *_ranked(published, range(len(published)))]
    columns = ["model", "n", "failed", *(f"{place} {METRICS[key]}" for place in places for key in metrics)]
    title = f"{results['task']}, protocol {results['protocol']}"
    return Table(title, columns, rows, _notes(results, bool(published)))


def differences_table(results: Json) -> Table | None:
    """How far each model is from the baseline, with p corrected over the table; None where there is one model."""
    baseline = results.get("baseline")
    rows: list[list[Cell]] = []
    metrics = [key for key in METRICS if key in _metrics_of(results)]
    for name, model in results["models"].items():
        for dataset, entry in model["datasets"].items():
            if gaps := entry.get("versus", {}).get(baseline):
                rows.append([name, dataset, *(_gap(gaps[key]) for key in metrics)])
    if not rows:
        return None
    notes = [
        "paired by sample; p from the bootstrap of these differences (least value: 2 over the resamples), corrected "
        "by Holm's method over all of the table"
    ]
    columns = ["model", "dataset", *(METRICS[key] for key in metrics)]
    return Table(f"differences to {baseline}", columns, rows, notes)


def _gap(gap: Json) -> Measure:
    low, high = gap["ci95"]
    return Measure(gap["difference"], low, high, gap["p_holm"])


def published_for_page(results: Json) -> list[dict[str, Any]]:
    """The paper's rows for the page: {name, note, datasets}; none for sets and models of the embedded world."""
    names = list(dict.fromkeys(name for model in results["models"].values() for name in model["datasets"]))
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        reasons = reasons_against(results, [name])
        for model, scores in published_rows(name).items() if reasons is not None else ():
            told = f"published; not comparable: {', '.join(reasons)}" if reasons else "published"
            row = rows.setdefault(model, {"name": model, "note": told, "datasets": {}})
            row["datasets"][name] = scores
    return list(rows.values())


def _metrics_of(results: Json) -> set[str]:
    return {key for model in results["models"].values() for entry in model["datasets"].values() for key in entry}


def _own_row(name: str, model: Json, places: Sequence[str], metrics: Sequence[str]) -> list[Cell]:
    entries: list[Json] = list(model["datasets"].values())
    label = f"{name} ({model['seeds']} seeds)" if "seeds" in model else name
    cells: list[Cell] = [label, sum(entry["n"] for entry in entries), sum(entry["failed"] for entry in entries)]
    for place in places:
        whole = len(entries) == len(places) - 1  # an average over some of the datasets is another number
        entry = (model["average"] if whole else {}) if place == AVERAGE else model["datasets"].get(place, {})
        cells += [own_measure(entry.get(key), entry.get("ci95", {}).get(key)) for key in metrics]
    return cells


def _published(results: Json, names: Sequence[str], places: Sequence[str], metrics: Sequence[str]) -> list[list[Cell]]:
    """The paper's rows; none where only world models were asked."""
    if reasons_against(results, list(names)) is None:
        return []
    found = {name: published_rows(name) for name in names}
    whole = tasks_datasets(results["task"])
    if whole and {name.casefold() for name in names} == whole:
        found[AVERAGE] = published_rows(results["task"])
    models = list(dict.fromkeys(model for scores in found.values() for model in scores))
    rows: list[list[Cell]] = []
    for model in models:
        cells: list[Cell] = [f"{model} (published)", None, None]
        for place in places:
            scores = found.get(place, {}).get(model, {})
            cells += [own_measure(scores.get(key), None) for key in metrics]
        rows.append(cells)
    return rows


def _ranked(rows: Sequence[Sequence[Cell]], among: Sequence[int]) -> list[list[Cell]]:
    """The rows with the best and the second of each column marked, among some of them."""
    marked = [list(row) for row in rows]
    for column in range(len(rows[0]) if rows else 0):
        cells = {place: cell for place in among if isinstance(cell := rows[place][column], Measure)}
        different = sorted({round(cell.value, 4) for cell in cells.values()}, reverse=True)
        # of two models the second is the last, and of equal ones none is best
        shown = different[: 2 if len(different) > 2 else 1] if len(different) > 1 else []
        for place, cell in cells.items():
            if round(cell.value, 4) in shown:
                marked[place][column] = replace(cell, rank=shown.index(round(cell.value, 4)) + 1)
    return marked


def _notes(results: Json, published: bool) -> list[str]:
    notes = [
        "in brackets: 95 % intervals over samples (and seeds, where there are several); bold: best, underlined: second",
        results["signature"],
    ]
    if results.get("baseline") is None and results.get("wanted_baseline"):
        notes.append(f"no differences: the baseline, {results['wanted_baseline']}, was left out")
    for name, model in results["models"].items():
        empty = sum(entry.get("empty", 0) for entry in model["datasets"].values())
        notes += [f"{name}: {empty} answers are empty, and score 0"] if empty else []
    notes += decoding_notes(results["models"])
    if published:
        notes.append(f"published: {PAPER}, Tables 2 and 4")
        for name, model in results["models"].items():
            if not (model.get("world") or model.get("control")):
                against = list(
                    dict.fromkeys(r for e in model["datasets"].values() for r in e.get("not_comparable", ()))
                )
                told = f"not comparable ({', '.join(against)})" if against else "comparable, as far as can be checked"
                notes.append(f"{name} and the published rows: {told}")
    for key, lines in results.get("left_out", {}).items():
        notes += [f"left out of the {key}: {line}" for line in lines]
    return notes
