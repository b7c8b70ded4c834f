"""What a model is, not what it is called, decides how it is used: its own ways, its adapter's lengths, its numbers."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.data.batch import Batch
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.own_answers import OwnAnswers
from samcli.evaluation.predict import Here, predict
from samcli.model.adapter import save_adapter
from samcli.model.captioner import Captioner, q_former_model
from samcli.model.features import FeaturesInMemory
from samcli.model.find import TINY, traits_of
from samcli.model.generate import Asking, Generated
from samcli.model.load import load_base, load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, WORLD
from samcli.recipe import DecodingRecipe, ModelRecipe, TextRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import save_small, small_sizes

GREEDY = DecodingRecipe(beams=1, max_length=10)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("model"), small_sizes(patch_size=8))


def answer(captioner: Captioner) -> str:
    pictures = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (30, 40), "blue")]
    return captioner.caption(pictures, "what do both pictures show", GREEDY)


def test_a_base_carries_its_own_ways_wherever_it_lies(saved: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(saved, tmp_path / "tiny-copy"))
    captioner = load_model(str(moved), "none", device="cpu")
    assert captioner.traits == WORLD == load_base(ModelRecipe(base=str(moved))).traits
    pictures = [Image.new("RGB", (40, 30), "red")]
    assert captioner.caption(pictures, "a cat") == captioner.caption(pictures, "a cat", WORLD.decoding)
    (moved / "sam.json").unlink()
    plain = load_model(str(moved), "none", device="cpu")
    assert plain.traits == RELEASED
    assert plain.traits.decoding == DecodingRecipe()


def test_tiny_is_of_the_world_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samcli.model.find.tiny_directory", lambda: tmp_path)
    assert traits_of(TINY) == WORLD
    assert traits_of("/nowhere") == RELEASED


@pytest.mark.parametrize("text", ["{", "[]", '{"wordl": true}', '{"decoding": {"beams": 0}}'])
def test_faulty_traits(saved: Path, tmp_path: Path, text: str) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    (copy / "sam.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        load_model(str(copy), "none")
    assert str(raised.value).startswith(f"{copy / 'sam.json'}:")


@pytest.mark.parametrize("adapter", [None, "none", "tiny"])
def test_a_checkout_without_the_embedded_model_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: str | None
) -> None:
    monkeypatch.setattr("samcli.model.find.tiny_directory", lambda: tmp_path / "assets")
    with pytest.raises(UserError, match=r"^this checkout lacks the embedded model's \w+ \(.*assets\): `make tiny`"):
        load_model(None, adapter)


def trained(saved: Path, directory: Path, **record: Any) -> Path:
    """An adapter for the saved model whose record says more."""
    guidance = GuidanceRecipe(from_layer=1, to_layer=2)
    model = SemanticAlignmentModel(load_base(ModelRecipe(base=str(saved))).model, MethodRecipe(guidance=guidance))
    base = {"id": str(saved), "revision": None, "hash": ""}
    save_adapter(directory, model, {"base": base, "guidance": guidance.model_dump(mode="json"), **record})
    return directory


def test_an_adapter_is_served_with_the_lengths_that_it_was_trained_with(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = trained(saved, tmp_path / "short", recipe={"text": {"qformer_tokens": 3}})
    captioner = load_model(None, str(adapter), device="cpu")
    assert captioner.text == TextRecipe(qformer_tokens=3)
    seen, answers = [], captioner.model.answers

    def watched(batch: Batch, asking: Asking) -> Iterator[Generated]:
        seen.append(batch)
        return answers(batch, asking)

    monkeypatch.setattr(captioner.model, "answers", watched)
    answer(captioner)
    sample = Sample(0, (), "what do both pictures show", ("x",))
    picture = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(picture)
    predict(
        Here(lambda: OwnAnswers(captioner, "d", GREEDY, 1)),
        "d",
        [replace(sample, images=(picture,))],
        tmp_path / "p.jsonl",
        1,
    )
    assert [batch.qformer_ids.shape[1] for batch in seen] == [3, 3]
    assert load_model(None, str(trained(saved, tmp_path / "plain")), device="cpu").text == TextRecipe()
    damaged = trained(saved, tmp_path / "damaged", recipe={"text": {"qformer_tokens": -1}})
    with pytest.raises(UserError, match=r"damaged: damaged adapter \(recipe.text: "):
        load_model(None, str(damaged), device="cpu")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_cached_features_have_the_numbers_of_the_base(saved: Path, tmp_path: Path, dtype: str) -> None:
    captioner = load_model(str(saved), "none", device="cpu", dtype=dtype)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        Image.new("RGB", (32, 32), colour).save(path)
    cache = FeaturesInMemory(captioner.processor)
    cache.prepare(captioner.model, paths)
    found = cache.get(paths[::-1])
    assert found.dtype == captioner.model.base.qformer.dtype == getattr(torch, dtype)
    pixels = captioner.processor.pixels([Image.open(path) for path in paths[::-1]])
    expected = captioner.model.encode_images(pixels)
    lossless = dtype != "float32"
    torch.testing.assert_close(found, expected, rtol=0 if lossless else 1e-3, atol=0 if lossless else 1e-4)
    texts = captioner.processor.texts(["a cat"], ["a dog"], TextRecipe())
    batch = Batch(torch.tensor([2]), image_embeds=found, **texts)
    assert torch.isfinite(q_former_model(captioner, "the test")(batch))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_an_adapter_leaves_the_base_its_numbers(saved: Path, tmp_path: Path, dtype: str) -> None:
    captioner = load_model(None, str(trained(saved, tmp_path / "adapter")), device="cpu", dtype=dtype)
    assert captioner.model.base.vision_model.dtype == captioner.model.base.qformer.dtype == getattr(torch, dtype)
    assert {parameter.dtype for _, parameter in captioner.model.trained_parameters()} == {torch.float32}
    assert answer(captioner)
