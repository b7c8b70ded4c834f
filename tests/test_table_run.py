"""Tables of several models, case studies and surveys: through the recipes, as people run them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from samcli.data.sample import Sample, write_annotations
from samcli.errors import UserError
from samcli.evaluation.cases import cases_table, study
from samcli.evaluation.comparison_table import comparison_table, differences_table, published_for_page
from samcli.evaluation.report.page import write_report
from samcli.evaluation.run import evaluate
from samcli.evaluation.survey import distances, survey, survey_table
from samcli.evaluation.table_run import run_table
from samcli.evaluation.tables import Measure
from samcli.files import JsonLines
from samcli.model.adapter import save_adapter
from samcli.model.load import load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.names import folder_name
from samcli.recipe import EvalRecipe, ModelRecipe
from samcli.recipe_file import load_with_flags
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from samcli.recipe_tables import CasesRecipe, SurveyRecipe, TableRecipe
from tests.small_models import save_small, small_sizes

COUNT = 12


def reference(number: int) -> str:
    return f"a red cat on sofa number {number}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets of the paper, answers of two models to them, and a small model with two adapters."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("tables")
    for name in ("AESOP", "VIST"):
        samples = []
        for number in range(COUNT):
            paths = tuple(home / "data" / name / f"{number}-{place}.png" for place in range(3))
            for place, path in enumerate(paths):
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 30), (number * 20, place * 80, 99)).save(path)
            samples.append(Sample(number, paths, f"what is shared {number}", (reference(number),)))
        write_annotations(home / "data" / name, samples)
    for model in ("good", "poor"):
        for name in ("AESOP", "VIST"):
            said = [reference(n) if model == "good" or n % 2 else "something else" for n in range(COUNT)]
            lines = [{"id": n, "prediction": text} for n, text in enumerate(said)]
            (home / model).mkdir(exist_ok=True)
            JsonLines(home / model / f"{name}.jsonl").rewrite(lines)
    base = save_small(home / "base", small_sizes(qformer_layers=12, vision_width=32, qformer_width=32, llm_width=32))
    (base / "sam.json").unlink()
    return home


def table(home: Path, *models: dict[str, Any], **more: Any) -> TableRecipe:
    fields = {"task": "storytelling", "datasets": ["aesop", "vist"], "data_root": str(home / "data"), "models": models}
    return TableRecipe.model_validate(fields | {"reuse_answers": False, "device": "cpu"} | more)


def given(home: Path, name: str) -> dict[str, Any]:
    return {"name": name, "predictions": str(home / name)}


def own(home: Path, **more: Any) -> dict[str, Any]:
    decoding = {"beams": 1, "max_length": 6, "repetition_penalty": 1.0}
    return {"name": "ours", "model": {"base": str(home / "base")}, "decoding": decoding, **more}


def test_models_stand_below_one_another_with_differences_to_the_baseline(home: Path, tmp_path: Path) -> None:
    found = run_table(table(home, given(home, "poor"), given(home, "good")), tmp_path / "run")
    results = found.results
    assert list(results["models"]) == ["poor", "good"]
    assert results["baseline"] == "poor"
    gap = results["models"]["good"]["datasets"]["VIST"]["versus"]["poor"]["rouge_l"]
    assert gap["difference"] > 30
    assert gap["p_holm"] == pytest.approx(6 * gap["p"], abs=1e-3)  # two datasets of three scores
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
    rows = {str(row[0]): row for row in comparison_table(results).rows}
    assert list(rows)[:2] == ["poor", "good"]
    assert rows["good"][1:3] == [2 * COUNT, 0]
    scores = [cell for cell in rows["good"] if isinstance(cell, Measure)]
    assert len(scores) == 9  # of two datasets and their average
    assert {cell.rank for cell in scores} == {1}
    assert {cell.rank for cell in rows["poor"] if isinstance(cell, Measure)} == {None}  # the last of two
    differences = differences_table(results)
    assert differences is not None
    assert [row[:2] for row in differences.rows] == [["good", "AESOP"], ["good", "VIST"]]
    assert run_table(table(home, given(home, "poor"), given(home, "good")), tmp_path / "run").results == results


def test_the_papers_rows_stand_below_with_why_they_cannot_be_compared(home: Path, tmp_path: Path) -> None:
    results = run_table(table(home, given(home, "good")), tmp_path / "run").results
    shown = comparison_table(results)
    published = {str(row[0]): row for row in shown.rows if "published" in str(row[0])}
    assert len(published) == 10
    sam = [cell for cell in published["SAM (published)"] if isinstance(cell, Measure)]
    assert [cell.value for cell in sam] == [23.45, 25.92, 4.13, 20.85, 39.32, 3.65]  # no average: DM800K isn't there
    assert {cell.rank for cell in sam} == {1}
    assert any("good and the published rows: not comparable (12 samples instead" in note for note in shown.notes)
    assert "| **23.45** |" in shown.render("md")
    assert r"\textbf{23.45}" in shown.render("latex")
    assert "23.45," in shown.render("csv")
    (row,) = [row for row in published_for_page(results) if row["name"] == "SAM"]
    assert row["datasets"]["VIST"]["cider"] == 39.32


def test_what_is_not_there_is_left_out_and_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = table(home, given(home, "good"), given(home, "nowhere"), datasets=["aesop", "dm800k"])
    results = run_table(recipe, tmp_path / "run").results
    assert list(results["models"]) == ["good"]
    assert list(results["models"]["good"]["datasets"]) == ["AESOP"]
    assert "dm800k" in results["left_out"]["datasets"][0].lower()
    assert results["left_out"]["models"][0].startswith("nowhere: ")
    assert any("left out of the models: nowhere" in note for note in comparison_table(results).notes)
    assert "left out: nowhere" in capsys.readouterr().err
    with pytest.raises(UserError, match="none of the datasets is there"):
        run_table(table(home, given(home, "good"), datasets=["dm800k"]), tmp_path / "none")
    with pytest.raises(UserError, match="no model of the recipe is there"):
        run_table(table(home, given(home, "nowhere")), tmp_path / "nobody")


def test_a_model_may_lack_answers_to_one_of_the_datasets(home: Path, tmp_path: Path) -> None:
    """Neither table nor page needs them."""
    some = tmp_path / "some"
    some.mkdir()
    shutil.copy(home / "poor" / "AESOP.jsonl", some)
    entries = (given(home, "good"), {"name": "some", "predictions": str(some)})
    found = run_table(table(home, *entries), tmp_path / "run")
    results = found.results
    page = write_report(tmp_path / "page", results, found.answers)
    assert '"said": [' in page.read_text("utf-8")
    assert list(results["models"]["some"]["datasets"]) == ["AESOP"]
    (row,) = [row for row in comparison_table(results).rows if row[0] == "some"]
    assert [cell is None for cell in row[3:]] == [False] * 3 + [True] * 6


def test_equal_scores_are_equally_good_and_a_lost_baseline_is_told(home: Path, tmp_path: Path) -> None:
    entries = ({**given(home, "good"), "name": "a"}, {**given(home, "good"), "name": "b"}, given(home, "poor"))
    results = run_table(table(home, *entries), tmp_path / "run").results
    rows = {row[0]: [cell.rank for cell in row if isinstance(cell, Measure)] for row in comparison_table(results).rows}
    assert rows["a"] == rows["b"] == [1] * 9
    assert rows["poor"] == [None] * 9
    lost = run_table(table(home, given(home, "nowhere"), given(home, "good")), tmp_path / "lost").results
    assert any("the baseline, nowhere, was left out" in note for note in comparison_table(lost).notes)


def test_answers_may_lie_beside_the_recipe(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = home / "mine.yaml"
    path.write_text("kind: table\nmodels:\n- {name: good, predictions: good}\n- {name: gone, predictions: gone}\n")
    monkeypatch.chdir(tmp_path)
    entries = load_with_flags(TableRecipe, path, (), {}).models
    assert [entry.predictions for entry in entries] == [str(home / "good"), "gone"]


def test_a_fault_while_a_model_is_asked_ends_the_table(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "AESOP.jsonl").write_text("no json\nno json\n")
    with pytest.raises(UserError, match="not valid JSON"):
        run_table(table(home, given(home, "good"), {"name": "b", "predictions": str(broken)}), tmp_path / "run")


def test_names_that_look_alike_have_folders_of_their_own(home: Path, tmp_path: Path) -> None:
    entries = ({**given(home, "good"), "name": "GPT 4V"}, {**given(home, "poor"), "name": "GPT-4V"})
    results = run_table(table(home, *entries, datasets=["aesop"]), tmp_path / "run").results
    assert list(results["models"]) == ["GPT 4V", "GPT-4V"]
    assert len(list((tmp_path / "run" / "models").iterdir())) == 2


def test_seeds_give_means_with_their_spread_and_controls_are_rows_of_their_own(home: Path, tmp_path: Path) -> None:
    adapters = []
    settings = GuidanceRecipe(from_layer=12, to_layer=12)
    for seed in range(2):
        bare = load_model(str(home / "base"), "none", device="cpu").model.base
        model = SemanticAlignmentModel(bare, MethodRecipe(guidance=settings))
        torch.manual_seed(seed)
        with torch.no_grad():
            model.base.language_projection.weight.add_(torch.randn_like(model.base.language_projection.weight))
        path = tmp_path / f"adapter-{seed}"
        record = {"base": {"id": str(home / "base"), "revision": None, "hash": ""}}
        save_adapter(path, model, record | {"guidance": settings.model_dump(mode="json")})
        adapters.append(str(path))
    recipe = table(home, own(home, adapters=adapters), controls=["shuffle", "blank"], datasets=["aesop"])
    results = run_table(recipe, tmp_path / "run").results
    assert list(results["models"]) == ["ours", "ours, other pictures", "ours, black pictures"]
    entry = results["models"]["ours"]["datasets"]["AESOP"]
    assert results["models"]["ours"]["seeds"] == 2
    name = f"run/models/{folder_name('ours')}"
    runs = [json.loads((tmp_path / f"{name}-{n}" / "results.json").read_text()) for n in range(2)]
    values = [run["datasets"]["AESOP"]["rouge_l"] for run in runs]
    assert entry["rouge_l"] == pytest.approx(sum(values) / 2, abs=1e-3)
    assert entry["spread"]["rouge_l"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=1e-3)
    assert (entry["n"], entry["failed"]) == (2 * COUNT, 0)
    asked = [json.loads(line) for line in (tmp_path / f"{name}-blank-0/predictions/AESOP.jsonl").open()]
    assert len({line["images_hash"] for line in asked}) == 1
    assert results["models"]["ours, black pictures"]["control"] == "blank"


def test_models_may_be_added_to_a_table(home: Path, tmp_path: Path) -> None:
    run_table(table(home, given(home, "poor")), tmp_path / "run")
    both = run_table(table(home, given(home, "poor"), given(home, "good")), tmp_path / "run").results
    assert list(both["models"]) == ["poor", "good"]
    with pytest.raises(UserError, match="holds a run of another recipe"):
        run_table(table(home, given(home, "poor"), limit=3), tmp_path / "run")


def test_names_of_models_are_checked() -> None:
    with pytest.raises(ValidationError, match="SAM is there twice"):
        TableRecipe.model_validate({"models": [{"name": "SAM"}, {"name": "SAM"}]})
    with pytest.raises(ValidationError, match="baseline: there is no model other; models: SAM"):
        TableRecipe.model_validate({"models": [{"name": "SAM"}], "baseline": "other"})


# ---- chosen samples


def test_a_case_study_asks_about_the_chosen_samples_and_draws_each(home: Path, tmp_path: Path) -> None:
    recipe = CasesRecipe.model_validate(
        {
            "samples": {"aesop": [3, 1]},
            "models": [given(home, "poor"), own(home)],
            "data_root": str(home / "data"),
            "device": "cpu",
            "reuse_answers": False,
        }
    )
    results = study(recipe, tmp_path / "run")
    assert [case["id"] for case in results["cases"]] == [3, 1]
    assert results["cases"][0]["answers"]["poor"] == reference(3)
    assert list(results["cases"][0]["answers"]) == ["poor", "ours"]
    for name in ("aesop-3.png", "aesop-3.svg", "aesop-1.png"):
        assert (tmp_path / "run" / "figures" / name).stat().st_size > 1000
    drawn = (tmp_path / "run" / "figures" / "aesop-3.svg").read_bytes()
    assert ["aesop 3", "reference", reference(3)] in [list(row) for row in cases_table(results).rows]
    study(recipe, tmp_path / "again")
    assert (tmp_path / "again" / "figures" / "aesop-3.svg").read_bytes() == drawn
    unknown = recipe.model_copy(update={"samples": {"aesop": (99,)}})
    with pytest.raises(UserError, match="no model of the recipe could be asked"):
        study(unknown, tmp_path / "unknown")


def test_chosen_ids_are_asked_in_their_order(home: Path, tmp_path: Path) -> None:
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(home / "data"), ids=(5, 2))
    results = evaluate(recipe, tmp_path / "run", predictions=home / "good")
    assert results["datasets"]["AESOP"]["n"] == 2
    with pytest.raises(UserError, match="AESOP has no sample 77; its ids look like 0, 1, 2"):
        evaluate(recipe.model_copy(update={"ids": (77,)}), tmp_path / "other", predictions=home / "good")


# ---- answers that change with their neighbours


def test_answers_that_change_when_asked_alone_are_counted(home: Path, tmp_path: Path) -> None:
    fields = {key: value for key, value in own(home).items() if key != "name"}
    recipe = EvalRecipe.model_validate(
        {
            "task": "storytelling",
            "datasets": ["aesop"],
            "data_root": str(home / "data"),
            "reuse_answers": False,
            **fields,
            "model": {"base": str(home / "base"), "device": "cpu"},
        }
    )
    results = evaluate(recipe, tmp_path / "run", invariance=True)
    assert results["datasets"]["AESOP"]["invariance"] == {"samples": COUNT, "changed": 0, "percent": 0.0, "ids": []}
    path = tmp_path / "run" / "predictions" / "AESOP.jsonl"
    lines = [json.loads(line) for line in path.open()]
    lines[4]["prediction"] = "something else"
    JsonLines(path).rewrite(lines)
    changed = evaluate(recipe, tmp_path / "run", invariance=True)["datasets"]["AESOP"]["invariance"]
    assert (changed["changed"], changed["ids"]) == (1, ["4"])


# ---- datasets beside one another


def test_distances_by_hand() -> None:
    one, other = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = distances([one, other])
    assert found.within == pytest.approx(50)  # 1 in the first sample, 0 in the second
    assert found.between == pytest.approx(50)


def test_a_survey_counts_and_measures_what_is_there(home: Path, tmp_path: Path) -> None:
    recipe = SurveyRecipe(
        datasets=("aesop", "vist", "spot-the-diff"),
        model=ModelRecipe(base=str(home / "base"), device="cpu"),
        samples=6,
        data_root=str(home / "data"),
    )
    results = survey(recipe, tmp_path / "run")
    assert results["datasets"]["aesop"]["samples"] == COUNT
    assert results["datasets"]["aesop"]["measured_on"] == 6
    assert results["datasets"]["aesop"]["between"] > 0
    assert "spot-the-diff" in results["left_out"][0].lower()
    unmeasured = survey(recipe.model_copy(update={"model": ModelRecipe(base="no/where")}), tmp_path / "counts")
    assert unmeasured["datasets"]["vist"]["samples"] == COUNT
    assert "within" not in unmeasured["datasets"]["vist"]
    assert survey_table(unmeasured).rows[0][:2] == ["aesop", COUNT]
    shown = survey_table(results)
    assert [row[:4] for row in shown.rows] == [["aesop", COUNT, None, "3"], ["vist", COUNT, None, "3"]]
    with pytest.raises(UserError, match="none of the datasets is there"):
        survey(recipe.model_copy(update={"datasets": ("iedit",)}), tmp_path / "none")
