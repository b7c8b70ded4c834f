"""Stage 0 end to end, on a model of a few thousand numbers: it runs, it is resumed to the same bytes, it loads."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file

from samcli.errors import Interrupted, UserError
from samcli.model.captioner import q_former_model
from samcli.model.load import load_model
from samcli.model.traits import WORLD
from samcli.recipe import BaseRecipe
from samcli.synth.world.corpus import draw_picture, label_groups, label_picture, make_corpus
from samcli.synth.world.lessons import SLOTS, slot_words
from samcli.synth.world.pictures import patch_owners
from samcli.synth.world.splits import split_of
from samcli.synth.world.tasks import View
from samcli.training.checkpoint import finished
from samcli.training.loop import Job, Plan, fit
from samcli.training.small import base as stage
from samcli.training.small.vision import patch_labels
from tests.small_models import save_small, small_sizes

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
    assert (captioner.traits, q_former_model(captioner, "the test").queries) == (WORLD, SLOTS)


def test_each_step_changes_its_own_part_only(trained: Path) -> None:
    names = {
        step: set(load_file(trained / step / "checkpoints" / "step-00000004" / "parameters.safetensors"))
        for step in ("vision", "language", "alignment")
    }
    assert all(name.startswith(("tower.", "answers.")) for name in names["vision"])
    assert all(name.startswith("llm.") for name in names["language"])
    parts = {name.split(".")[2] for name in names["alignment"]}
    assert parts == {"qformer", "query_tokens", "language_projection"}


@pytest.mark.parametrize("step", ["vision", "language"])
def test_a_run_stopped_within_a_step_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """In `vision` Muon's moments have to come back, in `language` the generator that blurs the words."""

    def stopped_within(job: Job[Any, Any], plan: Plan, out: Path, accelerator: Accelerator) -> dict[str, Any]:
        def batch(number: int, part: int, parts: int) -> Any:
            if (out.name, number, part) == (step, 2, 0):
                os.kill(os.getpid(), signal.SIGTERM)
            return job.batch(number, part, parts)

        return fit(replace(job, batch=batch), plan, out, accelerator)

    monkeypatch.setattr(stage, "fit", stopped_within)
    with pytest.raises(Interrupted):
        stage.train_base(RECIPE, tmp_path, Accelerator(cpu=True))
    assert finished(tmp_path / step / "checkpoints")[-1].name in ("step-00000002", "step-00000003")
    monkeypatch.undo()
    stage.train_base(RECIPE, tmp_path, Accelerator(cpu=True))
    first, second = (load_file(out / "model" / "model.safetensors") for out in (trained, tmp_path))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (trained / "results.json").read_text() == (tmp_path / "results.json").read_text()


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("transformers.PreTrainedModel.save_pretrained", SafetensorError("I/O error: No space left on device")),
        ("samcli.model.processor.Processor.save", Exception("No space left on device (os error 28)")),
        ("samcli.training.small.base.write_traits", OSError(28, "No space left on device")),
    ],
)
def test_a_full_disk_leaves_the_former_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    directory = save_small(tmp_path / "model", small_sizes())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(where, full)
    with pytest.raises(UserError, match=r"can't write .*model: .*No space left on device"):
        save_small(directory, small_sizes(), seed=1)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


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
        assert {groups[i] for i in (row >= 0).nonzero()[0]} == {*thing.attributes, "place"}


def test_things_of_a_picture_are_labelled_from_left_to_right() -> None:
    picture = next(found for index in range(9) if len((found := draw_picture(0, index)).things) == 2)
    asked = list(label_groups()).index("place")
    places = [label_groups()["place"][row[asked]] for row in label_picture(picture)[:2]]
    columns = [np.nonzero(patch_owners(picture, 64, 16) == thing)[1].mean() for thing in (0, 1)]
    assert (places, columns) == (["on the left", "on the right"], sorted(columns))


def test_the_corpus_is_made_of_training_things_only() -> None:
    assert {split_of(thing) for index in range(40) for thing in draw_picture(0, index).things} == {"train"}


def test_slot_words_name_things_in_place() -> None:
    picture = draw_picture(0, 2)
    words = slot_words(View(picture.things, picture.setting))
    assert len(words) == SLOTS
    assert words[0] == picture.things[0]["kind"]
    assert words[-3:] == picture.setting.words
