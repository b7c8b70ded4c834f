"""The rows of an ablation side by side: for each metric a picture of means and intervals, a panel a dataset.

Linking has a panel for each number of images too, where there are several; visual tokens one for each model of a run.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samcli.evaluation.alignment.results import NAMES
from samcli.evaluation.result_tables import METRICS
from samcli.figures import save_picture, style

_SURE = 0.05
_PARTS = ("datasets", "by_images", "measures")
_COLOUR, _REFERENCE = "#1f5fa8", "#b3541e"
Row = Mapping[str, Any]


def draw_intervals(results: Mapping[str, Any], directory: Path) -> list[Path]:
    """Draw every metric of an ablation's results; return the files written, PNG and SVG.

    A dashed line marks the first row that others are compared with, and a filled dot a difference to it that chance
    alone makes in less than one of twenty such comparisons.
    """
    rows: Sequence[Row] = results["rows"]
    written: list[Path] = []
    with style(9):
        for metric, title in (METRICS | NAMES).items():
            listed = dict.fromkeys(name for row in rows for part in _PARTS for name in row.get(part, {}))
            names = [name for name in listed if any(metric in _scores(row, name) for row in rows)]
            if names:
                written += save_picture(_panels(rows, names, metric, title), directory / f"rows-{metric}")
    return written


def _scores(row: Row, name: str) -> Mapping[str, Any]:
    """What a row's results say under a name, in whichever part of them."""
    return next((row[part][name] for part in _PARTS if name in row.get(part, {})), {})


def _reference(scores: Sequence[Mapping[str, Any]]) -> str | None:
    """The row that most others are compared with, the first of several."""
    compared = Counter(other for score in scores for other in score["versus"])
    return max(sorted(compared, key=lambda other: (len(other), other)), key=compared.__getitem__, default=None)


def _panels(rows: Sequence[Row], names: Sequence[str], metric: str, title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(2.6 + min(2.5, 12 / len(names)) * len(names), 1.3 + 0.27 * len(rows)), layout="constrained"
    )
    panels: Any = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    reference = _reference([_scores(row, names[0])[metric] for row in rows])
    for axes, name in zip(panels, names, strict=True):
        for place, row in enumerate(rows):
            _draw_row(axes, place, row["row"], _scores(row, name)[metric], reference)
        _begin_at_zero(axes, [end for row in rows for end in _scores(row, name)[metric]["ci95"]])
        axes.set_title(name, fontsize=9)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(rows)), [f"{row['name']}  {row['row']}" for row in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    told = "means over seeds" if any(row["seeds"] > 1 for row in rows) else "means"
    figure.suptitle(f"{title[0].upper()}{title[1:]}, {told} with 95 % intervals", fontsize=10)
    if reference is not None:
        told = f"dashed: row {reference}; filled: differs from it, p < {_SURE} for each comparison alone"
        figure.supxlabel(told, fontsize=8)
    return figure


def _begin_at_zero(axes: Any, ends: Sequence[float]) -> None:
    """Where nothing is below zero, keep the margin from reaching there."""
    low, high = axes.get_xlim()
    if low < 0 <= min(ends):
        axes.set_xlim(0, high if max(ends) > 0 else 1)


def _draw_row(axes: Any, place: int, label: str, score: Mapping[str, Any], reference: str | None) -> None:
    is_reference = label == reference
    colour = _REFERENCE if is_reference else _COLOUR
    versus = score["versus"].get(reference)
    sure = is_reference or (versus is not None and versus["p"] < _SURE)
    axes.plot(score["ci95"], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        score["mean"],
        place,
        "o",
        color=colour,
        markersize=5,
        markerfacecolor=colour if sure else "white",
        clip_on=False,
    )
    if is_reference:
        axes.axvline(score["mean"], color=colour, linewidth=0.8, linestyle="--", zorder=0)
