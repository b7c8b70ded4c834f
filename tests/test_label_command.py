"""`sam label`: what is made and printed, what would be made, and what its picture shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.alignment.drawing import with_text
from samcli.alignment.labels import show
from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.eye_of_model import eye_of, local_eye_of
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.show import best_words
from samcli.alignment.labels.storage import label_storage
from samcli.alignment.labels.store import LabelStore
from samcli.cli import main
from samcli.data.sample import read_annotations
from samcli.errors import UserError
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe
from samcli.training.label_command import run_label
from samcli.training.label_plan import plan_labels, plan_text
from tests.label_data import world_samples
from tests.small_towers import PATCH, SIDE, save_clip, save_siglip


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    world_samples(tmp_path / "data", 3)
    return tmp_path / "data"


def recipe(data: Path | str, source: str = "world", model: dict[str, Any] | None = None, **labels: Any) -> LlavaRecipe:
    projector = {"data": {"train": str(data)}}
    objective = {"labels": {"source": source} | labels}
    return LlavaRecipe.model_validate({"model": model or {}, "objective": objective, "projector": projector})


def test_the_command_makes_labels_and_prints_where(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = data.parent / "recipe.yaml"
    written.write_text("kind: llava\nobjective: {labels: {source: world}}\nprojector: {data: {train: data}}\n")
    out = data.parent / "labels"
    command = ["sam", "label", str(written), "--data-root", str(data.parent), "--out", str(out)]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit, match="0"):
        main()
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    assert re.search(r"3 pictures labelled: 136 words, 8 x 8 patches, \d\.\d+ kB\n", printed.err)
    assert len(LabelStore.open(out, data)) == 3


def test_a_dry_run_makes_nothing_and_knows_what_is_made(data: Path) -> None:
    before = plan_labels(recipe(data))
    assert (before.images, before.words, before.grid, before.made) == (3, 136, 8, 0)
    assert before.most_bytes == label_storage(recipe(data).objective.labels, 3, 64)
    assert before.place is not None
    assert not before.place.exists()
    assert run_label(recipe(data), show=None, dry_run=False) == str(before.place)
    after = plan_labels(recipe(data))
    assert (after.place, after.made, after.missing) == (before.place, 3, [])
    assert after.made_bytes > 0
    assert "made already          3 pictures" in plan_text(after)


def test_a_dry_run_lists_what_is_missing_and_what_it_assumes(data: Path) -> None:
    there = {"clip": "nobody/clip", "detector": "nobody/detector", "segmenter": "nobody/segmenter"}
    llava = {"base": "nobody/llava"}
    plan = plan_labels(recipe("captions-of-photographs", "regions", llava, **there))
    assert [line.split()[0] for line in plan.missing] == [
        "labels.clip:",
        "labels.detector:",
        "labels.segmenter:",
        "data:",
    ]
    assert (plan.images, plan.words, plan.most_bytes) == (None, None, None)
    assert "a grid of 24 x 24" in plan.assumed[0]
    text = plan_text(plan)
    assert "hf download nobody/clip" in text
    assert "unknown until the data is there" in text


def test_a_dry_run_expects_a_world_set_that_is_not_drawn_yet(data: Path) -> None:
    plan = plan_labels(recipe("world-instructions"))
    assert plan.images is not None
    assert plan.images > 20_000
    assert plan.assumed == ["world-instructions is drawn first, into the cache directory"]
    assert plan.missing == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_sets_of_the_world_without_records_are_refused_before_they_are_drawn(data: Path, dry_run: bool) -> None:
    with pytest.raises(UserError, match=r"samples of world-mmlink have no records; world-captions, .* clip or regions"):
        run_label(recipe("world-mmlink"), show=None, dry_run=dry_run)
    assert not (data.parent / "cache").exists()


def test_a_recipe_without_labels_is_refused(data: Path) -> None:
    with pytest.raises(UserError, match="set it to world, clip or regions"):
        run_label(recipe(data, "none"), show=None, dry_run=True)
    with pytest.raises(UserError, match="--show 0: the number of samples to draw"):
        run_label(recipe(data), show=0, dry_run=False)


def test_samples_are_drawn_with_their_words(data: Path) -> None:
    drawn = Image.open(run_label(recipe(data), show=2, dry_run=False))
    assert drawn.format == "PNG"
    assert drawn.height > 2 * 8 * 20


def test_what_is_drawn_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def noted(picture: Image.Image, text: str) -> Image.Image:
        told.append(text)
        return picture

    monkeypatch.setattr(show, "with_text", noted)
    run_label(recipe(data), show=2, dry_run=False)
    ids = [sample.id for sample in read_annotations(data)]
    *names, legend = told
    assert names == [f"sample {name}" for name in ids[:2]]
    assert legend.startswith("Labels of source world. On each patch its best word; of several equally good ones")


def test_text_stands_above_a_picture_and_fits() -> None:
    picture = Image.new("RGB", (40, 30), "red")
    drawn = with_text(picture, "a line that is longer than the picture")
    assert drawn.width > 200
    assert drawn.crop((0, drawn.height - 30, 40, drawn.height)).tobytes() == picture.tobytes()


def test_the_word_that_is_drawn_has_the_highest_score_and_equal_ones_take_turns() -> None:
    counts = torch.tensor([[2, 0, 2, 3]])
    labels = PatchLabels(counts, torch.tensor([0, 1, 1, 2, 0, 1, 2]), torch.tensor([0.5, 0.9, 1.0, 1.0, 0.3, 0.2, 0.3]))
    found = [[said.word for said in row] for row in best_words(labels, ["a", "b", "c"])]
    assert found == [["b", ""], ["c", "a"]]


def test_the_eye_is_read_from_a_model_without_its_weights(tmp_path: Path) -> None:
    clip, siglip = save_clip(tmp_path / "clip"), save_siglip(tmp_path / "siglip")
    for tower, crop in ((clip, True), (siglip, False)):
        (tower / "model.safetensors").unlink()
        of_parts = LlavaModelRecipe(base=None, vision=str(tower), llm="nobody/llm")
        assert eye_of(of_parts) == local_eye_of(of_parts) == Eye(SIDE, PATCH, crop)
    assert eye_of(LlavaModelRecipe()) == Eye(128, 16, crop=False)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="empty: no description of a vision tower"):
        eye_of(LlavaModelRecipe(base=str(tmp_path / "empty")))
