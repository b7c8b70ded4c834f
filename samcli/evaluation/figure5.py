"""Figure 5 of the paper: scores over the layers at which guidance enters (l) and returns (k).

For each metric a surface through the cells, as the paper draws it, and a grid with every number; PNG and SVG.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samcli.evaluation.result_tables import METRICS
from samcli.figures import save_picture, style

Cells = dict[tuple[int, int], Mapping[str, Any]]  # by (l, k): {mean, ci95}
_COLOURS = "viridis"  # even in lightness: its order is seen in grey, and by those who don't tell red from green
_FINE = 4  # times that each triangle of the surface is divided


def draw_figure5(results: Mapping[str, Any], directory: Path) -> list[Path]:
    """Draw every metric of an ablation's results over its rows' layers; return the files written.

    Rows without guidance are passed over. A surface needs three cells that are no line; without them there is none.
    """
    written: list[Path] = []
    with style(10):
        for where, metric, cells in _metrics(results):
            title = f"{METRICS[metric]}, {where}"
            written += save_picture(_grid(cells, title), directory / f"{where}-{metric}-grid")
            if _spans_a_surface(cells):
                figure = _surface(cells, title, METRICS[metric])
                written += save_picture(figure, directory / f"{where}-{metric}-surface")
    return written


def _metrics(results: Mapping[str, Any]) -> Iterator[tuple[str, str, Cells]]:
    """What is drawn: all averages, and the datasets that none of them holds; and the cells of each metric."""
    guided = [row for row in results["rows"] if "layers" in row]
    averaged = {name for members in results["averaged"].values() for name in members}
    drawn = [
        {name: scores for name, scores in row["datasets"].items() if name not in averaged} | row.get("averages", {})
        for row in guided
    ]
    for name in dict.fromkeys(name for scores in drawn for name in scores):
        for metric in dict.fromkeys(metric for scores in drawn for metric in scores.get(name, {})):
            cells = zip(guided, drawn, strict=True)
            yield name, metric, {tuple(row["layers"]): scores[name][metric] for row, scores in cells}


def _spans_a_surface(cells: Cells) -> bool:
    places = np.array([*cells], dtype=float)
    return len(cells) > 2 and np.linalg.matrix_rank(places - places[0]) == 2


def _surface(cells: Cells, title: str, label: str) -> Any:
    """A smooth surface through the cells, which are marked and named."""
    from matplotlib.figure import Figure
    from matplotlib.tri import CubicTriInterpolator, Triangulation, UniformTriRefiner

    low, high = (np.array(axis, dtype=float) for axis in zip(*cells, strict=True))
    means = np.array([score["mean"] for score in cells.values()])
    triangles = Triangulation(low, high)
    smooth = CubicTriInterpolator(triangles, means, kind="geom")
    fine, heights = UniformTriRefiner(triangles).refine_field(means, triinterpolator=smooth, subdiv=_FINE)
    figure = Figure(figsize=(6.4, 5.2))
    axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    axes.plot_trisurf(fine, heights, cmap=_COLOURS, alpha=0.85, linewidth=0, zorder=1)
    axes.scatter(low, high, means, color="black", s=22, depthshade=False, zorder=3)
    for (l, k), mean in zip(cells, means, strict=True):  # noqa: E741  l is the paper's name
        axes.text(l, k, mean, f" {mean:.1f}", fontsize=8, zorder=4)
    axes.set_xticks(sorted(set(low)))
    axes.set_yticks(sorted(set(high)))
    axes.set(xlabel="l", ylabel="k", zlabel=label, title=title)
    axes.view_init(elev=28, azim=-150)
    return figure


def _grid(cells: Cells, title: str) -> Any:
    """One square a cell with its mean and interval; k upward, l to the right."""
    from matplotlib.figure import Figure

    lows, highs = (sorted({cell[axis] for cell in cells}) for axis in (0, 1))
    values = np.full((len(highs), len(lows)), np.nan)
    for (l, k), score in cells.items():  # noqa: E741  l is the paper's name
        values[highs.index(k), lows.index(l)] = score["mean"]
    figure = Figure(figsize=(1.4 + 1.3 * len(lows), 1.2 + 0.95 * len(highs)))
    axes = figure.add_subplot()
    image = axes.imshow(values, origin="lower", cmap=_COLOURS, aspect="auto")
    for (l, k), score in cells.items():  # noqa: E741
        shade = np.asarray(image.norm(score["mean"])).item()
        bottom, top = score["ci95"]
        text = f"{score['mean']:.1f}\n[{bottom:.1f}, {top:.1f}]"
        place = lows.index(l), highs.index(k)
        axes.text(*place, text, ha="center", va="center", fontsize=8, color="black" if shade > 0.6 else "white")
    axes.set_xticks(range(len(lows)), [str(low) for low in lows])
    axes.set_yticks(range(len(highs)), [str(high) for high in highs])
    axes.set(xlabel="l: part A guides part B", ylabel="k: part B returns", title=title)
    return figure
