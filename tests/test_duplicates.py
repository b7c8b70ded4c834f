import random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from samcli.synth.photos.duplicates import near_duplicates
from samcli.synth.photos.hashing import distance, hash_around, hash_of, hash_of_object

Owned = list[tuple[int, list[int]]]  # owners in their order, and their hashes


def found(samples: Owned, most: int) -> dict[int, int]:
    hashes = [value for _, own in samples for value in own]
    owners = [owner for owner, own in samples for _ in own]
    return near_duplicates(np.array(hashes, dtype=np.uint64), np.array(owners, dtype=np.int64), most)


def by_plain_loops(samples: Owned, most: int) -> dict[int, int]:
    repeats: dict[int, int] = {}
    kept: Owned = []
    for owner, own in samples:
        earlier = next(
            (other for other, theirs in kept if any((a ^ b).bit_count() <= most for a in own for b in theirs)), None
        )
        if earlier is None:
            kept.append((owner, own))
        else:
            repeats[owner] = earlier
    return repeats


def some_samples(rng: random.Random, count: int) -> Owned:
    """Hashes around a few centres, so that many are near one another, at all distances; ids in no order."""
    centres = [rng.getrandbits(64) for _ in range(6)]

    def near_a_centre() -> int:
        value = rng.choice(centres)
        for bit in rng.sample(range(64), rng.randrange(12)):
            value ^= 1 << bit
        return value

    owners = rng.sample(range(-1000, 1000), count)
    return [(owner, [near_a_centre() for _ in range(rng.choice((1, 2, 2, 3)))]) for owner in owners]


@pytest.mark.parametrize("seed", range(40))
def test_it_finds_what_plain_loops_find(seed: int) -> None:
    rng = random.Random(seed)
    samples, most = some_samples(rng, rng.randrange(1, 60)), rng.choice((0, 1, 3, 6, 7, 10, 63, 64))
    assert found(samples, most) == by_plain_loops(samples, most)


def test_the_cases_of_the_property_hold_repeats_and_others() -> None:
    samples = some_samples(random.Random(0), 50)
    assert 5 < len(by_plain_loops(samples, 6)) < 45


def test_the_distance_is_the_last_that_counts() -> None:
    samples: Owned = [(1, [0, 1 << 63]), (2, [0b111_1110_0000]), (3, [2**64 - 1])]
    assert found(samples, 6) == {2: 1}
    assert found(samples, 5) == {}


def test_a_sample_that_repeats_another_isnt_repeated_itself() -> None:
    assert found([(1, [0b0]), (2, [0b111]), (3, [0b111111])], 3) == {2: 1}


def test_a_samples_own_pictures_may_be_alike_and_the_first_earlier_one_is_named() -> None:
    assert found([(7, [5, 5]), (3, [99, 6]), (9, [5, 6])], 0) == {9: 7}


def test_nothing_and_one_sample_repeat_nothing() -> None:
    assert found([], 6) == found([(4, [1])], 6) == {}


def test_hashes_of_one_owner_stand_together() -> None:
    with pytest.raises(ValueError, match="stand together"):
        found([(1, [0]), (2, [1]), (1, [2])], 6)


def a_scene(seed: int) -> Image.Image:
    """Soft patches of colour."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((256, 256), Image.Resampling.BICUBIC)


def with_object(scene: Image.Image, box: tuple[int, int, int, int]) -> tuple[Image.Image, Image.Image]:
    """A black disc in front of the scene, and its mask."""
    picture, mask = scene.copy(), Image.new("L", scene.size)
    ImageDraw.Draw(picture).ellipse(box, fill=(0, 0, 0))
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return picture, mask


def test_a_scaled_and_a_darker_picture_have_nearly_the_same_hash_and_another_has_not() -> None:
    scene = a_scene(1)
    assert len(hash_of(scene)) == 16
    assert distance(hash_of(scene), hash_of(scene.resize((90, 90)))) <= 4
    assert distance(hash_of(scene), hash_of(ImageEnhance.Brightness(scene).enhance(0.85))) <= 6
    assert distance(hash_of(scene), hash_of(a_scene(2))) > 12


def test_what_is_around_objects_doesnt_depend_on_what_they_look_like() -> None:
    scene = a_scene(1)
    picture, mask = with_object(scene, (80, 80, 170, 170))
    assert hash_around(picture, mask) == hash_around(scene, mask)
    assert hash_of(picture) != hash_of(scene)


def test_what_is_around_objects_tells_scenes_apart_and_not_places() -> None:
    first, second = (with_object(a_scene(1), box) for box in ((30, 60, 110, 140), (120, 80, 200, 160)))
    other = with_object(a_scene(2), (30, 60, 110, 140))
    assert distance(hash_around(*first), hash_around(*second)) < distance(hash_around(*first), hash_around(*other))
    assert distance(hash_around(*first), hash_around(*other)) > 12


def test_a_picture_that_is_all_object_has_the_hash_of_plain_ground() -> None:
    everything = Image.new("L", (256, 256), 255)
    assert hash_around(a_scene(1), everything) == hash_around(a_scene(2), everything)


def test_an_objects_proportions_are_part_of_its_hash() -> None:
    wide, tall = (a_scene(1).convert("RGBA").resize(size) for size in ((240, 80), (80, 240)))
    assert distance(hash_of(wide), hash_of(tall)) <= 4
    assert distance(hash_of_object(wide), hash_of_object(tall)) > 12
    assert distance(hash_of_object(wide), hash_of_object(wide.resize((120, 40)))) <= 4


def test_distances_count_bits() -> None:
    assert distance("0000000000000000", "ffffffffffffffff") == 64
    assert distance("8000000000000001", "0000000000000003") == 2
