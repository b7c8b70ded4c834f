"""What is held in memory at once, and what is said when that is too much."""

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.memory import enough_memory
from samcli.model.captioner import Captioner, q_former_model
from samcli.model.features import FeaturesInMemory
from samcli.model.load import load_model
from samcli.model.processor import Processor
from samcli.recipe import SamRecipe
from samcli.training.sam_job import sam_job
from tests.small_models import save_small, small_sizes

PATHS = [Path(f"{number}.png") for number in range(6)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("base"), small_sizes())


@pytest.fixture(scope="module")
def captioner(saved: Path) -> Captioner:
    return load_model(str(saved), "none", device="cpu")


class Opened:
    """Stands in for `open_image`; counts the pictures of full size that are held when another one is opened."""

    def __init__(self) -> None:
        self.pictures: list[weakref.ref[Image.Image]] = []
        self.most = 0

    def __call__(self, path: Path) -> Image.Image:
        picture = Image.new("RGB", (90, 60), (PATHS.index(path), 0, 0))
        self.pictures.append(weakref.ref(picture))
        self.most = max(self.most, sum(one() is not None for one in self.pictures))
        return picture


def test_features_hold_one_whole_picture_at_a_time(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened()
    monkeypatch.setattr("samcli.model.features.open_image", opened)
    FeaturesInMemory(captioner.processor).prepare(captioner.model, PATHS)
    assert (len(opened.pictures), opened.most) == (len(PATHS), 1)


@pytest.mark.parametrize("how", ["none", "released"])
def test_training_holds_one_whole_picture_at_a_time(
    captioner: Captioner, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    opened, processor = Opened(), captioner.processor
    assert isinstance(processor, Processor)
    monkeypatch.setattr("samcli.training.batches.open_image", opened)
    recipe = SamRecipe.model_validate({"data": {"augment": how}})
    samples = [Sample(number, tuple(PATHS[2 * number :][:2]), "a cat", ("a dog",)) for number in range(3)]
    batch = sam_job(recipe, q_former_model(captioner, "the test"), processor, samples, None, 3).batch(0, 0, 1)
    assert batch.pixel_values is not None
    assert (len(batch.pixel_values), opened.most) == (len(PATHS), 1)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("MPS backend out of memory"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_told(error: Exception) -> None:
    with pytest.raises(UserError, match=r"^out of memory doing this; do that$"), enough_memory("doing this", "do that"):
        raise error


def test_the_allocator_itself_is_understood() -> None:
    with pytest.raises(UserError, match=r"^out of memory"), enough_memory("here", "help"):
        torch.empty(1 << 50)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("here", "help"):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("transformers.InstructBlipForConditionalGeneration.from_pretrained", "loading"),
        ("samcli.model.sam.SemanticAlignmentModel.to", "with"),
    ],
)
def test_a_model_that_is_too_large_is_told(saved: Path, monkeypatch: pytest.MonkeyPatch, where: str, what: str) -> None:
    def run_out(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(where, run_out)
    with pytest.raises(UserError, match=f"^out of memory {what} .* in float32.*; use --dtype bfloat16 "):
        load_model(str(saved), "none", device="cpu")
