"""Trained parameters, the released code's answers, InstructBLIP before training."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipVideoConfig,
    InstructBlipVideoForConditionalGeneration,
)
from typer.testing import CliRunner

from benchmarks.parity import app, parity
from samcli.data.batch import Batch
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DecodingRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import LLM_WORDS, QFORMER_WORDS, small_sizes, textless_base

GOLDENS = Path(__file__).parent / "goldens"
SIZES = small_sizes(
    vision_width=24, vision_layers=2, qformer_layers=4, queries=5, llm_width=32, llm_layers=2, llm_mlp=48
)
FRAMES = 4


def test_trained_parameters_at_vicuna_7b_sizes() -> None:
    config = InstructBlipConfig(
        vision_config={"hidden_size": 1408},
        qformer_config={"hidden_size": 768, "num_hidden_layers": 12},
        text_config={"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32},
    )
    with torch.device("meta"):
        model = SemanticAlignmentModel(
            InstructBlipForConditionalGeneration(config), MethodRecipe(guidance=GuidanceRecipe())
        )
    assert sum(parameter.numel() for _, parameter in model.trained_parameters()) == 4_332_417
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 4_332_417


@pytest.mark.parametrize(
    ("name", "cases", "beams_equal"),
    [
        ("reference-a", {"n2", "n3", "n5"}, True),
        ("reference-c", {"n2", "n3"}, True),
        ("reference-d", {"n2", "n3"}, True),
    ],
)
def test_same_answers_as_the_released_code(name: str, cases: set[str], beams_equal: bool) -> None:
    found = parity(GOLDENS / name)
    assert set(found) == cases
    for difference in found.values():
        assert difference["tokens"] <= 1e-5
        assert difference["loss"] <= 1e-5
        assert difference["gradients"] <= 1e-4
        assert difference["greedy_equal"]
        assert difference["beam_equal"] or not beams_equal


def test_json_is_all_that_is_printed() -> None:
    directory = str(GOLDENS / "reference-d")
    result = CliRunner().invoke(app, [directory, "--json"])
    fields = {"tokens", "loss", "gradients", "greedy_equal", "beam_equal"}
    assert {name: set(case) for name, case in json.loads(result.stdout)[directory].items()} == dict.fromkeys(
        ("n2", "n3"), fields
    )


def test_a_directory_without_goldens_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path / "golden.json") in result.stderr


@pytest.fixture(params=["eager", "sdpa"])
def twins(request: pytest.FixtureRequest) -> tuple[SemanticAlignmentModel, Any]:
    """An untrained SAM and transformers' InstructBLIP for video, on the same weights."""
    base = textless_base(SIZES)
    for weight in base.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)  # as large as trained ones, so that every difference shows
    parts = base.config.to_dict()
    shared = ("vision_config", "qformer_config", "text_config", "num_query_tokens")
    video: Any = InstructBlipVideoForConditionalGeneration(InstructBlipVideoConfig(**{p: parts[p] for p in shared}))
    video.load_state_dict(base.state_dict())
    for model in (base, video):
        model.set_attn_implementation(request.param)
    return SemanticAlignmentModel(base, MethodRecipe(guidance=GuidanceRecipe(from_layer=2, to_layer=3))), video.eval()


@pytest.fixture
def clips() -> Batch:
    """Two samples of four images with texts of different lengths."""
    torch.manual_seed(1)
    shorter = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    return Batch(
        image_counts=torch.tensor([FRAMES, FRAMES]),
        qformer_ids=torch.randint(5, QFORMER_WORDS, (2, 6)) * shorter,
        qformer_mask=shorter,
        prompt_ids=torch.randint(5, LLM_WORDS, (2, 6)),
        prompt_mask=torch.ones(2, 6, dtype=torch.int64),
        pixel_values=torch.randn(2 * FRAMES, 3, 32, 32),
    )


@torch.no_grad()
def video_tokens(video: Any, clips: Batch) -> Tensor:
    assert clips.pixel_values is not None
    frames = clips.pixel_values.reshape(2, FRAMES, 3, 32, 32)
    features: Tensor = video.get_video_features(frames, clips.qformer_ids, clips.qformer_mask).pooler_output
    return features


def test_untrained_visual_tokens_are_instructblips_bit_for_bit(
    twins: tuple[SemanticAlignmentModel, Any], clips: Batch
) -> None:
    sam, video = twins
    assert torch.equal(sam.visual_tokens(clips), video_tokens(video, clips).reshape(2 * FRAMES, SIZES.queries, -1))


def test_untrained_greedy_ids_are_instructblips(twins: tuple[SemanticAlignmentModel, Any], clips: Batch) -> None:
    sam, video = twins
    embeds = torch.cat([video_tokens(video, clips), video.get_input_embeddings()(clips.prompt_ids)], dim=1)
    expected = video.language_model.generate(
        inputs_embeds=embeds,
        input_ids=torch.ones(2, 1, dtype=torch.int64),
        attention_mask=torch.ones(embeds.shape[:2], dtype=torch.int64),
        max_new_tokens=15,
        do_sample=False,
        repetition_penalty=1.5,
    )
    assert sam.generate(clips, DecodingRecipe(beams=1, max_length=16)).tolist() == expected.tolist()
    assert len(expected.unique()) > 10, "too few different words to tell searches apart"
