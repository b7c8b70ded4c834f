"""Maps of the adaptive weights: the numbers are the model's, the colours the numbers', and nothing is overwritten."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.explain import explain, patch_weights
from samcli.explain_drawing import Scale, colours_at, fitted, overlay
from samcli.model.captioner import Captioner, q_former_model
from samcli.model.guidance import Groups
from samcli.model.load import load_base
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import ModelRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import save_small
from tests.test_load import SIZES

SIDE = SIZES.image_size // SIZES.patch_size
PROMPT, ANSWER = "what do both pictures show", "a red cat \x1b[31m and a dog"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("model"), SIZES)


def captioner(base: Path, **guidance: str | bool) -> Captioner:
    """A model whose weights differ clearly from patch to patch."""
    loaded = load_base(ModelRecipe(base=str(base)))
    settings = GuidanceRecipe.model_validate({"from_layer": 1, "to_layer": 1, **guidance})
    model = SemanticAlignmentModel(loaded.model, MethodRecipe(guidance=settings)).eval()
    if model.guidance is not None:
        torch.nn.init.normal_(model.guidance.adjustment.score.weight, generator=torch.Generator().manual_seed(1))
    return Captioner(model, loaded.processor, "small", "adapter")


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Three pictures of noise, of different shapes."""
    chance = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.jpg")]
    for path, shape in zip(paths, [(40, 60, 3), (60, 40, 3), (900, 50, 3)], strict=True):
        Image.fromarray(chance.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return paths


# The numbers.


def test_weights_are_those_of_the_model(base: Path, images: list[Path]) -> None:
    one = captioner(base)
    weights, middle = patch_weights(one, images)
    pictures = [one.processor.square(open_image(path)) for path in images]
    guidance = q_former_model(one, "the test").guidance
    assert guidance is not None
    embeds = one.model.encode_images(one.processor.pixels(pictures))
    _, expected = guidance.adjustment(embeds, Groups.of(torch.tensor([3])))
    np.testing.assert_allclose(weights.reshape(3, -1), expected[:, 1:].detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), np.ones((SIDE, SIDE)), rtol=1e-5)
    assert middle == 1 / 3


def test_weights_of_others_are_means_over_the_pictures_they_are_for(base: Path, images: list[Path]) -> None:
    weights, middle = patch_weights(captioner(base, context="others"), images)
    np.testing.assert_allclose(weights.sum(axis=0), np.full((SIDE, SIDE), 3 / 2), rtol=1e-5)
    assert middle == 1 / 2


def test_weights_normalised_over_all(base: Path, images: list[Path]) -> None:
    weights, middle = patch_weights(captioner(base, context="others", normalize="all"), images)
    np.testing.assert_allclose(weights.sum(axis=0), np.ones((SIDE, SIDE)), rtol=1e-5)
    assert middle == 1 / 3


def test_weights_over_patches(base: Path, images: list[Path]) -> None:
    weights, middle = patch_weights(captioner(base, weights="softmax-patches"), images)
    assert middle == 1 / (SIDE**2 + 1)
    assert (weights.sum(axis=(1, 2)) < 1).all()  # the rest is the CLS token's


# The colours.


def test_scale_is_centred_and_holds_all() -> None:
    weights = np.array([[[0.1, 0.25], [0.3, 0.9]]])
    scale = Scale.of(weights, 0.25)
    assert scale == Scale(0.1, 0.25, 0.9)
    expected = colours_at(np.array([0, 0.5, 0.5 + 0.5 * 0.05 / 0.65, 1]))
    np.testing.assert_allclose(scale.colours(weights).reshape(4, 3), expected)


def test_equal_weights_have_the_middle_colour() -> None:
    scale = Scale.of(np.full((2, 2, 2), 0.5), 0.5)
    np.testing.assert_allclose(scale.colours(np.array([0.5])), colours_at(np.array([0.5])))


def test_colours_rise_in_lightness() -> None:
    colours = colours_at(np.linspace(0, 1, 50)) / 255
    lightness = (colours**2.2) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_map_lies_where_the_patch_lies() -> None:
    grid = np.zeros((4, 4))
    grid[0, 3] = 1
    drawn = np.asarray(overlay(Image.new("RGB", (80, 40), "grey"), grid, Scale(0, 0.5, 1))).sum(axis=-1)
    row, column = np.unravel_index(drawn.argmax(), drawn.shape)
    assert row < 10
    assert column >= 60


