import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from samcli.synth.world import books, drafting, icons, symbols
from samcli.synth.world.grammar import name, read_mentions
from samcli.synth.world.pen import PERIOD, Box, Pen, Point
from samcli.synth.world.pictures import draw_any, render
from samcli.synth.world.pipelines import set_pipeline
from samcli.synth.world.scenes import LIGHTS, SCENES, WEATHERS, paint_ground
from samcli.synth.world.sets import SETS
from samcli.synth.world.splits import SPLITS, belongs_to, split_of
from samcli.synth.world.sprites import _ARTISTS, VARIANTS, Pose, aspect, draw_sprite, may_mirror
from samcli.synth.world.tasks import Linking, draw_change, draw_group, draw_linking, draw_story
from samcli.synth.world.things import CATEGORIES, Thing, draw_near_miss, draw_thing

HEIGHT = 48  # the smallest side, in pixels, at which things are shown to the embedded model
PLAINLY = 24  # of 255: a difference of a pixel that can be seen
everything = pytest.mark.parametrize("category", list(CATEGORIES))


class WatchedPen(Pen):
    """Remembers every point that any pen of its kind is told to draw."""

    seen: ClassVar[list[Point]] = []

    def _points(self, points: Sequence[Point]) -> list[Point]:
        self.seen.extend(points)
        return super()._points(points)

    def _box(self, box: Box) -> Box:
        self.seen.extend([box[:2], box[2:]])
        return super()._box(box)


def each_word(category: str) -> Iterator[Thing]:
    """Things in which each word of each attribute occurs with each kind."""
    attributes = CATEGORIES[category].attributes
    rng = random.Random(category)
    for kind in attributes["kind"]:
        for attribute, words in attributes.items():
            for word in words:
                chosen = dict(draw_thing(rng, category).attributes, kind=kind)
                chosen[attribute] = word if attribute != "kind" else kind
                yield Thing(category, tuple(chosen.values()))


def difference(first: Thing, second: Thing, pose: Pose) -> float:
    """The share of pixels that plainly differ; 1 when the drawings have different shapes."""
    one, other = (np.asarray(draw_sprite(thing, pose, HEIGHT)).astype(int) for thing in (first, second))
    return 1.0 if one.shape != other.shape else float((abs(one - other).max(axis=-1) >= PLAINLY).mean())


@everything
def test_every_thing_is_drawn_inside_its_sheet(category: str, monkeypatch: pytest.MonkeyPatch) -> None:
    artist = _ARTISTS[category]
    for module in (books, drafting, icons, symbols):
        monkeypatch.setattr(module, "Pen", WatchedPen)  # it draws the stamps
    for number, thing in enumerate(each_word(category)):
        for stamps in (books._title, books._outside, drafting._stamp, icons._stamp, symbols._stamp):
            stamps.cache_clear()
        WatchedPen.seen.clear()
        pen = WatchedPen(HEIGHT, aspect(thing), getattr(artist, "PERIOD", PERIOD))
        artist.draw(pen, thing, number % VARIANTS)
        across, down = zip(*pen.seen, strict=True)
        assert min(across) >= 0, thing
        assert max(across) <= aspect(thing), thing
        assert min(down) >= 0, thing
        assert max(down) <= 1, thing


@everything
def test_drawings_are_the_same_every_time(category: str) -> None:
    rng = random.Random(1)
    for variant in range(VARIANTS):
        thing, pose = draw_thing(rng, category), Pose(variant, may_mirror(category))
        first = draw_sprite(thing, pose, HEIGHT).tobytes()
        draw_sprite.cache_clear()
        assert draw_sprite(thing, pose, HEIGHT).tobytes() == first


@everything
def test_every_word_changes_the_picture(category: str) -> None:
    rng = random.Random(2)
    for attribute, words in CATEGORIES[category].attributes.items():
        base = draw_thing(rng, category).attributes
        things = [Thing(category, tuple((base | {attribute: word}).values())) for word in words]
        drawings = {draw_sprite(thing, Pose(), HEIGHT).tobytes() for thing in things}
        assert len(drawings) == len(words), attribute


@everything
def test_a_near_miss_differs_in_one_attribute_that_can_be_seen(category: str) -> None:
    rng = random.Random(3)
    for number in range(150):
        thing = draw_thing(rng, category)
        other = draw_near_miss(rng, thing)
        assert sum(a != b for a, b in zip(thing.words, other.words, strict=True)) == 1
        assert difference(thing, other, Pose(number % VARIANTS)) >= 0.015, (thing.phrase, other.phrase)


@everything
def test_names_are_read_back_in_full(category: str) -> None:
    rng = random.Random(4)
    for _ in range(500):
        thing, other = draw_thing(rng, category), draw_thing(rng, category)
        mentions = read_mentions(f"Both pictures show {name(thing)}; and {name(other)}.")
        assert len(mentions) == 2
        assert mentions[0].names_in_full(thing)
        assert mentions[1].names_in_full(other)
        assert mentions[0].names_in_full(other) is (thing == other)
        assert Thing.from_json(thing.to_json()) == thing


@everything
def test_a_name_with_a_wrong_or_missing_word_is_not_in_full(category: str) -> None:
    rng = random.Random(5)
    for _ in range(200):
        thing = draw_thing(rng, category)
        miss = draw_near_miss(rng, thing)
        (mention,) = read_mentions(f"It is {name(miss)}.")
        assert not mention.names_in_full(thing)
        assert mention.names_in_part(thing) is (miss["kind"] == thing["kind"] and miss["colour"] == thing["colour"])


