"""A captioner takes pictures by path and by object alike, one or several, and instructions that its model can read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samcli.errors import UserError
from samcli.model.captioner import Captioner, Picture, as_picture
from samcli.model.load import load_model
from samcli.recipe import TextRecipe
from tests.small_models import save_small
from tests.test_load import GREEDY, SIZES

PROMPT = "what do both pictures show"


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return load_model(str(save_small(tmp_path_factory.mktemp("model"), SIZES)), "none", device="cpu")


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


def noise(channels: int, dtype: type[np.unsignedinteger] = np.uint8) -> Image.Image:
    shape = (4, 6, channels) if channels > 1 else (4, 6)
    return Image.fromarray(np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype))


@pytest.mark.parametrize(
    "picture", [noise(1, np.uint16), noise(4), noise(2), noise(3), noise(3).convert("P")], ids=lambda one: str(one.mode)
)
def test_a_picture_is_the_same_by_path_and_by_object(tmp_path: Path, picture: Image.Image) -> None:
    path = tmp_path / "a.png"
    picture.save(path, exif=turned())
    opened = Image.open(path)
    before = opened.tobytes()
    by_path, by_object = as_picture(path), as_picture(opened)
    assert by_path.size == by_object.size == (4, 6)
    assert by_path.tobytes() == by_object.tobytes()
    assert as_picture(by_object).tobytes() == by_object.tobytes()
    assert (opened.size, opened.tobytes()) == ((6, 4), before)


def test_a_picture_in_memory_is_scaled_and_laid_on_white() -> None:
    grey = Image.fromarray(np.full((1, 1), 30_000, dtype=np.uint16))
    assert as_picture(grey).getpixel((0, 0)) == (117, 117, 117)
    assert as_picture(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)


def test_a_damaged_picture_that_was_opened_by_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    noise(3).resize((60, 60)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"a\.png: a damaged or truncated PNG image \("):
        as_picture(Image.open(path))
    with pytest.raises(UserError, match=r"^a picture: how its pixels \(PIL mode F\)"):
        as_picture(Image.new("F", (1, 1)))


@pytest.mark.parametrize("kind", [str, Path, Image.open])
def test_one_picture_needs_no_list(captioner: Captioner, tmp_path: Path, kind: Callable[[Path], Picture]) -> None:
    noise(3).save(tmp_path / "a.png")
    picture = kind(tmp_path / "a.png")
    assert captioner.caption(picture, PROMPT, GREEDY) == captioner.caption([picture], PROMPT, GREEDY) != ""


def test_no_picture_and_no_prompt_are_refused(captioner: Captioner) -> None:
    with pytest.raises(UserError, match="no images were given"):
        captioner.caption([], PROMPT)
    with pytest.raises(UserError, match="the prompt is empty"):
        captioner.caption(noise(3), " ")


def test_longer_instructions_than_the_qformer_takes_are_refused(captioner: Captioner) -> None:
    """Cut to the length that the model was trained with, they fit; should that be too long, it is told."""
    prompt = "a cat and the dog " * 100
    assert isinstance(captioner.caption(noise(3), prompt, GREEDY), str)
    longer = replace(captioner, text=TextRecipe(qformer_tokens=129))
    with pytest.raises(UserError, match=r"^text\.qformer_tokens: instructions of 129 tokens, .* takes 128 at most"):
        longer.caption(noise(3), prompt, GREEDY)
