"""What a step of the paper's training is made of."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samcli.data.sample import Sample
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import SamRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from samcli.training.sam_job import sam_job
from tests.small_models import small_base, small_processor, small_sizes

SIZES = small_sizes()


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Pairs of pictures in which every crop and flip can be told from every other."""
    found = []
    for number in range(3):
        images = (tmp_path / f"{number}a.png", tmp_path / f"{number}b.png")
        for seed, image in enumerate(images, 2 * number):
            noise = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
            Image.fromarray(noise).save(image)
        found.append(Sample(number, images, "what is shared", ("a cat",)))
    return found


@pytest.mark.parametrize("augment", ["none", "released"])
def test_a_step_is_the_same_however_it_is_shared_out(samples: list[Sample], augment: str) -> None:
    recipe = SamRecipe.model_validate({"data": {"augment": augment}})
    model = SemanticAlignmentModel(small_base(SIZES), MethodRecipe(guidance=GuidanceRecipe(from_layer=1, to_layer=2)))
    job = sam_job(recipe, model, small_processor(SIZES), samples, None, 3)

    def pixels(step: int, parts: int) -> torch.Tensor:
        return torch.cat([job.batch(step, part, parts).pixel_values for part in range(parts)])  # type: ignore[misc]

    assert torch.equal(pixels(0, 1), pixels(0, 3))
    former, later = ({picture.numpy().tobytes() for picture in pixels(step, 1)} for step in (0, 1))
    assert len(former & later) == (0 if augment == "released" else 6)
