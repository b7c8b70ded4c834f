"""The two stages of a LLaVA: what trains in each, what is added to its loss, and what is left when it is stopped."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from samcli.alignment.labels.eye_of_model import eye_of
from samcli.alignment.labels.make import make_labels
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.objectives import Pairs, draw_pairs, patch_loss, sea_loss
from samcli.alignment.words import WordTable
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import Interrupted, UserError
from samcli.model.features import FeaturesOnDisk
from samcli.model.llava.load import load_patch_base
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.load import load_model
from samcli.recipe import DataRecipe
from samcli.recipe_alignment import LabelsRecipe, LlavaModelRecipe, LlavaRecipe, ObjectiveRecipe, PatchTextRecipe
from samcli.training import llava_job
from samcli.training.inputs import training_samples
from samcli.training.llava_job import AlignedTraining, LabelledBatch
from samcli.training.llava_run import tower_of
from samcli.training.patch_lengths import PatchLengths
from samcli.training.run import run_training
from samcli.training.shared import Shared
from tests.small_llava import save_small_llava, small_llava
from tests.small_models import WORDS
from tests.test_llava import ANSWER, QUESTION, pictures

TEMPERATURE = 0.1
ON: dict[str, Any] = {"sea": {"enabled": True, "temperature": TEMPERATURE}, "patch": {"enabled": True}}
BOTH = {"sea": {"enabled": True}, "patch": {"enabled": True, "ramp_steps": 4}, "labels": {"source": "world"}}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_llava(tmp_path_factory.mktemp("llava") / "base")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def recipe(base: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LlavaRecipe]:
    """Twelve captions for the projector, then eight tasks of the world for all of it, but for changes."""
    monkeypatch.setenv("SAM_CACHE", str(cache))

    def made(**changes: Any) -> LlavaRecipe:
        optim = {"batch_size": 4, "epochs": 2, "learning_rate": 1e-3, "warmup_steps": 2}
        whole = {
            "model": {"base": str(base), "device": "cpu"},
            "objective": BOTH,
            "projector": {"data": {"train": "world-captions", "samples": 12, "workers": 1}, "optim": optim},
            "instruction": {"data": {"train": "world-instructions", "samples": 8, "workers": 1}, "optim": optim},
            "checkpoint": {"every_steps": 100, "every_minutes": None},
            "log_every": 1,
        }
        return LlavaRecipe.model_validate(whole | changes)

    return made


def weights(directory: Path) -> dict[str, Tensor]:
    return load_file(directory / "model.safetensors")


def test_each_stage_changes_its_own_part_only(recipe: Callable[..., LlavaRecipe], base: Path, tmp_path: Path) -> None:
    run_training(recipe(keep_aligned=True), tmp_path / "run", resume=False, overwrite=False)
    before, aligned, after = (
        weights(one) for one in (base, tmp_path / "run" / "projector" / "model", tmp_path / "run" / "model")
    )
    changed = [
        {part_of(name) for name in first if not torch.equal(first[name], second[name])}
        for first, second in ((before, aligned), (aligned, after))
    ]
    assert changed == [{"multi_modal_projector"}, {"multi_modal_projector", "language_model"}]
    assert load_model(str(tmp_path / "run" / "model"), device="cpu").traits.template == "plain"


def part_of(name: str) -> str:
    return next(part for part in ("vision_tower", "multi_modal_projector", "language_model") if part in name)


def test_a_run_that_was_stopped_ends_with_the_same_bytes(
    recipe: Callable[..., LlavaRecipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_training(recipe(), tmp_path / "whole", resume=False, overwrite=False)
    for step, stopped_in in ((2, "sea_loss"), (5, "answer_loss")):
        with monkeypatch.context() as patch:
            where = llava_job if stopped_in == "sea_loss" else PatchAlignedModel
            patch.setattr(where, stopped_in, stopping(getattr(where, stopped_in), step))
            with pytest.raises(Interrupted):
                run_training(recipe(), tmp_path / "stopped", resume=True, overwrite=False)
    run_training(recipe(), tmp_path / "stopped", resume=True, overwrite=False)
    whole, stopped = (weights(tmp_path / name / "model") for name in ("whole", "stopped"))
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)
    assert (tmp_path / "whole" / "results.json").read_text() == (tmp_path / "stopped" / "results.json").read_text()


def stopping(loss: Callable[..., Tensor], at: int) -> Callable[..., Tensor]:
    """The same function, which asks its process to stop when it is called for the `at`-th time."""
    calls: list[None] = []

    def counted(*arguments: Any) -> Tensor:
        calls.append(None)
        if len(calls) == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments)

    return counted


def test_features_that_are_kept_change_nothing(recipe: Callable[..., LlavaRecipe], tmp_path: Path) -> None:
    plain = recipe(instruction={"enabled": False})
    kept = plain.model_copy(
        update={
            "projector": plain.projector.model_copy(
                update={"data": plain.projector.data.model_copy(update={"features": "ram"})}
            )
        }
    )
    for name, one in (("plain", plain), ("kept", kept)):
        run_training(one, tmp_path / name, resume=False, overwrite=False)
    first, second = (weights(tmp_path / name / "model") for name in ("plain", "kept"))
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", ["sea", "patch"])
def test_an_objective_improves_what_it_trains(
    recipe: Callable[..., LlavaRecipe], tmp_path: Path, objective: str
) -> None:
    losses = []
    for name, chosen in (("without", {}), ("with", {objective: ON[objective], "labels": {"source": "world"}})):
        one = recipe(objective=chosen, instruction={"enabled": False})
        optim = one.projector.optim.model_copy(update={"epochs": 10.0, "learning_rate": 1e-2})
        one = one.model_copy(update={"projector": one.projector.model_copy(update={"optim": optim})})
        run_training(one, tmp_path / name, resume=False, overwrite=False)
        losses.append(measured(tmp_path / name / "model", objective))
    without, trained = losses
    assert trained < without - 0.05


@torch.no_grad()
def measured(directory: Path, objective: str) -> float:
    """An objective's loss, with the model of a directory, on the pictures that `recipe` trains on."""
    captioner = load_model(str(directory), device="cpu")
    model = captioner.model
    assert isinstance(model, PatchAlignedModel)
    samples, data = training_samples(DataRecipe(train="world-captions", samples=12, workers=1))
    eye = eye_of(LlavaModelRecipe(base=str(directory)))
    store = make_labels(LabelsRecipe(source="world"), samples, data, eye)
    labels = store.get([sample.images[0] for sample in samples])
    pixels = captioner.processor.pixels([open_image(sample.images[0]) for sample in samples])
    tokens = model.project(model.encode_images(pixels))
    words, table = WordTable(store.words, captioner.processor.tokenizer), model.word_embeddings()
    if objective == "patch":
        return float(patch_loss(tokens, labels, words, table))
    pairs = draw_pairs(labels, 2, torch.Generator().manual_seed(0))
    chosen = tokens.flatten(0, 1)[pairs.patches]
    return float(sea_loss(chosen, words.embeddings(table, pairs.words), torch.tensor(1 / TEMPERATURE)))


