"""The plan of a training run: parameters, FLOPs and memory of models that are never allocated, and what is missing."""

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from samcli.data.batch import Batch
from samcli.data.sample import Sample, write_annotations
from samcli.errors import UserError
from samcli.files import write_json
from samcli.model.find import QFORMER_FOLDER
from samcli.model.guidance_checks import guidance_warnings
from samcli.model.known_sizes import KNOWN, known_config
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.small import small_config
from samcli.recipe import BaseRecipe, SamRecipe
from samcli.recipe_file import find_recipe, load_recipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from samcli.synth.world.sets import SETS
from samcli.synth.world.tasks import Accept, Group, Story, draw_group, draw_story
from samcli.training.cost_parts import Load
from samcli.training.costs import Held, step_flops, step_memory
from samcli.training.inputs import training_samples
from samcli.training.plan import meta_model, plan, plan_text
from samcli.training.plan_data import WORLD_IMAGES
from tests.small_models import LLM_WORDS, QFORMER_WORDS, small_sizes, textless_base
from tests.step_memory import kept_for_gradients

SIZES = small_sizes(
    patch_size=8, vision_width=24, vision_layers=2, qformer_width=32, qformer_layers=4, llm_width=64, llm_layers=3
)
LOAD = Load(samples=3, images=3, instruction_tokens=7, answer_tokens=6)
FOUR_LAYERS = {"from_layer": 4, "to_layer": 4}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"from_layer": 2, "to_layer": 3},
    {"from_layer": 2, "to_layer": 3, "context": "others"},
    {"from_layer": 3, "weights": "mean"},
    {"enabled": False},
]


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither data nor a network, wherever the tests run."""
    monkeypatch.setenv("SAM_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory with the configuration of a small InstructBLIP, and no weights."""
    directory = tmp_path / "base"
    (directory / QFORMER_FOLDER).mkdir(parents=True)
    small_config(SIZES, LLM_WORDS, QFORMER_WORDS).save_pretrained(directory)
    return directory


def recipe(base: str | Path = KNOWN[0], **sections: dict[str, Any]) -> SamRecipe:
    settings = {"model": {"base": str(base)}, "data": {"train": "MmLINK"}, **sections}
    return SamRecipe.model_validate(settings)


def full(**model: Any) -> SamRecipe:
    """The shipped recipe with other settings of `model`."""
    return load_recipe(SamRecipe, find_recipe("full"), [(f"model.{key}", value) for key, value in model.items()])


def small_model(settings: dict[str, Any]) -> SemanticAlignmentModel:
    guidance = GuidanceRecipe(**{"from_layer": 4, "to_layer": 4, **settings})
    return SemanticAlignmentModel(textless_base(SIZES), MethodRecipe(guidance=guidance))


def batch() -> Batch:
    def ids(length: int) -> Tensor:
        return torch.randint(5, QFORMER_WORDS, (LOAD.samples, length))

    prompt, answer = ids(LOAD.instruction_tokens), ids(LOAD.answer_tokens)
    return Batch(
        torch.tensor([LOAD.images] * LOAD.samples),
        ids(LOAD.instruction_tokens),
        torch.ones_like(prompt),
        prompt,
        torch.ones_like(prompt),
        pixel_values=torch.randn(int(LOAD.all_images), 3, SIZES.image_size, SIZES.image_size),
        answer_ids=answer,
        answer_mask=torch.ones_like(answer),
    )


def test_the_papers_training_in_seconds() -> None:
    began = time.monotonic()
    planned = plan(full())
    assert time.monotonic() - began < 10
    assert planned["parameters"]["trained"] == 4_332_417
    assert planned["parameters"]["frozen"] == 7_910_060_800
    assert planned["steps"] == 69_000 // 20
    parts = planned["parameters"]["by_part"]
    assert {name for name, part in parts.items() if part["trained"]} == {
        "language_projection",
        "guide_layers",
        "adaptive_layer",
    }
    assert parts["guide_layers"] == {"trained": 1_181_184, "frozen": 0}
    assert sum(part["trained"] + part["frozen"] for part in parts.values()) == 7_910_060_800 + 4_332_417
    assert json.loads(json.dumps(planned)) == planned


