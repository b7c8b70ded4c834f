"""From directories, DeepFashion trees and CSVs to objects; and the listing that a resumed run is held to."""

import os
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.listing import SOURCES, check_listing, write_listing
from samcli.synth.photos.sources import Collection, Item, read_items
from samcli.synth.photos.sources import table as tables

SHOP = ("WOMEN/Dresses/id_{:08d}/01_1_front.jpg", "WOMEN/Dresses/id_{:08d}/01_3_back.jpg")


def fill(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"never opened")
    return root


def read(root: Path, objects: dict[str, Any] | None = None, **settings: Any) -> Collection:
    return read_items(MmlinkRecipe.model_validate({"root": str(root), "objects": objects or {}, **settings}))


def fault(root: Path, objects: dict[str, Any] | None = None, **settings: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(root, objects, **settings)
    return str(caught.value)


def identities(items: Iterable[Item]) -> list[str]:
    return [item.identity for item in items]


def paths(item: Item) -> list[str]:
    return [photo.path for photo in item.photos]


def shop(items: Iterable[int], images: str = "img") -> list[str]:
    return [f"{images}/{form.format(number)}" for number in items for form in SHOP]


def partition(root: Path, splits: dict[int, str], directory: str = "Eval") -> None:
    rows = [f"{path}   id_{number:08d}  {split}" for number, split in splits.items() for path in shop([number])]
    (root / directory).mkdir(parents=True, exist_ok=True)
    lines = [str(len(rows)), "image_name item_id evaluation_status", *rows]
    (root / directory / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")


# Kinds and directories


def test_a_kind_for_each_directory_but_backdrops_and_hidden_ones(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{kind}/{name}/{view}.JPG" for kind in ("toy", "tool") for name in "abc" for view in "12"))
    fill(tmp_path, "backdrops/street/1.png", ".cache/x/1.png", "notes/read.me", "toy/a/.hidden.png", "toy/a/text.txt")
    fill(tmp_path, "__MACOSX/toy/a/1.jpg")
    found = read(tmp_path)
    assert {kind: identities(items) for kind, items in found.items.items()} == {"tool": [*"abc"], "toy": [*"abc"]}
    assert paths(found.items["toy"][0]) == ["toy/a/1.JPG", "toy/a/2.JPG"]
    assert [photo.view for photo in found.items["toy"][0].photos] == ["1", "2"]
    assert {item.split for item in found.items["toy"]} == {None}
    assert found.left_out == {}


def test_objects_without_a_split_belong_to_whichever_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, "toy/a/1.png", "toy/b/1.png", "toy/c/1.png")
    assert all(identities(read(tmp_path, split=split).items["toy"]) == [*"abc"] for split in ("train", "val", "test"))


def test_a_root_of_objects_is_one_kind(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "a/2.png", "b/1.png", "backdrops/1.png", "c.png")
    found = read(tmp_path)
    assert {kind: identities(items) for kind, items in found.items.items()} == {"object": ["a", "b", "c.png"]}


def test_a_directory_of_very_many_photographs_is_doubted_to_be_one_object(tmp_path: Path) -> None:
    fill(tmp_path, *(f"shoes/{number}.png" for number in range(101)), *(f"hats/{number}.png" for number in range(100)))
    fill(tmp_path, "bags/1.png")
    (note,) = read(tmp_path).notes
    assert note.startswith("object: shoes is taken for one object with 101 photographs; ")
    assert read(tmp_path, {"shoes": {}}).notes == ()  # named, the files right in it are objects


def test_directories_called_as_a_kind_of_the_paper_are_kinds(tmp_path: Path) -> None:
    fill(tmp_path, *(f"icon/{number}.png" for number in range(6)))
    (item, *others) = read(tmp_path).items["icon"]
    assert (item.identity, paths(item), len(others)) == ("0.png", ["icon/0.png"], 5)


def test_objects_may_lie_deeper(tmp_path: Path) -> None:
    fill(tmp_path, "toy/wood/duck/1.png", "toy/wood/duck/2.png", "toy/wood/car/1.png", "toy/tin/car/1.png", "toy/x.png")
    items = read(tmp_path).items["toy"]
    assert identities(items) == ["tin/car", "wood/car", "wood/duck", "x.png"]


def test_the_order_of_the_file_system_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"toy/object {number}/view {view}.png" for number in range(20) for view in range(3)]
    fill(tmp_path / "one", *names)
    random.Random(1).shuffle(names)
    fill(tmp_path / "two", *names)
    assert read(tmp_path / "one") == read(tmp_path / "two")
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: Any) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert read(tmp_path / "two").items["toy"] == read(tmp_path / "one").items["toy"]
    assert identities(read(tmp_path / "one").items["toy"])[:3] == ["object 0", "object 1", "object 10"]


