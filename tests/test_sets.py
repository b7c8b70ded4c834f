import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samcli.data.sample import Sample, missing_images, read_annotations
from samcli.errors import UserError
from samcli.recipe import SynthRecipe
from samcli.synth.run import synthesise
from samcli.synth.world.grammar import read_mentions
from samcli.synth.world.pipelines import set_pipeline
from samcli.synth.world.sets import SETS, world_set
from samcli.synth.world.things import Thing

SIZE, COUNT = 128, 24


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    root = tmp_path_factory.mktemp("sets")
    samples = {}
    for name in SETS:
        recipe = SynthRecipe(dataset=name, split="val", samples=COUNT, size=SIZE, workers=1)
        synthesise(recipe, root / name)
        samples[name] = read_annotations(root / name)
    return samples


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(path))


def things(sample: Sample) -> list[list[Thing]]:
    return [[Thing.from_json(record) for record in picture] for picture in sample.provenance["things"]]


@pytest.mark.parametrize("name", SETS)
def test_sets_are_in_the_released_format_with_all_their_images(made: dict[str, list[Sample]], name: str) -> None:
    samples = made[name]
    assert [sample.id for sample in samples] == list(range(COUNT))
    assert missing_images(samples) == []
    assert all(Image.open(path).size == (SIZE, SIZE) for sample in samples for path in sample.images)
    assert all(len(things(sample)) == len(sample.images) for sample in samples)
    assert len({sample.instruction for sample in samples}) > 2


@pytest.mark.parametrize("name", SETS)
def test_a_sample_depends_on_split_seed_and_index_alone(name: str) -> None:
    def make(split: str, seed: int, index: int) -> tuple[str, str, list[bytes]]:
        draft = set_pipeline(name, split, seed, SIZE).make(index, 0)
        return draft.instruction, draft.answer, [frame.picture.tobytes() for frame in draft.frames if frame.picture]

    first = make("test", 5, 7)
    assert make("test", 5, 7) == first
    assert make("test", 6, 7) != first
    assert make("test", 5, 8) != first
    assert make("val", 5, 7) != first


def test_mmlink_pairs_share_what_the_answer_names(made: dict[str, list[Sample]]) -> None:
    for sample in made["world-mmlink"]:
        first, second = things(sample)
        shared = Thing.from_json(sample.provenance["shared"])
        assert set(first) & set(second) == {shared}
        (mention,) = read_mentions(sample.references[0])
        assert mention.names_in_full(shared)


def test_links_are_groups_of_two_to_five_whose_pictures_share_one_thing(made: dict[str, list[Sample]]) -> None:
    assert {len(sample.images) for sample in made["world-links"]} == {2, 3, 4, 5}
    for sample in made["world-links"]:
        shown = [set(families) for families in things(sample)]
        shared = Thing.from_json(sample.provenance["shared"])
        assert all(one & other == {shared} for one, other in itertools.combinations(shown, 2))
        assert len({scene for _, scene, _ in sample.provenance["settings"]}) == len(sample.images)
        (mention,) = read_mentions(sample.references[0])
        assert mention.names_in_full(shared)
        assert ("both" in sample.instruction or "two" in sample.instruction) <= (len(sample.images) == 2)


def test_groups_are_five_pictures_with_the_factor_in_each(made: dict[str, list[Sample]]) -> None:
    for sample in made["world-groups"]:
        assert len(sample.images) == 5
        answer = sample.references[0]
        if sample.provenance["kind"] == "place":
            scenes = {scene for _, scene, _ in sample.provenance["settings"]}
            assert len(scenes) == 1
            assert scenes.pop() in answer
        else:
            kinds = [{thing["kind"] for thing in picture} for picture in things(sample)]
            assert set.intersection(*kinds)


def test_stories_give_all_captions_but_the_last(made: dict[str, list[Sample]]) -> None:
    lengths = set()
    for sample in made["world-stories"]:
        count = len(sample.images)
        lengths.add(count)
        numbers = re.findall(r"\{image#(\d)\}Caption#(\d):", sample.instruction)
        assert numbers == [(str(n), str(n)) for n in range(1, count + 1)]
        assert sample.instruction.endswith(f"{{image#{count}}}Caption#{count}:")
        assert sample.references[0] not in sample.instruction
    assert lengths == {3, 4, 5}


def test_stories_name_people_who_are_there_from_left_to_right(made: dict[str, list[Sample]]) -> None:
    for sample in made["world-stories"]:
        people = {name: Thing.from_json(record) for name, record in sample.provenance["people"].items()}
        *told, _ = re.findall(r"Caption#\d:([^{]*)", sample.instruction)
        captions = [*told, sample.references[0]]
        for caption, shown in zip(captions, things(sample), strict=True):
            named = sorted((name for name in people if name in caption), key=caption.index)
            assert [people[name] for name in named] == [thing for thing in shown if thing.category == "character"]
        introduced = " ".join(captions[:2])
        assert all(name in introduced for name in people)
        assert not any(" and " in caption and "meet" in caption for caption in captions[:2])


def test_changes_leave_everything_else_as_it_was(made: dict[str, list[Sample]]) -> None:
    kinds = set()
    for sample in made["world-changes"]:
        before, after = things(sample)
        kind = sample.provenance["kind"]
        kinds.add(kind)
        gone, come = set(before) - set(after), set(after) - set(before)
        assert (len(gone), len(come)) == {"turn": (1, 1), "leave": (1, 0), "come": (0, 1), "setting": (0, 0)}[kind]
        named = read_mentions(sample.references[0])
        assert len(named) == len(gone) + len(come)
        assert all(any(mention.names_in_full(thing) for mention in named) for thing in gone | come)
        assert (sample.provenance["settings"][0] == sample.provenance["settings"][1]) is (kind != "setting")
    assert kinds == {"turn", "leave", "come", "setting"}


def test_a_changed_thing_keeps_its_place(made: dict[str, list[Sample]]) -> None:
    for sample in made["world-changes"]:
        differing = np.abs(pixels(sample.images[0]).astype(int) - pixels(sample.images[1])).max(axis=-1) > 0
        assert differing.any()
        if sample.provenance["kind"] != "setting":
            rows, columns = np.nonzero(differing)
            assert np.ptp(rows) < 0.75 * SIZE
            assert np.ptp(columns) < 0.65 * SIZE
            assert differing.mean() < 0.3


def test_world_sets_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path))
    first = world_set("world-changes", count=3, size=SIZE, workers=1)
    assert first.is_relative_to(tmp_path)
    stamp = (first / "manifest.jsonl").stat().st_mtime_ns
    assert world_set("world-changes", count=3, size=SIZE, workers=1) == first
    assert (first / "manifest.jsonl").stat().st_mtime_ns == stamp
    other = world_set("world-changes", count=3, seed=1, size=SIZE, workers=1)
    assert other != first
    assert len(read_annotations(other)) == 3


def test_a_world_set_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="can't write"):
        world_set("world-changes", count=3, size=SIZE, workers=1)