@pytest.mark.parametrize("hub_id", KNOWN)
def test_every_known_base_is_planned(hub_id: str) -> None:
    planned = plan(recipe(hub_id))
    width = {"13b": 5120, "-xl": 2048}.get(hub_id[-3:], 4096)
    assert planned["parameters"]["by_part"]["language_projection"]["trained"] == 768 * width + width


def test_an_unknown_id_has_no_sizes() -> None:
    assert known_config("Salesforce/blip2-opt-2.7b") is None


@pytest.mark.parametrize(
    ("images", "naive", "minimal"), [(2, 6.3e12, 5.1e12), (3, 7.8e12, 5.9e12), (5, 10.7e12, 7.6e12)]
)
def test_flops_are_those_counted_by_hand_at_7b(images: int, naive: float, minimal: float) -> None:
    """By hand: everything computed for each image, and with vision features kept; 64 tokens of prompt and of answer."""
    model, load = meta_model(full()), Load(1, images, 64, 64)
    assert model is not None
    assert sum(step_flops(model, load).values()) == pytest.approx(naive, rel=0.03)
    assert sum(step_flops(model, load, cached_features=True).values()) == pytest.approx(minimal, rel=0.03)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_flops_are_those_of_a_real_step(settings: dict[str, Any]) -> None:
    model = small_model(settings)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with FlopCounterMode(display=False) as counted:
        model(batch()).backward()
    assert sum(step_flops(model, LOAD).values()) == pytest.approx(counted.get_total_flops(), rel=0.04)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_activations_are_nearly_those_that_a_real_step_keeps(settings: dict[str, Any]) -> None:
    model = small_model(settings)
    size = kept_for_gradients(model, batch())
    assert step_memory(model, LOAD)["activations"] == pytest.approx(size, rel=0.25)


