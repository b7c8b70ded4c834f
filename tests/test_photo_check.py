import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer, Dinov2Config, Dinov2Model

from samcli.recipe_mmlink import AcceptRecipe, MmlinkRecipe
from samcli.synth.photos.accept import bounds, reasons_against
from samcli.synth.photos.check import Check, colour_histogram, shared_colours
from samcli.synth.photos.embedder import Embedder
from samcli.synth.photos.record import Photo, Record, Subject, View
from samcli.synth.photos.stage import Setting
from samcli.synth.run import synthesise
from samcli.synth.work import forget_steps
from tests.photo_shop import open_shop, shop_recipe
from tests.small_inpainting import save_inpainting
from tests.small_segmenters import save_detector
from tests.test_mmlink import manifest

WORDS = ["<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdef")]


def save_clip(directory: Path) -> Path:
    sides = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = sides | {"vocab_size": len(WORDS), "max_position_embeddings": 16, "eos_token_id": 1, "bos_token_id": 0}
    config = CLIPConfig(text_config=text, vision_config=sides | {"image_size": 32, "patch_size": 8}, projection_dim=8)
    CLIPModel(config).save_pretrained(directory)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(directory)
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16).save_pretrained(directory)
    return directory


def save_dino(directory: Path) -> Path:
    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(directory)
    CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(directory)
    return directory


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)) for _ in range(3)]


@pytest.mark.parametrize("save", [save_clip, save_dino])
def test_embedders_give_unit_vectors_that_do_not_depend_on_company(save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    embedder = Embedder(str(save(tmp_path / "model")), None, "cpu", "float32")
    together = embedder.pictures(pictures())
    assert together.shape == (3, 8 if save is save_clip else 16)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(embedder.pictures(pictures()[1:2])[0], together[1])
    assert embedder.reads_text == (save is save_clip)
    if embedder.reads_text:
        assert np.linalg.norm(embedder.text("a bed")) == pytest.approx(1, abs=1e-5)
    else:
        with pytest.raises(TypeError, match="reads no text"):
            embedder.text("a bed")


def test_all_models_of_the_checks_run_in_one_set(tmp_path: Path) -> None:
    shop = open_shop(tmp_path / "photographs")
    models = {
        "background": {"kind": "diffusion", "model": str(save_inpainting(tmp_path / "inpainting")), "steps": 2},
        "check": {
            "embedder": str(save_clip(tmp_path / "clip")),
            "counter": str(save_detector(tmp_path / "detector")),
        },
    }
    objects = {"furniture": {"noun": "person", "distractors": 1}}
    synthesise(shop_recipe(shop, samples=2, objects=objects, **models), tmp_path / "run")
    forget_steps()
    for line in manifest(tmp_path / "run"):
        scores = line["record"]["scores"]
        assert {"identity", "identity_margin", "picture_similarity", "scene_match", "extra_objects", "drift"} <= set(
            scores
        )
        assert all(-1.001 <= scores[name] <= 1.001 for name in ("identity", "picture_similarity", "scene_match"))
        assert scores["extra_objects"] == int(scores["extra_objects"]) >= 0


def cut(colour: tuple[int, int, int], other: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("RGBA", (60, 80), (*colour, 255))
    picture.paste((*other, 255), (0, 0, 60, 30))
    picture.paste((0, 0, 0, 0), (0, 0, 10, 80))
    return picture


def test_colours_tell_objects_apart_and_forgive_light() -> None:
    red = colour_histogram(cut((200, 30, 40), (240, 240, 240)))
    darker = colour_histogram(cut((170, 25, 34), (205, 205, 205)))
    blue = colour_histogram(cut((30, 50, 200), (250, 230, 60)))
    assert red.sum() == pytest.approx(1)
    assert shared_colours(red, red) == pytest.approx(1)
    assert shared_colours(red, darker) > 0.6 > 0.3 > shared_colours(red, blue)
    assert not colour_histogram(Image.new("RGBA", (5, 5))).any()


def record(**scores: float) -> Record:
    view = View(subjects=[Subject(photo=Photo(identity="a", path="a.png"))])
    return Record(id=0, seed="s", object="shoe", views=[view, view], scores=scores)


def test_each_score_is_judged_by_its_bound_and_only_where_it_was_measured() -> None:
    accept = AcceptRecipe()
    least, most = bounds(accept)
    assert reasons_against(record(), accept) == []
    for name, bound in least.items():
        assert reasons_against(record(**{name: bound.value}), accept) == []
        assert reasons_against(record(**{name: bound.value - 0.01}), accept) == [bound.reason]
    for name, bound in most.items():
        assert reasons_against(record(**{name: bound.value}), accept) == []
        assert bound.reason in reasons_against(record(**{name: bound.value + 0.01}), accept)
    told = record(spread=math.nan)
    told.faults = ["answer speaks of a picture by its number"]
    assert reasons_against(told, accept) == [
        "inpaint: background is of one colour (accept.least_spread)",
        "check: answer speaks of a picture by its number",
    ]


def test_the_key_that_a_reason_names_is_the_one_that_changes_it() -> None:
    strict = AcceptRecipe()
    for score, bound in (pair for side in bounds(strict) for pair in side.items()):
        beyond = record(**{score: bound.value - 0.01}), record(**{score: bound.value + 0.01})
        (one,) = (each for each in beyond if bound.reason in reasons_against(each, strict))
        (key,) = re.findall(r"\(accept\.(\w+)\)$", bound.reason)
        open_to_all = (-9.0, 99.0) if isinstance(getattr(strict, key), tuple) else 198.0 * (one is beyond[1]) - 99
        assert reasons_against(one, strict.model_copy(update={key: open_to_all})) == []


def test_a_photograph_that_is_filed_under_two_names_is_noticed(tmp_path: Path) -> None:
    shop, out = open_shop(tmp_path / "photographs"), tmp_path / "run"
    for view in range(2):
        with Image.open(shop / "furniture" / "0" / f"{view}.png") as photo:
            photo.resize((170, 170)).save(shop / "furniture" / "1" / f"{view}.png")
    synthesise(shop_recipe(shop, objects={"furniture": {"distractors": 1}}, samples=16), out)
    reason = bounds(AcceptRecipe())[0]["distractor_distance"].reason
    noticed = []
    for record, reasons in ((Record(**line["record"]), line["reasons"]) for line in manifest(out)):
        if record.is_open:
            paths = {subject.photo.path for subject in record.subjects}
            twice = any({f"furniture/0/{view}.png", f"furniture/1/{view}.png"} <= paths for view in range(2))
            assert (reason in reasons) == twice
            noticed.append(twice)
    assert 0 < sum(noticed) < len(noticed)
    forget_steps()


def test_a_check_whose_model_is_missing_says_so_when_it_is_built(tmp_path: Path) -> None:
    recipe = MmlinkRecipe.model_validate({"check": {"embedder": str(tmp_path / "nothing")}})
    with pytest.raises(Exception, match="an embedder"):
        Check(Setting(recipe, tmp_path))
