"""The plan of a LLaVA's training: both stages' parameters, FLOPs and memory, the labels, and what is missing."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlavaForConditionalGeneration

from samcli.cli import main
from samcli.data.batch import IMAGE, Batch
from samcli.errors import UserError
from samcli.evaluation.ablation_plan import dry_run
from samcli.files import write_json
from samcli.model.llava.config import local_config
from samcli.model.llava.known_sizes import KNOWN_LLAVAS, KNOWN_LLMS, KNOWN_TOWERS
from samcli.model.llava.load import load_patch_base
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.tokenizers import build_llm_tokenizer
from samcli.recipe import AblateRecipe
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe
from samcli.training.cost_parts import Load
from samcli.training.llava_costs import stage_flops, stage_memory
from samcli.training.plan import missing_for, plan, plan_text, trained_numbers
from tests.small_llava import SIDE, save_small_llava, small_images, small_llava, small_llm, small_tower
from tests.small_models import WORDS
from tests.step_memory import kept_for_gradients

LOAD = Load(samples=3, images=2, instruction_tokens=7, answer_tokens=6)
PARTS = {"base": None, "vision": KNOWN_TOWERS[0], "llm": KNOWN_LLMS[0]}
SEA = {"sea": {"enabled": True}, "labels": {"source": "clip"}}


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither data nor a network, wherever the tests run."""
    monkeypatch.setenv("SAM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the plan asked the network"))


def recipe(model: dict[str, Any] | None = None, **sections: Any) -> LlavaRecipe:
    """On published data, with smaller batches than the whole step's at once."""
    stages = {
        "projector": {"data": {"train": "LLaVA-Pretrain"}, "optim": {"batch_size": 256, "accumulate": 32}},
        "instruction": {"data": {"train": "LLaVA-mix665k"}, "optim": {"batch_size": 128, "accumulate": 64}},
    }
    return LlavaRecipe.model_validate({"model": PARTS if model is None else model} | stages | sections)


def small_model(kind: str, *, with_llm: bool) -> PatchAlignedModel:
    model = PatchAlignedModel(small_llava(kind, tied=False)[0])
    model.train_projector(with_llm=with_llm)
    return model


def batch() -> Batch:
    """What `LOAD` says."""
    answer = torch.randint(5, len(WORDS), (LOAD.samples, LOAD.answer_tokens))
    prompt = torch.randint(5, len(WORDS), (LOAD.samples, LOAD.instruction_tokens + int(LOAD.images)))
    prompt[:, : int(LOAD.images)] = IMAGE
    nothing = torch.zeros((LOAD.samples, 0), dtype=torch.int64)
    return Batch(
        torch.tensor([int(LOAD.images)] * LOAD.samples),
        nothing,
        nothing,
        prompt,
        torch.ones_like(prompt),
        pixel_values=torch.randn(int(LOAD.all_images), 3, SIDE, SIDE),
        answer_ids=answer,
        answer_mask=torch.ones_like(answer),
    )


# --- parameters ------------------------------------------------------------------------------------------------------


def test_llava_1_5_with_sea_in_seconds() -> None:
    planned = plan(recipe(objective=SEA))
    projector, instruction = (stage["parameters"] for stage in planned["stages"].values())
    of_projector = 1024 * 4096 + 4096 + 4096**2 + 4096
    assert projector["by_part"]["projector"] == {"trained": of_projector, "frozen": 0}
    assert projector["trained"] == of_projector + 1
    assert projector["by_part"]["temperature"] == {"trained": 1, "frozen": 0}
    assert instruction["by_part"]["vision_tower"] == {"trained": 0, "frozen": 303_507_456}
    assert instruction["trained"] == of_projector + 6_738_415_616 + 2 * 4096
    assert planned["parameters"]["trained"] == instruction["trained"] + 1
    assert planned["parameters"]["frozen"] == 303_507_456
    assert [stage["steps"] for stage in planned["stages"].values()] == [2181, 4880]
    assert json.loads(json.dumps(planned)) == planned