def test_memory_counts_weights_by_their_numbers() -> None:
    model = small_model({})
    single, half = (step_memory(model, LOAD, Held(dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert single["frozen_weights"] == 2 * half["frozen_weights"]
    trained = sum(parameter.numel() for _, parameter in model.trained_parameters())
    assert single["optimizer"] == 8 * trained
    assert "rounded_weights" in step_memory(model, LOAD, precision="bf16")
    assert "rounded_weights" not in step_memory(model, LOAD, Held(torch.bfloat16), "bf16")


def test_memory_counts_how_a_large_language_model_is_held() -> None:
    """At Vicuna-7B's sizes: its layers hold 6.476 billion numbers in matrices, 262,144 in norms."""
    matrices, norms = 32 * (4 * 4096**2 + 3 * 4096 * 11008), 32 * 2 * 4096

    def frozen(**choices: Any) -> int:
        return int(plan(full(**choices))["memory_by_part"]["frozen_weights"])

    whole = frozen()
    assert whole - frozen(llm_bits=8) == matrices
    assert whole - frozen(llm_bits=4) == matrices * (2 - 0.5625)
    layers = 2 * (matrices + norms)
    assert whole - frozen(shard=True) == layers - layers // 4 - layers // 32
    again = full(recompute_activations=True)
    assert plan(again)["memory_by_part"]["activations"] < plan(full())["memory_by_part"]["activations"] / 7
    flops = plan(again)["flops_by_part"]
    assert plan(again)["flops_per_step"] - plan(full())["flops_per_step"] == flops["language_model_again"] > 0


def test_accumulating_takes_less_memory_and_as_many_flops(base: Path) -> None:
    sizes = {"from_layer": 4, "to_layer": 4}
    one = plan(recipe(base, guidance=sizes))
    four = plan(recipe(base, guidance=sizes, optim={"accumulate": 4}))
    assert four["flops_per_step"] == one["flops_per_step"]
    assert four["memory_by_part"]["activations"] * 4 == one["memory_by_part"]["activations"]


def test_what_is_missing_is_said_and_no_error(tmp_path: Path) -> None:
    weights, data = plan(full())["missing"]
    assert "Salesforce/instructblip-vicuna-7b is no directory here and not in the hub's local cache" in weights
    assert f"{tmp_path / 'data' / 'MmLINK'}" in data
    assert "github.com/McCartney01/SAM" in data


def test_what_fetches_a_base_names_its_revision() -> None:
    pinned = full().model.revision
    assert pinned is not None
    (weights, _) = plan(full())["missing"]
    assert f"local cache at revision {pinned}; training" in weights
    assert f"`hf download Salesforce/instructblip-vicuna-7b --revision {pinned} --local-dir DIR`" in weights
    (weights, _) = plan(full(base="Salesforce/instructblip-vicuna-13b"))["missing"]
    assert "revision" not in weights


def test_data_that_is_there_is_counted(base: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "mmlink"
    directory.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png"):
        (directory / name).touch()
    images = tuple(directory / name for name in ("a.png", "b.png", "c.png"))
    write_annotations(directory, [Sample(number, images, "What?", ("That.",)) for number in range(50)])
    settings = recipe(base, guidance=FOUR_LAYERS, optim={"epochs": 2})
    planned = plan(settings)
    assert planned["steps"] == 5
    assert planned["data"]["images_per_sample"] == 3
    assert planned["missing"] == [f"weights: {base} lacks a .safetensors file"]
    (directory / "c.png").unlink()
    assert "1 image that" in plan(settings)["missing"][1]
    assert plan(settings, samples=400)["steps"] == 40


def test_data_may_be_elsewhere_where_the_recipe_allows_it(base: Path, tmp_path: Path) -> None:
    directory, pictures = tmp_path / "data" / "MmLINK", tmp_path / "pictures"
    for place in (directory, pictures):
        place.mkdir(parents=True)
    (pictures / "a.png").touch()
    write_json(
        directory / "annotations.json",
        [{"id": 0, "img_list": [f"{pictures}/a.png"], "instruction": "What?", "output": "That."}],
    )
    settings = recipe(base, guidance=FOUR_LAYERS, data={"train": "MmLINK", "image_root": str(pictures)})
    assert plan(settings)["data"]["samples"] == 1
    samples, found = training_samples(settings.data)
    assert (samples[0].images, found) == ((pictures / "a.png",), directory)
    with pytest.raises(UserError, match="expected a path relative to the data set's directory"):
        training_samples(recipe(base).data)


@pytest.mark.parametrize(("name", "images"), [("mmlink", 2), ("groups", 5), ("stories", 4), ("changes", 2)])
def test_the_worlds_data_is_never_missing(base: Path, name: str, images: int) -> None:
    (base / "model.safetensors").touch()
    planned = plan(recipe(base, guidance=FOUR_LAYERS, data={"train": f"world-{name}"}))
    assert planned["missing"] == []
    assert planned["steps"] == 1000
    assert planned["data"]["images_per_sample"] == images


def test_image_counts_of_the_world_are_those_that_it_draws() -> None:
    def drawn(draw: Callable[[random.Random, Accept], Group | Story]) -> Counter[int]:
        return Counter(len(draw(random.Random(seed), lambda thing: True).views) for seed in range(300))

    stories = drawn(draw_story)
    assert set(WORLD_IMAGES) == set(SETS)
    assert set(drawn(draw_group)) == set(WORLD_IMAGES["world-groups"])
    assert set(stories) == set(WORLD_IMAGES["world-stories"])
    assert max(stories.values()) < 1.5 * min(stories.values())


def test_a_misspelt_set_of_the_world_is_named_with_the_right_one(base: Path) -> None:
    settings = recipe(base, guidance=FOUR_LAYERS, data={"train": "world-mlink"})
    with pytest.raises(UserError, match="world-mlink: no such set of the embedded world; did you mean world-mmlink"):
        training_samples(settings.data)
    assert "did you mean world-mmlink" in plan(settings)["missing"][1]


def test_layers_that_the_base_lacks_are_the_users_error(base: Path) -> None:
    with pytest.raises(UserError, match=r"guidance\.to_layer is 12, but the Q-Former has 4 layers"):
        plan(recipe(base))


def test_instructions_that_the_base_cannot_read_are_the_users_error(base: Path) -> None:
    assert plan(recipe(base, guidance=FOUR_LAYERS, text={"qformer_tokens": 128}))["steps"]
    with pytest.raises(UserError, match=r"text\.qformer_tokens: instructions of 129 tokens, .* set it to 128 or less"):
        plan(recipe(base, guidance=FOUR_LAYERS, text={"qformer_tokens": 129}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("somebody/instructblip", "training downloads it"),
        ("nowhere", "no directory nowhere; give one, or a hub id"),
        ("/no/such/place", "no directory /no/such/place"),
        ("tiny", "lacks config.json, qformer_tokenizer, a .safetensors file; `make tiny` makes them"),
    ],
)
def test_a_base_that_is_not_there_is_missing_and_its_sizes_unknown(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.setattr("samcli.training.plan_data.tiny_directory", lambda: tmp_path / "tiny")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the plan asked the network"))
    planned = plan(recipe(name))
    assert planned["parameters"] == {"trained": None, "frozen": None, "by_part": {}}
    assert (planned["flops_per_step"], planned["memory_bytes"]) == (None, None)
    assert said in planned["missing"][0]
    assert planned["steps"] == 69_000 // 20
    assert json.loads(json.dumps(planned)) == planned
    assert "unknown" in plan_text(planned)


def test_another_model_is_the_users_error(base: Path) -> None:
    write_json(base / "config.json", {"model_type": "blip-2"})
    with pytest.raises(UserError, match=r"is not an InstructBLIP \(Salesforce"):
        plan(recipe(base))


@pytest.mark.parametrize(
    ("guidance", "counts", "said"),
    [
        ({}, [2, 2], None),
        ({"context": "others"}, [2, 2], "adaptive layer cannot train"),
        ({"context": "others"}, [1, 2], "adaptive layer cannot train"),
        ({"context": "others"}, [2, 3], None),
        ({"context": "others", "normalize": "all"}, [2, 2], None),
        ({"context": "others", "weights": "softmax-patches"}, [2, 2], None),
        ({"context": "others", "weights": "mean"}, [2, 2], None),
        ({"context": "others", "enabled": False}, [2, 2], None),
        ({"single_image": "guided"}, [1, 1], "adaptive layer cannot train"),
        ({"single_image": "guided", "weights": "softmax-patches"}, [1, 1], None),
        ({}, [1, 1], "no sample gives guidance"),
        ({"context": "others", "single_image": "guided"}, [1], "no sample gives guidance"),
        ({"context": "others"}, [], None),
    ],
)
def test_settings_that_cannot_train_are_warned_of(
    guidance: dict[str, Any], counts: list[int], said: str | None
) -> None:
    warnings = guidance_warnings(GuidanceRecipe(**guidance), counts)
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_the_plan_warns_too(base: Path) -> None:
    settings = {"from_layer": 4, "to_layer": 4, "context": "others"}
    assert "adaptive layer" in plan(recipe(base, guidance=settings))["warnings"][0]


def test_a_plan_as_text_names_what_matters() -> None:
    text = plan_text(plan(full()))
    for wanted in ("4,332,417", "3,450", "guidance.from_layer", "TFLOP", "GB", "MmLINK", "Missing", "adaptive layer"):
        assert wanted in text


def test_the_small_base_is_planned_by_its_steps() -> None:
    planned = plan(load_recipe(BaseRecipe, find_recipe("tiny/base")))
    assert planned["steps"] == sum(planned["steps_by_part"].values())
    assert planned["parameters"]["frozen"] == 0
    assert (
        sum(part["trained"] for part in planned["parameters"]["by_part"].values()) == planned["parameters"]["trained"]
    )
    assert f"{planned['pictures']:,}" in plan_text(planned)