def test_many_files_are_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "toy"
    for group in range(20):
        (directory / str(group)).mkdir(parents=True)
    listed: Counter[str] = Counter()
    scandir = os.scandir

    class Full:
        """A directory of twenty thousand files: the entries of a small one, told again and again."""

        def __init__(self, path: Any) -> None:
            listed[str(path)] += 1
            with scandir(path) as entries:
                self.entries: list[Any] = list(entries)
            if Path(path).parent == directory:
                self.entries += [Fake(f"{path}/{number}.jpg", f"{number}.jpg") for number in range(1000)]

        def __enter__(self) -> Any:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            pass

    class Fake:
        def __init__(self, path: str, name: str) -> None:
            self.path, self.name = path, name

        def is_symlink(self) -> bool:
            return False

        is_dir = is_symlink

        def is_file(self) -> bool:
            return True

    monkeypatch.setattr(os, "scandir", Full)
    (items,) = read(tmp_path).items.values()
    assert sum(len(item.photos) for item in items) == 20_000
    assert set(listed.values()) == {1}


def test_links_stay_in_the_root(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", "secret.png", "more/1.png")
    root = fill(tmp_path / "root", "toy/a/1.png", "toy/b/1.png", "toy/c/1.png")
    (root / "toy/a/2.png").symlink_to(root / "toy/b/1.png")
    (root / "toy/a/3.png").symlink_to(outside / "secret.png")
    (root / "toy/d").symlink_to(outside / "more")
    (root / "toy/c/circle").symlink_to(root / "toy")
    (root / "toy/c/gone.png").symlink_to(root / "nowhere.png")
    found = read(root)
    assert identities(found.items["toy"]) == [*"abc"]
    assert paths(found.items["toy"][0]) == ["toy/a/1.png", "toy/a/2.png"]
    assert found.left_out == {
        "links that lead out of the root": 2,
        "links to directories, which aren't followed": 1,
    }
    (root / "shop").symlink_to(outside)
    assert "leads out of" in fault(root, {"shop": {}})


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    fill(tmp_path / "there", "toy/a/1.png", "toy/b/1.png", "toy/c/1.png")
    (tmp_path / "root").symlink_to(tmp_path / "there")
    assert len(read(tmp_path / "root").items["toy"]) == 3


@pytest.mark.skipif(os.name != "posix", reason="names of bytes")
def test_names_that_are_no_text_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "toy/a/1.png", "toy/b/1.png", "toy/c/1.png")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "toy/a") + b"/\xff.png")).write_bytes(b"")
    except OSError:
        pytest.skip("the file system refuses such names")
    found = read(tmp_path)
    assert found.left_out == {"file names that are no text": 1}
    assert "a/\ufffd.png" in found.examples["file names that are no text"]


def test_kinds_of_the_recipe_and_their_shares(tmp_path: Path) -> None:
    fill(tmp_path, *(f"shop/toys/{name}/1.png" for name in "abc"), "tool/a/1.png")
    found = read(tmp_path, {"toy": {"sources": "shop/toys"}, "tool": {"share": 0}})
    assert {kind: identities(items) for kind, items in found.items.items()} == {"toy": [*"abc"]}


