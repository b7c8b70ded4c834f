"""Our vision tower and Q-Former against LAVIS's own, and its BLIP-2 behind the bridge.

    SAM_LAVIS_PYTHON=/path/to/lavis/bin/python python -m pytest tests/lavis -s

needs `salesforce-lavis` in an environment of its own (docs/lavis.md); without it these tests are skipped.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from transformers import InstructBlipForConditionalGeneration

from benchmarks.parity import configuration
from samcli.errors import UserError
from samcli.lavis.client import WORKER, LavisWorker
from samcli.model.released import convert_released, use_released_norm
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe_method import NO_METHOD

pytestmark = pytest.mark.skipif("SAM_LAVIS_PYTHON" not in os.environ, reason="needs LAVIS, see docs/lavis.md")
GOLDENS = Path(__file__).parents[1] / "goldens"
SHARED = ("visual_encoder.", "ln_vision.", "Qformer.", "query_tokens")
OURS_ALONE = ("one_2_muliple", "multiple_2_one")  # guidance, which LAVIS knows nothing of


@pytest.fixture(scope="module")
def worker() -> Iterator[LavisWorker]:
    with LavisWorker() as running:
        yield running


def test_the_worker_says_what_it_has(worker: LavisWorker) -> None:
    said = worker.ask("hello")
    assert said["transformers"].startswith("4.26")
    assert "blip2_opt/pretrain_opt2.7b" in said["models"]


def test_a_fault_of_the_worker_is_told_and_survived(worker: LavisWorker) -> None:
    with pytest.raises(UserError, match="LAVIS: "):
        worker.ask("load", model="blip2_opt", type="no_such_type", device="cpu")
    assert worker.ask("hello")


def sizes_for_lavis(sizes: dict[str, Any]) -> dict[str, int]:
    same = (
        "image_size patch_size vision_layers vision_heads vision_mlp qformer_layers qformer_heads qformer_mlp queries"
    )
    others = {"vision_width": "vision_hidden", "vocabulary": "qformer_vocab", "qformer_width": "qformer_hidden"}
    others["positions"] = "qformer_positions"
    return {name: sizes[name] for name in same.split()} | {name: sizes[key] for name, key in others.items()}


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDENS.glob("reference-*")))
def test_vision_tower_and_qformer_are_lavis_own(worker: LavisWorker, tmp_path: Path, name: str) -> None:
    sizes = json.loads((GOLDENS / name / "golden.json").read_text(encoding="utf-8"))["config"]
    state = load_file(GOLDENS / name / "weights.safetensors")
    cases = load_file(GOLDENS / name / "cases.safetensors")
    count = sizes["images"][0]
    pixels = cases[f"n{count}.pixel_values"].flatten(0, 1)
    ids, mask = (
        cases[f"n{count}.qformer_{part}"].repeat_interleave(count, dim=0) for part in ("input_ids", "attention_mask")
    )
    theirs = lavis(worker, tmp_path, sizes, state, pixels, ids, mask)
    features, tokens = ours(sizes, state, pixels, ids, mask)
    gaps = {
        part: float((made - theirs[part]).abs().max()) for part, made in (("features", features), ("tokens", tokens))
    }
    print(f"\n{name}: largest differences to LAVIS: {gaps}", end="")
    assert max(gaps.values()) < 5e-6


def lavis(
    worker: LavisWorker,
    home: Path,
    sizes: dict[str, Any],
    state: dict[str, Tensor],
    pixels: Tensor,
    ids: Tensor,
    mask: Tensor,
) -> dict[str, Tensor]:
    weights: dict[str, Any] = {
        f"weights/{key}": value.numpy()
        for key, value in state.items()
        if key.startswith(SHARED) and not any(part in key for part in OURS_ALONE)
    }
    inputs: dict[str, Any] = {"pixel_values": pixels.numpy(), "input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    np.savez(home / "in.npz", **weights, **inputs)
    worker.ask("forward", sizes=sizes_for_lavis(sizes), arrays=str(home / "in.npz"), out=str(home / "out.npz"))
    made = np.load(home / "out.npz")
    return {name: torch.from_numpy(made[name]) for name in made.files}


@torch.no_grad()
def ours(
    sizes: dict[str, Any], state: dict[str, Tensor], pixels: Tensor, ids: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    config = configuration(sizes)
    base = InstructBlipForConditionalGeneration(config)
    base.load_state_dict(convert_released(state, config)[0])
    use_released_norm(base)
    model = SemanticAlignmentModel(base, NO_METHOD).eval()
    features = model.encode_images(pixels)
    return features, model.query_outputs(features, torch.ones(len(pixels), dtype=torch.int64), ids, mask)


def test_the_worker_answers_as_lavis_generates(tmp_path: Path) -> None:
    """On a small BLIP-2 of random weights: its real ones can't be had everywhere."""
    pictures = []
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 256, (28, 28, 3), dtype=np.uint8)
        pictures.append(tmp_path / f"{seed}.png")
        Image.fromarray(noise).save(pictures[-1])
    command = [os.environ["SAM_LAVIS_PYTHON"], str(Path(__file__).with_name("small_blip2.py")), str(WORKER)]
    made = subprocess.run([*command, *map(str, pictures)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    answers = json.loads(made.stdout.splitlines()[-1])
    assert answers["ours"] == answers["theirs"] != ""
    assert answers["three"] not in ("", answers["ours"])
