"""Released layouts: each is recognised, read as its makers mean it, and what can't be a sample is counted.

The fixtures are ours, in the schemas of the releases; real records are read too where they are at hand.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.data.dataset import DatasetOnDisk, read_dataset
from samcli.data.released.reading import instructions
from samcli.errors import UserError
from samcli.recipe_reading import ReadingRecipe

REAL = Path(os.environ.get("SAM_DATA_SAMPLES", "no-samples"))


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def draw(path: Path, kind: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path, kind)


def read(root: Path, name: str, image_root: Path | None = None, **settings: Any) -> DatasetOnDisk:
    return read_dataset(name, str(root), ReadingRecipe(**settings), str(image_root) if image_root else None)


def names(dataset: DatasetOnDisk) -> list[list[str]]:
    return [[path.name for path in sample.images] for sample in dataset.samples]


def references(dataset: DatasetOnDisk) -> list[tuple[str, ...]]:
    return [sample.references for sample in dataset.samples]


# ---- AESOP


@pytest.fixture
def aesop(tmp_path: Path) -> Path:
    stories = [
        {"storyid": "0035", "title": "Games ", "text": ["They met.", " They played. ", "They made a rule."]},
        {"storyid": "0036", "title": "Short", "text": ["Only one."]},
        {"storyid": "0037", "title": "Blank", "text": ["One.", "Two.", "  "]},
    ]
    put(tmp_path / "AESOP" / "data" / "test.json", stories)
    for panel in range(3):
        draw(tmp_path / "AESOP" / "previews" / "image_renderings" / "0035" / f"panel_{panel}.png")
    return tmp_path


def test_aesop_asks_for_the_last_of_three_texts(aesop: Path) -> None:
    found = read(aesop, "aesop")
    (sample,) = found.samples
    assert sample.instruction.endswith("{image#1}Caption#1:They met.{image#2}Caption#2:They played.{image#3}Caption#3:")
    assert sample.references == ("They made a rule.",)
    assert [path.parent.name + "/" + path.name for path in sample.images] == [f"0035/panel_{i}.png" for i in range(3)]
    assert sample.provenance["source_id"] == "0035"
    assert found.dropped == {
        "story of another length than 3": ["0036"],
        "no reference that isn't blank": ["0037"],
    }


def test_a_split_that_is_not_there_is_named(aesop: Path) -> None:
    with pytest.raises(UserError, match="has no split 'val'; there is test"):
        read(aesop, "aesop", split="val")


# ---- VIST


def part(story: str, photo: str, order: int, text: str) -> list[dict[str, Any]]:
    return [
        {
            "story_id": story,
            "photo_flickr_id": photo,
            "worker_arranged_photo_order": order,
            "original_text": text.title(),
            "text": text,
            "album_id": "9",
        }
    ]


@pytest.fixture
def vist(tmp_path: Path) -> Path:
    parts = [part("1", f"1{order}", order, f"text {order}") for order in (3, 0, 4, 1, 2)]
    parts += [part("2", f"2{order}", order, "short") for order in range(4)]
    put(tmp_path / "VIST" / "sis" / "test.story-in-sequence.json", {"images": [], "annotations": parts})
    for order in range(5):
        draw(tmp_path / "VIST" / "images" / "test" / f"1{order}.{'png' if order == 2 else 'jpg'}")
    return tmp_path


def test_vist_orders_pictures_as_the_worker_did(vist: Path) -> None:
    found = read(vist, "vist")
    assert names(found) == [["10.jpg", "11.jpg", "12.png", "13.jpg", "14.jpg"]]
    assert "{image#4}Caption#4:Text 3{image#5}Caption#5:" in found.samples[0].instruction
    assert references(found) == [("Text 4",)]
    assert found.dropped == {"story of another length than 5": ["2"]}


def test_vists_two_texts_are_told_apart_and_recorded(vist: Path) -> None:
    settings = ReadingRecipe(text="tokenised")
    found = read_dataset("vist", str(vist), settings)
    assert references(found) == [("text 4",)]
    assert found.record(settings)["text"] == "tokenised"
    assert found.record(settings)["left_out"] == {"story of another length than 5": 1}
    assert "tokenised text" in found.unlike_the_paper(settings)


def test_an_order_that_is_no_number_is_named(vist: Path) -> None:
    put(vist / "VIST" / "sis" / "val.story-in-sequence.json", {"annotations": [[{"story_id": "1"}]]})
    with pytest.raises(UserError, match=r"record 1: missing.*photo_flickr_id"):
        read(vist, "vist", split="val")


# ---- Image Editing Request


@pytest.fixture
def iedit(tmp_path: Path) -> Path:
    pairs = [
        {"uid": "R_1", "img0": "a.JPG", "img1": "b.gif", "sents": ["crop it ", "Cut the edges", " "]},
        {"uid": "R_2", "img0": "a.JPG", "img1": "c.png", "sents": ["", ""]},
    ]
    put(tmp_path / "IEdit" / "dataset" / "adobe" / "valid.json", pairs)
    draw(tmp_path / "IEdit" / "images" / "a.JPG")
    draw(tmp_path / "IEdit" / "images" / "b.gif", "GIF")
    return tmp_path


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("merged", [("crop it. Cut the edges",)]),
        ("each", [("crop it",), ("Cut the edges",)]),
        ("all", [("crop it", "Cut the edges")]),
    ],
)
def test_the_three_policies_of_references(iedit: Path, policy: str, expected: list[tuple[str, ...]]) -> None:
    found = read(iedit, "iedit", split="val", references=policy)
    assert references(found) == expected
    own = ["R_1"] if len(expected) == 1 else [0, 1]  # two samples of one record can't share its id
    assert [sample.id for sample in found.samples] == own
    assert all(name == ["a.JPG", "b.gif"] for name in names(found))
    assert found.dropped == {"no reference that isn't blank": ["R_2"]}


# ---- Spot-the-Diff


@pytest.fixture
def spot(tmp_path: Path) -> Path:
    records = [
        {"img_id": "7", "sentences": ["a car is gone", "", "a man came"]},
        {"img_id": "8", "sentences": [" "]},
        {"img_id": "7", "sentences": ["no difference"]},
    ]
    put(tmp_path / "spot_the_diff" / "data" / "annotations" / "test.json", records)
    for name in ("7.png", "7_2.png", "7_diff.jpg"):
        draw(tmp_path / "spot_the_diff" / "resized_images" / name, "PNG")
    return tmp_path


def test_an_id_of_spot_the_diff_is_no_key(spot: Path) -> None:
    found = read(spot, "Spot-the-Diff")
    assert references(found) == [("a car is gone. a man came",), ("no difference",)]
    assert [sample.id for sample in found.samples] == [0, 2]  # their places in the file: record 1 is blank
    assert names(found) == [["7.png", "7_2.png"]] * 2
    assert list(found.dropped) == ["no reference that isn't blank"]


def test_descriptions_of_one_pair_are_references_of_one_sample(spot: Path) -> None:
    assert references(read(spot, "spot-the-diff", references="all")) == [("a car is gone. a man came", "no difference")]


# ---- Birds-to-Words

COLUMNS = (
    "img1ObservationURL img1ImgURL img1Species img1Selection img2ObservationURL img2ImgURL img2Species img2Selection "
    "split annN description"
).split()


def bird_row(first: str, second: str, split: str, number: int, text: str) -> str:
    row = [f"https://x.org/observations/9{first}", f"https://x.org/photos/{first}/medium.jpg?15", "a b", "base"]
    row += [f"https://x.org/observations/9{second}", f"https://x.org/photos/{second}/medium.?15", "c d", "visual"]
    return "\t".join([*row, split, str(number), text])


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    rows = [
        bird_row("11", "12", "test", 1, 'animal1 has a "red head . animal2 is green'),
        bird_row("11", "12", "test", 2, "animal1 is small"),
        bird_row("11", "13", "train", 1, "animal1 is café brown"),
    ]
    text = "\n".join(["\t".join(COLUMNS), *rows]) + "\n"
    path = tmp_path / "Birds-to-Words" / "birds-to-words-v1.0.tsv"
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    draw(path.parent / "images" / "11.jpg")
    draw(path.parent / "images" / "912.jpeg")  # by the number of the observation
    return tmp_path


def test_each_paragraph_about_birds_is_a_sample_and_quotes_are_letters(birds: Path) -> None:
    found = read(birds, "birds-to-words")
    assert references(found) == [('animal1 has a "red head . animal2 is green',), ("animal1 is small",)]
    assert names(found) == [["11.jpg", "912.jpeg"]] * 2
    assert references(read(birds, "birds-to-words", references="all")) == [tuple(r[0] for r in references(found))]


def test_texts_that_are_not_utf_8_are_latin_1(birds: Path) -> None:
    assert references(read(birds, "birds-to-words", split="train")) == [("animal1 is café brown",)]


def test_odd_bytes_in_a_paragraph_are_letters(birds: Path) -> None:
    path = birds / "Birds-to-Words" / "birds-to-words-v1.0.tsv"
    long = "a" * 200_000
    rows = ["\t".join(COLUMNS), bird_row("1", "2", "test", 1, f"red \r green {long}"), ""]
    path.write_bytes("\r\n".join(rows).encode())
    assert references(read(birds, "birds-to-words")) == [(f"red \r green {long}",)]
    path.write_bytes(("\t".join(COLUMNS) + "\nonly\ttwo\n").encode())
    with pytest.raises(UserError, match=r":2: expected 11 columns, found 2"):
        read(birds, "birds-to-words")


def test_a_table_without_its_columns_is_refused(birds: Path) -> None:
    put(birds / "Birds-to-Words" / "birds-to-words-v1.0.tsv", "a\tb\n1\t2\n")
    with pytest.raises(UserError, match="first line lacks the columns img1ImgURL"):
        read(birds, "birds-to-words")


# ---- CLEVR-Change


@pytest.fixture
def clevr(tmp_path: Path) -> Path:
    data = tmp_path / "clevr_change" / "data"
    put(data / "splits.json", {"train": [0], "val": [], "test": [1, 2]})
    first, second = "CLEVR_default_000001.png", "CLEVR_default_000002.png"
    put(data / "change_captions.json", {first: ["the cube moved", "the block moved"], second: ["a ball came"]})
    put(data / "no_change_captions.json", {first: ["no change was made"]})
    for number in (1, 2):
        draw(data / "images" / f"CLEVR_default_{number:06d}.png", "PNG")
        draw(data / "sc_images" / f"CLEVR_semantic_{number:06d}.png", "PNG")
        draw(data / "nsc_images" / f"CLEVR_nonsemantic_{number:06d}.png", "PNG")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("change", ["the cube moved. the block moved", "a ball came"]),
        ("no_change", ["no change was made"]),
        ("both", ["the cube moved. the block moved", "a ball came", "no change was made"]),
    ],
)
def test_pairs_with_and_without_a_change(clevr: Path, change: str, expected: list[str]) -> None:
    found = read(clevr, "clevr-change", change=change)
    assert references(found) == [(text,) for text in expected]
    seconds = {pair[1].split("_")[1] for pair in names(found)}
    assert seconds == {"change": {"semantic"}, "no_change": {"nonsemantic"}}.get(change, {"semantic", "nonsemantic"})
    assert ("no captions" in found.dropped) == (change != "change")


# ---- ImageCoDe


def test_imagecode_orders_frames_by_their_numbers(tmp_path: Path) -> None:
    home = tmp_path / "ImageCoDe"
    put(
        home / "data" / "valid_data.json", {"film-1": {"2": "the third frame", "7": "the eighth"}, "open-2": {"0": "x"}}
    )
    for number in (0, 7, 21, 100, 3, 9, 11, 45, 60, 81):
        draw(home / "image-sets" / "film-1" / f"img{number}.jpg")
    draw(home / "image-sets" / "open-2" / "img0.jpg")
    found = read(tmp_path, "imagecode", split="val")
    assert names(found)[0] == [f"img{number}.jpg" for number in (0, 3, 7, 9, 11, 21, 45, 60, 81, 100)]
    assert [sample.provenance["target"] for sample in found.samples] == ["2", "7"]
    assert found.dropped == {"another number of pictures than 10": ["open-2"]}


# ---- NICO


@pytest.fixture
def nico(tmp_path: Path) -> Path:
    for number in range(7):
        draw(tmp_path / "Animal" / "dog" / " on grass" / f"{number}.jpg")
    draw(tmp_path / "Animal" / "cat" / "at home" / "1.jpg")
    put(tmp_path / "Animal" / "readme.txt", "a stray file")
    return tmp_path


def test_nicos_pictures_alone_are_no_dataset(nico: Path) -> None:
    with pytest.raises(UserError, match=r"aren't public: ask the authors.*stand_ins=true"):
        read(nico, "animal")


def test_stand_ins_are_made_of_class_and_context_and_said(nico: Path) -> None:
    settings = ReadingRecipe(stand_ins=True)
    found = read_dataset("animal", str(nico), settings)
    assert references(found) == [("a dog on grass",)]
    assert len(set(names(found)[0])) == 5
    assert found.samples[0].provenance["source_id"] == "dog/on grass/0"
    assert len(found.dropped["left over from groups of 5"]) == 3
    assert "references are stand-ins" in found.unlike_the_paper(settings)


def test_a_link_out_of_nicos_directories_is_refused(nico: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.jpg"
    draw(outside)
    for number in range(7):
        (nico / "Animal" / "dog" / " on grass" / f"{number}.jpg").unlink()
        (nico / "Animal" / "dog" / " on grass" / f"{number}.jpg").symlink_to(outside)
    with pytest.raises(UserError, match=r"out of .*allow it with --image-root"):
        read(nico, "animal", stand_ins=True)


def test_nico_plus_plus_is_refused(tmp_path: Path) -> None:
    draw(tmp_path / "Animal" / "grass" / "dog" / "1.jpg")
    with pytest.raises(UserError, match=r"as in NICO\+\+; expected NICO's order, CLASS/CONTEXT/PICTURE"):
        read(tmp_path, "animal", stand_ins=True)
    draw(tmp_path / "Vehicle" / "bus" / "in town" / "1.jpg")
    draw(tmp_path / "Vehicle" / "tram" / "in town" / "1.jpg")
    with pytest.raises(UserError, match=r"'tram' is no class of NICO's Vehicle"):
        read(tmp_path, "vehicle", stand_ins=True)


# ---- DEMON


def core(*records: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"task_instruction": ["What changed? ", "Compare."]}, "data": list(records)}


def demon_record(number: int, **changes: Any) -> dict[str, Any]:
    instance = {"context": "{image#1}{image#2}Difference:", "images_path": ["0.jpg", "1.png"]}
    record = {"sample_id": number, "task_instruction_id": 0, "task_instance": instance, "response": " it moved. "}
    return record | changes


def test_demon_joins_template_and_context_with_nothing_between(tmp_path: Path) -> None:
    home = tmp_path / "IEdit" / "core"
    choices = {"context": "Which?", "images_path": ["0.jpg", "0.jpg"], "choice_list": ["a", "b"]}
    records = [demon_record(7), demon_record(9, task_instruction_id=1, task_instance=choices)]
    put(home / "core.json", core(*records, demon_record(8, response=" ")))
    draw(home / "images" / "0.jpg", "PNG")
    draw(home / "images" / "1.png")
    found = read(tmp_path, "iedit")
    assert [sample.instruction for sample in found.samples] == [
        "What changed? {image#1}{image#2}Difference:",
        "Compare.Which?Choice list:['a', 'b']. Your answer is:",
    ]
    assert references(found)[0] == (" it moved. ",)
    assert [sample.id for sample in found.samples] == [7, 9]
    assert names(found) == [["0.jpg", "1.png"], ["0.jpg", "0.jpg"]]
    assert found.dropped == {"no reference that isn't blank": ["8"]}
    assert found.unlike_the_paper(ReadingRecipe()) == []


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (demon_record(0, task_instruction_id=2), "record 1: task_instruction_id must be a number below 2"),
        (demon_record(0, task_instance={"images_path": "0.jpg"}), "record 1: task_instance.images_path must be a list"),
        ({"response": "x"}, r"record 1: missing, or of another type: task_instance \(dict\)"),
    ],
)
def test_faulty_demon_records_are_named(tmp_path: Path, record: dict[str, Any], told: str) -> None:
    put(tmp_path / "IEdit" / "core" / "core.json", core(record))
    with pytest.raises(UserError, match=told):
        read(tmp_path, "iedit")


def test_demons_pictures_may_lie_below_the_image_root(tmp_path: Path) -> None:
    for name in ("AESOP", "VIST"):
        put(tmp_path / "data" / name / "core" / "core.json", core(demon_record(0)))
        for picture in ("0.jpg", "1.png"):
            draw(tmp_path / "photos" / name / "images" / picture)
        (sample,) = read(tmp_path / "data", name, tmp_path / "photos").samples
        assert [path.parent.parent.name for path in sample.images] == [name, name]


def test_demons_merged_references_cannot_be_taken_apart(tmp_path: Path) -> None:
    put(tmp_path / "IEdit" / "core" / "core.json", core(demon_record(0)))
    with pytest.raises(UserError, match=r"in the layout 'demon', where reading.references has no effect"):
        read(tmp_path, "iedit", references="all")


# ---- all


def test_the_papers_own_layout_comes_first_and_others_can_be_forced(iedit: Path) -> None:
    home = iedit / "IEdit"
    put(home / "core" / "core.json", core(demon_record(0)))
    assert read(iedit, "iedit").layout == "demon"
    put(home / "annotations.json", [{"id": 0, "img_list": "images/a.JPG", "instruction": "x", "output": "y"}])
    assert read(iedit, "iedit").layout == "annotations"
    with pytest.raises(UserError, match=r"in the layout 'annotations', where reading.split has no effect"):
        read(iedit, "iedit", split="val")
    assert read(iedit, "iedit", split="val", layout="release").layout == "release"
    with pytest.raises(UserError, match=r"isn't in the layout 'release' .* but in annotations, demon"):
        read(iedit, "iedit", layout="release")


def test_a_release_that_nobody_has_seen_is_said_to_be_so(tmp_path: Path) -> None:
    put(tmp_path / "DM800K" / "annotations.json", [{"id": 0, "img_list": "a.jpg", "instruction": "x", "output": "y"}])
    with pytest.raises(UserError, match="no copy of its release could be seen"):
        read(tmp_path, "dm800k", layout="release")


def test_pictures_may_lie_elsewhere_but_names_may_not_lead_there(iedit: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "photos"
    (iedit / "IEdit" / "images").rename(elsewhere)
    assert read(iedit, "iedit", elsewhere, split="val").samples[0].images[0] == elsewhere / "a.JPG"
    put(
        iedit / "IEdit" / "test.json",
        [{"uid": "x", "img0": "../../../etc/passwd", "img1": "b.gif", "sents": ["no"]}],
    )
    with pytest.raises(UserError, match=r"passwd' leads to .*allow it with --image-root"):
        read(iedit, "iedit")


def test_samples_without_their_pictures_fail_or_are_left_out_and_counted(vist: Path) -> None:
    (vist / "VIST" / "images" / "test" / "13.jpg").unlink()
    assert len(read(vist, "vist").samples) == 1
    with pytest.raises(UserError, match=r"nothing in .* can be asked: 0 samples.*pictures that aren't there"):
        read(vist, "vist", missing="drop")


def test_instructions_are_ours_many_and_the_same_for_the_same_seed(spot: Path) -> None:
    asked = {seed: [s.instruction for s in read(spot, "spot-the-diff", instructions=seed).samples] for seed in range(6)}
    assert asked[0] == [s.instruction for s in read(spot, "spot-the-diff").samples]
    assert len({tuple(texts) for texts in asked.values()}) > 1
    assert all(len(set(texts)) == 10 for kind, texts in instructions().items() if kind != "pick")


def test_texts_with_half_a_character_are_left_out_and_counted(spot: Path) -> None:
    path = spot / "spot_the_diff" / "data" / "annotations" / "val.json"
    path.write_text('[{"img_id": "1", "sentences": ["a \\ud83d"]}, {"img_id": "2", "sentences": ["x"]}]')
    found = read(spot, "spot-the-diff", split="val")
    assert references(found) == [("x",)]
    assert found.dropped == {"text with half a character, which is no Unicode": ["1"]}


def test_a_byte_order_mark_is_no_fault(spot: Path) -> None:
    path = spot / "spot_the_diff" / "data" / "annotations" / "val.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([{"img_id": "1", "sentences": ["x"]}]).encode())
    assert references(read(spot, "spot-the-diff", split="val")) == [("x",)]


@pytest.mark.skipif(not REAL.is_dir(), reason="$SAM_DATA_SAMPLES names no directory of real records")
@pytest.mark.parametrize(
    ("name", "home", "settings", "expected"),
    [
        ("vist", "vist-reconstructed", {}, (1, 2)),
        ("iedit", "image-editing-request", {}, (19, 0)),
        ("iedit", "image-editing-request", {"references": "each"}, (57, 0)),
        ("iedit", "image-editing-request", {"split": "train"}, (20, 0)),
        ("spot-the-diff", "spot-the-diff", {}, (19, 1)),
        ("spot-the-diff", "spot-the-diff", {"references": "all", "split": "train"}, (16, 1)),
        ("imagecode", "imagecode", {"split": "val"}, (48, 0)),
        ("imagecode", "imagecode", {}, (24, 0)),
        *((name, f"demon/{name}", {}, (1, 0)) for name in ("AESOP", "VIST", "IEdit", "Birds-to-Words", "CLEVR-Change")),
    ],
)
def test_real_records_are_read(
    tmp_path: Path, name: str, home: str, settings: dict[str, Any], expected: tuple[int, int]
) -> None:
    (tmp_path / name).symlink_to(REAL / home)
    found = read(tmp_path, name, REAL, **settings)
    assert (len(found.samples), sum(map(len, found.dropped.values()))) == expected
