"""Annotations from anyone, and data sets that may not be there: sound samples, or all faults in one message."""

import json
from pathlib import Path
from typing import Any

import pytest

from samcli.data.sample import Sample, data_root, find_dataset, missing_images, read_annotations, write_annotations
from samcli.data.sources import SOURCES
from samcli.errors import UserError


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A sound record, changed; a value of None leaves the key out."""
    sound = {"id": number, "img_list": ["images/a.png"], "instruction": "What changed?", "output": "a door opened"}
    return {key: value for key, value in {**sound, **changes}.items() if value is not None}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    directory = tmp_path / "root" / "SET"
    (directory / "images").mkdir(parents=True)
    (directory / "images" / "a.png").touch()
    return directory


def save(dataset: Path, records: Any) -> None:
    (dataset / "annotations.json").write_text(json.dumps(records), encoding="utf-8")


def read(dataset: Path, *records: Any, image_root: Path | None = None) -> list[Sample]:
    save(dataset, records)
    return read_annotations(dataset, image_root)


def refusal(dataset: Path, *records: Any, image_root: Path | None = None) -> str:
    with pytest.raises(UserError) as raised:
        read(dataset, *records, image_root=image_root)
    assert str(raised.value).startswith(str(dataset / "annotations.json"))
    return str(raised.value)


# Accepted.


def test_released_record(dataset: Path) -> None:
    [sample] = read(dataset, record(7, img_list=["images/a.png", "images/b.png"]))
    images = (dataset / "images" / "a.png", dataset / "images" / "b.png")
    assert sample == Sample(7, images, "What changed?", ("a door opened",), {})


def test_text_id_and_single_image(dataset: Path) -> None:
    [sample] = read(dataset, record(id="story-0035", img_list="images/a.png"))
    assert (sample.id, sample.images) == ("story-0035", (dataset / "images" / "a.png",))


def test_output_comes_first_among_references_and_blank_ones_go(dataset: Path) -> None:
    [sample] = read(dataset, record(output="two", references=["one", " \n", "two", ""]))
    assert sample.references == ("two", "one")


def test_texts_are_kept_as_they_are(dataset: Path) -> None:
    [sample] = read(dataset, record(instruction=" Was? {image#1} ", output=" Zürich. \n"))
    assert (sample.instruction, sample.references) == (" Was? {image#1} ", (" Zürich. \n",))


def test_further_keys_become_provenance(dataset: Path) -> None:
    [sample] = read(dataset, record(source_id="0035", provenance={"seed": 3}))
    assert sample.provenance == {"source_id": "0035", "seed": 3}
    [sample] = read(dataset, record(provenance="by hand"))
    assert sample.provenance == {"provenance": "by hand"}


def test_missing_images_are_listed_once_and_no_error(dataset: Path) -> None:
    samples = read(dataset, record(0, img_list=["images/a.png", "b.png"]), record(1, img_list=["c.png", "b.png"]))
    assert missing_images(samples) == [dataset / "b.png", dataset / "c.png"]


def test_relative_directory_gives_absolute_images(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(dataset, [record()])
    monkeypatch.chdir(dataset.parent)
    assert read_annotations(Path("SET"))[0].images == (dataset / "images" / "a.png",)


# Refused.


@pytest.mark.parametrize("records", ["{}", "[]", '"text"', "null"])
def test_file_that_holds_no_list_of_records(dataset: Path, records: str) -> None:
    (dataset / "annotations.json").write_text(records)
    with pytest.raises(UserError) as raised:
        read_annotations(dataset)
    expected = "expected a list of {id, img_list, instruction, output}, found"
    assert str(raised.value) == f"{dataset / 'annotations.json'}: {expected} {records}"


def test_missing_file(dataset: Path) -> None:
    with pytest.raises(UserError, match=r"annotations\.json: no such file"):
        read_annotations(dataset)


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("id", None, "id: missing, expected an integer or a text"),
        ("id", True, "id: expected an integer or a text, found true"),
        ("id", 1.5, "id: expected an integer or a text, found 1.5"),
        ("id", " ", 'id: expected an integer or a text, found " "'),
        ("img_list", None, "img_list: missing, expected a path or a list of at least one path"),
        ("img_list", [], "img_list: expected a path or a list of at least one path, found []"),
        ("img_list", "", 'img_list: expected a path or a list of at least one path, found ""'),
        ("img_list", ["a.png", ""], 'img_list: expected a path or a list of at least one path, found ["a.png", ""]'),
        ("img_list", ["a.png", 3], 'img_list: expected a path or a list of at least one path, found ["a.png", 3]'),
        ("img_list", {"a": 1}, 'img_list: expected a path or a list of at least one path, found {"a": 1}'),
        ("instruction", None, "instruction: missing, expected a text"),
        ("instruction", ["x"], 'instruction: expected a text, found ["x"]'),
        ("instruction", "\ud800", 'instruction: expected a text, found "\\ud800"'),
        ("output", None, "output: missing, expected a text that isn't blank"),
        ("output", 5, "output: expected a text that isn't blank, found 5"),
        ("output", " \n", 'output: expected a text that isn\'t blank, found " \\n"'),
        ("references", "one", 'references: expected a list of texts, found "one"'),
        ("references", ["one", 2], 'references: expected a list of texts, found ["one", 2]'),
    ],
)
def test_wrong_value(dataset: Path, key: str, value: Any, fault: str) -> None:
    message = refusal(dataset, record(0), record(1, **{key: value}))
    assert message.splitlines()[1:] == [f"  record 2: {fault}"]


def test_record_that_is_no_object(dataset: Path) -> None:
    expected = "record 1: expected an object with the keys id, img_list, instruction, output, found [1, 2]"
    assert expected in refusal(dataset, [1, 2])


def test_long_values_are_cut_in_the_message(dataset: Path) -> None:
    [_, line] = refusal(dataset, record(references="x" * 10_000)).splitlines()
    assert line.endswith("xxx...")
    assert len(line) < 150


@pytest.mark.parametrize("pair", [(4, 4), ("4", "4"), (4, "4")])
def test_duplicate_ids(dataset: Path, pair: tuple[Any, Any]) -> None:
    message = refusal(dataset, record(id=pair[0]), record(1), record(id=pair[1], output=None))
    found = json.dumps(pair[1])
    assert f"record 3: id: expected one that no other record has, found {found} of record 1" in message
    assert "record 3: output: missing" in message


@pytest.mark.parametrize("name", ["/etc/passwd", "https://example.org/a.png"])
def test_absolute_path(dataset: Path, name: str) -> None:
    message = refusal(dataset, record(img_list=["images/a.png", name]))
    expected = "expected a path relative to the data set's directory; copy the file there"
    assert f'record 1: img_list: "{name}": {expected}' in message


@pytest.mark.parametrize("name", ["../a.png", "images/../../a.png", "images/.."])
def test_path_with_two_dots(dataset: Path, name: str) -> None:
    message = refusal(dataset, record(img_list=name))
    assert f"record 1: img_list: \"{name}\": '..' isn't allowed; name a file below the data set's directory" in message


def test_name_with_dots_is_no_way_up(dataset: Path) -> None:
    [sample] = read(dataset, record(img_list="images/a..b.png"))
    assert sample.images == (dataset / "images" / "a..b.png",)


def test_path_with_a_null_byte(dataset: Path) -> None:
    assert 'record 1: img_list: "a\\u0000.png": ' in refusal(dataset, record(img_list="a\0.png"))


def test_names_that_no_file_can_have_are_missing_images(dataset: Path) -> None:
    (dataset / "b.png").symlink_to("c.png")
    (dataset / "c.png").symlink_to("b.png")
    names = ["b.png", "x" * 300]
    samples = read(dataset, record(img_list=names), image_root=dataset)
    assert [path.name for path in missing_images(samples)] == names


def test_all_faults_at_once(dataset: Path) -> None:
    lines = refusal(
        dataset,
        record(0, output=None, img_list=["../a.png", "/a.png"]),
        record(1),
        record(id=None, instruction=3),
        5,
    ).splitlines()
    assert lines[0].endswith(": number of faults: 5, of records: 4")
    keys = [line.split(":")[:2] for line in lines[1:]]
    assert keys[0] == ["  record 1", " output"]
    assert keys[1] == ["  record 1", " img_list"]
    assert '"../a.png"' in lines[2]
    assert '"/a.png"' in lines[2]
    assert keys[2:4] == [["  record 3", " id"], ["  record 3", " instruction"]]
    assert lines[5].startswith("  record 4: expected an object")


def test_many_faults_are_counted_not_all_shown(dataset: Path) -> None:
    lines = refusal(dataset, *(record(number, output="") for number in range(50))).splitlines()
    assert lines[0].endswith(": number of faults: 50, of records: 50")
    assert len(lines) == 22
    assert lines[20].startswith("  record 20: output")
    assert lines[21] == "  and 30 more"


# Links and the image root.


@pytest.fixture
def store(tmp_path: Path, dataset: Path) -> Path:
    """Pictures that lie elsewhere, and a link from the data set to them."""
    store = tmp_path / "store"
    (store / "photos").mkdir(parents=True)
    (store / "photos" / "p.png").touch()
    (dataset / "photos").symlink_to(store / "photos")
    return store


def test_link_out_of_the_dataset(dataset: Path, store: Path) -> None:
    message = refusal(dataset, record(img_list="photos/p.png"))
    expected = f"leads to {store / 'photos' / 'p.png'}, outside the data set's directory; allow it with --image-root"
    assert f'img_list: "photos/p.png": {expected} DIR (sam train: data.image_root; of kind llava' in message


def test_link_to_a_sibling_whose_name_begins_alike(dataset: Path) -> None:
    sibling = dataset.with_name("SETTING")
    sibling.mkdir()
    (sibling / "p.png").touch()
    (dataset / "p.png").symlink_to(sibling / "p.png")
    assert "outside the data set's directory" in refusal(dataset, record(img_list="p.png"))


def test_link_to_nowhere_outside(dataset: Path, tmp_path: Path) -> None:
    (dataset / "p.png").symlink_to(tmp_path / "none.png")
    assert "outside the data set's directory" in refusal(dataset, record(img_list="p.png"))


def test_link_within_the_dataset(dataset: Path) -> None:
    (dataset / "p.png").symlink_to("images/a.png")
    [sample] = read(dataset, record(img_list="p.png"))
    assert sample.images == (dataset / "images" / "a.png",)


def test_link_into_the_image_root(dataset: Path, store: Path) -> None:
    [sample] = read(dataset, record(img_list="photos/p.png"), image_root=store)
    assert sample.images == (store / "photos" / "p.png",)


def test_link_that_leaves_the_image_root_too(dataset: Path, store: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").touch()
    (store / "photos" / "s.png").symlink_to(tmp_path / "secret.png")
    assert f"leads to {tmp_path / 'secret.png'}" in refusal(dataset, record(img_list="photos/s.png"), image_root=store)


def test_image_root_holds_what_the_dataset_lacks(dataset: Path, store: Path) -> None:
    (store / "images").mkdir()
    for name in ("a.png", "b.png"):
        (store / "images" / name).touch()
    [sample] = read(dataset, record(img_list=["images/a.png", "images/b.png"]), image_root=store)
    assert sample.images == (dataset / "images" / "a.png", store / "images" / "b.png")


def test_image_root_that_does_not_exist(dataset: Path, tmp_path: Path) -> None:
    save(dataset, [record()])
    with pytest.raises(UserError, match=r"none: no such directory of images; check --image-root \(sam train: data\."):
        read_annotations(dataset, tmp_path / "none")


def test_dataset_that_is_itself_a_link(dataset: Path) -> None:
    save(dataset, [record()])
    dataset.with_name("LINK").symlink_to(dataset)
    assert read_annotations(dataset.with_name("LINK"))[0].images == (dataset / "images" / "a.png",)


# Writing.


def samples_in(dataset: Path) -> list[Sample]:
    image = dataset / "images" / "a.png"
    return [
        Sample(0, (image, image), "Où?", ("là",)),
        Sample("b", (image,), "What?", ("one", "two"), {"seed": 1}),
    ]


def test_what_was_written_is_read_back(dataset: Path) -> None:
    write_annotations(dataset, iter(samples_in(dataset)))
    assert read_annotations(dataset) == samples_in(dataset)


def test_written_bytes(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset)
    write_annotations(Path(), samples_in(Path()))
    first = (dataset / "annotations.json").read_bytes()
    assert json.loads(first) == [
        {"id": 0, "img_list": ["images/a.png"] * 2, "instruction": "Où?", "output": "là"},
        {
            "id": "b",
            "img_list": ["images/a.png"],
            "instruction": "What?",
            "output": "one",
            "references": ["one", "two"],
            "provenance": {"seed": 1},
        },
    ]
    write_annotations(dataset, read_annotations(dataset))
    assert (dataset / "annotations.json").read_bytes() == first


def test_image_elsewhere_is_refused_and_the_old_file_stays(dataset: Path, tmp_path: Path) -> None:
    write_annotations(dataset, samples_in(dataset))
    before = (dataset / "annotations.json").read_bytes()
    with pytest.raises(UserError, match=r"p\.png isn't below .*SET, so its annotations\.json can't name it"):
        write_annotations(dataset, [Sample(0, (tmp_path / "p.png",), "What?", ("x",))])
    assert (dataset / "annotations.json").read_bytes() == before


# Where data sets are.


def test_data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_DATA", "/from/environment")
    assert data_root("/from/option") == Path("/from/option")
    assert data_root(None) == Path("/from/environment")
    monkeypatch.setenv("SAM_DATA", "")
    assert data_root(None) == Path("data")
    monkeypatch.setenv("HOME", "/home/someone")
    assert data_root("~/sets") == Path("/home/someone/sets")


@pytest.mark.parametrize("directory", ["Spot-the-Diff", "spot_the_diff", "SPOTTHEDIFF"])
@pytest.mark.parametrize("name", ["spot-the-diff", "Spot_The_Diff"])
def test_dataset_is_found_whatever_the_case_and_hyphens(tmp_path: Path, directory: str, name: str) -> None:
    (tmp_path / "VIST").mkdir()
    (tmp_path / directory).mkdir()
    save(tmp_path / directory, [record()])
    assert find_dataset(name, tmp_path) == tmp_path / directory


def test_two_directories_of_one_name(tmp_path: Path) -> None:
    for directory in ("AESOP", "aesop"):
        (tmp_path / directory).mkdir()
        save(tmp_path / directory, [record()])
    with pytest.raises(UserError, match="holds AESOP and aesop; rename all but one"):
        find_dataset("aesop", tmp_path)
    (tmp_path / "aesop" / "annotations.json").unlink()
    assert find_dataset("aesop", tmp_path) == tmp_path / "AESOP"


def lacking(name: str, root: Path) -> str:
    with pytest.raises(UserError) as raised:
        find_dataset(name, root)
    return str(raised.value)


def test_absent_dataset_says_where_what_and_whence(tmp_path: Path) -> None:
    message = lacking("aesop", tmp_path)
    assert f"aesop: no directory AESOP in {tmp_path}\n" in message
    assert f'expected: {tmp_path / "AESOP" / "annotations.json"}, a JSON list of {{"id": 0, "img_list":' in message
    assert "release v1.0 at github.com/adobe-research/aesop" in message
    assert "non-commercial research" in message
    assert "name another place: $SAM_DATA, --data-root DIR (sam eval, sam ablate, sam label)" in message
    assert "projector.data.root" in message


def test_a_path_where_a_name_is_asked_for_is_told_as_a_name(tmp_path: Path) -> None:
    save(tmp_path, [record()])
    told = f"{tmp_path} is a directory: give its name, {tmp_path.name}, and --data-root {tmp_path.parent}"
    assert lacking(str(tmp_path), tmp_path / "data") == told
    assert "there is no data set" in lacking(str(tmp_path / "none"), tmp_path)


def test_absent_root(tmp_path: Path) -> None:
    assert f"no directory VIST in {tmp_path / 'none'} (which doesn't exist)" in lacking("vist", tmp_path / "none")


def test_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "root").touch()
    assert "root: can't be read as a directory of data sets: Not a directory" in lacking("vist", tmp_path / "root")


def test_directory_without_annotations(tmp_path: Path) -> None:
    (tmp_path / "Vist").mkdir()
    message = lacking("vist", tmp_path)
    assert f"vist: {tmp_path / 'Vist'} has no readable annotations.json" in message
    assert f"expected: {tmp_path / 'Vist' / 'annotations.json'}" in message


def test_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    assert "did you mean spot-the-diff?" in lacking("spot-diff", tmp_path)
    assert "did you mean" not in lacking("my-own-set", tmp_path)


def test_name_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    save(tmp_path, [record()])
    assert "no directory .. in" in lacking("..", tmp_path / "root")


def test_table_of_the_papers_sets(tmp_path: Path) -> None:
    assert [source.directory for source in SOURCES if source.task == "storytelling"] == ["AESOP", "VIST", "DM800K"]
    assert [source.directory for source in SOURCES if source.task == "group-captioning"] == [
        "Conceptual",
        "Animal",
        "Vehicle",
    ]
    assert [source.directory for source in SOURCES if source.task == "change-captioning"] == [
        "IEdit",
        "Spot-the-Diff",
        "Birds-to-Words",
        "CLEVR-Change",
    ]
    for source in SOURCES:
        message = lacking(source.name, tmp_path)
        assert all(part in message for part in (source.directory, source.publisher, source.access, source.licence))
