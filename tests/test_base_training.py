"""Stage 0 end to end, on a model of a few thousand numbers: it runs, it is resumed to the same bytes, it loads."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from samcli.model.load import load_model
from samcli.model.traits import WORLD
from samcli.recipe import BaseRecipe
from samcli.synth.world.corpus import draw_picture, label_groups, label_picture, make_corpus
from samcli.synth.world.lessons import SLOTS, slot_words
from samcli.synth.world.splits import split_of
from samcli.synth.world.tasks import View
from samcli.training.loop import fit
from samcli.training.small import base as stage
from samcli.training.small.vision import patch_labels
from tests.small_models import small_sizes

OPTIM = {"batch_size": 8, "steps": 4, "warmup_steps": 1, "learning_rate": 0.001}
RECIPE = BaseRecipe.model_validate(
    {
        "pictures": 24,
        "held_out": 8,
        "workers": 1,
        "sizes": small_sizes(qformer_layers=12, queries=SLOTS),
        "vision": {**OPTIM, "optimizer": "muon"},
        "language": {**OPTIM, "accumulate": 2},
        "alignment": OPTIM,
        "checkpoint": {"every_steps": 2, "every_minutes": None},
        "log_every": 1,
    }
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("base")
    stage.train_base(RECIPE, out, Accelerator(cpu=True))
    return out


def test_the_written_model_is_the_trained_one(trained: Path) -> None:
    captioner = load_model(str(trained / "model"))
    last = load_file(trained / "alignment" / "checkpoints" / "step-00000004" / "parameters.safetensors")
    projection = next(value for name, value in last.items() if name.endswith("language_projection.weight"))
    torch.testing.assert_close(captioner.model.base.language_projection.weight, projection, rtol=1e-3, atol=1e-6)
    assert (captioner.traits, captioner.model.queries) == (WORLD, SLOTS)


def test_each_step_changes_its_own_part_only(trained: Path) -> None:
    names = {
        step: set(load_file(trained / step / "checkpoints" / "step-00000004" / "parameters.safetensors"))
        for step in ("vision", "language", "alignment")
    }
    assert all(name.startswith(("tower.", "answers.")) for name in names["vision"])
    assert all(name.startswith("llm.") for name in names["language"])
    parts = {name.split(".")[2] for name in names["alignment"]}
    assert parts == {"qformer", "query_tokens", "language_projection"}


def test_a_run_stopped_within_a_step_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_in_language(job: object, plan: object, out: Path, accelerator: object) -> object:
        if out.name == "language":
            raise KeyboardInterrupt
        return fit(job, plan, out, accelerator)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "fit", stop_in_language)
    with pytest.raises(KeyboardInterrupt):
        stage.train_base(RECIPE, tmp_path, Accelerator(cpu=True))
    monkeypatch.undo()
    stage.train_base(RECIPE, tmp_path, Accelerator(cpu=True))
    first, second = (load_file(out / "model" / "model.safetensors") for out in (trained, tmp_path))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (trained / "results.json").read_text() == (tmp_path / "results.json").read_text()


def test_labels_say_what_each_patch_shows(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, 6, seed=5, size=64, patch=16, workers=1)
    groups = list(label_groups())
    labels = patch_labels(corpus, torch.arange(6).numpy())
    for index in range(6):
        picture = draw_picture(5, index)
        owners = corpus.owners[index].flatten()
        for patch, owner in enumerate(owners):
            kind = label_groups()["kind"][int(labels[index, patch, groups.index("kind")])]
            thing = picture.things[owner] if owner >= 0 else None
            assert kind == (f"{thing.category} {thing['kind']}" if thing else "ground")
        scene = label_groups()["scene"][int(labels[index, 0, groups.index("scene")])]
        assert scene == picture.setting.scene


def test_labels_of_a_picture_cover_exactly_its_things() -> None:
    picture = draw_picture(0, 1)
    rows = label_picture(picture)
    groups = list(label_groups())
    for row, thing in zip(rows, picture.things, strict=False):
        assert {groups[i] for i in (row >= 0).nonzero()[0]} == set(thing.attributes)


def test_the_corpus_is_made_of_training_things_only() -> None:
    assert {split_of(thing) for index in range(40) for thing in draw_picture(0, index).things} == {"train"}


def test_slot_words_name_things_in_place() -> None:
    picture = draw_picture(0, 2)
    words = slot_words(View(picture.things, picture.setting))
    assert len(words) == SLOTS
    assert words[0] == picture.things[0]["kind"]
    assert words[-3:] == picture.setting.words