def test_the_loss_is_the_sum_of_its_parts() -> None:
    llava, processor = small_llava()
    model, words = PatchAlignedModel(llava), WordTable(WORDS, processor.tokenizer)
    batch = processor.batch([pictures(2)], [QUESTION], [ANSWER])
    labels = PatchLabels(torch.ones(2, model.patches, dtype=torch.int64), torch.arange(32) % 5, torch.ones(32))
    pairs = Pairs(torch.tensor([3, 20]), torch.tensor([1, 4]))
    settings = ObjectiveRecipe.model_validate(
        {
            "sea": {"enabled": True, "weight": 0.5, "temperature": 0.1},
            "patch": {"enabled": True, "weight": 3.0},
            "labels": {"source": "world"},
        }
    )
    found = AlignedTraining(model, settings, words)(LabelledBatch(batch, labels, pairs, ramp=0.25))
    visual, table = model.visual_tokens(batch), model.word_embeddings()
    sea = sea_loss(visual.flatten(0, 1)[pairs.patches], words.embeddings(table, pairs.words), torch.tensor(10.0))
    patch = patch_loss(visual, labels, words, table)
    torch.testing.assert_close(found, model(batch) + 0.5 * sea + 3.0 * 0.25 * patch)


def test_the_log_tells_the_losses_apart(recipe: Callable[..., LlavaRecipe], tmp_path: Path) -> None:
    run_training(recipe(instruction={"enabled": False}), tmp_path / "run", resume=False, overwrite=False)
    first, *_, last = [
        json.loads(line) for line in (tmp_path / "run" / "projector" / "log.jsonl").read_text().splitlines()
    ]
    whole = last["answer_loss"] + last["sea_loss"] + last["patch_loss"]  # the patch loss has its whole weight by then
    assert last["loss"] == pytest.approx(whole, rel=1e-5)
    assert first["patch_loss"] > 0
    assert last["sea_pairs"] >= 1
    assert last["temperature"] != first["temperature"]


