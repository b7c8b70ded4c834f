import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.data.sample import read_annotations
from samcli.errors import UserError
from samcli.files import sha256
from samcli.recipe import SynthRecipe
from samcli.recipe_file import find_recipe, load_recipe
from samcli.synth import run
from samcli.synth.pipeline import Draft, Frame, Pipeline
from samcli.synth.run import synthesise
from samcli.synth.work import forget_steps
from samcli.synth.world import work as world_work

COUNT = 27
ROOT = Path(__file__).parent.parent
RECIPE = SynthRecipe(dataset="world-mmlink", split="test", samples=COUNT, seed=3, size=128, workers=1)
CHILD = """
import sys
from pathlib import Path
from samcli.errors import Interrupted
from samcli.recipe import SynthRecipe
from samcli.synth.run import synthesise
try:
    synthesise(SynthRecipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
except Interrupted as stop:
    print(stop, file=sys.stderr)
    sys.exit(stop.exit_code)
"""


def contents(out: Path) -> dict[str, str]:
    """The bytes that a run leaves, by name, as digests; without what tells of the machine, and locks."""
    files = (path for path in out.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    machine = ("environment.json", "log.jsonl")
    return {str(path.relative_to(out)): sha256(path) for path in files if path.name not in machine}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    synthesise(RECIPE, out)
    return out


def start(out: Path, processes: int = 2) -> subprocess.Popen[str]:
    recipe = RECIPE.model_copy(update={"workers": processes}).model_dump_json()
    arguments = [sys.executable, "-c", CHILD, recipe, str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True)


def finished(out: Path) -> int:
    """How many samples a running process has noted."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("part-*.jsonl"))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def children(process: int) -> list[int]:
    """Those of all its threads."""
    return [int(number) for listing in Path(f"/proc/{process}/task").glob("*/children") for number in _words(listing)]


def _words(listing: Path) -> list[str]:
    try:
        return listing.read_text().split()
    except OSError:  # the thread ended
        return []


def is_alive(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_run_leaves_annotations_manifest_images_and_recipe(reference: Path) -> None:
    samples = read_annotations(reference)
    lines = [json.loads(line) for line in (reference / "manifest.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(COUNT)) == [sample.id for sample in samples]
    for line in lines:
        assert all(sha256(reference / path) == digest for path, digest in line["images"].items())
        assert line["stages"] == ["segment", "compose", "inpaint", "describe", "check"]
        assert line["scores"]["shared_things"] == 1
        assert [len(picture) for picture in line["sources"]] == [2, 2]
        assert line["attempts"] == len(line["rejections"]) + 1
    assert len({line["seed"] for line in lines}) == COUNT
    assert sorted(path.name for path in (reference / "images").iterdir())[:2] == ["00000000_1.png", "00000000_2.png"]
    assert load_recipe(SynthRecipe, reference / "recipe.yaml").samples == COUNT
    assert json.loads((reference / "environment.json").read_text())["seed"] == 3


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(reference: Path, tmp_path: Path) -> None:
    out, rng = tmp_path / "run", random.Random(0)
    kills = 0
    for share in (3, 8, 13):
        process = start(out)
        wait_for(lambda share=share: finished(out) >= share)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.05))
        offspring = children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL and not (out / "annotations.json").exists()
        wait_for(lambda offspring=offspring: not any(map(is_alive, offspring)))  # type: ignore[misc]
    assert kills >= 2
    assert start(out).wait() == 0
    assert contents(out) == contents(reference)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_between_samples_and_says_how_to_go_on(
    reference: Path, tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "run"
    process = start(out)
    wait_for(lambda: finished(out) >= 3)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert re.search(rf"stopped with \d+ of {COUNT} samples made; the same command goes on from there", told)
    assert "Traceback" not in told
    synthesise(RECIPE, out)
    assert contents(out) == contents(reference)


def test_a_torn_line_and_half_written_images_are_cleared_away(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    synthesise(RECIPE, out, shard=(0, 2))
    plain = out / "part-0-of-1.jsonl"
    plain.write_text('{"manifest": {"id": 1, "sta')
    (out / "images" / ".00000001_1.png.77.tmp").write_bytes(b"\x89PNG")
    synthesise(RECIPE, out)
    assert contents(out) == contents(reference)


def test_shards_make_the_bytes_of_one_run(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for index in (2, 0):
        summary = synthesise(RECIPE, out, shard=(index, 3))
        assert not summary["complete"]
    assert summary["missing"] == 9
    assert not (out / "annotations.json").exists()
    assert synthesise(RECIPE, out, shard=(1, 3))["complete"]
    assert contents(out) == contents(reference)


def test_a_plain_call_makes_what_shards_left_out(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    synthesise(RECIPE, out, shard=(0, 3))
    assert synthesise(RECIPE, out)["complete"]
    assert contents(out) == contents(reference)


def test_a_finished_run_is_left_alone_and_lost_images_are_made_again(reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    synthesise(RECIPE, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if not path.name.endswith(".lock")}
    assert synthesise(RECIPE, out)["complete"]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    (out / "images" / "00000007_2.png").unlink()
    synthesise(RECIPE, out)
    assert contents(out) == contents(reference)


def test_the_number_of_workers_is_no_other_recipe(reference: Path) -> None:
    assert synthesise(RECIPE.model_copy(update={"workers": 2}), reference)["complete"]


def test_another_recipe_is_refused_by_its_difference(tmp_path: Path) -> None:
    few = RECIPE.model_copy(update={"samples": 2})
    synthesise(few, tmp_path / "run")
    other = few.model_copy(update={"seed": 4})
    with pytest.raises(UserError, match=r"another recipe.*seed: 3 -> 4"):
        synthesise(other, tmp_path / "run")
    assert synthesise(other, tmp_path / "run", overwrite=True)["complete"]
    with pytest.raises(UserError, match="seed: 4 -> 3"):
        synthesise(few, tmp_path / "run")


def test_other_peoples_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UserError, match="not empty"):
        synthesise(RECIPE, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0)])
def test_impossible_shards_are_refused(tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="expected I/N"):
        synthesise(RECIPE, tmp_path / "run", shard=shard)
    with pytest.raises(UserError, match="other shards"):
        synthesise(RECIPE, tmp_path / "run", shard=(0, 2), overwrite=True)


def test_two_processes_never_write_the_same_part(tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(out, processes=1)
    wait_for(lambda: finished(out) >= 1)
    with pytest.raises(UserError, match="another process is at work there"):
        synthesise(RECIPE, out)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("allowed", [0, 1, 7, 30, 2 + 2 * COUNT + 1])
def test_a_full_disk_is_one_message_and_loses_nothing(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    out, replaced = tmp_path / "run", iter(range(1_000))

    def replace(source: Path, target: Path) -> None:
        if next(replaced) >= allowed:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.rename(source, target)

    with monkeypatch.context() as full:
        full.setattr(os, "replace", replace)
        with pytest.raises(UserError, match=r"can't write .*: No space left on device"):
            synthesise(RECIPE, out)
    assert not list(out.rglob("*.tmp"))
    synthesise(RECIPE, out)
    assert contents(out) == contents(reference)


def test_a_disk_that_fills_up_in_the_manifest_loses_nothing(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, synced = tmp_path / "run", os.fsync, iter(range(10_000))

    def fsync(descriptor: int) -> None:
        if next(synced) > 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fsync)
        with pytest.raises(UserError, match="No space left on device"):
            synthesise(RECIPE, out)
    synthesise(RECIPE, out)
    assert contents(out) == contents(reference)


HOSTILE = '<script>alert("x")</script> & <img src="http://example.org/a.png">'


def picky_pipeline(passes: int) -> Callable[..., Pipeline]:
    """Pipelines of grey pictures that reject samples 1 and 4 until an attempt's number reaches `passes`."""

    def group(index: int, attempt: int) -> Draft:
        picture = Image.new("RGB", (128, 128), (index * 9, attempt * 30, 90))
        draft = Draft(index, f"seed/{index}/{attempt}", "grey", None, [Frame([], None, picture=picture)], [[HOSTILE]])
        draft.instruction, draft.answer = f"What is it? {HOSTILE}", "It is grey."
        draft.scores = {"attempt": attempt}
        return draft

    def judge(draft: Draft) -> Draft:
        draft.rejected = "too grey <b>" if draft.index in (1, 4) and draft.scores["attempt"] < passes else None
        return draft

    return lambda *_: Pipeline(group, (("judge", judge),))


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    def use(passes: int) -> None:
        forget_steps()
        monkeypatch.setattr(world_work, "set_pipeline", picky_pipeline(passes))

    yield use
    forget_steps()


GREY = RECIPE.model_copy(update={"samples": 6, "attempts": 2})


def test_failed_samples_are_counted_listed_and_retried_alone(
    tmp_path: Path, picky: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    picky(3)
    summary = synthesise(GREY, out)
    assert (summary["made"], summary["failed"], summary["failed_ids"]) == (4, 2, [1, 4])
    assert summary["rejected"] == {"judge: too grey <b>": 4}
    assert "2 samples failed: 1, 4" in capsys.readouterr().err
    assert [sample.id for sample in read_annotations(out)] == [0, 2, 3, 5]
    assert synthesise(GREY, out)["failed"] == 2
    others = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    summary = synthesise(GREY, out, retry_failed=True)
    assert (summary["made"], summary["failed"], summary["complete"]) == (6, 0, True)
    assert {path: path.stat().st_mtime_ns for path in others} == others
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["attempts"] for line in lines] == [1, 4, 1, 1, 4, 1]
    assert [sample.id for sample in read_annotations(out)] == list(range(6))


def test_samples_that_fail_again_stay_failed(tmp_path: Path, picky: Callable[[int], None]) -> None:
    picky(99)
    synthesise(GREY, tmp_path / "run")
    summary = synthesise(GREY, tmp_path / "run", retry_failed=True)
    assert summary["failed_ids"] == [1, 4]
    assert summary["rejected"] == {"judge: too grey <b>": 8}


def test_there_must_be_a_run_to_retry(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--retry-failed is for a run that is there"):
        synthesise(RECIPE, tmp_path / "run", retry_failed=True)


def test_a_worker_that_dies_is_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(*_: Any) -> Pipeline:
        return Pipeline(lambda index, attempt: os._exit(9), ())

    monkeypatch.setattr(world_work, "set_pipeline", dying)
    forget_steps()
    with pytest.raises(UserError, match="worker processes were killed 3 times"):
        synthesise(RECIPE.model_copy(update={"workers": 2}), tmp_path / "run")


def test_the_shipped_recipe_is_the_training_set() -> None:
    recipe = load_recipe(SynthRecipe, find_recipe("tiny/world"))
    assert (recipe.dataset, recipe.split, recipe.samples, recipe.seed) == ("world-mmlink", "train", 20_000, 0)
    assert run.WHOLE == (0, 1)
