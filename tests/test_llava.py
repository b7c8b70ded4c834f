"""The projector family: the same numbers as transformers' own LLaVA, and the same words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, InstructBlipForConditionalGeneration

from samcli.data.batch import IMAGE, Batch
from samcli.errors import UserError
from samcli.model.find import is_patch_model
from samcli.model.llava.framing import Framing
from samcli.model.llava.load import load_patch_base
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.llava.parts import draw_projector, siglip_of
from samcli.model.llava.processor import IMAGE_TOKEN, PatchProcessor
from samcli.model.load import load_model
from samcli.model.traits import write_traits
from samcli.recipe import DecodingRecipe
from samcli.recipe_alignment import LlavaModelRecipe, PatchTextRecipe
from tests.small_llava import SHAPE, SIDE, save_small_llava, small_images, small_llava, small_llm, small_tower
from tests.small_models import save_small, small_base, small_sizes

GREEDY = DecodingRecipe(beams=1, max_length=8, repetition_penalty=1.0)
QUESTION, ANSWER = "what do both pictures show", "a red cat on the sofa"


def pictures(count: int, size: tuple[int, int] = (SIDE, SIDE)) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)) for _ in range(count)]


def written_out(processor: PatchProcessor, batch: Batch, patches: int, row: int) -> list[int]:
    """A prompt as transformers wants it: `<image>` once for each visual token."""
    image = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    ids = batch.prompt_ids[row][batch.prompt_mask[row].bool()].tolist()
    return [one for token in ids for one in ([image] * patches if token == IMAGE else [token])]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("images", [1, 2])
def test_loss_and_logits_are_those_of_transformers(kind: str, images: int) -> None:
    llava, processor = small_llava(kind)
    model = PatchAlignedModel(llava)
    batch = processor.batch([pictures(images)], [QUESTION], [ANSWER])
    prompt = written_out(processor, batch, model.patches, 0)
    answer = batch.answer_ids[0].tolist() if batch.answer_ids is not None else []
    labels = torch.tensor([[-100] * len(prompt) + answer])
    theirs = llava(input_ids=torch.tensor([prompt + answer]), pixel_values=batch.pixel_values, labels=labels)
    torch.testing.assert_close(model(batch), theirs.loss, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_of_the_second_stage_are_those_of_transformers(tied: bool) -> None:
    llava, processor = small_llava(tied=tied)
    model = PatchAlignedModel(llava)
    model.train_projector(with_llm=True)
    batch = processor.batch([pictures(2)], [QUESTION], [ANSWER])
    model(batch).backward()
    ours = {name: one.grad.clone() for name, one in model.trained_parameters() if one.grad is not None}
    llava.zero_grad()
    prompt, answer = written_out(processor, batch, model.patches, 0), batch.answer_ids[0].tolist()  # type: ignore[index]
    labels = torch.tensor([[-100] * len(prompt) + answer])
    llava(input_ids=torch.tensor([prompt + answer]), pixel_values=batch.pixel_values, labels=labels).loss.backward()
    assert ours.keys() == {name for name, one in llava.named_parameters() if one.grad is not None}
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, dict(llava.named_parameters())[name].grad, rtol=1e-3, atol=1e-6)


def test_batches_of_unlike_samples_are_their_samples() -> None:
    llava, processor = small_llava()
    model = PatchAlignedModel(llava)
    groups = [pictures(1), pictures(3), pictures(2)]
    together = processor.batch(groups, [QUESTION] * 3, [ANSWER] * 3)
    alone = [model(processor.batch([group], [QUESTION], [ANSWER])) for group in groups]
    torch.testing.assert_close(model(together), torch.stack(alone).mean())
    answers = processor.decode(model.generate(processor.batch(groups, [QUESTION] * 3), GREEDY))
    single = [model.generate(processor.batch([group], [QUESTION]), GREEDY) for group in groups]
    assert answers == [processor.decode(ids)[0] for ids in single]
    assert any(answers)


def test_greedy_answers_are_those_of_transformers() -> None:
    llava, processor = small_llava()
    model = PatchAlignedModel(llava)
    batch = processor.batch([pictures(2)], [QUESTION])
    prompt = torch.tensor([written_out(processor, batch, model.patches, 0)])
    whole: Any = llava
    theirs = whole.generate(
        input_ids=prompt, pixel_values=batch.pixel_values, max_new_tokens=GREEDY.max_length - 1, do_sample=False
    )
    ours = model.generate(batch, GREEDY)
    assert ours[0, 1:].tolist() == theirs[0, prompt.shape[1] :].tolist()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
@pytest.mark.parametrize("size", [(SIDE, SIDE), (90, 50), (41, 77)])
def test_pictures_are_framed_as_the_checkpoint_says(kind: str, size: tuple[int, int]) -> None:
    images = small_images(kind)
    made = Framing.of(images).pixels(pictures(2, size))
    theirs = images(pictures(2, size), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(made, theirs, rtol=0, atol=1e-6)


def test_a_frame_that_is_no_square_is_one_line() -> None:
    images = small_images("siglip")
    images.size = {"height": 32, "width": 48}
    with pytest.raises(UserError, match="a square of one size is needed"):
        Framing.of(images)


def test_prompts_follow_their_template() -> None:
    _, processor = small_llava()

    def prompt(settings: PatchTextRecipe, instruction: str = QUESTION) -> str:
        ids = processor.texts([instruction], [ANSWER], settings, [2])["prompt_ids"][0]
        names = ["<image>" if one == IMAGE else processor.tokenizer.decode([one]) for one in ids.tolist()]
        return " ".join(names).replace("<unk>", "\n")

    assert prompt(PatchTextRecipe()) == "<s> <image> <image> what do both pictures show"
    assert prompt(PatchTextRecipe(prompt_tokens=2)) == "<s> <image> <image> pictures show"
    assert prompt(PatchTextRecipe(), f"{IMAGE_TOKEN}a cat{IMAGE_TOKEN}") == "<s> <image> <image> a cat"
    spoken = prompt(PatchTextRecipe(template="vicuna")).replace(" ", "")
    assert spoken.startswith("<s>USER:<image><image>")
    assert spoken.endswith("ASSISTANT:")


def test_the_first_stage_trains_the_projector_alone() -> None:
    llava, _ = small_llava()
    model = PatchAlignedModel(llava)
    assert {name.split(".")[1] for name, _ in model.trained_parameters()} == {"multi_modal_projector"}
    model.train_projector(with_llm=True)
    trained = {name for name, _ in model.trained_parameters()}
    assert any(".language_model." in name for name in trained)
    assert not any(".vision_tower." in name for name in trained)
    assert not llava.model.vision_tower.training
    assert llava.model.language_model.training
    model.train_projector()
    assert not llava.model.language_model.training  # no dropout in what is frozen


def test_a_projector_is_drawn_from_its_seed() -> None:
    llava, _ = small_llava()
    drawn = []
    for seed in (0, 1, 0):
        draw_projector(llava, seed)
        drawn.append(llava.model.multi_modal_projector.linear_2.weight.clone())
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_what_is_added_for_images_is_no_chance() -> None:
    first, second = (small_llava()[0].lm_head.weight.clone() for _ in range(2) if torch.rand(1) >= 0)
    assert torch.equal(first, second)
    torch.testing.assert_close(first[-1], first[:-1].mean(dim=0))


def test_the_small_tower_is_instructblips_without_its_class_token() -> None:
    base: InstructBlipForConditionalGeneration = small_base(small_sizes(vision_layers=2))
    tower = siglip_of(base.vision_model)
    own = base.vision_model
    with torch.no_grad():
        pixels = torch.randn(2, 3, 32, 32)
        embedded = own.embeddings(pixels)[:, 1:]
        torch.testing.assert_close(tower.embeddings(pixels), embedded)
        mine, theirs = tower.encoder.layers[0](embedded, None), own.encoder.layers[0](embedded)
    torch.testing.assert_close(mine, theirs)


def test_a_llava_on_disk_captions_like_any_model(tmp_path: Path) -> None:
    directory = save_small_llava(tmp_path / "llava")
    assert is_patch_model(directory)
    captioner = load_model(str(directory), device="cpu")
    llava, processor = small_llava()
    settings = PatchTextRecipe(template="vicuna")
    expected = PatchAlignedModel(llava).generate(processor.batch([pictures(2)], [QUESTION], settings=settings), GREEDY)
    assert [captioner.caption(pictures(2), QUESTION, GREEDY)] == processor.decode(expected)
    assert (captioner.traits.template, captioner.adapter) == ("vicuna", None)
    with pytest.raises(UserError, match="takes no adapter"):
        load_model(str(directory), "tiny", device="cpu")


def test_parts_make_a_llava(tmp_path: Path) -> None:
    whole, processor = small_llava()
    whole.model.vision_tower.save_pretrained(tmp_path / "clip")
    small_images("clip").save_pretrained(tmp_path / "clip")
    small_llm(len(processor.tokenizer) - 1).save_pretrained(tmp_path / "llm")
    processor.tokenizer.save_pretrained(tmp_path / "llm")
    parts = LlavaModelRecipe(base=None, vision=str(tmp_path / "clip"), llm=str(tmp_path / "llm"))
    base = load_patch_base(parts, seed=3)
    batch = processor.batch([pictures(2)], [QUESTION], [ANSWER])
    assert base.processor.batch([pictures(2)], [QUESTION]).prompt_ids.tolist() == batch.prompt_ids.tolist()
    theirs, ours = PatchAlignedModel(whole)(batch), PatchAlignedModel(base.model)(batch)
    torch.testing.assert_close(ours, theirs)
    assert base.identity.keys() == {"vision_base", "llm_base"}


def test_parts_that_are_pickles_are_read_as_tensors_alone(tmp_path: Path) -> None:
    whole, processor = small_llava()
    for name, part in (("clip", small_tower("clip")), ("llm", small_llm(len(processor.tokenizer) - 1))):
        part.save_pretrained(tmp_path / name)
        (tmp_path / name / "model.safetensors").unlink()
        torch.save(part.state_dict(), tmp_path / name / "pytorch_model.bin")
    small_images("clip").save_pretrained(tmp_path / "clip")
    processor.tokenizer.save_pretrained(tmp_path / "llm")
    parts = LlavaModelRecipe(base=None, vision=str(tmp_path / "clip"), llm=str(tmp_path / "llm"))
    batch = processor.batch([pictures(1)], [QUESTION], [ANSWER])
    torch.testing.assert_close(
        PatchAlignedModel(load_patch_base(parts, seed=3).model)(batch), PatchAlignedModel(whole)(batch)
    )
    torch.save({"lm_head.weight": Harmful()}, tmp_path / "llm" / "pytorch_model.bin")
    with pytest.raises(UserError, match="hold more than tensors"):
        load_patch_base(parts, seed=3)
    assert not Harmful.was_made


class Harmful:
    """What a pickle could run when it is read."""

    was_made = False

    def __reduce__(self) -> Any:
        return setattr, (Harmful, "was_made", True)


def test_parts_that_lack_tensors_or_fit_nothing_are_one_line(tmp_path: Path) -> None:
    _, processor = small_llava()
    for kind, tower in (("clip", small_tower("clip")), ("dino", Dinov2Model(Dinov2Config(**SHAPE)))):
        tower.save_pretrained(tmp_path / kind)
        small_images("clip").save_pretrained(tmp_path / kind)
    small_llm(len(processor.tokenizer) - 1).save_pretrained(tmp_path / "llm")
    processor.tokenizer.save_pretrained(tmp_path / "llm")

    def load(tower: str, layer: int = -2) -> None:
        parts = {"base": None, "vision": str(tmp_path / tower), "llm": str(tmp_path / "llm"), "feature_layer": layer}
        load_patch_base(LlavaModelRecipe.model_validate(parts), seed=0)

    load("clip")
    with pytest.raises(UserError, match="is a dinov2; needed is a CLIP or a SigLIP"):
        load("dino")
    with pytest.raises(UserError, match="the tower has layers -4 to 3"):
        load("clip", 9)
    state = load_file(tmp_path / "llm" / "model.safetensors")
    del state["model.layers.0.mlp.up_proj.weight"]
    save_file(state, tmp_path / "llm" / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 of the model's tensors, such as .*up_proj"):
        load("clip")


def test_a_new_projector_of_a_small_model_is_as_large_as_the_first(tmp_path: Path) -> None:
    first = load_patch_base(LlavaModelRecipe(), seed=0)
    first.model.save_pretrained(tmp_path)
    first.processor.save(tmp_path)
    write_traits(tmp_path, first.traits)
    again = load_patch_base(LlavaModelRecipe(base=str(tmp_path)), seed=0)
    parts = (found.model.model.multi_modal_projector.parameters() for found in (first, again))
    for one, other in zip(*parts, strict=True):
        assert torch.equal(one, other)


def test_another_kind_of_model_is_one_line(tmp_path: Path) -> None:
    save_small(tmp_path / "blip", small_sizes())
    with pytest.raises(UserError, match="is a instructblip model; needed is a LLaVA"):
        load_patch_base(LlavaModelRecipe(base=str(tmp_path / "blip")), 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="can't load"):
        load_patch_base(LlavaModelRecipe(base=str(tmp_path / "empty")), 0)
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "config.json").write_text('{"model_type": "llava_next"}')
    with pytest.raises(UserError, match=r"is a llava_next model; needed is an InstructBLIP .* or a LLaVA"):
        load_model(str(tmp_path / "next"), device="cpu")
    with pytest.raises(UserError, match="takes neither llm_bits"):
        load_model(str(save_small_llava(tmp_path / "llava")), device="cpu", llm_bits=4)
    with pytest.raises(UserError, match="neither `tiny`, nor a directory, nor a hub id"):
        load_patch_base(LlavaModelRecipe(base=str(tmp_path / "nothing")), 0)