@pytest.mark.parametrize("base", KNOWN_LLAVAS)
def test_published_llavas_have_room_for_more_words_than_their_parts(base: str) -> None:
    llm = KNOWN_LLMS[KNOWN_LLAVAS.index(base)]
    whole, of_parts = (plan(recipe(model))["parameters"]["trained"] for model in ({"base": base}, PARTS | {"llm": llm}))
    assert whole - of_parts == 2 * 63 * (4096, 5120)[KNOWN_LLMS.index(llm)]


def test_sizes_are_those_of_the_model_that_is_loaded(tmp_path: Path) -> None:
    tower, llm = tmp_path / "tower", tmp_path / "llm"
    tokenizer = build_llm_tokenizer(WORDS)
    small_tower("siglip").save_pretrained(tower)
    small_images("siglip").save_pretrained(tower)
    small_llm(len(tokenizer), tied=False).save_pretrained(llm)
    tokenizer.save_pretrained(llm)
    whole = save_small_llava(tmp_path / "llava")
    for settings in ({}, {"base": None, "vision": str(tower), "llm": str(llm)}, {"base": str(whole)}):
        model = LlavaModelRecipe.model_validate(settings)
        config = local_config(model)
        assert config is not None
        with torch.device("meta"):
            planned = LlavaForConditionalGeneration(config)
        loaded = load_patch_base(model, seed=0).model
        assert {name: one.shape for name, one in planned.named_parameters()} == {
            name: one.shape for name, one in loaded.named_parameters()
        }


def test_what_a_recipe_trains_depends_on_its_stages() -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"objective": SEA},
        {"objective": {"sea": {"enabled": True, "learn_temperature": False}, "labels": {"source": "clip"}}},
        {"instruction": {"train_llm": False}},
        {"instruction": {"enabled": False}},
    ]
    of_projector, whole = 20_979_712, 6_759_403_520
    counts = trained_numbers([recipe(**changes) for changes in settings])
    assert counts == [whole, whole + 1, whole, of_projector, of_projector]
    assert trained_numbers([recipe({"base": "nobody/llava"})]) == [None]
    assert list(plan(recipe(instruction={"enabled": False}))["stages"]) == ["projector"]


# --- costs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_llm", [False, True])
@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_flops_are_those_of_a_real_step(kind: str, with_llm: bool) -> None:
    model = small_model(kind, with_llm=with_llm)
    model.base.set_attn_implementation("eager")  # whose matrix products are counted
    with FlopCounterMode(display=False) as counted:
        model(batch()).backward()
    assert sum(stage_flops(model, LOAD).values()) == pytest.approx(counted.get_total_flops(), rel=0.04)


@pytest.mark.parametrize("with_llm", [False, True])
def test_activations_are_nearly_those_that_a_real_step_keeps(with_llm: bool) -> None:
    model = small_model("clip", with_llm=with_llm)
    memory = stage_memory(model, LOAD, torch.float32, "fp32")
    assert memory["activations"] == pytest.approx(kept_for_gradients(model, batch()), rel=0.3)


def test_what_trains_is_held_in_single_precision_and_the_rest_as_asked() -> None:
    planned = plan(recipe(PARTS | {"dtype": "bfloat16"}))
    memory = {name: stage["memory_by_part"] for name, stage in planned["stages"].items()}
    assert memory["projector"]["frozen_weights"] == 2 * (303_507_456 + 6_738_423_808)
    assert memory["instruction"]["frozen_weights"] == 2 * 303_507_456
    assert memory["instruction"]["weights"] == 4 * planned["stages"]["instruction"]["parameters"]["trained"]


# --- what is missing -------------------------------------------------------------------------------------------------


def test_what_is_missing_is_said_and_no_error() -> None:
    vision, llm, clip, captions, mix = plan(recipe(objective=SEA))["missing"]
    assert (
        f"`hf download {KNOWN_TOWERS[0]} --local-dir DIR` where there is a network and --set model.vision=DIR" in vision
    )
    assert f"`hf download {KNOWN_LLMS[0]} --local-dir DIR` where there is a network and --set model.llm=DIR" in llm
    assert clip.startswith("labels.clip: ")
    assert captions.startswith("projector.data: LLaVA-Pretrain: no directory")
    assert "examples/llava_data.py" in captions
    assert "--set projector.data.train=world-captions" in captions
    assert "--set instruction.data.train=world-instructions" in mix


