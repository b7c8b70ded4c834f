"""Whole trainings of a small model: what must not change their result, what they show, and what they refuse."""

import errno
import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from samcli.errors import UserError
from samcli.model.features import FeaturesOnDisk, features_for
from samcli.model.load import load_base
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import BaseRecipe, DataRecipe, SamRecipe, TextRecipe
from samcli.recipe_method import MethodRecipe
from samcli.training.checkpoint import finished
from samcli.training.lengths import Lengths, check_sequences
from samcli.training.order import EpochOrder
from samcli.training.plan import plan, plan_text
from samcli.training.rehearsal import rehearse
from samcli.training.run import run_training
from samcli.training.sam_run import find_inputs, train_sam
from tests.small_models import small_processor, small_sizes
from tests.training_data import make_pairs, small_recipe


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def trained(recipe: SamRecipe, out: Path) -> dict[str, Tensor]:
    train_sam(recipe, out)
    return load_file(out / "adapter" / "adapter.safetensors")


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# --- kept features ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["ram", "disk"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kept_features_train_the_same_to_the_bit(tmp_path: Path, keep: str, dtype: str, precision: str) -> None:
    model, optim = {"dtype": dtype}, {"precision": precision}
    plain = trained(small_recipe(tmp_path, model=model, optim=optim), tmp_path / "plain")
    kept = small_recipe(tmp_path, model=model, optim=optim, data={"features": keep})
    assert same(trained(kept, tmp_path / "kept"), plain)
    assert same(trained(kept, tmp_path / "again"), plain)


def test_features_on_disk_are_computed_once_and_by_what_pictures_hold(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small_recipe(tmp_path, data={"features": "disk"})
    train_sam(recipe, tmp_path / "first")
    files = sorted((cache / "features").rglob("*.safetensors"))
    assert files
    monkeypatch.setattr(SemanticAlignmentModel, "encode_images", None)
    train_sam(recipe, tmp_path / "second")
    for path in (tmp_path / "pairs").glob("*.png"):  # the same pictures under other names and times
        path.write_bytes(path.read_bytes())
    train_sam(recipe, tmp_path / "third")
    assert sorted((cache / "features").rglob("*.safetensors")) == files


def disk(tmp_path: Path, base: Any) -> FeaturesOnDisk:
    settings = DataRecipe(features="disk")
    made = features_for(settings, base.processor, base.weights_hash, "float32")
    assert isinstance(made, FeaturesOnDisk)
    return made


def test_several_may_share_the_work_and_a_damaged_file_is_made_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("samcli.model.features.SHARD", 4)
    recipe = small_recipe(tmp_path)
    base = load_base(recipe.model)
    model = SemanticAlignmentModel(base.model, recipe.method)
    pictures = find_inputs(recipe).pictures
    first, second = disk(tmp_path, base), disk(tmp_path, base)
    first.prepare(model, pictures, 0, 2)
    second.prepare(model, pictures, 1, 2)
    squares = [base.processor.square(Image.open(path).convert("RGB")) for path in pictures]
    wanted = model.encode_images(base.processor.pixels(squares))
    torch.testing.assert_close(first.get(pictures), wanted, rtol=0, atol=1e-6)
    torch.testing.assert_close(second.get(pictures), wanted, rtol=0, atol=1e-6)
    victim = next((cache / "features").rglob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:40])
    third = disk(tmp_path, base)
    third.prepare(model, pictures)
    torch.testing.assert_close(third.get(pictures), wanted, rtol=0, atol=1e-6)
    assert "is damaged and made again" in capsys.readouterr().err


def test_other_weights_have_other_features(tmp_path: Path, cache: Path) -> None:
    train_sam(small_recipe(tmp_path, data={"features": "disk"}), tmp_path / "one")
    train_sam(small_recipe(tmp_path, data={"features": "disk"}, model={"dtype": "bfloat16"}), tmp_path / "two")
    assert len(list((cache / "features").iterdir())) == 2