# The files.


def test_files(base: Path, images: list[Path], tmp_path: Path) -> None:
    written = explain(captioner(base), images, PROMPT, tmp_path / "maps", answer=ANSWER)
    names = ["a_weights.png", "b_weights.png", "c_weights.png", "contact_sheet.png"]
    assert written == [tmp_path / "maps" / name for name in names]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == names
    sizes = [open_image(path).size for path in written]
    assert all(width > 400 and height > 400 for width, height in sizes)
    assert sizes[3][0] > sizes[0][0]


def test_same_again_gives_equal_bytes(base: Path, images: list[Path], tmp_path: Path) -> None:
    one = captioner(base)
    first, second = (explain(one, images, PROMPT, tmp_path / name, answer=ANSWER) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_many_pictures_and_long_words(base: Path, images: list[Path], tmp_path: Path) -> None:
    long = tmp_path / f"{'n' * 200}.png"
    images[0].rename(long)
    many = [long, *images[1:], *images[1:], long]
    written = explain(captioner(base), many, "word " * 400 + "w" * 500, tmp_path / "maps", answer="")
    assert len({path.name for path in written}) == 7
    assert open_image(written[-1]).width < 2000


def test_answer_is_generated_when_it_is_not_given(base: Path, images: list[Path], tmp_path: Path) -> None:
    assert len(explain(captioner(base), images, PROMPT, tmp_path / "maps")) == 4


def test_pictures_that_are_all_length(base: Path, images: list[Path], tmp_path: Path) -> None:
    Image.new("RGB", (1, 5000), "red").save(images[0])
    Image.new("RGB", (5000, 1), "blue").save(images[1])
    written = explain(captioner(base), images, PROMPT, tmp_path / "maps", answer=ANSWER)
    assert all(open_image(path).width > 400 for path in written)
    assert fitted(Image.new("RGB", (1, 5000)), 640).size == (1, 640)
    assert fitted(Image.new("RGB", (200, 100)), 640).size == (640, 320)


def test_every_map_has_a_file_of_its_own(base: Path, images: list[Path], tmp_path: Path) -> None:
    """Also where a number that tells two names apart makes one that was there."""
    paths = [tmp_path / name for name in ("a.png", "a-3.png", "z/a.png", "y/a.png", "z/a-3.png")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        Image.open(images[0]).save(path)
    written = explain(captioner(base), paths, PROMPT, tmp_path / "maps", answer=ANSWER)
    names = [path.name.removesuffix("_weights.png") for path in written[:-1]]
    assert names == ["a", "a-3", "a-2", "a-4", "a-3-2"]


# Nothing to show.


def refusal(one: Captioner, images: list[Path], directory: Path) -> str:
    with pytest.raises(UserError) as raised:
        explain(one, images, PROMPT, directory, answer=ANSWER)
    return str(raised.value)


def test_no_guidance(base: Path, images: list[Path], tmp_path: Path) -> None:
    message = refusal(captioner(base, enabled=False), images, tmp_path / "maps")
    assert message == "--explain: adapter adapter was trained without guidance, so it weighs no patches"
    bare = replace(captioner(base, enabled=False), adapter=None)
    message = refusal(bare, images, tmp_path / "maps")
    assert message == "--explain shows the adapter's weights, and small has none: give --adapter"


def test_weights_that_are_fixed(base: Path, images: list[Path], tmp_path: Path) -> None:
    message = refusal(captioner(base, weights="mean"), images, tmp_path / "maps")
    assert message == "--explain: adapter adapter weighs all patches alike (guidance.weights: mean)"


def test_one_picture(base: Path, images: list[Path], tmp_path: Path) -> None:
    message = refusal(captioner(base), images[:1], tmp_path / "maps")
    assert message == "--explain shows how pictures are weighed against one another: give two or more"
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("name", ["contact_sheet.png", "a_weights.png"])
def test_pictures_that_were_given_are_not_overwritten(
    base: Path, images: list[Path], tmp_path: Path, name: str
) -> None:
    images[1].rename(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    message = refusal(captioner(base), [images[0], tmp_path / name], tmp_path)
    assert message == (f"--explain would write {tmp_path / name} over a picture that was given; name another directory")
    assert (tmp_path / name).read_bytes() == before


def test_directory_that_is_a_file(base: Path, images: list[Path]) -> None:
    assert refusal(captioner(base), images, images[0]) == f"--explain {images[0]} is a file; name a directory"
