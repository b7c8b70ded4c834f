"""Tables: the same cells in every format, nothing in them read as markup, the paper's rows where they belong."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from samcli.evaluation.published import DATASETS, published_ablation, published_alignment, published_rows
from samcli.evaluation.result_tables import ablation_table, evaluation_table, measures_table
from samcli.evaluation.tables import Cell, Measure, Table, in_blocks

HOSTILE = '[red]x[/red] \x1b[31m|\n<script> $\\%_ [a](http://b) "q"'


def terminal(table: Table) -> str:
    console = Console(width=200, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(table.to_rich())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def csv_rows(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.render("csv"))))


def entry(rouge_l: float, **more: Any) -> dict[str, Any]:
    scores = {"rouge_l": rouge_l, "cider": 2 * rouge_l, "bleu_4": rouge_l / 10}
    return {"n": 500, "failed": 1, **scores, "ci95": {"rouge_l": [rouge_l - 1, rouge_l + 2]}, **more}


def results(model: str, *datasets: str, protocol: str = "released", **more: Any) -> dict[str, Any]:
    found = {"datasets": {name: entry(20, **more) for name in datasets}, "average": {"rouge_l": 20.0}}
    return {"task": "storytelling", "protocol": protocol, "signature": "refs:1", "models": {model: found}}


def sources(table: Table) -> list[Cell]:
    return [row[-1] for row in table.rows]


def test_measures_in_each_format() -> None:
    table = Table("t", ["name", "score", "n"], [["a", Measure(1.234, -1, 2), 5], ["b", Measure(2, 1, 3, 0.04), None]])
    assert "1.23 [-1.00, 2.00]" in terminal(table)
    assert "+2.00 [1.00, 3.00] p=0.040" in terminal(table)
    assert "| a | 1.23 [-1.00, 2.00] | 5 |\n| b | +2.00 [1.00, 3.00] p=0.040 |  |\n" in table.render("md")
    assert r"a & 1.23 [$-$1.00, 2.00] & 5 \\" in table.render("latex")
    assert table.render("csv") == "name,score,score low,score high,score p,n\na,1.234,-1,2,,5\nb,2,1,3,0.04,\n"


def test_columns_of_text_are_left_and_of_numbers_right() -> None:
    table = Table("t", ["name", "score"], [["a", 1.0]])
    assert "| --- | ---: |" in table.render("md")
    assert r"\begin{tabular}{lr}" in table.render("latex")


def test_text_is_no_markup_on_the_terminal() -> None:
    shown = terminal(Table(HOSTILE, [HOSTILE], [[HOSTILE]], [HOSTILE]))
    assert shown.count("[red]x[/red] [31m| <script>") == 4
    assert "\x1b[31m" not in shown


def test_text_is_no_markup_in_markdown() -> None:
    text = Table("t", ["c"], [[HOSTILE]]).render("md")
    signature = Table("t", ["c"], [["a|b"]], ["protocol:x|n:5"]).render("md")
    assert r"| a\|b |" in signature
    assert "- protocol:x|n:5" in signature
    assert text.splitlines()[-1] == ('| [red]x[/red] [31m\\| &lt;script&gt; \\$\\\\%\\_ [a\\](http://b) "q" |')


def test_text_is_no_command_in_latex() -> None:
    assert r"gap $\downarrow$" in Table("t", ["c"], [["gap ↓"]]).render("latex")
    text = Table("t", ["c"], [["[x] \\input{a} 5% $ & # ~ ^ <"]], ["50 %"]).render("latex")
    assert r"{}[x] \textbackslash{}input\{a\} 5\% \$ \& \# \textasciitilde{} \textasciicircum{} \textless{} \\" in text
    assert r"\par\footnotesize 50 \%" in text


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_text_is_no_formula_in_csv(start: str) -> None:
    (row,) = csv_rows(Table("t", ["c", "n"], [[f'{start}1,"2"\n3', -4]]))
    assert row == {"c": f'\'{start}1,"2" 3', "n": "-4"}


def test_numbers_that_are_not_finite_are_empty_for_programs() -> None:
    table = Table("t", ["a", "b"], [[float("nan"), Measure(1, float("-inf"), 2)]])
    assert csv_rows(table) == [{"a": "", "b": "1", "b high": "2"}]
    assert "| nan | 1.00 [-inf, 2.00] |" in table.render("md")


def test_rows_must_fit_the_columns() -> None:
    with pytest.raises(ValueError, match="'t' needs 2 cells"):
        Table("t", ["a", "b"], [["x"]])


def test_blocks_have_the_columns_that_their_rows_fill() -> None:
    rows: list[list[Cell]] = [["a", 1, 2.0, None], ["a", None, None, None], ["b", 1, None, 4.0], ["c", None, 2.5, None]]
    table = Table("t", ["name", "n", "x", "y"], [*rows, ["d", 3, 2.5, None]], ["note"])
    found = [(list(block.columns), [row[0] for row in block.rows], list(block.notes)) for block in in_blocks(table)]
    assert found == [
        (["name", "n", "x"], ["a", "a", "d"], []),
        (["name", "n", "y"], ["b"], []),
        (["name", "x"], ["c"], ["note"]),
    ]
    empty = Table("t", ["a"], [])
    assert in_blocks(empty) == [empty]


def test_an_empty_table_renders() -> None:
    table = Table("t", ["a"], [])
    assert table.render("csv") == "a\n"
    assert "| a |\n| --- |\n" in table.render("md")
    assert "a" in terminal(table)


def test_published_figures_agree_with_each_other() -> None:
    for task in ("group-captioning", "storytelling"):
        for model, average in published_rows(task).items():
            for metric, value in average.items():
                mean = sum(published_rows(name)[model][metric] for name in DATASETS[task]) / 3
                assert mean == pytest.approx(value, abs=0.0101), (task, model, metric)


def test_published_rows_by_name() -> None:
    assert published_rows("AESOP")["SAM"] == {"rouge_l": 23.45, "cider": 25.92, "bleu_4": 4.13}
    assert published_rows("change-captioning")["GPT-4V"]["cider"] == 3.38
    assert len(published_rows("vist")) == 10
    assert published_rows("iedit") == {}
    assert published_rows("world-stories") == {}


def test_published_figures_of_alignment_are_those_of_the_documentation() -> None:
    page = (Path(__file__).parents[1] / "docs" / "alignment.md").read_text(encoding="utf-8")
    published = published_alignment()
    for setup, scores in published["sea"].items():
        pairs = zip(scores["base"].values(), scores["sea"].values(), strict=True)
        assert f"| {setup} | {' | '.join(f'{base} / {sea}' for base, sea in pairs)} |" in page
    for llm, scores in published["sea_prime"].items():
        assert f"| SEA-PRIME, {llm} | {' | '.join(map(str, scores.values()))} |" in page
    for ability, gain in published["patch_gains"].items():
        assert f"+{gain} % in {ability}" in " ".join(page.split())


def test_seas_headline_is_the_mean_of_one_setups_relative_gains() -> None:
    gemma = published_alignment()["sea"]["Gemma-2B"]
    gains = [100 * (gemma["sea"][name] / base - 1) for name, base in gemma["base"].items()]
    assert sum(gains) / len(gains) == pytest.approx(7.61, abs=0.005)


def test_a_caller_can_not_change_the_published_figures() -> None:
    published_rows("vist")["SAM"]["cider"] = 0
    assert published_rows("vist")["SAM"]["cider"] == 39.32


def test_evaluation_has_the_published_rows_beside_it() -> None:
    table = evaluation_table(results("me/sam", "AESOP"))
    assert sources(table) == ["this run"] + ["published, comparable"] * 10
    assert list(table.rows[0]) == [
        "AESOP",
        "me/sam",
        500,
        1,
        Measure(20, 19, 22),
        Measure(40),
        Measure(2),
        "this run",
    ]
    assert list(table.rows[-1]) == [
        "AESOP",
        "SAM",
        None,
        None,
        Measure(23.45),
        Measure(25.92),
        Measure(4.13),
        "published, comparable",
    ]
    assert "refs:1" in table.notes
    assert any("pictures and instructions can't be checked" in note for note in table.notes)


def test_published_rows_say_why_they_are_not_comparable() -> None:
    table = evaluation_table(results("me/sam", "vist", protocol="coco", not_comparable=["subset", "references"]))
    assert sources(table)[-1] == "published, not comparable: protocol coco, subset, references"
    assert not any("can't be checked" in note for note in table.notes)


def test_no_published_rows_beside_a_model_of_the_world_whatever_it_is_called() -> None:
    found = results("my/copy", "aesop")
    found["models"]["my/copy"]["world"] = True
    table = evaluation_table(found)
    assert sources(table) == ["this run"]
    assert any("own drawn world" in note for note in table.notes)
    assert set(sources(evaluation_table(results("tiny", "aesop")))) > {"this run"}


def test_no_published_rows_beside_the_world() -> None:
    table = evaluation_table(results("me/sam", "world-stories"))
    assert sources(table) == ["this run"]
    assert list(table.notes) == ["in brackets: 95 % intervals over samples", "refs:1"]


def test_averages_stand_beside_published_ones_when_the_task_is_whole() -> None:
    whole = evaluation_table(results("me/sam", "aesop", "vist", "dm800k"))
    assert [row[1] for row in whole.rows if row[0] == "average"] == ["me/sam", *published_rows("vist")]
    part = evaluation_table(results("me/sam", "aesop", "vist"))
    assert [row[1] for row in part.rows if row[0] == "average"] == ["me/sam"]
    change = evaluation_table(results("me/sam", *DATASETS["change-captioning"]))
    assert sum(str(source).startswith("published") for source in sources(change)) == 9


def test_several_models_stand_below_each_other() -> None:
    both = results("a", "vist")
    both["models"]["b"] = {"datasets": {"vist": entry(10), "aesop": entry(11)}}
    ours = [row[:2] for row in evaluation_table(both).rows if row[-1] == "this run"]
    assert ours == [["vist", "a"], ["vist", "b"], ["aesop", "b"], ["average", "a"]]


def test_linking_has_its_own_columns() -> None:
    found = {"n": 500, "failed": 0, "named_in_full": 70.0, "named_in_part": 80.0, "ci95": {"named_in_full": [66, 74]}}
    models = {"tiny": {"datasets": {"world-mmlink": found}, "average": found}}
    table = evaluation_table({"task": "linking", "protocol": "released", "models": models})
    assert list(table.columns) == ["dataset", "model", "n", "failed", "named in full", "named in part", "source"]
    assert list(table.rows[0])[4:6] == [Measure(70, 66, 74), Measure(80)]


def test_a_hostile_model_name_is_only_text() -> None:
    assert "[red]x[/red]" in terminal(evaluation_table(results("[red]x[/red]", "vist")))


def test_ablation_has_differences_below_their_row() -> None:
    versus = {"1": {"difference": 2.0, "ci95": [-1, 5], "p": 0.04}}
    rows = [
        {
            "row": 1,
            "name": "base",
            "seeds": 1,
            "datasets": {"world-groups": {"cider": {"mean": 10.0, "ci95": [9, 11]}, "rouge_l": {"mean": 30.0}}},
        },
        {
            "row": 7,
            "name": "SAM",
            "seeds": 3,
            "datasets": {
                "world-groups": {"cider": {"mean": 12.0, "ci95": [9, 15], "versus": versus}},
                "world-mmlink": {"named_in_full": {"mean": 70.0, "ci95": [66, 74], "versus": {}}},
            },
        },
    ]
    table = ablation_table({"rows": rows})
    assert list(table.columns) == ["dataset", "row", "name", "seeds", "ROUGE-L", "CIDEr", "named in full"]
    assert [list(row) for row in table.rows] == [
        ["world-groups", "1", "base", 1, Measure(30), Measure(10, 9, 11), None],
        ["world-groups", "7", "SAM", 3, None, Measure(12, 9, 15), None],
        ["world-groups", "7 - 1", "difference", None, None, Measure(2, -1, 5, 0.04), None],
        ["world-mmlink", "7", "SAM", 3, None, None, Measure(70, 66, 74)],
    ]


def ablated(seeds: int) -> dict[str, Any]:
    score = {"mean": 40.0, "ci95": [39, 41]}
    versus = {"1": {"difference": 2.0, "ci95": [1, 3], "p": 0.01}}
    scores = [{"tokens": {"gap": score | {"versus": gaps}}} for gaps in ({}, versus)]
    rows = [
        {"row": str(number), "name": "x", "seeds": seeds, "datasets": {}, "measures": own}
        for number, own in enumerate(scores, start=1)
    ]
    return {"rows": rows}


@pytest.mark.parametrize(("seeds", "told"), [(1, "95 % intervals over samples"), (3, "seeds first, then samples")])
def test_notes_of_an_ablation_say_what_intervals_and_p_are(seeds: int, told: str) -> None:
    for table in (ablation_table(ablated(seeds)), measures_table(ablated(seeds))):
        assert table is not None
        assert told in table.notes[0]
        assert "p of each comparison alone" in table.notes[1]
        assert any("seeds" in note for note in table.notes) == (seeds > 1)


def test_averages_and_the_papers_table_3_follow_the_rows() -> None:
    entry = {"rouge_l": {"mean": 30.0}, "cider": {"mean": 20.0}}
    rows = [{"row": "2", "name": "+ data", "seeds": 3, "datasets": {"aesop": entry}, "averages": {"captions": entry}}]
    table = ablation_table({"rows": rows, "paper": "table3"})
    assert [list(row) for row in table.rows[:2]] == [
        ["aesop", "2", "+ data", 3, Measure(30), Measure(20)],
        ["average, captions", "2", "+ data", 3, Measure(30), Measure(20)],
    ]
    paper = [list(row) for row in table.rows[2:]]
    assert [row[1] for row in paper] == list("1234567") * 2
    assert paper[6] == ["the paper, group-captioning", "7", "SAM", None, Measure(20.23), Measure(19.49)]
    assert paper[8] == ["the paper, storytelling", "2", "+ data", None, Measure(18.64), Measure(22.5)]
    assert "other data and another base" in table.notes[-1]
    all_six = dict.fromkeys((name for task in ("group-captioning", "storytelling") for name in DATASETS[task]), entry)
    same_data = ablation_table({"rows": [rows[0] | {"datasets": all_six}], "paper": "table3"})
    assert "averages over the same datasets" in same_data.notes[-1]


def test_the_papers_table_3_agrees_with_its_table_2() -> None:
    table = published_ablation()
    for task in ("group-captioning", "storytelling"):
        for row, name in (("1", "InstructBLIP"), ("7", "SAM")):
            assert table[row][task] == published_rows(task)[name]