def test_other_names_of_the_backdrops(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.png", "b/1.png", "c/1.png", "scenes/1.png")
    assert identities(read(tmp_path, background={"backdrops": "scenes"}).items["object"]) == [*"abc"]


def test_objects_of_one_view_are_left_out_when_no_second_is_made(tmp_path: Path) -> None:
    fill(tmp_path, *(f"toy/{name}/{view}.png" for name in "abc" for view in "12"), "toy/d/1.png")
    found = read(tmp_path, {"toy": {"second_view": "never"}})
    assert identities(found.items["toy"]) == [*"abc"]
    assert found.left_out == {"objects of one view, while second_view is never": 1}


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ({"toys": {}}, "objects.toys: .*/toys isn't there; did you mean toy"),
        ({"toy": {"sources": "../other"}}, "leads out of"),
        ({"toy": {"sources": "/etc"}}, "leads out of"),
        ({"empty": {}}, r"empty: no object with photographs in .*/empty \(groups\)"),
        ({"toy": {}}, "toy: 2 objects, and a sample needs 3"),
        ({"toy": {"layout": "table"}}, "toy is no table: a table is a CSV"),
        ({"toy": {"layout": "deepfashion"}}, "no directory of DeepFashion images"),
        ({"toy": {"form": "grid"}}, r"a sample needs 3 \(the shared one and another on each grid\)"),
        ({"toy": {"form": "covers"}}, "covers without author and genre"),
    ],
)
def test_kinds_that_can_not_be_made_are_one_line(tmp_path: Path, objects: dict[str, Any], told: str) -> None:
    fill(tmp_path, "toy/a/1.png", "toy/b/1.png", "empty/read.me")
    with pytest.raises(UserError, match=told) as caught:
        read(tmp_path, objects)
    assert "\n" not in str(caught.value)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert "no such directory of photographs" in fault(tmp_path / "nowhere")
    assert "no object with photographs" in fault(fill(tmp_path, "read.me"))


# DeepFashion


@pytest.mark.parametrize("images", ["img", "img/img", "Img/img", "In-shop Clothes Retrieval Benchmark/Img/img", "."])
def test_deepfashion_wherever_it_unpacks_to(tmp_path: Path, images: str) -> None:
    fill(tmp_path, *shop(range(3), images), "backdrops/street.png")
    items = read(tmp_path).items["character"]
    assert identities(items) == ["id_00000000_01", "id_00000001_01", "id_00000002_01"]
    assert [photo.view for photo in items[0].photos] == ["front", "back"]
    assert items[0].photos[0].description == "person in a women's dress"


def test_high_resolution_is_preferred(tmp_path: Path) -> None:
    fill(tmp_path, *shop(range(3), "shop/Img/img"), *shop(range(3), "shop/Img/img_highres"))
    found = read(tmp_path, {"person": {"sources": "shop"}})
    assert paths(found.items["person"][0])[0].startswith("shop/Img/img_highres/")


def test_deepfashion_beside_other_kinds(tmp_path: Path) -> None:
    fill(tmp_path, *shop(range(3), "In-shop Clothes/img"), *(f"toy/{name}/1.png" for name in "abc"))
    assert sorted(read(tmp_path).items) == ["character", "toy"]


def test_colours_are_objects_and_poses_without_a_person_none(tmp_path: Path) -> None:
    names = "01_1_front 01_2_side 01_4_full 01_6_flat 01_7_additional 02_1_front 02_3_back 03_1_front".split()
    fill(tmp_path, *(f"img/MEN/Pants/id_00000007/{name}.jpg" for name in names), "img/MEN/Pants/id_00000007/cover.jpg")
    found = read(tmp_path)
    views = {item.identity: [photo.view for photo in item.photos] for item in found.items["character"]}
    assert views == {
        "id_00000007_01": ["front", "side", "full", "additional"],
        "id_00000007_02": ["front", "back"],
        "id_00000007_03": ["front"],
    }
    assert found.left_out == {"poses that show no person": 1, "files named otherwise than DeepFashion's": 1}
    assert found.items["character"][0].photos[0].description == "person in men's pants"


def test_pose_codes_tell_what_names_do_not(tmp_path: Path) -> None:
    fill(tmp_path, *shop(range(3), "Img/img_highres"), "Img/img_highres/WOMEN/Dresses/id_00000001/01_2_side.jpg")
    rows = ["2", "image_name clothes_type pose_type x_1 y_1 x_2 y_2"]
    rows += ["img/WOMEN/Dresses/id_00000001/01_2_side.jpg  3   5 1 2 3 4", f"{shop([0])[1]} 3 6 1 2 3 4"]
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Anno/list_bbox_inshop.txt").write_text("\n".join(rows))
    found = read(tmp_path)
    assert found.left_out == {"close-ups": 1, "poses that show no person": 1}
    assert [len(item.photos) for item in found.items["character"]] == [1, 2, 2]


