"""Released key names, read into our modules."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from benchmarks.parity import configuration
from samcli.errors import UserError
from samcli.model.released import convert_released, released_guidance_and_projection, use_released_norm
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe_method import GuidanceRecipe, MethodRecipe

GOLDEN = Path(__file__).parent / "goldens" / "reference-a"
TRAINED = ("attn.", "llm_proj.", "Qformer.bert.encoder.one_2_muliple.", "Qformer.bert.encoder.multiple_2_one.")
BLOCK = "visual_encoder.blocks.1.attn"


@pytest.fixture
def state() -> dict[str, Tensor]:
    return load_file(GOLDEN / "weights.safetensors")


@pytest.fixture
def config() -> InstructBlipConfig:
    return configuration(json.loads((GOLDEN / "golden.json").read_text())["config"])


@pytest.fixture
def trained(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the authors' checkpoint holds."""
    return {key: tensor for key, tensor in state.items() if key.startswith(TRAINED)}


def test_a_complete_checkpoint_loads_strictly(state: dict[str, Tensor], config: InstructBlipConfig) -> None:
    base, guidance = convert_released(state, config)
    model = SemanticAlignmentModel(
        InstructBlipForConditionalGeneration(config), MethodRecipe(guidance=GuidanceRecipe())
    )
    assert model.guidance is not None
    model.base.load_state_dict(base)
    model.guidance.load_state_dict(guidance)
    assert torch.equal(model.guidance.guide_in.bias, state["Qformer.bert.encoder.one_2_muliple.0.bias"])
    assert torch.equal(model.guidance.adjustment.score.weight, state["attn.weight"])
    first = model.base.qformer.encoder.layer[0]
    key = "Qformer.bert.encoder.layer.0.crossattention.self.key.weight"
    assert torch.equal(first.crossattention.attention.key.weight, state[key])


def test_vision_biases_are_joined_without_one_for_the_keys(
    state: dict[str, Tensor], config: InstructBlipConfig
) -> None:
    base, _ = convert_released(state, config)
    query, key, value = base["vision_model.encoder.layers.1.self_attn.qkv.bias"].chunk(3)
    assert torch.equal(query, state[f"{BLOCK}.q_bias"])
    assert torch.equal(value, state[f"{BLOCK}.v_bias"])
    assert not key.any()


def test_features_are_the_released_ones_with_the_released_norm(
    state: dict[str, Tensor], config: InstructBlipConfig
) -> None:
    base = InstructBlipForConditionalGeneration(config)
    base.load_state_dict(convert_released(state, config)[0])
    use_released_norm(base)
    cases = load_file(GOLDEN / "cases.safetensors")
    with torch.no_grad():
        features = base.vision_model(cases["n2.pixel_values"].flatten(0, 1)).last_hidden_state
    torch.testing.assert_close(features, cases["n2.image_embeds"].flatten(0, 1), rtol=0, atol=2e-6)


def test_all_faults_are_in_one_message(state: dict[str, Tensor], config: InstructBlipConfig) -> None:
    del state["query_tokens"], state[f"{BLOCK}.v_bias"]
    state["Qformer.cls.bias"] = torch.zeros(1)
    state["attn.weight"] = torch.zeros(1, 7)
    with pytest.raises(UserError) as raised:
        convert_released(state, config)
    for fault in (
        f"unknown (2): Qformer.cls.bias, {BLOCK}.q_bias",
        "missing (2): base.query_tokens, base.vision_model.encoder.layers.1.self_attn.qkv.bias",
        "of another shape (1): attn.weight (1, 7) instead of (1, 32)",
    ):
        assert fault in str(raised.value)


def test_the_authors_checkpoint_has_the_names_of_an_adapter(
    trained: dict[str, Tensor], config: InstructBlipConfig
) -> None:
    model = SemanticAlignmentModel(
        InstructBlipForConditionalGeneration(config), MethodRecipe(guidance=GuidanceRecipe())
    )
    expected = {name: parameter.shape for name, parameter in model.trained_parameters()}
    found = released_guidance_and_projection(trained, config)
    assert {name: tensor.shape for name, tensor in found.items()} == expected


def test_the_authors_checkpoint_must_be_whole(trained: dict[str, Tensor], config: InstructBlipConfig) -> None:
    del trained["llm_proj.bias"]
    with pytest.raises(UserError, match=r"missing \(1\): base\.language_projection\.bias"):
        released_guidance_and_projection(trained, config)


def test_the_authors_checkpoint_holds_nothing_else(
    trained: dict[str, Tensor], state: dict[str, Tensor], config: InstructBlipConfig
) -> None:
    trained["query_tokens"] = state["query_tokens"]
    with pytest.raises(UserError, match=r"unknown \(1\): query_tokens"):
        released_guidance_and_projection(trained, config)