def test_untrained_rows_need_no_data() -> None:
    assert len(missing_for(recipe(objective=SEA), trained=False)) == 2
    assert len(missing_for(recipe(objective=SEA), trained=True)) == 5
    assert missing_for(LlavaRecipe(), trained=True) == []


def test_a_base_that_is_not_there_has_no_sizes_but_steps() -> None:
    planned = plan(recipe({"base": "nobody/llava"}))
    assert planned["parameters"] == {"trained": None, "frozen": None, "by_part": {}}
    assert planned["stages"]["projector"]["flops_per_step"] is None
    assert planned["steps"] == 2181 + 4880
    assert "unknown" in plan_text(planned)


def test_another_model_is_the_users_error(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "bert"})
    with pytest.raises(UserError, match=r"is a bert model; needed is a LLaVA \(llava-hf"):
        plan(recipe({"base": str(tmp_path)}))


def test_an_optimiser_without_anything_to_do_is_the_users_error() -> None:
    with pytest.raises(UserError, match="muon is for the matrices of repeated layers"):
        plan(recipe(projector={"optim": {"optimizer": "muon"}}))


def test_a_schedule_that_only_warms_up_is_warned_of() -> None:
    first, second = plan(recipe(), samples=30_000)["warnings"]
    assert first.startswith("projector: all of its steps (118) are warm-up (projector.optim.warmup_steps: ")
    assert first.endswith("raise projector.optim.epochs")
    assert second.startswith("instruction: all of its steps (235)")
    (by_steps,) = plan(recipe(projector={"optim": {"steps": 9}}), samples=300_000)["warnings"]
    assert by_steps.endswith("raise projector.optim.steps")


# --- as text, and on the command line --------------------------------------------------------------------------------


def test_labels_of_the_plan_are_those_of_sam_label() -> None:
    planned = plan(recipe(objective=SEA))
    a_picture = 24 * 24 * (1 + 10 * 6) + 8
    assert planned["labels"]["most_bytes"] == planned["labels"]["likely_bytes"] == 558_128 * a_picture
    assert plan(recipe())["labels"] is None
    siglip = recipe({"base": None, "vision": KNOWN_TOWERS[1], "llm": KNOWN_LLMS[1]}, objective=SEA)
    assert plan(siglip)["labels"]["grid"] == 384 // 14


def test_a_plan_as_text_names_what_matters() -> None:
    text = plan_text(plan(recipe(objective=SEA)))
    for wanted in ("20,979,713", "6,759,403,520", "2,181", "4,880", "19.6 GB", "trained: instruction", "PFLOP"):
        assert wanted in text
    assert "projector.optim.learning_rate" in text
    assert "Labels" not in plan_text(plan(recipe()))


def test_batch_size_names_the_keys_of_the_stages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sam", "train", "tiny/llava", "--dry-run", "--batch-size", "8"])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert "--set projector.optim.batch_size=8" in said
    assert "--set instruction.optim.batch_size=8" in said


def test_an_ablation_over_llavas_is_planned(tmp_path: Path) -> None:
    rows = [{"row": "1", "name": "captions"}, {"row": "2", "name": "sea", "overrides": {"objective.sea.enabled": True}}]
    settings = {"base": "tiny/llava", "rows": rows, "seeds": 1, "tasks": ["grounding"]}
    planned = dry_run(AblateRecipe.model_validate(settings), tmp_path)
    assert [run["trained"] for run in planned["runs"]] == [4_032_768, 4_032_769]
    assert planned["missing"] == []


def test_settings_of_a_stage_reach_the_rows_of_an_ablation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = "instruction.train_llm=false"
    monkeypatch.setattr("sys.argv", ["sam", "ablate", "tiny/alignment", "--only", "1", "--dry-run", "--set", changed])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "row 1 (caption loss alone), seed 0: trains 115,200 parameters" in capsys.readouterr().out
