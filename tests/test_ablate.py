"""`sam ablate`: rows and seeds are trained and scored once, in one table with intervals and paired differences."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from samcli.data.sample import Sample, read_annotations, write_annotations
from samcli.errors import UserError
from samcli.evaluation import ablate as ablate_module
from samcli.evaluation import trainees
from samcli.evaluation.ablate import _opened, ablate
from samcli.evaluation.ablation_plan import dry_run
from samcli.evaluation.command import run_ablation
from samcli.evaluation.result_tables import ablation_table
from samcli.evaluation.run import evaluate
from samcli.files import write_text
from samcli.recipe import AblateRecipe, EvalRecipe, SamRecipe
from samcli.recipe_file import find_recipe, load_recipe, load_with_flags
from samcli.run_directory import held, open_run
from samcli.synth.world.things import Thing
from samcli.training.small.base import save_base
from tests.small_models import WORDS, small_base, small_processor, small_sizes

SOFA = Thing("furniture", ("sofa", "red", "plain", "blue", "vase"))
LINKED = {"shared": SOFA.to_json(), "things": [[SOFA.to_json()], [SOFA.to_json()]]}
GREEDY = {"beams": 1, "max_length": 6, "repetition_penalty": 1.0}


def make_dataset(directory: Path, count: int) -> None:
    samples = []
    for number in range(count):
        images = tuple(directory / f"{number}-{place}.png" for place in range(2))
        for place, image in enumerate(images):
            directory.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number * 20, place * 90, 60)).save(image)
        samples.append(Sample(number, images, "what is shared", (f"the {WORDS[number % 5]} dog on sofa",), LINKED))
    write_annotations(directory, samples)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a small base, data sets (also of $SAM_DATA) and the training recipe that the rows change."""
    torch.set_num_threads(1)
    sizes = small_sizes(vision_width=32, qformer_width=32, llm_width=32, llm_mlp=64)
    model = small_base(sizes)
    with torch.no_grad():  # a random language model repeats its last token unless what it attends to is loud
        for parameter in (*model.language_model.model.layers.parameters(), model.language_projection.weight):
            parameter.mul_(20)
    save_base(model, small_processor(sizes), tmp_path / "base")
    for name, count in (("train", 12), ("links", 6), ("AESOP", 5)):
        make_dataset(tmp_path / "data" / name, count)
    monkeypatch.setenv("SAM_DATA", str(tmp_path / "data"))
    (tmp_path / "sam.yaml").write_text(
        f"model: {{base: {tmp_path}/base, device: cpu}}\n"
        "guidance: {from_layer: 2, to_layer: 2}\n"
        "data: {train: train, features: ram}\n"
        "optim: {batch_size: 4, steps: 4, learning_rate: 0.05, warmup_steps: 0}\n"
    )
    return tmp_path


def answers_in(path: Path) -> list[str]:
    return [json.loads(line)["prediction"] for line in path.read_text().splitlines()]


def recipe_of(home: Path, **more: Any) -> AblateRecipe:
    rows = (
        {"row": 1, "name": "base", "train": False, "overrides": {"guidance.enabled": False}},
        {"row": 2, "name": "+ data", "overrides": {"guidance.enabled": False}},
    )
    fields = {"base": str(home / "sam.yaml"), "rows": rows, "seeds": 2, "decoding": GREEDY, "batch_size": 4}
    return AblateRecipe.model_validate(
        fields | {"tasks": ("linking", "storytelling"), "datasets": ("world-mmlink", "AESOP")} | more
    )


@pytest.fixture(autouse=True)
def _world_is_small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samcli.synth.world.sets.world_set", lambda name: home / "data" / "links")


