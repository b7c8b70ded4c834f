"""Labels are made where they are missing, within limits, and to the same bytes however often the making is killed."""

import multiprocessing
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from samcli.alignment.labels import make
from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.make import label_words, make_labels
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.storage import label_storage, likely_storage
from samcli.alignment.labels.store import LabelStore
from samcli.alignment.labels.wordlist import words_of_file, words_of_texts
from samcli.alignment.labels.world import WorldLabels
from samcli.data.sample import Sample, read_annotations
from samcli.errors import Interrupted, UserError
from samcli.files import sha256
from samcli.recipe_alignment import LabelsRecipe
from samcli.synth.world.pictures import Picture
from tests.killing import kill_at_random
from tests.label_data import EYE, world_samples
from tests.label_settings import at

WORLD = LabelsRecipe(source="world")
KILLS, PICTURES = 6, 240
OF_A_FILE = 8  # pictures, where a making is to be killed between files


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    world_samples(directory, PICTURES)
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in directory.iterdir() if not path.name.startswith(".")}


def images(samples: Sequence[Sample]) -> list[Path]:
    return [image for sample in samples for image in sample.images]


def test_labels_are_made_once_and_found_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path))
    samples = read_annotations(data)[:10]
    store = make_labels(WORLD, samples, data, EYE)
    assert store.directory.parent == tmp_path / "labels"
    made = store.get(images(samples))
    truth = WorldLabels(samples, EYE).label(images(samples))
    assert torch.equal(made.words, truth.words)
    assert torch.equal(made.counts, truth.counts)
    monkeypatch.setattr(WorldLabels, "label", None)  # nothing is labelled twice
    assert make_labels(WORLD, samples[:4], data, EYE).directory == store.directory


def test_more_samples_of_a_data_set_add_to_its_labels(data: Path, tmp_path: Path) -> None:
    samples = read_annotations(data)
    make_labels(at(WORLD, tmp_path / "labels"), samples[:5], data, EYE)
    before = contents(tmp_path / "labels")
    store = make_labels(at(WORLD, tmp_path / "labels"), samples[:12], data, EYE)
    assert len(store) == 12
    assert before.items() - contents(tmp_path / "labels").items() == {("images.jsonl", before["images.jsonl"])}


def test_another_eye_or_data_set_has_labels_of_its_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    samples = read_annotations(data)[:2]
    other = world_samples(tmp_path / "other", 2, seed=1)
    places = {
        make_labels(WORLD, samples, data, EYE).directory,
        make_labels(WORLD, samples, data, type(EYE)(EYE.side, 16, EYE.crop)).directory,
        make_labels(WORLD, other, tmp_path / "other", EYE).directory,
    }
    assert len(places) == 3
    with pytest.raises(UserError, match=r"holds other labels .*grid: 8 -> 4"):
        make_labels(
            at(WORLD, make_labels(WORLD, samples, data, EYE).directory),
            samples,
            data,
            type(EYE)(EYE.side, 16, EYE.crop),
        )


def test_labels_that_will_not_fit_are_refused_before_any_is_made(data: Path, tmp_path: Path) -> None:
    small = WORLD.model_copy(update={"gb": 1e-6})
    with pytest.raises(UserError, match=r"labels.gb allows 1 kB; raise it"):
        make_labels(at(small, tmp_path / "labels"), read_annotations(data), data, EYE)
    assert not list((tmp_path / "labels").glob("*.safetensors"))


def test_labels_that_grow_too_large_stop_and_go_on_where_there_is_room(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "SHARD", 8)
    monkeypatch.setattr(make, "likely_storage", lambda *_: 0)  # a guess that was too low
    samples = read_annotations(data)[:40]
    bounded = WORLD.model_copy(update={"gb": 5e-5})
    with pytest.raises(UserError, match=r"labels.gb allows 50 kB"):
        make_labels(at(bounded, tmp_path / "labels"), samples, data, EYE)
    stopped = LabelStore.open(tmp_path / "labels", data)
    assert 0 < len(stopped) < 40
    assert stopped.bytes <= 5e4
    assert len(make_labels(at(WORLD, tmp_path / "labels"), samples, data, EYE)) == 40