def test_kind_and_colour_alone_are_a_name_in_part() -> None:
    sofa = Thing("furniture", ("sofa", "red", "striped", "white", "vase"))
    (mention,) = read_mentions("There is a red sofa.")
    assert mention.names_in_part(sofa)
    assert not mention.names_in_full(sofa)
    assert read_mentions("There is a sofa, and something red.") == []


@pytest.mark.parametrize("scene", SCENES)
def test_scenes_fill_their_sheet_and_depend_on_the_seed(scene: str) -> None:
    first, again, other = (paint_ground(scene, "day", "clear", 96, seed) for seed in (1, 1, 2))
    assert first.size == (96, 96)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
    assert len({paint_ground(scene, light, "clear", 96, 1).tobytes() for light in LIGHTS}) == len(LIGHTS)


def test_there_are_enough_scenes_and_things() -> None:
    assert len(SCENES) >= 10
    assert len(WEATHERS) >= 2
    assert sum(category.size for category in CATEGORIES.values()) > 200_000


def test_pictures_are_the_same_every_time_and_keep_things_apart() -> None:
    for seed in range(12):
        picture = draw_any(random.Random(seed), lambda _thing: True)
        assert picture == draw_any(random.Random(seed), lambda _thing: True)
        image = render(picture, 128)
        assert isinstance(image, Image.Image)
        assert image.tobytes() == render(picture, 128).tobytes()
        boxes = [entry.box for entry in picture.placed]
        assert all(one.clear_of(other) for i, one in enumerate(boxes) for other in boxes[:i])
        assert [box.centre for box in boxes] == sorted(box.centre for box in boxes)


def centres(things: Sequence[Thing]) -> list[Thing]:
    """The things that differ from every other one in exactly one attribute."""
    gap = {(a, b): sum(x != y for x, y in zip(a.words, b.words, strict=True)) for a in things for b in things}
    return [thing for thing in things if all(gap[thing, other] == 1 for other in things if other != thing)]


def linkings(split: str, count: int, draws: int) -> list[Linking]:
    rng = random.Random(6)
    return [draw_linking(rng, rng.choice(list(CATEGORIES)), belongs_to(split), count) for _ in range(draws)]


def as_chance_has_it(part: int, whole: int, share: float) -> bool:
    """Whether a count lies within three standard deviations of what chance alone gives."""
    return whole > 100 and abs(part - whole * share) < 3 * (whole * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_shared_thing_stands_anywhere(split: str) -> None:
    drawn = linkings(split, 2, 600)
    for side in (0, 1):
        left = sum(linking.views[side].things[0] == linking.shared for linking in drawn)
        assert as_chance_has_it(left, len(drawn), 1 / 2)


def test_the_shared_thing_of_three_is_their_centre_no_more_often_than_another() -> None:
    drawn = linkings("train", 3, 1500)
    for side in (0, 1):
        stars = [(linking, star) for linking in drawn if len(star := centres(linking.views[side].things)) == 1]
        hits = sum(star[0] == linking.shared for linking, star in stars)
        assert as_chance_has_it(hits, len(stars), 1 / 3)


def test_pairs_share_exactly_one_thing_in_different_scenes() -> None:
    rng = random.Random(7)
    for _ in range(300):
        linking = draw_linking(rng, rng.choice(list(CATEGORIES)), belongs_to("train"))
        first, second = linking.views
        assert set(first.things) & set(second.things) == {linking.shared}
        assert first.setting.scene != second.setting.scene


PHOTOGRAPHED = ("world-mmlink", "world-links")  # composed of cut-outs; the others are painted at once


def test_splits_share_no_thing_and_no_seed() -> None:
    things: dict[str, set[str]] = {split: set() for split in SPLITS}
    seeds: dict[str, set[str | int]] = {split: set() for split in SPLITS}
    for split in SPLITS:
        for set_name in SETS:
            group = set_pipeline(set_name, split, 0, 128).group
            drafts = [group(index, 0) for index in range(15 if set_name in PHOTOGRAPHED else 60)]
            things[split] |= {label for draft in drafts for picture in draft.sources for label in picture}
            seeds[split] |= {draft.seed for draft in drafts}
            if set_name not in PHOTOGRAPHED:
                seeds[split] |= {frame.background.seed for draft in drafts for frame in draft.frames}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert len(things[one]) > 100
        assert not things[one] & things[other]
        assert not seeds[one] & seeds[other]


def test_splits_have_their_shares() -> None:
    rng = random.Random(8)
    tally = Counter(split_of(draw_thing(rng, rng.choice(list(CATEGORIES)))) for _ in range(4000))
    assert tally["train"] == pytest.approx(3200, abs=100)
    assert tally["val"] == pytest.approx(400, abs=80)
    assert tally["test"] == pytest.approx(400, abs=80)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no end within {seconds} s")

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("split", ["val", "test"])
def test_draws_of_small_splits_come_to_an_end(split: str) -> None:
    accept = belongs_to(split)
    with at_most(60):
        for seed in range(250):
            rng = random.Random(seed)
            draw_linking(rng, rng.choice(list(CATEGORIES)), accept)
            draw_group(rng, accept)
            draw_story(rng, accept)
            draw_change(rng, accept)
