"""`sam ablate` over LLaVAs: rows differ in their objectives, and visual tokens are measured after both stages."""

from pathlib import Path
from typing import Any

import pytest
import torch

from samcli.evaluation.ablate import ablate
from samcli.evaluation.ablation_plan import dry_run
from samcli.evaluation.result_tables import ablation_table, measures_table
from samcli.recipe import AblateRecipe, SynthRecipe
from samcli.synth.run import synthesise
from tests.small_llava import save_small_llava

TOKENS, BETWEEN = "caps, tokens", "caps, tokens after stage 1"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AblateRecipe:
    torch.set_num_threads(1)
    save_small_llava(tmp_path / "base")
    monkeypatch.setenv("SAM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    for name, split in (("train", "train"), ("caps", "test")):
        made = {"dataset": "world-captions", "split": split, "samples": 6, "size": 128, "workers": 1}
        synthesise(SynthRecipe.model_validate(made), tmp_path / "data" / name)
    stage = "{data: {train: train}, optim: {batch_size: 3, steps: 12, learning_rate: 0.01, warmup_steps: 1}}"
    (tmp_path / "llava.yaml").write_text(
        f"kind: llava\nmodel: {{base: {tmp_path}/base, device: cpu}}\nkeep_aligned: true\n"
        f"objective: {{labels: {{source: world}}}}\nprojector: {stage}\ninstruction: {stage}\n"
    )
    rows: list[dict[str, Any]] = [
        {"row": 1, "name": "captions"},
        {"row": 2, "name": "+ patch", "overrides": {"objective.patch.enabled": True}},
    ]
    settings = {"base": str(tmp_path / "llava.yaml"), "rows": rows, "seeds": 1, "tasks": ["captioning"]}
    more = {
        "compare_with": ["1"],
        "datasets": ["caps"],
        "measured": ["caps"],
        "decoding": {"beams": 1, "max_length": 6},
    }
    return AblateRecipe.model_validate(settings | more)


def test_rows_are_trained_answered_and_measured(recipe: AblateRecipe, tmp_path: Path) -> None:
    results = ablate(recipe, tmp_path / "run")
    first, second = results["rows"]
    assert first["measures"].keys() == {TOKENS, BETWEEN}
    assert 0 <= first["datasets"]["caps"]["rouge_l"]["mean"] <= 100
    trained = second["measures"][BETWEEN]["aligned"]
    assert trained["mean"] > first["measures"][BETWEEN]["aligned"]["mean"]
    assert trained["versus"]["1"]["difference"] > 0
    table = measures_table(results)
    assert table is not None
    assert "cosine with own words" in table.render("md")
    assert "+ patch" in ablation_table(results).render("md")
    assert (tmp_path / "run" / "figures" / "rows-aligned.png").exists()


def test_a_finished_ablation_is_not_done_again(recipe: AblateRecipe, tmp_path: Path) -> None:
    before = ablate(recipe, tmp_path / "run")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("row-*/**/*") if path.is_file()}
    assert ablate(recipe, tmp_path / "run") == before
    assert made == {path: path.stat().st_mtime_ns for path in made}
    assert {run["state"] for run in dry_run(recipe, tmp_path / "run")["runs"]} == {"finished"}