def test_splits_are_kept_apart_by_item(tmp_path: Path) -> None:
    splits = {number: ("train", "train", "query", "gallery")[number % 4] for number in range(200)}
    fill(tmp_path, *shop(range(200)), *shop([500]))
    fill(tmp_path, *(path.replace("01_", "02_") for path in shop(range(200))))
    partition(tmp_path, {**splits, 300: "train"})
    found = {split: read(tmp_path, split=split) for split in ("train", "val", "test")}
    items = {split: {each.identity[:11] for each in found[split].items["character"]} for split in found}
    assert sum(map(len, items.values())) == 200
    assert not items["train"] & items["val"] | items["train"] & items["test"] | items["val"] & items["test"]
    assert items["test"] == {f"id_{number:08d}" for number in range(200) if number % 4 > 1}
    assert 3 <= len(items["val"]) <= 20
    left_out = found["test"].left_out
    assert left_out["photographs of items that list_eval_partition.txt doesn't name"] == 2
    assert left_out["listed files that aren't there"] == 2
    assert left_out["objects of another split"] == 200


def test_an_item_of_two_splits_is_for_test(tmp_path: Path) -> None:
    fill(tmp_path, *shop(range(4)))
    partition(tmp_path, {0: "train", 1: "query", 2: "query", 3: "gallery"})
    file = tmp_path / "Eval/list_eval_partition.txt"
    file.write_text(file.read_text() + f"{shop([1])[0]} id_00000001 train\n")
    assert len(read(tmp_path, split="test").items["character"]) == 3


@pytest.mark.parametrize("row", ["img/x.jpg id_00000001", "img/x.jpg id_00000001 trian", "img/x.jpg 17 train"])
def test_faulty_lists_name_the_line(tmp_path: Path, row: str) -> None:
    fill(tmp_path, *shop(range(3)))
    partition(tmp_path, {0: "train"})
    file = tmp_path / "Eval/list_eval_partition.txt"
    file.write_text(file.read_text() + row)
    assert "list_eval_partition.txt:5: expected" in fault(tmp_path)


def test_one_colour_is_part_of_the_description(tmp_path: Path) -> None:
    fill(tmp_path, *shop(range(3)), "img/WOMEN/Dresses/id_00000002/02_1_front.jpg")
    (tmp_path / "Anno").mkdir()
    told = [("id_00000000", "Navy"), ("id_00000001", "Red"), ("id_00000001", "Blue"), ("id_00000002", "Red")]
    entries = ",".join(f'{{"item": "{item}", "color": "{colour}", "description": []}}' for item, colour in told)
    (tmp_path / "Anno/list_description_inshop.json").write_text(f"[{entries}]")
    texts = {item.photos[0].description for item in read(tmp_path).items["character"]}
    assert texts == {"person in a women's dress in navy", "person in a women's dress"}


def test_flattened_names_are_the_same_photographs(tmp_path: Path) -> None:
    names = [path.removeprefix("img/").replace("/", "-") for path in shop(range(4))]
    fill(tmp_path, *(f"images/{name}" for name in names), "images/MEN-Tees_Tanks-id_00000390-13_1_front.jpg")
    partition(tmp_path, {0: "query", 1: "query", 2: "gallery", 3: "train", 390: "query"}, directory=".")
    found = read(tmp_path, split="test")
    assert identities(found.items["character"]) == [
        f"id_{n:08d}_{c}" for n, c in [(0, "01"), (1, "01"), (2, "01"), (390, 13)]
    ]
    assert found.items["character"][3].photos[0].description == "person in a men's tee or tank"


# Tables


def write(root: Path, text: str, name: str = "groups.csv", encoding: str = "utf-8") -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode(encoding))
    return root


def test_a_table_of_several_kinds(tmp_path: Path) -> None:
    fill(tmp_path, *(f"pictures/{number} b.png" for number in range(7)), "toy/z/1.png")
    lines = ["Path, identity ,view,split,description,kind,licence"]
    lines += [f"pictures/{n} b.png,toy {n // 2},v{n},,a  toy,toy,CC0" for n in reversed(range(6))]
    write(tmp_path, "\n".join([*lines, "", "pictures/6 b.png,t,,,,tool,", "pictures/none.png,t,,,,tool,"]))
    found = read(tmp_path, {"toy": {}})
    assert identities(found.items["toy"]) == ["toy 0", "toy 1", "toy 2"]
    first = found.items["toy"][0].photos[0]
    assert (first.path, first.view, first.description) == ("pictures/0 b.png", "v0", "a  toy")
    found = read(tmp_path, {"toy": {}, "tool": {"distractors": 0}})
    assert found.left_out == {"listed files that aren't there": 1}
    assert "groups.csv:10" in found.examples["listed files that aren't there"]
    assert "tool: 1 object," in fault(tmp_path)  # without objects, its kinds are the table's


