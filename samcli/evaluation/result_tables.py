"""Tables of results: what `sam eval` and `sam ablate` found, with the paper's figures beside it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from samcli.data.sources import GROUPS, STORIES
from samcli.evaluation.alignment.results import ABOUT_MEASURES, NAMES
from samcli.evaluation.published import DATASETS, PAPER, PublishedScores, published_ablation, published_rows
from samcli.evaluation.tables import Cell, Measure, Table

METRICS = {
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr",
    "bleu_4": "BLEU-4",
    "named_in_full": "named in full",
    "named_in_part": "named in part",
    "things_in_full": "things in full",
    "exact": "exact answers",
    "iou_50": "IoU 0.5 or more",
    "iou": "IoU",
}

_OURS = "this run"
_COMPARABLE = "published, comparable"
_CHECKED = (
    "comparable: as many samples, one reference each, none failed, the released decoding and protocol; "
    "pictures and instructions can't be checked"
)

_ALONE = (
    "difference of the two rows, paired by sample, with its two-sided p; p of each comparison alone, not corrected for "
    "their number"
)

Json = Mapping[str, Any]


def evaluation_table(results: Json) -> Table:
    """The results of `sam eval` (its JSON shape) as one table, dataset by dataset.

    The paper's rows stand below ours where the dataset is the paper's and a model was run that knows more than the
    embedded world (else its key `world` is true), each marked comparable or why not: another protocol, or the reasons
    that a dataset's optional key `not_comparable` lists (["subset", "decoding"]). Averages follow when there are
    several datasets; the paper's stand beside them when all the datasets of its task were run.
    """
    models: Json = results["models"]
    names = _unique(name for model in models.values() for name in model["datasets"])
    metrics = [key for key in METRICS if any(key in entry for _, _, entry in _entries(models))]
    rows: list[list[Cell]] = []
    for name in names:
        rows += [_own(name, model, entry, metrics) for model, at, entry in _entries(models) if at == name]
        rows += _published(name, name, metrics, reasons_against(results, [name]))
    if len(names) > 1:
        rows += _averages(results, names, metrics)
    columns = ["dataset", "model", "n", "failed", *(METRICS[key] for key in metrics), "source"]
    return Table(f"{results['task']}, protocol {results['protocol']}", columns, rows, _notes(results, names, rows))


def ablation_table(results: Json) -> Table:
    """The results of `sam ablate` (its JSON shape): dataset by dataset the rows, below each its differences to others.

    A difference is the row's mean minus the other's, with its interval and p. Linking follows by numbers of images,
    then averages, and the paper's Table 3 where the results say that it is repeated (`paper`).
    """
    rows: list[Json] = results["rows"]
    found = {key for row in rows for entry in row["datasets"].values() for key in entry}
    metrics = [key for key in METRICS if key in found]
    cells: list[list[Cell]] = []
    for label, part in (("{}", "datasets"), ("{}", "by_images"), ("average, {}", "averages")):
        for name in _unique(name for row in rows for name in row.get(part, {})):
            for row in rows:
                if name in row.get(part, {}):
                    cells += _ablated(label.format(name), row, row[part][name], metrics)
    notes = [f"in brackets: {_intervals_of(rows)}", f"a - b: {_ALONE}"]
    if results.get("paper") == "table3":
        cells += _table3(metrics)
        notes += _about_table3({name.casefold() for row in rows for name in row["datasets"]})
    columns = ["dataset", "row", "name", "seeds", *(METRICS[key] for key in metrics)]
    return Table("ablation", columns, cells, notes)


def measures_table(results: Json) -> Table | None:
    """What an ablation measured of visual tokens: a line for each measure, a column for each row; None without any.

    Behind those the differences of all rows to the first one that rows are compared with.
    """
    rows = [row for row in results["rows"] if row.get("measures")]
    if not rows:
        return None
    compared = _unique(other for row in rows for own in row["measures"].values() for other in _compared(own))[:1]
    others = [row for row in rows if row["row"] not in compared] if compared else []
    cells: list[list[Cell]] = []
    for name in _unique(name for row in rows for name in row["measures"]):
        found = [row["measures"].get(name, {}) for row in rows]
        for key, label in NAMES.items():
            if any(key in own for own in found):
                means = [own_measure(own[key]["mean"], own[key]["ci95"]) if key in own else None for own in found]
                gaps = [
                    _gap(row["measures"].get(name, {}).get(key, {}).get("versus", {}), compared[0]) for row in others
                ]
                cells.append([name, label, *means, *gaps])
    titles = [f"{row['row']} {row['name']}" for row in rows] + [f"{row['row']} - {compared[0]}" for row in others]
    notes = [f"in brackets: {_intervals_of(rows)}; {ABOUT_MEASURES}", *([f"a - b: {_ALONE}"] if others else [])]
    return Table("ablation, visual tokens", ["dataset", "measure", *titles], cells, notes)


def _intervals_of(rows: Sequence[Json]) -> str:
    """How intervals of an ablation's rows come about."""
    if all(row["seeds"] == 1 for row in rows):
        return "95 % intervals over samples"
    return "95 % intervals by hierarchical bootstrap, seeds first, then samples"


def _compared(entry: Json) -> list[str]:
    return _unique(other for score in entry.values() for other in score["versus"])


def _gap(versus: Json, other: str) -> Cell:
    gap = versus.get(other)
    return own_measure(gap["difference"], gap["ci95"], gap["p"]) if gap else None


