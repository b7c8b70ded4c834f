import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from samcli.recipe_mmlink import ComposeRecipe
from samcli.synth.photos.compose import WIDEST, arrange, grid
from samcli.synth.photos.kinds import COLUMNS, ROWS
from samcli.synth.photos.record import Place
from samcli.synth.photos.stage import Rejected

SIZE = 512
COMPOSE = ComposeRecipe()


def ellipse(width: int, height: int) -> Image.Image:
    """A cut-out: red, RGBA with colours multiplied by alpha, nothing in its corners."""
    alpha = Image.new("L", (width, height), 0)
    ImageDraw.Draw(alpha).ellipse((0, 0, width - 1, height - 1), fill=255)
    empty = Image.new("L", (width, height), 0)
    return Image.merge("RGBA", (alpha, empty, empty, alpha))


def covered(cut: Image.Image, place: Place) -> np.ndarray:
    sheet = Image.new("L", (SIZE, SIZE), 0)
    sheet.paste(cut.getchannel("A").resize((place.width, place.height)), (place.left, place.top))
    return np.asarray(sheet) > 0


def any_cuts(rng: random.Random, count: int) -> list[Image.Image]:
    return [ellipse(rng.randint(40, 400), rng.randint(40, 400)) for _ in range(count)]


@pytest.mark.parametrize(("count", "least"), [(1, 60), (2, 57), (3, 30)])
def test_objects_are_inside_and_keep_their_distance(count: int, least: int) -> None:
    placed = 0
    for seed in range(60):
        rng = random.Random(seed)
        cuts = any_cuts(rng, count)
        try:
            places = arrange(rng, cuts, SIZE, COMPOSE)
        except Rejected:
            continue
        placed += 1
        for cut, place in zip(cuts, places, strict=True):
            assert 0 <= place.left <= place.left + place.width <= SIZE
            assert 0 <= place.top <= place.top + place.height <= SIZE
            assert place.width <= WIDEST * SIZE + 1
            assert place.width / place.height == pytest.approx(cut.width / cut.height, rel=0.05)
        masks = [covered(cut, place) for cut, place in zip(cuts, places, strict=True)]
        for index, mask in enumerate(masks):
            ys, xs = np.nonzero(mask)
            for other in masks[:index]:
                near = np.zeros_like(other)
                for y, x in zip(*np.nonzero(other), strict=True):
                    near[max(0, y - COMPOSE.gap + 1) : y + COMPOSE.gap, x] = True
                assert not (near[ys, xs]).any()
    assert placed >= least


def test_heights_are_those_asked_for_as_long_as_there_is_room() -> None:
    tall = ellipse(50, 200)
    heights = [arrange(random.Random(seed), [tall], SIZE, COMPOSE)[0].height / SIZE for seed in range(200)]
    low, high = COMPOSE.main
    assert low - 0.01 <= min(heights) < low + 0.05
    assert high - 0.05 < max(heights) <= high + 0.01


def test_the_same_seed_gives_the_same_places() -> None:
    cuts = any_cuts(random.Random(1), 2)
    first, again = (arrange(random.Random("seed"), cuts, SIZE, COMPOSE) for _ in range(2))
    assert first == again
    assert first != arrange(random.Random("another"), cuts, SIZE, COMPOSE)


def test_objects_that_find_no_room_shrink_and_then_are_refused() -> None:
    fat = [ellipse(400, 400)] * 3
    large = ComposeRecipe(main=(0.6, 0.6), other=(0.5, 0.5))
    places = arrange(random.Random(0), fat[:2], SIZE, large)
    assert places[0].height < 0.6 * SIZE
    with pytest.raises(Rejected, match="no room for the objects"):
        arrange(random.Random(0), fat, SIZE, ComposeRecipe(main=(0.9, 0.9), other=(0.9, 0.9)))


def test_a_grid_has_one_icon_a_cell_in_chance_order() -> None:
    icons = any_cuts(random.Random(2), COLUMNS * ROWS)
    orders = set()
    for seed in range(30):
        places = grid(random.Random(seed), icons, SIZE)
        cells = [
            ((place.left + place.width // 2) * COLUMNS // SIZE, (place.top + place.height // 2) * ROWS // SIZE)
            for place in places
        ]
        assert len(set(cells)) == COLUMNS * ROWS
        assert all(place.left >= 0 and place.left + place.width <= SIZE for place in places)
        orders.add(tuple(cells))
    assert len(orders) > 25