def test_a_table_in_the_directory_of_a_kind(tmp_path: Path) -> None:
    fill(tmp_path, "toy/a.png", "toy/b.png", "toy/c.png", "tool/x/1.png", "tool/y/1.png", "tool/z/1.png")
    write(tmp_path, "identity,path,split\na,a.png,train\na,b.png,train\nb,c.png,test\n", "toy/groups.csv")
    found = read(tmp_path, {"toy": {"distractors": 0}, "tool": {}})
    assert {kind: identities(items) for kind, items in found.items.items()} == {"tool": [*"xyz"], "toy": ["a"]}
    assert found.left_out == {"objects of another split": 1}
    assert paths(found.items["toy"][0]) == ["toy/a.png", "toy/b.png"]


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (",", "latin-1")])
def test_delimiters_and_encodings(tmp_path: Path, delimiter: str, encoding: str) -> None:
    fill(tmp_path, "toy/1.png", "toy/2.png", "toy/3.png")
    rows = [["identity", "path", "description"], *([f"é{n}", f"{n}.png", '"a, b; \n c"'] for n in (1, 2, 3))]
    write(tmp_path, "\r\n".join(map(delimiter.join, rows)), "toy/list.csv", encoding)
    found = read(tmp_path, {"toy": {"sources": "toy/list.csv"}})
    assert identities(found.items["toy"]) == ["é1", "é2", "é3"]
    assert found.items["toy"][0].photos[0].description == "a, b; \n c"
    assert [note.split(": ")[1] for note in found.notes] == ["read as Latin-1, since it is no UTF-8"] * (
        encoding == "latin-1"
    )


@pytest.mark.parametrize("path", ["../outside/1.png", "{absolute}", "link/1.png", "1.png", "a/../../outside/1.png"])
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, path: str) -> None:
    outside = fill(tmp_path / "outside", "1.png")
    root = fill(tmp_path / "root", "toy/a.png")
    (root / "link").symlink_to(outside)
    (root / "1.png").symlink_to(outside / "1.png")
    write(root, f"identity,path\na,toy/a.png\nb,{path.format(absolute=outside / '1.png')}\n")
    assert "groups.csv:3: " in (told := fault(root))
    assert "leads out of" in told


def test_paths_may_go_up_within_the_root(tmp_path: Path) -> None:
    fill(tmp_path, "toy/1.png", "toy/2.png", "other/3.png")
    write(tmp_path, "identity,path\na,../toy/1.png\nb,2.png\nc,../other/x/../3.png\n", "toy/groups.csv")
    items = read(tmp_path, {"toy": {}}).items["toy"]
    assert [paths(item) for item in items] == [["toy/1.png"], ["toy/2.png"], ["other/3.png"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "groups.csv: is empty"),
        ("id,file\na,b\n", "among 'id', 'file'; call them so in the first line: identity, path"),
        ("identiti,path\na,b\n", "groups.csv:1: no column identity among 'identiti', 'path'; did you mean identity?"),
        ("a,b\n", "no column identity and no column path"),
        ("identity,path,desciption\na,b,c\n", "a column 'desciption'; did you mean description?"),
        ("identity,path,path\na,b,c\n", "two columns 'path'"),
        ("identity,path\na,b\n,c\n", "groups.csv:3: no identity"),
        ("identity,path\na\n", "groups.csv:2: no path"),
        ("identity,path,kind\na,b,\n", "groups.csv:2: no kind"),
        ("identity,path\na,b,c\n", "groups.csv:2: 3 cells in 2 columns"),
        ("identity,path,split\na,b,dev\n", "groups.csv:2: split 'dev': expected train, val, test"),
        ("identity,path,split\na,b,train\na,c,test\n", "groups.csv:3: 'a' is in another split than before"),
        ('identity,path\na,"b\n', "groups.csv:2: not a line of a CSV"),
    ],
)
def test_faulty_tables_name_the_line(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)
    message = fault(tmp_path)
    assert told in message
    assert "\n" not in message


