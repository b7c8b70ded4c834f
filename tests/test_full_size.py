"""InstructBLIP-Vicuna-7B at its real size with random weights in bfloat16: one answer and one training step.

    SAM_FULL_SIZE=1 python -m pytest tests/test_full_size.py -s

It takes about 19 GB of memory and some minutes, and prints times and the peak of memory.
"""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import InstructBlipForConditionalGeneration

from samcli.data.batch import Batch
from samcli.model.known_sizes import known_config
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DecodingRecipe, OptimRecipe
from samcli.recipe_method import MethodRecipe
from samcli.training.optim import build_optimizers

pytestmark = pytest.mark.skipif("SAM_FULL_SIZE" not in os.environ, reason="takes 19 GB; set SAM_FULL_SIZE=1")
TRAINED = 4_332_417
IMAGES, TEXT = 2, 64


def random_base() -> InstructBlipForConditionalGeneration:
    """Every number by chance, small enough to stay finite through all layers."""
    config = known_config("Salesforce/instructblip-vicuna-7b")
    assert config is not None
    with torch.device("meta"):
        base: InstructBlipForConditionalGeneration = InstructBlipForConditionalGeneration(config).bfloat16()
    base.to_empty(device="cuda" if torch.cuda.is_available() else "cpu")
    for name, parameter in base.named_parameters():
        one = "norm" in name.lower() and name.endswith("weight")
        torch.nn.init.ones_(parameter) if one else torch.nn.init.normal_(parameter, std=0.02)
    for module in base.modules():  # what follows from the sizes was left empty with the rest
        if hasattr(module, "original_inv_freq"):
            fresh = type(module)(base.language_model.config).to(base.device)
            module.inv_freq = fresh.inv_freq
            module.original_inv_freq = fresh.original_inv_freq
        if hasattr(module, "position_ids"):
            places: Any = module.position_ids
            module.position_ids = torch.arange(places.shape[-1], device=base.device)[None]
    base.eval()
    return base


def batch(device: torch.device) -> Batch:
    ids = torch.randint(5, 30_000, (1, TEXT))
    mask = torch.ones_like(ids)
    pixels = torch.randn(IMAGES, 3, 224, 224).to(torch.bfloat16)
    texts: dict[str, Tensor] = {"qformer_ids": ids, "qformer_mask": mask, "prompt_ids": ids, "prompt_mask": mask}
    answers = {"answer_ids": ids, "answer_mask": mask}
    return Batch(torch.tensor([IMAGES]), pixel_values=pixels, **texts, **answers).to(device)


@contextmanager
def told(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\n{what}: {time.monotonic() - began:.1f} s, peak so far {peak:.2f} GB", end="")


def test_the_full_size_answers_and_trains() -> None:
    torch.manual_seed(0)
    with told("random weights"):
        model = SemanticAlignmentModel(random_base(), MethodRecipe())
    assert sum(parameter.numel() for _, parameter in model.trained_parameters()) == TRAINED
    asked = batch(model.base.device)
    with told("one answer, 8 tokens, 5 beams"):
        ids = model.eval().generate(asked, DecodingRecipe(max_length=9))
    assert 1 < ids.shape[1] <= 9
    optimizers = build_optimizers(model.trained_parameters(), OptimRecipe())
    before = model.base.language_projection.weight.detach().clone()
    for step in range(2):
        with told(f"training step {step + 1}, one sample of two images"):
            loss = model.train()(asked)
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    assert torch.isfinite(loss)
    assert not torch.equal(model.base.language_projection.weight, before)