@pytest.mark.parametrize("keep", ["ram", "disk"])
def test_the_size_of_features_is_told_and_bounded(
    tmp_path: Path, keep: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train_sam(small_recipe(tmp_path, data={"features": keep}), tmp_path / "told")
    assert "features of 24 pictures take 7.68 kB" in capsys.readouterr().err  # 24 x 5 positions x 16 x 4 bytes
    bounded = small_recipe(tmp_path, data={"features": keep, "features_gb": 1e-9}, model={"dtype": "bfloat16"})
    with pytest.raises(UserError, match=r"features of 24 pictures take .* features_gb of the data allows 1 B"):
        train_sam(bounded, tmp_path / "bounded")
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("samcli.model.features.shutil.disk_usage", lambda _: Usage(9, 9, 0))
    full = small_recipe(tmp_path, data={"features": "disk"}, model={"dtype": "float16"})
    with pytest.raises(UserError, match=r"where 0 B are free; make room"):
        train_sam(full, tmp_path / "full")


# --- choices that change nothing -------------------------------------------------------------------------------------


def test_recomputing_activations_changes_no_bit(tmp_path: Path) -> None:
    plain = trained(small_recipe(tmp_path), tmp_path / "plain")
    assert same(trained(small_recipe(tmp_path, model={"recompute_activations": True}), tmp_path / "again"), plain)


@pytest.mark.parametrize("section", [{"vpgc": {"enabled": True}}, {"mmicl": {"enabled": True}}])
def test_rivals_recompute_too(tmp_path: Path, section: dict[str, Any]) -> None:
    off = {"guidance": {"enabled": False}}
    plain = trained(small_recipe(tmp_path, **off, **section), tmp_path / "plain")
    again = small_recipe(tmp_path, **off, **section, model={"recompute_activations": True})
    assert same(trained(again, tmp_path / "again"), plain)


def test_recomputed_layers_run_twice_and_keep_less(tmp_path: Path) -> None:
    base = load_base(small_recipe(tmp_path).model)
    model = SemanticAlignmentModel(base.model, MethodRecipe.model_validate({"guidance": {"enabled": False}}))
    calls: list[int] = []
    base.model.language_model.get_decoder().layers[1].mlp.register_forward_pre_hook(lambda *_: calls.append(1))
    batch = base.processor.batch([[Image.new("RGB", (32, 32))] * 2], ["what is shared"], ["cat"])
    model(batch).backward()
    assert len(calls) == 1
    model.recompute_activations()
    model(batch).backward()
    assert len(calls) == 3
    model.eval()(batch)
    assert len(calls) == 4
    model.release()
    model.train()(batch).backward()
    assert len(calls) == 5


# --- order and lengths -----------------------------------------------------------------------------------------------


def test_batches_of_like_length_still_hold_every_sample_once_an_epoch() -> None:
    lengths = [number * 7 % 40 for number in range(40)]
    plain, grouped = EpochOrder(40, 4, 1), EpochOrder(40, 4, 1, lengths, 5)
    steps = [grouped.step(step) for step in range(10)]
    assert sorted(int(row) for step in steps for row in step) == list(range(40))
    first = {int(row) for step in range(5) for row in plain.step(step)}
    assert first == {int(row) for step in steps[:5] for row in step}  # chance decides what a window holds

    def spread(order: EpochOrder) -> int:
        return sum(
            max(lengths[row] for row in order.step(s)) - min(lengths[row] for row in order.step(s)) for s in range(10)
        )

    assert spread(grouped) < spread(plain) / 2
    assert [grouped.step(12).tolist()] == [EpochOrder(40, 4, 1, lengths, 5).step(12).tolist()]
    assert [step.tolist() for step in steps] != [grouped.step(step).tolist() for step in range(10, 20)]


def test_grouping_trains_all_the_same(tmp_path: Path) -> None:
    trained(small_recipe(tmp_path, data={"group_by_length": 3}), tmp_path / "grouped")
    assert len(log_of(tmp_path / "grouped")) == 6


def test_texts_that_are_cut_are_counted_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = {"qformer_tokens": 8, "prompt_tokens": 6, "answer_tokens": 3}
    train_sam(small_recipe(tmp_path, text=text), tmp_path / "run")
    told = capsys.readouterr().err
    assert "text.qformer_tokens: 6 of 12 instructions lose their beginning" in told
    assert "text.prompt_tokens: 9 of 12 prompts lose their beginning" in told
    assert "text.answer_tokens: 4 of 12 answers lose their end" in told
    record = json.loads((tmp_path / "run" / "adapter" / "adapter.json").read_text(encoding="utf-8"))
    assert record["data"]["cut"] == {"text.qformer_tokens": 6, "text.prompt_tokens": 9, "text.answer_tokens": 4}


def test_sequences_that_the_llm_can_not_take_are_an_error(tmp_path: Path) -> None:
    make_pairs(tmp_path / "many", 3, images=5)
    recipe = small_recipe(tmp_path, data={"train": str(tmp_path / "many")})
    samples = find_inputs(recipe).samples
    lengths = Lengths.of(small_processor(small_sizes()), samples)
    tokens = lengths.sequence(TextRecipe(), 4)
    assert tokens[0] == 5 * 4 + 4 + 2  # images; BOS and three words; one word and EOS
    check_sequences(tokens, samples, int(tokens.max()))
    declared = Lengths.of(small_processor(small_sizes()), samples, declared=True).sequence(TextRecipe(), 4)
    named = small_processor(small_sizes()).texts(["what is shared"], None, TextRecipe(), [5])["prompt_ids"]
    assert declared[0] == 5 * 4 + named.shape[1] - 5 + 2
    with pytest.raises(UserError, match=r"1 of 3 training samples are longer .* \(33 tokens\), most of all 2 with 34"):
        check_sequences(tokens, samples, 33)


# --- what is looked at -----------------------------------------------------------------------------------------------


def test_validation_shows_pictures_texts_and_loss_while_it_trains(tmp_path: Path) -> None:
    make_pairs(tmp_path / "held", 5)
    validation = {"data": str(tmp_path / "held"), "samples": 4, "shown": 3, "every_steps": 2}
    recipe = small_recipe(tmp_path, validation=validation)
    plain = trained(small_recipe(tmp_path), tmp_path / "plain")
    assert same(trained(recipe, tmp_path / "run"), plain)
    looked = [line for line in log_of(tmp_path / "run") if "validation_loss" in line]
    assert [line["step"] for line in looked] == [2, 4, 6]
    page = (tmp_path / "run" / "samples.html").read_text(encoding="utf-8")
    assert "Validation samples at step 6" in page
    assert page.count("<article>") == 3
    assert page.count("data:image/jpeg;base64,") == 6
    assert page.count("<dt>answered</dt>") == 3
    assert f"{looked[-1]['validation_loss']:.4f}" in page


def test_a_validation_loss_that_is_no_number_is_told_and_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("samcli.training.validation.Validation._loss", lambda *_: float("nan"))
    make_pairs(tmp_path / "held", 2)
    validation = {"data": str(tmp_path / "held"), "shown": 0, "every_steps": 3}
    train_sam(small_recipe(tmp_path, validation=validation), tmp_path / "run")
    assert "step 3: validation loss nan" in capsys.readouterr().err
    assert [line["step"] for line in log_of(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([3.0, 1.0, 2.0, 4.0, 5.0, 6.0])
    monkeypatch.setattr("samcli.training.validation.Validation._loss", lambda *_: next(losses))
    make_pairs(tmp_path / "held", 2)
    validation = {"data": str(tmp_path / "held"), "shown": 0, "every_steps": 1}
    train_sam(small_recipe(tmp_path, validation=validation, checkpoint={"every_steps": 6}), tmp_path / "run")
    assert [path.name for path in finished(tmp_path / "run" / "checkpoints")] == ["step-00000002", "step-00000006"]


def test_trackers_hear_what_the_log_says(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_sam(small_recipe(tmp_path, trackers=["tensorboard"]), tmp_path / "run")
    events = EventAccumulator(str(next((tmp_path / "run").rglob("events.out.*")).parent)).Reload()
    heard = [round(event.value, 4) for event in events.Scalars("loss")]
    assert heard == [round(line["loss"], 4) for line in log_of(tmp_path / "run")]


def test_a_tracker_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samcli.training.loop.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"trackers: wandb is not installed: pip install wandb"):
        train_sam(small_recipe(tmp_path, trackers=["wandb"]), tmp_path / "run")


# --- the dry run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["off", "ram"])
def test_a_dry_run_checks_all_samples_and_takes_two_steps(tmp_path: Path, keep: str) -> None:
    recipe = small_recipe(tmp_path, data={"features": keep}, optim={"accumulate": 2})
    before = {path for path in tmp_path.rglob("*")}
    found = rehearse(recipe)
    assert found is not None
    assert found["samples_checked"] == 12
    assert found["samples_per_second"] == pytest.approx(4 / found["seconds_per_step"], rel=0.05)
    assert found["seconds_for_run"] == pytest.approx(
        6 * found["seconds_per_step"] + found["seconds_for_features"], abs=0.2
    )
    assert (found["seconds_for_features"] > 0) <= (keep == "ram")
    assert found["peak_memory_bytes"] > 1e8
    assert {path for path in tmp_path.rglob("*")} == before
    text = plan_text(plan(recipe) | {"measured": found})
    assert "Measured here in two steps" in text
    damage(tmp_path / "pairs")
    with pytest.raises(UserError, match="2 training pictures can't be read"):
        rehearse(recipe)


def test_a_dry_run_looks_at_the_validation_too(tmp_path: Path) -> None:
    damage(make_pairs(tmp_path / "held", 4))
    recipe = small_recipe(tmp_path, validation={"data": str(tmp_path / "held")})
    with pytest.raises(UserError, match="2 training pictures can't be read"):
        rehearse(recipe)


def test_a_shared_model_is_not_tried_in_one_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rehearse(small_recipe(tmp_path, model={"shard": True})) is None
    assert "isn't tried in one" in capsys.readouterr().err


def test_a_dry_run_makes_no_world_set(tmp_path: Path, cache: Path) -> None:
    assert rehearse(small_recipe(tmp_path, data={"train": "world-mmlink", "samples": 9})) is None
    assert not cache.exists()


# --- what is refused, and what is kept -------------------------------------------------------------------------------


def damage(pairs: Path) -> None:
    for name in ("0a.png", "3b.png"):
        (pairs / name).write_bytes(b"no picture")


def remove(pairs: Path) -> None:
    (pairs / "4a.png").unlink()


def change_texts(pairs: Path, **values: Any) -> None:
    path = pairs / "annotations.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([{**record, **values} for record in records]), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damage, r"2 training pictures can't be read: .*0a\.png"),
        (remove, r"1 training picture can't be found, such as .*4a\.png"),
        (
            lambda pairs: change_texts(pairs, instruction="  "),
            "no instruction in 12 training samples, such as 0",
        ),
        (lambda pairs: change_texts(pairs, output=" "), "output"),
        (lambda pairs: (pairs / "annotations.json").write_text("[]"), r"found \[\]"),
    ],
)
def test_every_sample_is_checked_before_the_first_step(tmp_path: Path, change: Any, said: str) -> None:
    recipe = small_recipe(tmp_path)
    change(tmp_path / "pairs")
    with pytest.raises(UserError, match=said):
        train_sam(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_run_goes_on_with_changes_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, out = small_recipe(tmp_path), tmp_path / "run"
    run_training(recipe, out, resume=False, overwrite=False)
    (out / "results.json").unlink()
    for path in finished(out / "checkpoints")[1:]:
        path.rename(tmp_path / path.name)
    change_texts(tmp_path / "pairs", output="dog")
    longer = small_recipe(tmp_path, optim={"learning_rate": 0.02})
    with pytest.raises(UserError, match=r"another recipe.*learning_rate: 0.01 -> 0.02"):
        run_training(longer, out, resume=True, overwrite=False)
    with pytest.raises(UserError, match=r"other files of the same names \(data: .*--accept-changes goes on with them"):
        run_training(recipe, out, resume=True, overwrite=False)
    with pytest.raises(UserError, match="give --resume with it"):
        run_training(longer, out, resume=False, overwrite=False, accept_changes=True)
    run_training(longer, out, resume=True, overwrite=False, accept_changes=True)
    assert "goes on with other files than it was begun with" in capsys.readouterr().err
    assert "learning_rate: 0.02" in (out / "recipe.yaml").read_text(encoding="utf-8")


def test_a_refused_change_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    recipe, out = small_recipe(tmp_path), tmp_path / "run"
    run_training(recipe, out, resume=False, overwrite=False)
    (out / "results.json").unlink()
    notes = {name: (out / name).read_text() for name in ("recipe.yaml", "record.json", "inputs.json")}
    change_texts(tmp_path / "pairs", output="dog")
    changes: list[dict[str, Any]] = [
        {"guidance": {"enabled": False}},
        {"guidance": {"enabled": False}, "mmicl": {"enabled": True}},
        {"optim": {"batch_size": 6}},
    ]
    for change in changes:
        with pytest.raises(UserError, match=r"other parameters|begun with 4 samples a step"):
            run_training(small_recipe(tmp_path, **change), out, resume=True, overwrite=False, accept_changes=True)
        assert {name: (out / name).read_text() for name in notes} == notes


def test_pictures_that_changed_are_noticed(tmp_path: Path) -> None:
    recipe, out = small_recipe(tmp_path), tmp_path / "run"
    run_training(recipe, out, resume=False, overwrite=False)
    (out / "results.json").unlink()
    Image.new("RGB", (40, 40), "white").save(tmp_path / "pairs" / "3b.png")
    with pytest.raises(UserError, match=r"other files of the same names \(pictures: "):
        run_training(recipe, out, resume=True, overwrite=False)


def test_another_optimiser_can_not_go_on(tmp_path: Path) -> None:
    off = {"guidance": {"enabled": False}, "mmicl": {"enabled": True}}
    recipe, out = small_recipe(tmp_path, **off, optim={"optimizer": "muon"}), tmp_path / "run"
    run_training(recipe, out, resume=False, overwrite=False)
    (out / "results.json").unlink()
    with pytest.raises(UserError, match=r"was begun with optim.optimizer: muon; adamw can't go on from its moments"):
        run_training(small_recipe(tmp_path, **off), out, resume=True, overwrite=False, accept_changes=True)
    assert "optimizer: muon" in (out / "recipe.yaml").read_text()


def test_a_run_that_knew_less_of_its_inputs_goes_on(tmp_path: Path) -> None:
    recipe, out = small_recipe(tmp_path), tmp_path / "run"
    run_training(recipe, out, resume=False, overwrite=False)
    (out / "results.json").unlink()
    kept = json.loads((out / "inputs.json").read_text())
    (out / "inputs.json").write_text(json.dumps({"base": kept["base"], "data": kept["data"]}))
    run_training(recipe, out, resume=True, overwrite=False)
    assert json.loads((out / "inputs.json").read_text()) == kept


def test_stage_0_takes_no_changes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the base itself is trained anew with --overwrite"):
        run_training(BaseRecipe(), tmp_path / "run", resume=True, overwrite=False, accept_changes=True)


def test_a_full_disk_keeps_the_last_good_checkpoint_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samcli.training import checkpoint

    written: list[Path] = []
    write = checkpoint._write_files

    def fill_up(staging: Path, made: checkpoint.Checkpoint) -> None:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(staging)
        write(staging, made)

    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr("samcli.training.checkpoint._write_files", fill_up)
    monkeypatch.setattr("samcli.training.checkpoint.shutil.disk_usage", lambda _: Usage(9, 9, 0))
    with pytest.raises(UserError, match=r"it takes \d+ MB and \d+ MB are missing; the last good checkpoint is kept"):
        train_sam(small_recipe(tmp_path), tmp_path / "run")
    assert [path.name for path in finished(tmp_path / "run" / "checkpoints")] == ["step-00000002", "step-00000003"]
    monkeypatch.undo()
    train_sam(small_recipe(tmp_path), tmp_path / "run")
    assert log_of(tmp_path / "run")[-1]["step"] == 6