def test_a_photograph_counts_once(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png", "3.png")
    write(tmp_path, "identity,path\na,1.png\nb,2.png\nc,3.png\nd,./1.png\n")
    found = read(tmp_path)
    assert identities(found.items["object"]) == [*"abc"]
    assert found.left_out == {"photographs listed more than once": 1}


def test_the_list_of_a_book_cover_dataset(tmp_path: Path) -> None:
    fill(tmp_path, "cover/224x224/1.jpg", "cover/224x224/2.jpg", "cover/3.jpg")
    row = '"{}","{}.jpg","http://example.org/{}.jpg","Título, {}","{}","{}","{}"'
    books = [("0000000001", 1, "Ana", "Art"), ("000000000X", 2, "Bo", "Art"), ("0000000003", 3, "Cy", "Law")]
    lines = [row.format(asin, n, n, n, author, len(genre), genre) for asin, n, author, genre in books]
    write(tmp_path, "\n".join(lines), "cover/books.csv", "latin-1")
    found = read(tmp_path, {"cover": {"sources": "cover/books.csv", "form": "covers"}})
    (photo,) = found.items["cover"][1].photos
    assert (photo.path, photo.title, photo.author, photo.genre) == ("cover/3.jpg", "Título, 3", "Cy", "Law")
    assert paths(found.items["cover"][0]) == ["cover/224x224/1.jpg"]
    assert len(found.notes) == 1


def test_covers_need_a_relation(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png")
    write(tmp_path, "identity,path,author,genre,kind\na,1.png,Ana,Art,cover\nb,2.png,Bo,Law,cover\n")
    assert "no two covers of the same author or genre" in fault(tmp_path)
    write(tmp_path, "identity,path,author,genre,kind\na,1.png,Ana,Art,cover\nb,2.png,Bo,Art,cover\n")
    assert identities(read(tmp_path).items["cover"]) == ["a", "b"]


def test_a_table_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, *(f"{n}.png" for n in range(9)))
    write(tmp_path, "identity,path,kind\n" + "".join(f"i{n},{n}.png,kind {n % 3}\n" for n in range(9)))
    reading: list[Path] = []
    original = tables._text

    def counted(file: Path) -> tuple[str, tuple[str, ...]]:
        reading.append(file)
        return original(file)

    monkeypatch.setattr(tables, "_text", counted)
    assert list(read(tmp_path).items) == ["kind 0", "kind 1", "kind 2"]
    assert reading == [tmp_path / "groups.csv"]


# The listing of a run


@pytest.fixture
def begun(tmp_path: Path) -> tuple[Path, Path]:
    root = fill(tmp_path / "root", *(f"toy/{name}/{view}.png" for name in "abc" for view in "12"))
    out = tmp_path / "out"
    write_listing(out, root, every(root))
    return root, out


def every(root: Path) -> list[Item]:
    return [item for items in read(root).items.values() for item in items]


def test_a_tree_that_is_as_it_was(begun: tuple[Path, Path]) -> None:
    root, out = begun
    check_listing(out, root, every(root))
    header, first, *_ = (out / SOURCES).read_text().splitlines()
    state = (root / "toy/a/1.png").stat()
    assert header == "kind,identity,path,view,description,title,author,genre,split,bytes,modified_ns,contents"
    assert first.startswith(f"toy,a,toy/a/1.png,1,,,,,,{state.st_size},{state.st_mtime_ns},")


def test_a_tree_that_changed_is_told_with_counts(begun: tuple[Path, Path]) -> None:
    root, out = begun
    (root / "toy/a/1.png").write_bytes(b"of another size")
    (root / "toy/a/2.png").unlink()
    fill(root, "toy/a/3.png", "toy/a/4.png")
    with pytest.raises(UserError) as caught:
        check_listing(out, root, every(root))
    told = str(caught.value)
    assert "1 gone, such as toy/a/2.png; 2 new, such as toy/a/3.png; 1 changed, such as toy/a/1.png" in told
    assert "--overwrite" in told
    assert "\n" not in told


@pytest.mark.parametrize("place", [0, 50_000, 99_999])
def test_a_photograph_that_is_touched_or_copied_is_as_it_was_and_one_written_anew_is_not(
    begun: tuple[Path, Path], place: int
) -> None:
    root, out = begun
    (photo := root / "toy/b/1.png").write_bytes(bytes(100_000))
    write_listing(out, root, every(root))
    os.utime(photo, ns=(1, 1))
    check_listing(out, root, every(root))
    photo.write_bytes(bytes(place) + b"x" + bytes(99_999 - place))
    for path in root.rglob("*.png"):
        os.utime(path, ns=(2, 2))
    with pytest.raises(UserError, match=r"1 changed, such as toy/b/1.png"):
        check_listing(out, root, every(root))


def test_a_copied_tree_is_no_change_with_texts_of_the_recipe_beside_it(begun: tuple[Path, Path]) -> None:
    root, out = begun
    (text := out.parent / "lines.txt").write_text("# version 1\nWhich toy is it?\n")
    write_listing(out, root, every(root), [text])
    for path in root.rglob("*.png"):
        os.utime(path, ns=(2, 2))
    check_listing(out, root, every(root), [text])
    text.write_text("# version 1\nWhich toy was it?\n")
    with pytest.raises(UserError, match=r"1 changed, such as .*lines.txt"):
        check_listing(out, root, every(root), [text])


def test_what_a_table_says_counts_too(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "1.png", "2.png", "3.png")
    text = "identity,path,description\na,1.png,red\nb,2.png,blue\nc,3.png,green\n"
    write_listing(tmp_path, root, every(write(root, text)))
    with pytest.raises(UserError, match=r"1 changed, such as 2.png"):
        check_listing(tmp_path, root, every(write(root, text.replace("blue", "pink"))))


def test_photographs_that_vanish_meanwhile(begun: tuple[Path, Path]) -> None:
    root, out = begun
    items = every(root)
    (root / "toy/c/1.png").unlink()
    with pytest.raises(UserError, match=r"1 gone, such as toy/c/1.png"):
        check_listing(out, root, items)
    before = (out / SOURCES).read_bytes()
    with pytest.raises(UserError, match="gone since it was listed"):
        write_listing(out, root, items)
    assert (out / SOURCES).read_bytes() == before
    assert [path.name for path in out.iterdir()] == [SOURCES]


def test_listings_that_are_gone_or_damaged(begun: tuple[Path, Path]) -> None:
    root, out = begun
    (out / SOURCES).write_text("kind,path\ntoy\n")
    with pytest.raises(UserError, match="isn't as it was written"):
        check_listing(out, root, every(root))
    (out / SOURCES).unlink()
    check_listing(out, root, iter(every(root)))
    assert (out / SOURCES).exists()
    (root / "toy/a/1.png").unlink()
    with pytest.raises(UserError, match="1 gone"):
        check_listing(out, root, every(root))


def unread(ending: str) -> str:
    return f"{ending} files, which aren't read (convert them to JPEG or PNG)"


def test_pictures_in_other_formats_are_counted_by_their_endings(tmp_path: Path) -> None:
    fill(tmp_path, *(f"mug/{name}" for name in ("a/1.png", "a/2.jfif", "b/1.png", "b/2.HEIC", "c/1.png", "d/1.heic")))
    fill(tmp_path, "mug/e.raw/1.png", "mug/a/notes.txt")
    found = read(tmp_path, {"mug": {}})
    assert identities(found.items["mug"]) == [*"abc", "e.raw"]
    assert found.left_out == {unread(".heic"): 2}
    assert found.examples[unread(".heic")].endswith("mug/b/2.HEIC")


def test_pictures_in_other_formats_are_counted_where_there_are_no_others(tmp_path: Path) -> None:
    fill(tmp_path, *(f"mug/{name}/1.png" for name in "abc"), "backdrops/street.avif", "cup/a/1.heic", "cup/b/1.avif")
    assert read(tmp_path).left_out == {unread(".heic"): 1, unread(".avif"): 2}
    assert read(tmp_path, background={"kind": "diffusion"}).left_out == {unread(".heic"): 1, unread(".avif"): 1}
    assert read(tmp_path, {"mug": {}}).left_out == {unread(".avif"): 1}


def test_each_is_counted_once_where_the_root_is_one_kind(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{name}/1.png" for name in "abc"), "backdrops/street.avif", "d/1.heic")
    assert read(tmp_path).left_out == {unread(".heic"): 1, unread(".avif"): 1}


def test_a_table_that_lists_what_is_not_read_says_so(tmp_path: Path) -> None:
    fill(tmp_path, "1.png", "2.png", "3.png", "4.heic")
    write(tmp_path, "identity,path\na,1.png\nb,2.png\nc,3.png\nd,4.heic\n")
    assert read(tmp_path).left_out == {unread(".heic"): 1}
