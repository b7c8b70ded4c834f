"""The sets of single pictures, the mixture with sets of several, and the exact records of all their pictures."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from samcli.model.find import tiny_directory
from samcli.synth.pipeline import Draft
from samcli.synth.world.cells import GRID, Cells, read_cells
from samcli.synth.world.grammar import read_mentions
from samcli.synth.world.mixture import PARTS
from samcli.synth.world.pictures import Picture, draw_any, patch_owners, render
from samcli.synth.world.pipelines import RECORDED, set_pipeline
from samcli.synth.world.questions import KINDS
from samcli.synth.world.things import Thing
from samcli.training.plan_data import WORLD_IMAGES

_MARKS = re.compile(r"\{image#\d\}Caption#\d:")


def drafts(name: str, count: int, split: str = "train") -> list[Draft]:
    """Samples before they are painted."""
    group = set_pipeline(name, split, 0, 128).group
    return [group(index, 0) for index in range(count)]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(tiny_directory())
    return found


def test_a_record_is_drawn_again_to_the_bit() -> None:
    for seed in range(12):
        picture = draw_any(random.Random(seed), lambda _thing: True)
        again = Picture.from_json(json.loads(json.dumps(picture.to_json())))
        assert again == picture
        assert render(again, 96).tobytes() == render(picture, 96).tobytes()
        assert (patch_owners(again, 96, 12) == patch_owners(picture, 96, 12)).all()


@pytest.mark.parametrize("name", RECORDED)
def test_samples_hold_records_of_their_pictures(name: str) -> None:
    for index in range(4):
        draft = set_pipeline(name, "test", 3, 64).make(index, 0)
        records = json.loads(json.dumps(draft.provenance))["pictures"]
        painted = [frame.picture.tobytes() for frame in draft.frames if frame.picture]
        assert [render(Picture.from_json(record), 64).tobytes() for record in records] == painted


def faults() -> dict[str, Callable[[dict[str, Any]], Any]]:
    return {
        "scene": lambda record: record["setting"].update(scene="moon"),
        "word": lambda record: record["placed"][0]["thing"].update(colour="mauve"),
        "category": lambda record: record["placed"][0]["thing"].update(category="ghost"),
        "pose": lambda record: record["placed"][0]["pose"].update(variant=99),
        "size": lambda record: record["placed"][0].update(box=[0.1, 1.0, 0.5, 1e6]),
        "no number": lambda record: record["placed"][0].update(box=[float("nan"), 0.9, 0.5, 0.5]),
        "text": lambda record: record["placed"][0].update(box=["0.1", "0.9", "0.5", "0.5"]),
        "seed": lambda record: record.update(seed="now"),
        "lacks": lambda record: record.pop("placed"),
        "list": lambda record: record.update(placed=3),
    }


@pytest.mark.parametrize("fault", faults())
def test_faulty_records_are_refused(fault: str) -> None:
    record = draw_any(random.Random(0), lambda _thing: True).to_json()
    faults()[fault](record)
    with pytest.raises(ValueError, match="no record of a picture"):
        Picture.from_json(record)


def test_captions_name_place_and_things_from_left_to_right() -> None:
    for draft in drafts("world-captions", 40):
        (picture,) = (frame.background for frame in draft.frames)
        mentions = read_mentions(draft.answer)
        assert len(mentions) == len(picture.things)
        assert all(mention.names_in_full(thing) for mention, thing in zip(mentions, picture.things, strict=True))
        assert picture.setting.scene in draft.answer


def test_questions_are_of_every_kind_but_descriptions() -> None:
    found = drafts("world-questions", 200)
    assert {draft.kind for draft in found} == set(KINDS) - {"describe"}
    asked = [draft for draft in found if draft.kind == "presence"]
    assert {draft.answer for draft in asked} == {"Yes.", "No."}
    for draft in asked:
        (mention,) = read_mentions(draft.instruction)
        there = any(mention.names_in_full(thing) for thing in draft.frames[0].background.things)
        assert draft.answer == ("Yes." if there else "No.")


def test_grounding_answers_the_box_of_the_thing_that_is_named() -> None:
    kinds = Counter[str]()
    for draft in drafts("world-grounding", 150):
        (picture,) = (frame.background for frame in draft.frames)
        thing = Thing.from_json(draft.provenance["thing"])
        others = [other for other in picture.things if other != thing]
        kinds[draft.kind] += 1
        if draft.kind == "full":
            (mention,) = read_mentions(draft.instruction)
            assert mention.names_in_full(thing)
        elif draft.kind == "category":
            assert others[0].category != thing.category
        else:
            named = re.search(r"with (\w+) (\w+)", draft.instruction)
            assert named is not None
            assert thing[named[1]] == named[2] != others[0][named[1]]
        cells = read_cells(draft.answer)
        assert cells is not None
        owned = patch_owners(picture, 16 * GRID, 16) == picture.things.index(thing)
        inside = owned[cells.top - 1 : cells.bottom, cells.left - 1 : cells.right]
        assert inside.sum() == owned.sum()
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
    assert kinds.keys() == {"full", "attribute", "category"}
    assert kinds["full"] > kinds["attribute"] > kinds["category"]


def test_a_box_is_read_as_it_is_written() -> None:
    for cells in (Cells(1, 8, 1, 8), Cells(3, 7, 2, 5), Cells(4, 4, 6, 6)):
        assert read_cells(f"In {cells.phrase}.") == cells
        assert read_cells(f"it is in {cells.phrase.replace(', ', ' ,  and ')}") == cells


@pytest.mark.parametrize(
    "text",
    [
        "",
        "In rows 3 to 7.",
        "In rows 7 to 3, 2 to 5 from the left.",
        "In rows 3 to 9, 2 to 5 from the left.",
        "In rows 0 to 3, 2 to 5 from the left.",
        "In rows 3 to 12, 2 to 5 from the left.",
        "In rows 3 to 7, 2 to 5 from the left. In rows 1 to 2, 2 to 5 from the left.",
    ],
)
def test_what_names_no_box_or_several_is_not_read(text: str) -> None:
    assert read_cells(text) is None


def test_overlap_by_hand() -> None:
    box = Cells(1, 2, 1, 4)
    assert box.overlap(box) == 1
    assert box.overlap(Cells(2, 3, 1, 4)) == pytest.approx(4 / 12)
    assert box.overlap(Cells(3, 4, 1, 4)) == 0
    assert box.overlap(Cells(3, 4, 5, 8)) == 0
    assert Cells(1, 8, 1, 8).overlap(Cells(4, 5, 4, 5)) == pytest.approx(4 / 64)


def test_the_mixture_has_its_shares_and_numbers_of_images() -> None:
    found = drafts("world-instructions", 1000)
    parts = Counter(draft.kind for draft in found)
    assert sum(weight for _, weight in PARTS.values()) == 100
    for part, (_, weight) in PARTS.items():
        spread = (1000 * weight / 100 * (1 - weight / 100)) ** 0.5
        assert abs(parts[part] - 10 * weight) < 4 * spread
    images = Counter(len(draft.frames) for draft in found)
    planned = Counter(WORLD_IMAGES["world-instructions"])
    for count, times in planned.items():
        assert images[count] / 1000 == pytest.approx(times / planned.total(), abs=0.05)


def test_linked_pictures_of_the_mixture_share_one_thing_in_different_poses() -> None:
    found = [draft for draft in drafts("world-instructions", 300) if draft.kind in ("pairs", "links")]
    assert {len(draft.frames) for draft in found} == {2, 3, 4, 5}
    for draft in found:
        pictures = [frame.background for frame in draft.frames]
        shared = Thing.from_json(draft.provenance["shared"])
        assert set.intersection(*(set(picture.things) for picture in pictures)) == {shared}
        (mention,) = read_mentions(draft.answer)
        assert mention.names_in_full(shared)
        poses = [entry.pose.variant for picture in pictures for entry in picture.placed if entry.thing == shared]
        assert len(set(poses)) == min(4, len(pictures))


@pytest.mark.parametrize("name", RECORDED)
def test_the_embedded_model_knows_every_word(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    for draft in drafts(name, 150):
        text = _MARKS.sub(" ", f"{draft.instruction} {draft.answer}")
        apart = [word for word in re.findall(r"[A-Za-z]+", text) if len(tokenizer.tokenize(f"a {word}")) != 2]
        assert not apart


def test_digits_are_tokens_of_their_own(tokenizer: PreTrainedTokenizerBase) -> None:
    pieces = tokenizer.tokenize(f"In {Cells(1, 8, 2, 5).phrase}.")
    assert [piece for piece in pieces if piece.isdigit()] == ["1", "8", "2", "5"]
