from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from samcli.evaluation.figure5 import draw_figure5


def row(low: int, high: int, averages: bool = True) -> dict[str, Any]:
    scores = {"cider": {"mean": 10.0 * low + high, "ci95": [9.0, 99.0], "versus": {}}}
    part = {"averages": {"captions": scores}} if averages else {}
    return {"row": "1", "name": "x", "seeds": 3, "layers": [low, high], "datasets": {"AESOP": scores}, **part}


def results(rows: list[dict[str, Any]], averages: bool = True) -> dict[str, Any]:
    return {"rows": rows, "averaged": {"captions": ["AESOP"]} if averages else {}}


CELLS = [row(low, high) for low in (3, 6, 9, 12) for high in (3, 6, 9, 12) if high >= low]
WITHOUT = {"row": "2", "name": "+ data", "seeds": 3, "datasets": {"AESOP": {"cider": {"mean": 1.0, "ci95": [0, 2]}}}}


def words(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_each_metric_becomes_a_surface_and_a_grid_in_both_forms(tmp_path: Path) -> None:
    files = draw_figure5(results([WITHOUT, *CELLS]), tmp_path / "figures")
    names = sorted(path.name for path in files)
    assert names == [f"captions-cider-{kind}.{form}" for kind in ("grid", "surface") for form in ("png", "svg")]
    for path in files:
        if path.suffix == ".png":
            assert min(Image.open(path).size) > 400
        else:
            ElementTree.fromstring(words(path))  # noqa: S314  our own file


def test_the_grid_holds_every_cell_and_nothing_else(tmp_path: Path) -> None:
    draw_figure5(results(CELLS), tmp_path)
    drawn = words(tmp_path / "captions-cider-grid.svg")
    assert all(f"<!-- {10.0 * low + high:.1f} -->" in drawn for low, high in ((3, 3), (6, 12), (12, 12)))
    assert drawn.count("[9.0, 99.0]") == 10


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (draw_figure5(results(CELLS), tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(
    ("cells", "files"), [([(3, 3)], 2), ([(3, 3), (6, 6), (9, 9)], 2), ([(3, 3), (3, 6), (6, 6)], 4)]
)
def test_cells_on_a_line_have_no_surface(tmp_path: Path, cells: list[tuple[int, int]], files: int) -> None:
    assert len(draw_figure5(results([row(*cell, averages=False) for cell in cells], False), tmp_path)) == files
    assert (tmp_path / "AESOP-cider-grid.png").exists()


def test_a_dataset_that_no_average_holds_is_drawn_too(tmp_path: Path) -> None:
    cell = row(3, 6)
    cell["datasets"]["links"] = {"named_in_full": {"mean": 5.0, "ci95": [4.0, 6.0], "versus": {}}}
    names = {path.stem for path in draw_figure5(results([cell]), tmp_path)}
    assert names == {"captions-cider-grid", "links-named_in_full-grid"}