def test_an_objective_without_labels_is_one_line() -> None:
    with pytest.raises(ValueError, match="an objective needs labels"):
        LlavaRecipe.model_validate({"objective": {"sea": {"enabled": True}}})


def test_augmented_pictures_have_no_labels() -> None:
    augmented = {"objective": BOTH, "projector": {"data": {"augment": "released"}}}
    with pytest.raises(ValueError, match=r"projector\.data\.augment must be none"):
        LlavaRecipe.model_validate(augmented)


def test_kept_features_are_of_their_layer(base: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_CACHE", str(cache))
    loaded, shared = load_patch_base(LlavaModelRecipe(base=str(base)), 0), Shared()
    found = []
    for layer in (-2, -1):
        loaded.model.config.vision_feature_layer = layer
        found.append(shared.features(DataRecipe(features="disk"), loaded.processor, tower_of(loaded), "float32"))
    first, second = (one.directory for one in found if isinstance(one, FeaturesOnDisk))
    assert first != second


def test_the_first_stage_does_not_go_on_behind_the_second(recipe: Callable[..., LlavaRecipe], tmp_path: Path) -> None:
    run_training(recipe(), tmp_path / "run", resume=False, overwrite=False)
    optim = recipe().projector.optim.model_copy(update={"epochs": 4.0})
    longer = recipe().model_copy(update={"projector": recipe().projector.model_copy(update={"optim": optim})})
    before = weights(tmp_path / "run" / "model")
    with pytest.raises(UserError, match="stage 2 began with a projector of 6 steps, and the recipe wants 12"):
        run_training(longer, tmp_path / "run", resume=True, overwrite=False, accept_changes=True)
    assert all(torch.equal(value, before[name]) for name, value in weights(tmp_path / "run" / "model").items())


def test_labels_that_the_data_cannot_have_are_one_line(recipe: Callable[..., LlavaRecipe], tmp_path: Path) -> None:
    other = {"data": {"train": "world-mmlink", "samples": 4, "workers": 1}, "optim": {"batch_size": 4}}
    with pytest.raises(UserError, match="world-captions"):
        run_training(recipe(projector=other), tmp_path / "run", resume=False, overwrite=False)


def test_samples_are_told_by_their_length(recipe: Callable[..., LlavaRecipe], tmp_path: Path, capsys: Any) -> None:
    short = recipe(text={"answer_tokens": 4}, objective={}, instruction={"enabled": False})
    run_training(short, tmp_path / "run", resume=False, overwrite=False)
    assert "text.answer_tokens: 12 of 12 answers lose their end" in capsys.readouterr().err
    _, processor = small_llava()
    sample = Sample(0, (Path("a.png"), Path("b.png")), QUESTION, (ANSWER,))
    for template, limit in (("plain", None), ("vicuna", None), ("plain", 2), ("vicuna", 3)):
        settings = PatchTextRecipe.model_validate({"template": template, "prompt_tokens": limit})
        made = processor.batch([pictures(2)], [QUESTION], [ANSWER], settings)
        whole = int(made.prompt_mask.sum()) - 2 + 2 * 16 + made.answer_ids.shape[1]  # type: ignore[union-attr]
        assert PatchLengths.of(processor, [sample], settings).sequence(settings, 16).tolist() == [whole]
