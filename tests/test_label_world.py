"""Labels of the world against what its pictures show."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.storage import most_words
from samcli.alignment.labels.world import WorldLabels, label_words, words_of
from samcli.data.sample import Sample, read_annotations
from samcli.errors import UserError
from samcli.recipe_alignment import LabelsRecipe
from samcli.synth.world.pictures import Picture, patch_owners, render
from samcli.synth.world.things import CATEGORIES, draw_thing
from samcli.synth.world.words import world_words
from tests.label_data import EYE, PATCH, SIDE, draw_pictures, world_samples


def words_by_patch(labeller: WorldLabels, image: Path) -> list[set[str]]:
    labels = labeller.label([image])
    found: list[set[str]] = [set() for _ in range(labels.counts.shape[1])]
    for patch, word in zip(labels.patches.tolist(), labels.words.tolist(), strict=True):
        found[patch].add(labeller.words[word])
    assert [len(own) for own in found] == labels.counts[0].tolist()
    return found


def test_every_patch_has_the_words_of_what_owns_it(tmp_path: Path) -> None:
    samples = world_samples(tmp_path, 6)
    read = read_annotations(tmp_path)
    labeller = WorldLabels(read, EYE)
    for sample, picture in zip(samples, draw_pictures(6), strict=True):
        owners = patch_owners(picture, SIDE, PATCH).flatten()
        for owner, words in zip(owners, words_by_patch(labeller, sample.images[0]), strict=True):
            shown = picture.setting.words if owner < 0 else words_of(picture.things[owner])
            assert words == set(shown)


def test_labels_are_where_the_thing_is_painted(tmp_path: Path) -> None:
    """A picture with a thing and without it: patches with the thing's words are those whose pixels differ."""
    picture = next(one for one in draw_pictures(40) if len(one.things) == 1)
    (sample,) = world_samples(tmp_path, 1)
    with_record = Sample(0, sample.images, "", ("",), {"pictures": [picture.to_json()]})
    empty = Picture(picture.setting, (), picture.seed)
    painted = [np.asarray(render(one, SIDE), dtype=int) for one in (picture, empty)]
    differs = (np.abs(painted[0] - painted[1]).sum(axis=-1) > 24).reshape(SIDE // PATCH, PATCH, SIDE // PATCH, PATCH)
    covered = differs.mean(axis=(1, 3)).flatten()
    words = words_by_patch(WorldLabels([with_record], EYE), sample.images[0])
    kind = picture.things[0]["kind"]
    assert all(kind in words[patch] for patch in np.flatnonzero(covered > 0.5))
    assert not any(kind in words[patch] for patch in np.flatnonzero(covered == 0))
    assert 0 < sum(kind in own for own in words) < len(words)


def test_samples_of_several_pictures_have_labels_for_each(tmp_path: Path) -> None:
    one, two = world_samples(tmp_path, 2)
    records = [picture.to_json() for picture in draw_pictures(2)]
    both = Sample(0, (*one.images, *two.images), "", ("",), {"pictures": records})
    alone, together = WorldLabels([one, two], EYE), WorldLabels([both], EYE)
    for image in both.images:
        assert words_by_patch(alone, image) == words_by_patch(together, image)


def test_labels_know_a_square_that_patches_do_not_fill(tmp_path: Path) -> None:
    (sample,) = world_samples(tmp_path, 1)
    eye = Eye(side=SIDE, patch=7, crop=False)
    assert WorldLabels([sample], eye).label(sample.images).counts.shape == (1, eye.patches) == (1, 81)


def test_words_are_single_words_of_the_world(tmp_path: Path) -> None:
    words = label_words()
    assert len(set(words)) == len(words)
    assert set(words) <= set(world_words())
    rng = random.Random(0)
    most = max(len(words_of(draw_thing(rng, category))) for category in CATEGORIES for _ in range(200))
    assert most == most_words(LabelsRecipe(source="world"))


def test_samples_without_records_are_refused(tmp_path: Path) -> None:
    bare = Sample(7, (tmp_path / "a.png",), "", ("",), {})
    with pytest.raises(UserError, match=r"sample 7 has no records of its pictures.*world-captions.*to clip or regions"):
        WorldLabels([bare], EYE)


def test_a_faulty_record_is_told_with_its_picture(tmp_path: Path) -> None:
    faulty = Sample(7, (tmp_path / "a.png",), "", ("",), {"pictures": [{"setting": {}}]})
    with pytest.raises(UserError, match=r"a.png: no record of a picture"):
        WorldLabels([faulty], EYE).label(faulty.images)


def test_an_eye_sees_all_of_a_picture_or_its_middle() -> None:
    wide = Image.new("RGB", (90, 60))
    assert Eye(32, 8, crop=False).seen(wide).size == (90, 60)
    wide.putpixel((15, 0), (255, 0, 0))
    middle = Eye(32, 8, crop=True).seen(wide)
    assert middle.size == (60, 60)
    assert middle.getpixel((0, 0)) == (255, 0, 0)
    assert Eye(384, 14, crop=False).grid == 27
    assert Eye(384, 14, crop=False).reach == 378 / 384