def test_rows_and_seeds_end_in_one_table(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, out = recipe_of(home), home / "run"
    results = ablate(recipe, out)
    assert [(row["row"], row["name"], row["seeds"]) for row in results["rows"]] == [
        ("1", "base", 1),
        ("2", "+ data", 2),
    ]
    base, data = (row["datasets"] for row in results["rows"])
    assert list(base) == ["world-mmlink", "AESOP"]
    assert list(base["world-mmlink"]) == ["named_in_full", "named_in_part"]
    score = base["AESOP"]["rouge_l"]
    assert score["ci95"][0] <= score["mean"] <= score["ci95"][1]
    assert score["versus"]["2"]["difference"] == pytest.approx(
        score["mean"] - data["AESOP"]["rouge_l"]["mean"], abs=1e-3
    )
    assert data["AESOP"]["rouge_l"]["versus"] == {}
    assert json.loads((out / "results.json").read_text()) == results
    assert len(ablation_table(results).rows) == 6
    answers = [answers_in(path) for path in sorted(out.glob("row-*/seed-*/predictions/AESOP.jsonl"))]
    assert len(answers) == 3
    assert answers[0] not in answers[1:]  # training changed something
    adapters = [path.read_bytes() for path in out.glob("row-2/seed-*/train/adapter/adapter.safetensors")]
    assert len(set(adapters)) == 2  # and so did the seed

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished run was run again")

    monkeypatch.setattr(trainees, "train_sam", refuse)
    monkeypatch.setattr(ablate_module, "predict", refuse)
    assert ablate(recipe, out) == results


def test_tasks_of_other_metrics_have_tables_of_their_own_but_for_programs(home: Path) -> None:
    given: dict[str, Any] = {"only": "1", "settings": {}, "flags": {}, "overwrite": False, "dry_run": False}
    shown = {form: run_ablation(recipe_of(home, seeds=1), home / "run", form=form, **given) for form in ("md", "csv")}
    heads = [line for line in shown["md"].splitlines() if line.startswith("| dataset")]
    assert ["named in full" in head for head in heads] == [True, False]
    assert ["CIDEr" in head for head in heads] == [False, True]
    assert shown["csv"].count("dataset,") == 1


def test_linking_is_told_by_numbers_of_images(home: Path) -> None:
    links = home / "data" / "links"
    samples = read_annotations(links)
    for place in (0, 3):
        samples[place] = replace(samples[place], images=(*samples[place].images, samples[1].images[0]))
    write_annotations(links, samples)
    recipe = recipe_of(home, seeds=1, tasks=("linking",), datasets=())
    (row,) = ablate(recipe, home / "run", only=["1"])["rows"]
    assert list(row["by_images"]) == ["world-mmlink, 2 images", "world-mmlink, 3 images"]
    whole, pairs, threes = (
        scores["named_in_part"]["mean"] for scores in (row["datasets"]["world-mmlink"], *row["by_images"].values())
    )
    assert whole == pytest.approx((4 * pairs + 2 * threes) / 6, abs=1e-3)
    listed = ablation_table({"rows": [row], "paper": None}).rows
    assert [cells[0] for cells in listed] == ["world-mmlink", "world-mmlink, 2 images", "world-mmlink, 3 images"]
    assert {path.suffix for path in (home / "run" / "figures").glob("rows-named_in_full.*")} == {".png", ".svg"}


def test_the_base_row_answers_as_the_base_does(home: Path) -> None:
    """Also after other rows were trained on it in the same process."""
    rows = recipe_of(home).rows
    ablate(recipe_of(home, rows=rows[::-1], seeds=1), home / "run")
    fields = {"task": "storytelling", "datasets": ("AESOP",), "model": {"base": str(home / "base"), "device": "cpu"}}
    adapters = {1: "none", 2: str(home / "run" / "row-2" / "seed-0" / "train" / "adapter")}
    for row, adapter in adapters.items():
        settings = fields | {"decoding": GREEDY, "batch_size": 4, "adapter": adapter}
        evaluate(EvalRecipe.model_validate(settings), home / f"alone-{row}")
        alone = answers_in(home / f"alone-{row}" / "predictions" / "AESOP.jsonl")
        assert answers_in(home / "run" / f"row-{row}" / "seed-0" / "predictions" / "AESOP.jsonl") == alone
    assert answers_in(home / "alone-1" / "predictions" / "AESOP.jsonl") != alone


def test_only_some_rows_then_the_others_then_more_seeds(home: Path) -> None:
    out = home / "run"
    assert [row["row"] for row in ablate(recipe_of(home), out, only=["1"])["rows"]] == ["1"]
    assert [row["row"] for row in ablate(recipe_of(home, seeds=1), out, only=["2"])["rows"]] == ["1", "2"]
    states = [(run["row"], run["seed"], run["state"]) for run in dry_run(recipe_of(home), out)["runs"]]
    assert states == [("1", 0, "finished"), ("2", 0, "finished"), ("2", 1, "to train and evaluate")]
    assert ablate(recipe_of(home), out)["rows"][1]["seeds"] == 2
    with pytest.raises(UserError, match="--only 9: no such row; the recipe has 1, 2"):
        ablate(recipe_of(home), out, only=["9"])


def test_a_call_for_fewer_seeds_loses_no_results(home: Path) -> None:
    out = home / "run"
    whole = ablate(recipe_of(home), out)
    fewer = ablate(recipe_of(home, seeds=1), out)
    assert fewer == whole
    assert json.loads((out / "results.json").read_text()) == whole


def test_rows_are_compared_with_those_that_are_there(home: Path) -> None:
    rows = ({"row": 4, "name": "a"}, {"row": 5, "name": "b"})
    assert recipe_of(home, rows=rows).compared == ("4",)
    assert recipe_of(home).compared == ("2",)
    assert recipe_of(home, rows=rows, compare_with=(5,)).compared == ("5",)
    with pytest.raises(ValidationError, match="there is no row 9; rows: 4, 5"):
        recipe_of(home, rows=rows, compare_with=(9,))


def test_a_base_recipe_may_lie_beside_the_ablation(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "table.yaml"
    path.write_text("kind: ablate\nbase: sam.yaml\nrows: [{row: 2, name: x}]\n")
    assert load_with_flags(AblateRecipe, path, (), {}).base == str(home / "sam.yaml")


def test_several_processes_share_the_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = recipe_of(home), home / "run"
    ablate(recipe, out, only=["1"])
    with held(out, shared=True), held(out / "row-2" / "seed-1"):  # as another process would
        assert [row["row"] for row in ablate(recipe, out)["rows"]] == ["1"]
        assert "row 2 (+ data), seed 1: another process is at work on it" in capsys.readouterr().err
        assert [path.name for path in (out / "row-2" / "seed-1").iterdir()] == [".run.lock"]
        assert (out / "row-2" / "seed-0" / "results.json").exists()
        with pytest.raises(UserError, match="another process is at work there"):
            ablate(recipe, out, overwrite=True)
        assert ablate(recipe_of(home, seeds=1), out)["rows"][1]["seeds"] == 1
    assert ablate(recipe, out) == ablate(recipe, home / "alone")


def test_nobody_changes_what_others_are_at_work_on(home: Path) -> None:
    recipe, out = recipe_of(home, seeds=1), home / "run"
    with pytest.raises(UserError, match="--only 9"):
        ablate(recipe, out, only=["9"])
    assert not out.exists()
    with _opened(recipe, out, False, whole=True):
        (out / "row-2" / "seed-0").mkdir(parents=True)  # begun, and nothing saved yet
        for change in ({"limit": 2}, {"rows": recipe.rows[:1]}):
            with pytest.raises(UserError, match=r"another process is at work there on another recipe.*It differs in"):
                ablate(recipe_of(home, seeds=1, **change), out)
        assert (out / "row-2" / "seed-0").exists()
    assert len(ablate(recipe_of(home, seeds=1, limit=2), out)["rows"]) == 2


def test_a_run_of_another_recipe_is_told_before_others_are_trained(home: Path) -> None:
    recipe, out = recipe_of(home, seeds=1), home / "run"
    ablate(recipe, out, only=["2"])
    changed = [row.model_copy(update={"overrides": row.overrides | {"optim.steps": 3}}) for row in recipe.rows]
    with pytest.raises(UserError, match=r"row-2.*training.optim.steps: 4 -> 3"):
        ablate(recipe_of(home, seeds=1, rows=changed), out)
    assert not (out / "row-1").exists()


def test_a_launcher_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="once for each GPU"):
        ablate(recipe_of(home), home / "run")


def test_a_directory_of_another_ablation_is_refused(home: Path) -> None:
    out, first = home / "run", recipe_of(home, seeds=1)
    ablate(first, out, only=["1"])
    with pytest.raises(UserError, match=r"decoding.max_length: 6 -> 7"):
        ablate(recipe_of(home, decoding=GREEDY | {"max_length": 7}), out)
    changed = [row.model_copy(update={"overrides": {"guidance.enabled": True}}) for row in first.rows]
    with pytest.raises(UserError, match=r"training.guidance.enabled: false -> true"):
        ablate(recipe_of(home, rows=changed), out, only=["1"])
    assert ablate(recipe_of(home, rows=changed), out, only=["1"], overwrite=True)["rows"]


def change_a_picture(data: Path) -> None:
    Image.new("RGB", (32, 32), "white").save(data / "2-1.png")


def change_references(data: Path) -> None:
    write_annotations(data, [replace(sample, references=("a red cat",)) for sample in read_annotations(data)])


def add_a_sample(data: Path) -> None:
    make_dataset(data, 6)


@pytest.mark.parametrize("change", [change_a_picture, change_references, add_a_sample])
def test_rows_that_answered_other_samples_are_refused_before_others_are_trained(
    home: Path, change: Callable[[Path], None]
) -> None:
    recipe, out = recipe_of(home, seeds=1), home / "run"
    ablate(recipe, out, only=["1"])
    change(home / "data" / "AESOP")
    with pytest.raises(UserError, match=r"row-1.*AESOP\.jsonl .* changed since; --overwrite starts anew"):
        ablate(recipe, out, only=["2"])
    assert not (out / "row-2").exists()
    assert ablate(recipe, out, only=["1"], overwrite=True)["rows"]


def test_faulty_rows_are_named(home: Path) -> None:
    rows = [{"row": 4, "name": "x", "overrides": {"guidance.layer": 3}}]
    with pytest.raises(UserError, match=r"row 4, overrides: guidance.layer"):
        ablate(recipe_of(home, rows=rows), home / "run")
    with pytest.raises(UserError, match="row 4 is there 2 times"):
        ablate(recipe_of(home, rows=[{"row": 4, "name": "x"}] * 2), home / "run")
    with pytest.raises(UserError, match="at least one"):
        ablate(recipe_of(home, rows=[]), home / "run")
    with pytest.raises(UserError, match="vist belongs to storytelling; tasks: linking"):
        ablate(recipe_of(home, tasks=["linking"], datasets=["vist"]), home / "run")


def test_a_dry_run_lists_what_is_missing(home: Path) -> None:
    (home / "data" / "AESOP" / "annotations.json").unlink()
    planned = dry_run(recipe_of(home), home / "run")
    assert [run["state"] for run in planned["runs"]] == [
        "to evaluate",
        "to train and evaluate",
        "to train and evaluate",
    ]
    assert planned["datasets"] == ["world-mmlink", "AESOP"]
    (missing,) = planned["missing"]
    assert "AESOP" in missing
    assert not (home / "run").exists()


def planned(recipe: AblateRecipe, out: Path, *, overwrite: bool = False) -> str:
    more: dict[str, Any] = {"only": None, "settings": {}, "flags": {}, "form": "table"}
    return run_ablation(recipe, out, overwrite=overwrite, dry_run=True, **more)


def test_a_dry_run_refuses_what_the_run_would(home: Path) -> None:
    out = home / "run"
    ablate(recipe_of(home, seeds=1), out, only=["1"])
    assert "refused" not in planned(recipe_of(home, seeds=1), out)
    fewer = recipe_of(home, seeds=1, limit=2)
    told = planned(fewer, out)
    assert re.search(r"row 1 .*another run is in its place", told)
    assert "refused: " in told
    with pytest.raises(UserError) as refused:
        ablate(fewer, out)
    assert str(refused.value) in told
    assert "refused: " not in planned(fewer, out, overwrite=True)
    change_references(home / "data" / "AESOP")
    assert re.search(r"refused: .*AESOP\.jsonl .*changed since", planned(recipe_of(home, seeds=1), out))


def test_a_dry_run_refuses_the_directory_of_a_training(home: Path) -> None:
    out = home / "training"
    open_run(out, load_recipe(SamRecipe, home / "sam.yaml"), overwrite=False)
    write_text(out / "adapter" / "adapter.json", "{}")
    assert re.search(r"refused: .*training holds a run of ", planned(recipe_of(home), out))


def test_sets_to_measure_that_dont_exist_are_named(home: Path) -> None:
    for tried in (planned, ablate):
        with pytest.raises(UserError, match="world-nothing"):
            tried(recipe_of(home, measured=["world-nothing"]), home / "run")
    assert "MmLINK" in planned(recipe_of(home, measured=["MmLINK"]), home / "run").split("missing: ")[1]


def test_a_dry_run_lists_weights_and_training_data_that_are_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (home / "full.yaml").write_text("model: {base: nobody/no-such-model}\ndata: {train: MmLINK}\n")
    planned = dry_run(recipe_of(home, base=str(home / "full.yaml")), home / "run")
    weights, data = planned["missing"]
    assert weights.startswith("weights: nobody/no-such-model is no directory here")
    assert data.startswith("data: MmLINK: no directory MmLINK in ")
    untrained = dry_run(recipe_of(home, base=str(home / "full.yaml")), home / "run", only=["1"])
    assert untrained["missing"] == [weights]


def test_shipped_recipes_are_sound() -> None:
    table3 = load_recipe(AblateRecipe, find_recipe("tiny/table3"))
    assert [row.row for row in table3.rows][:3] == ["1", "2", "3"]
    assert table3.seeds == 3
    recipe = load_recipe(EvalRecipe, find_recipe("tiny/eval"))
    assert recipe.decoding == table3.decoding