def test_a_full_disk_is_told_before_any_is_made(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(UserError, match=r"where 1 B are free; make room"):
        make_labels(at(WORLD, tmp_path / "labels"), read_annotations(data), data, EYE)


def test_what_labels_take_lies_within_its_bound(data: Path, tmp_path: Path) -> None:
    samples = read_annotations(data)
    store = make_labels(at(WORLD, tmp_path / "labels"), samples, data, EYE)
    taken = sum(path.stat().st_size for path in store.directory.glob("*.safetensors"))
    assert taken <= label_storage(WORLD, len(samples), EYE.patches)
    assert taken == pytest.approx(likely_storage(WORLD, len(samples), EYE.patches), rel=0.4)


class Stopping(WorldLabels):
    """Its process gets a signal while it labels the twelfth picture."""

    def __init__(self, samples: Sequence[Sample], eye: Eye) -> None:
        super().__init__(samples, eye)
        self._seen = 0

    def _label(self, picture: Picture) -> PatchLabels:
        self._seen += 1
        if self._seen == 12:
            os.kill(os.getpid(), signal.SIGTERM)
        return super()._label(picture)


def test_a_signal_stops_between_two_pictures_and_the_same_call_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make, "SHARD", OF_A_FILE)
    samples, stopped = read_annotations(data)[:20], tmp_path / "stopped"
    with monkeypatch.context() as patched:
        patched.setattr("samcli.alignment.labels.world.WorldLabels", Stopping)
        with pytest.raises(Interrupted, match=r"8 of 20 pictures are labelled, kept in .*same command goes on") as told:
            make_labels(at(WORLD, stopped), samples, data, EYE)
    assert told.value.exit_code == 143
    capsys.readouterr()
    make_labels(at(WORLD, stopped), samples, data, EYE)
    assert capsys.readouterr().err == f"labels of 20 pictures go to {stopped}; 8 are there\n"
    make_labels(at(WORLD, tmp_path / "straight"), samples, data, EYE)
    assert contents(stopped) == contents(tmp_path / "straight")


def test_no_source_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set it to world, clip or regions"):
        make_labels(at(LabelsRecipe(), tmp_path / "labels"), read_annotations(data), data, EYE)


def test_a_damaged_file_is_made_again_once_it_is_removed(data: Path, tmp_path: Path) -> None:
    samples = read_annotations(data)[:6]
    store = make_labels(at(WORLD, tmp_path / "labels"), samples, data, EYE)
    whole, file = store.get(images(samples)), tmp_path / "labels" / "00000000.safetensors"
    file.unlink()
    again = make_labels(at(WORLD, tmp_path / "labels"), samples, data, EYE).get(images(samples))
    assert torch.equal(again.words, whole.words)


def label(data: Path, out: Path) -> None:
    """Make labels in many files."""
    setattr(make, "SHARD", OF_A_FILE)  # noqa: B010  of another module
    make_labels(at(WORLD, out), read_annotations(data), data, EYE)


def files(out: Path) -> int:
    return len(list(out.glob("*.safetensors")))


def test_kills_at_random_moments_change_no_byte(data: Path, tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.test_label_make"])
    rng, died_at = random.Random(0), []
    for _ in range(KILLS):
        process = server.Process(target=label, args=(data, killed))
        process.start()
        kill_at_random(process, lambda: files(killed), rng, longest_wait=0.03)
        died_at.append(files(killed))
    assert len(set(died_at)) > KILLS // 2, f"the kills hit too few moments: {died_at}"
    assert died_at[-1] < PICTURES // OF_A_FILE, f"the making ended before the last kill: {died_at}"
    last = [server.Process(target=label, args=(data, out)) for out in (straight, killed, killed)]  # two at once
    for process in last:
        process.start()
    for process in last:
        process.join()
    assert [process.exitcode for process in last] == [0, 0, 0]
    assert contents(killed) == contents(straight)


def test_words_of_answers_are_those_that_name_something() -> None:
    texts = ["A red sofa, and the red 2-seater's cushion.", "Red SOFA on a rug"]
    assert words_of_texts(texts, 1) == ("red", "sofa", "cushion", "rug", "seater")
    assert words_of_texts(texts, 2) == ("red", "sofa")
    with pytest.raises(UserError, match=r"no word is in the data's answers 9 times; lower labels.least_count"):
        words_of_texts(texts, 9)


def test_words_come_from_a_file_if_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red\n\n piece of furniture \nred\n")
    settings = LabelsRecipe(source="clip", words=str(tmp_path / "words.txt"))
    assert label_words(settings, []) == ("red", "piece of furniture")
    (tmp_path / "words.txt").write_text("\n")
    with pytest.raises(UserError, match="has no words"):
        words_of_file(tmp_path / "words.txt")
    with pytest.raises(UserError, match="can't be read: No such file"):
        words_of_file(tmp_path / "none.txt")
