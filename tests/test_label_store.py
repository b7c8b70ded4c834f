"""Labels on disk: what is written is read, what is damaged is told, what is missing is made."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.store import SHARD, LabelStore, identity_of
from samcli.errors import UserError

GRID, WORDS = 3, ("red", "sofa", "sky")
IDENTITY = identity_of({"kind": "test"}, GRID, WORDS, {})


def some_labels(images: int, seed: int = 0) -> PatchLabels:
    """Patches of none to three words."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(0, 4, (images, GRID**2), generator=generator)
    length = int(counts.sum())
    words = torch.randint(0, len(WORDS), (length,), generator=generator)
    return PatchLabels(counts, words, torch.randint(1, 9, (length,), generator=generator) / 8)


def paths(data: Path, count: int) -> list[Path]:
    return [data / "images" / f"{number}.png" for number in range(count)]


def filled(directory: Path, data: Path, images: int = 4) -> LabelStore:
    store = LabelStore.begin(directory, data, IDENTITY, WORDS)
    store.add(paths(data, images), some_labels(images))
    return store


def equal(one: PatchLabels, other: PatchLabels) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("counts", "words", "scores"))


def part(labels: PatchLabels, image: int) -> PatchLabels:
    own = labels.patches // GRID**2 == image
    return PatchLabels(labels.counts[image : image + 1], labels.words[own], labels.scores[own])


def test_what_is_added_is_read_in_any_order(tmp_path: Path) -> None:
    filled(tmp_path / "labels", tmp_path)
    store, whole = LabelStore.open(tmp_path / "labels", tmp_path), some_labels(4)
    assert equal(store.get(paths(tmp_path, 4)), whole)
    first, second = (paths(tmp_path, 4)[number] for number in (2, 0))
    wanted = PatchLabels.joined([part(whole, 2), part(whole, 0), part(whole, 2)])
    assert equal(store.get([first, second, first]), wanted)
    assert (store.words, store.grid, len(store)) == (WORDS, GRID, 4)