def _entries(models: Json) -> Iterator[tuple[str, str, Json]]:
    for model, found in models.items():
        for name, entry in found["datasets"].items():
            yield model, name, entry


def _own(name: str, model: str, entry: Json, metrics: list[str]) -> list[Cell]:
    scores = [own_measure(entry.get(key), entry.get("ci95", {}).get(key)) for key in metrics]
    return [name, model, entry.get("n"), entry.get("failed"), *scores, _OURS]


def tasks_datasets(task: str) -> set[str]:
    """The paper's datasets of a task, in lower case."""
    return set(DATASETS.get(task, ()))


def own_measure(value: float | None, interval: Sequence[float] | None, p: float | None = None) -> Cell:
    """A score as a cell; none where there is none."""
    low, high = interval or (None, None)
    return None if value is None else Measure(value, low, high, p)


def _published(label: str, name: str, metrics: list[str], reasons: list[str] | None) -> list[list[Cell]]:
    """The paper's rows of a dataset or task; none when `reasons` is None: then nothing ours may stand beside them."""
    if reasons is None:
        return []
    mark = f"published, not comparable: {', '.join(reasons)}" if reasons else _COMPARABLE

    def cells(model: str, scores: PublishedScores) -> list[Cell]:
        return [label, model, None, None, *(own_measure(scores.get(key), None) for key in metrics), mark]

    return [cells(model, scores) for model, scores in published_rows(name).items()]


def reasons_against(results: Json, names: list[str]) -> list[str] | None:
    """Why the paper's figures can't be compared with ours on these datasets; None where only world models were run."""
    models: Json = results["models"]
    plain = {name for name, model in models.items() if not (model.get("world") or model.get("control"))}
    entries = [entry for model, at, entry in _entries(models) if at in names and model in plain]
    if not entries:
        return None
    protocol = [] if results["protocol"] == "released" else [f"protocol {results['protocol']}"]
    return _unique([*protocol, *(reason for entry in entries for reason in entry.get("not_comparable", ()))])


def _averages(results: Json, names: list[str], metrics: list[str]) -> list[list[Cell]]:
    models: Json = results["models"]
    rows = [_own("average", model, found["average"], metrics) for model, found in models.items() if "average" in found]
    for task, datasets in DATASETS.items():
        if {name.casefold() for name in names} == set(datasets):
            rows += _published("average", task, metrics, reasons_against(results, names))
    return rows


def decoding_notes(models: Json) -> list[str]:
    """How each model's answers were made, where that is known; those of one way together."""
    ways = {name: model["decoding"] for name, model in models.items() if "decoding" in model}
    if len(models) == 1:
        return [f"decoding: {way}" for way in ways.values()]
    alike = {way: ", ".join(name for name in ways if ways[name] == way) for way in ways.values()}
    return [f"decoding of {names}: {way}" for way, names in alike.items()]


def _notes(results: Json, names: list[str], rows: list[list[Cell]]) -> list[str]:
    notes = ["in brackets: 95 % intervals over samples", str(results.get("signature", ""))]
    empty = sum(entry.get("empty", 0) for model in results["models"].values() for entry in model["datasets"].values())
    notes += decoding_notes(results["models"])
    notes += [f"{empty} answers are empty, and score 0"] if empty else []
    if any(row[-1] != _OURS for row in rows):
        notes.append(f"published: {PAPER}, Tables 2 and 4")
        if any(row[-1] == _COMPARABLE for row in rows):
            notes.append(_CHECKED)
    elif reasons_against(results, names) is None and any(_of_the_paper(name) for name in names):
        notes.append("the model knows only its own drawn world: no published figures beside it")
    return [note for note in notes if note]


def _of_the_paper(name: str) -> bool:
    return any(name.casefold() in datasets for datasets in DATASETS.values())


def _ablated(name: str, row: Json, entry: Json, metrics: list[str]) -> list[list[Cell]]:
    found = {key: entry[key] for key in metrics if key in entry}
    scores = [own_measure(found[key]["mean"], found[key].get("ci95")) if key in found else None for key in metrics]
    cells: list[list[Cell]] = [[name, str(row["row"]), row["name"], row["seeds"], *scores]]
    for other in _unique(other for score in found.values() for other in score.get("versus", {})):
        versus = [found.get(key, {}).get("versus", {}).get(other) for key in metrics]
        gaps = [gap and own_measure(gap["difference"], gap.get("ci95"), gap.get("p")) for gap in versus]
        cells.append([name, f"{row['row']} - {other}", "difference", None, *gaps])
    return cells


def _table3(metrics: list[str]) -> list[list[Cell]]:
    """The paper's Table 3: averages over the datasets of each task."""
    return [
        [
            f"the paper, {task}",
            row,
            scores["name"],
            None,
            *(own_measure(scores[task].get(key), None) for key in metrics),
        ]
        for task in (GROUPS, STORIES)
        for row, scores in published_ablation().items()
    ]


def _about_table3(datasets: set[str]) -> list[str]:
    """What the paper's figures can be held against."""
    wanted = {name for task in (GROUPS, STORIES) for name in DATASETS[task]}
    if datasets >= wanted:
        return [f"the paper: {PAPER}, Table 3, averages over the same datasets; rows of the same number"]
    return [
        f"the paper: {PAPER}, Table 3, rows of the same number; other data and another base: the order of the rows can "
        "be compared, their figures can't"
    ]


def _unique(things: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(things))
