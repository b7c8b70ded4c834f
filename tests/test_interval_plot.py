from pathlib import Path
from typing import Any

from samcli.evaluation.interval_plot import draw_intervals


def score(mean: float, **p_of: float) -> dict[str, Any]:
    versus = {row: {"difference": 1.0, "ci95": [0.5, 1.5], "p": p} for row, p in p_of.items()}
    return {"mean": mean, "ci95": [mean - 1, mean + 1], "versus": {row[1:]: gap for row, gap in versus.items()}}


def results(*rows: dict[str, Any]) -> dict[str, Any]:
    listed = [
        {
            "row": row.pop("row"),
            "name": "x",
            "seeds": 3,
            "datasets": {name: {"cider": made} for name, made in row.items()},
        }
        for row in rows
    ]
    return {"rows": listed, "n": {"AESOP": 9, "VIST": 9}, "paper": "table3"}


ROWS = (
    {"row": "1", "AESOP": score(3.0, r2=0.2, r7=0.01), "VIST": score(4.0, r2=0.001, r7=0.9)},
    {"row": "2", "AESOP": score(5.0, r7=0.01), "VIST": score(5.0, r7=0.01)},
    {"row": "7", "AESOP": score(6.0, r2=0.04), "VIST": score(6.0, r2=0.06)},
)


def drawn(tmp_path: Path, *rows: dict[str, Any]) -> str:
    files = draw_intervals(results(*(dict(row) for row in rows)), tmp_path)
    assert [path.name for path in files] == ["rows-cider.png", "rows-cider.svg"]
    return files[1].read_text(encoding="utf-8")


def test_every_row_and_dataset_is_drawn(tmp_path: Path) -> None:
    picture = drawn(tmp_path, *ROWS)
    for text in ("AESOP", "VIST", "x  1", "x  2", "x  7", "CIDEr, means over seeds", "dashed: row 2"):
        assert f"<!-- {text}" in picture
    assert picture.count("fill: #ffffff; stroke: #1f5fa8") == 2  # row 1 on AESOP and row 7 on VIST may be chance


def test_one_seed_is_no_mean_over_seeds(tmp_path: Path) -> None:
    made = results(*(dict(row) for row in ROWS))
    for row in made["rows"]:
        row["seeds"] = 1
    assert "<!-- CIDEr, means with 95 % intervals" in draw_intervals(made, tmp_path)[1].read_text(encoding="utf-8")


def test_what_is_zero_throughout_is_drawn_from_zero_to_one(tmp_path: Path) -> None:
    nothing = {"mean": 0.0, "ci95": [0.0, 0.0], "versus": {}}
    picture = drawn(tmp_path, {"row": "1", "AESOP": nothing}, {"row": "2", "AESOP": nothing})
    assert "<!-- 1.0 -->" in picture
    assert "<!-- \u2212" not in picture


def test_dots_are_held_against_the_row_that_most_are_compared_with(tmp_path: Path) -> None:
    assert "dashed: row 2" in drawn(tmp_path / "two", *ROWS[1:])
    assert "dashed: row 7" in drawn(tmp_path / "other", *ROWS[:2])


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a", *ROWS) == drawn(tmp_path / "b", *ROWS)


def test_nothing_finished_is_no_picture(tmp_path: Path) -> None:
    assert draw_intervals(results(), tmp_path) == []