def test_a_picture_without_any_word_has_labels_too(tmp_path: Path) -> None:
    store = LabelStore.begin(tmp_path / "labels", tmp_path, IDENTITY, WORDS)
    none = PatchLabels(torch.zeros(1, GRID**2, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    store.add(paths(tmp_path, 1), none)
    assert equal(LabelStore.open(tmp_path / "labels", tmp_path).get(paths(tmp_path, 1)), none)


def test_pictures_are_known_wherever_their_data_set_lies(tmp_path: Path) -> None:
    filled(tmp_path / "labels", tmp_path / "here")
    moved = LabelStore.open(tmp_path / "labels", tmp_path / "there")
    assert equal(moved.get(paths(tmp_path / "there", 4)), some_labels(4))
    assert moved.missing(paths(tmp_path / "here", 4)) == paths(tmp_path / "here", 4)


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    new = tmp_path / "images" / "new.png"
    assert store.missing([new, *paths(tmp_path, 4), new]) == [new]
    with pytest.raises(UserError, match=r"new.png has no labels in .*sam label RECIPE"):
        store.get([new])
    with pytest.raises(UserError, match="no labels there; `sam label RECIPE` makes them"):
        LabelStore.open(tmp_path / "elsewhere", tmp_path)


def test_a_torn_last_line_counts_for_nothing_and_its_file_is_written_again(tmp_path: Path) -> None:
    straight, torn = (filled(tmp_path / name, tmp_path) for name in ("straight", "torn"))
    for store in (straight, torn):
        store.add([tmp_path / "more.png"], some_labels(1, seed=1))
    index = torn.directory / "images.jsonl"
    index.write_bytes(index.read_bytes()[:-9])
    assert len(LabelStore.open(torn.directory, tmp_path)) == 4
    again = LabelStore.begin(torn.directory, tmp_path, IDENTITY, WORDS)
    again.add([tmp_path / "more.png"], some_labels(1, seed=1))
    for path in straight.directory.iterdir():
        assert path.read_bytes() == (torn.directory / path.name).read_bytes(), path.name


def test_other_labels_in_the_same_place_are_refused_by_their_difference(tmp_path: Path) -> None:
    filled(tmp_path / "labels", tmp_path)
    other = identity_of({"kind": "test"}, 4, WORDS, {})
    with pytest.raises(UserError, match=r"holds other labels .grid: 3 -> 4"):
        LabelStore.begin(tmp_path / "labels", tmp_path, other, WORDS)


@pytest.mark.parametrize("name", ["recipe.yaml", "words.txt", "images"])
def test_a_directory_of_other_things_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("mine")
    with pytest.raises(UserError, match=r"other is not empty and holds no labels; give a new or empty directory"):
        LabelStore.begin(tmp_path / "other", tmp_path, IDENTITY, WORDS)
    assert [path.read_text() for path in (tmp_path / "other").iterdir()] == ["mine"]
    with pytest.raises(UserError, match=rf"{name} is not a directory"):
        LabelStore.begin(tmp_path / "other" / name, tmp_path, IDENTITY, WORDS)


def test_a_store_that_was_killed_before_its_list_of_words_gets_it(tmp_path: Path) -> None:
    filled(tmp_path / "labels", tmp_path)
    (tmp_path / "labels" / "words.txt").unlink()
    assert LabelStore.begin(tmp_path / "labels", tmp_path, IDENTITY, WORDS).words == WORDS


def test_only_files_of_labels_count(tmp_path: Path) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    taken = sum(path.stat().st_size for path in store.directory.iterdir())
    (store.directory / "labels.png").write_bytes(bytes(1000))
    (store.directory / "word-features").mkdir()
    (store.directory / "word-features" / "00000000.safetensors").write_bytes(bytes(1000))
    assert store.bytes == taken


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"counts": torch.zeros(4, 8, dtype=torch.uint8)}, "not the labels of 4 pictures of 9 patches"),
        ({"counts": torch.zeros(4, 9, dtype=torch.uint8)}, "other numbers of words than it counts"),
        ({"offsets": torch.tensor([0, 99, 2, 3, 4])}, "offsets out of order"),
        ({"words": -1}, "words that aren't in the list"),
        ({"words": len(WORDS)}, "words that aren't in the list"),
        ({"scores": 0.0}, "scores that aren't above 0"),
        ({"scores": float("nan")}, "scores that aren't above 0"),
    ],
)
def test_a_damaged_file_is_named_with_what_mends_it(
    tmp_path: Path, change: dict[str, torch.Tensor | float], told: str
) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    file = store.directory / "00000000.safetensors"
    tensors = load_file(file)
    for name, value in change.items():
        tensors[name] = value if isinstance(value, torch.Tensor) else torch.full_like(tensors[name], value)
    save_file(tensors, file)
    with pytest.raises(UserError, match=rf"00000000.safetensors: damaged labels \(.*{told}.*remove the file"):
        LabelStore.open(store.directory, tmp_path).get(paths(tmp_path, 4))


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: b"", lambda data: b"\xff" * 64])
def test_a_cut_off_file_is_named_too(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    store = filled(tmp_path / "labels", tmp_path)
    file = store.directory / "00000000.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UserError, match="damaged labels"):
        LabelStore.open(store.directory, tmp_path).get(paths(tmp_path, 1))


def test_pictures_of_a_removed_file_are_missing_and_can_be_added_again(tmp_path: Path) -> None:
    filled(tmp_path / "labels", tmp_path).add([tmp_path / "more.png"], some_labels(1, seed=1))
    (tmp_path / "labels" / "00000000.safetensors").unlink()
    store = LabelStore.begin(tmp_path / "labels", tmp_path, IDENTITY, WORDS)
    assert store.missing([*paths(tmp_path, 4), tmp_path / "more.png"]) == paths(tmp_path, 4)
    store.add(paths(tmp_path, 4), some_labels(4))
    again = LabelStore.open(tmp_path / "labels", tmp_path)
    assert equal(again.get(paths(tmp_path, 4)), some_labels(4))
    assert equal(again.get([tmp_path / "more.png"]), some_labels(1, seed=1))


@pytest.mark.parametrize(
    "line", ["{}", "[]", '{"images": "a.png"}', '{"images": [1]}', json.dumps({"images": ["a"] * 999})]
)
def test_a_damaged_index_is_named(tmp_path: Path, line: str) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    (store.directory / "images.jsonl").write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"images.jsonl:1: damaged"):
        LabelStore.open(store.directory, tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": 99, "grid": 3, "words": {}}'])
def test_labels_of_another_format_are_refused(tmp_path: Path, text: str) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    (store.directory / "labels.json").write_text(text)
    with pytest.raises(UserError, match=r"labels.json: not of this version's format"):
        LabelStore.open(store.directory, tmp_path)


def test_a_changed_list_of_words_is_told(tmp_path: Path) -> None:
    store = filled(tmp_path / "labels", tmp_path)
    (store.directory / "words.txt").write_text("red\nsofa\nsea\n")
    with pytest.raises(UserError, match=r"words.txt isn't what it was"):
        _ = LabelStore.open(store.directory, tmp_path).words


def test_labels_that_the_format_cannot_hold_are_never_written(tmp_path: Path) -> None:
    store = LabelStore.begin(tmp_path / "labels", tmp_path, IDENTITY, WORDS)
    good = some_labels(2)
    bad = [
        PatchLabels(good.counts[:1], good.words, good.scores),
        PatchLabels(good.counts, good.words[:-1], good.scores[:-1]),
        PatchLabels(good.counts, good.words + len(WORDS), good.scores),
        PatchLabels(good.counts, good.words, good.scores * 0),
    ]
    for labels in bad:
        with pytest.raises(ValueError, match=r"labels|counts|words|scores"):
            store.add(paths(tmp_path, 2), labels)
    with pytest.raises(ValueError, match="of shape"):
        store.add(paths(tmp_path, SHARD + 1), some_labels(SHARD + 1))
    assert not list(store.directory.glob("*.safetensors"))


def test_small_and_large_scores_stay_above_zero_and_finite(tmp_path: Path) -> None:
    store = LabelStore.begin(tmp_path / "labels", tmp_path, IDENTITY, WORDS)
    counts = torch.zeros(1, GRID**2, dtype=torch.int64)
    counts[0, 0] = 2
    store.add(paths(tmp_path, 1), PatchLabels(counts, torch.tensor([0, 1]), torch.tensor([1e-12, 1e12])))
    scores = store.get(paths(tmp_path, 1)).scores
    assert 0 < scores[0] < scores[1] < float("inf")
