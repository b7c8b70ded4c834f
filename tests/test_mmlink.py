"""`sam synth` from photographs, end to end, without weights."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.cli import main
from samcli.data.sample import read_annotations
from samcli.errors import UserError
from samcli.files import sha256
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos import work as photo_work
from samcli.synth.photos.describe.stage import Describe
from samcli.synth.photos.plan import plan
from samcli.synth.photos.record import Record
from samcli.synth.photos.sources import Collection, read_items
from samcli.synth.photos.stage import Failed, mark
from samcli.synth.run import synthesise
from samcli.synth.work import forget_steps
from tests.photo_shop import open_shop, shop_recipe
from tests.test_synth import children, finished, is_alive, wait_for

LONG, KILLS = 44, 10
ROOT = Path(__file__).parent.parent
MACHINE = ("environment.json", "log.jsonl")  # they tell of the machine
CHILD = """
import sys
from pathlib import Path
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.run import synthesise
if __name__ == "__main__":
    synthesise(MmlinkRecipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), engine=sys.argv[3])
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_shop(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="module")
def reference(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    synthesise(shop_recipe(shop), out)
    return out


@pytest.fixture(autouse=True)
def _nothing_loaded() -> None:
    forget_steps()


def contents(out: Path) -> dict[str, str]:
    files = (path for path in out.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(out)): sha256(path) for path in files if path.name not in MACHINE}


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]


def test_a_run_leaves_the_released_format_and_says_what_became_of_every_sample(reference: Path) -> None:
    lines, samples = manifest(reference), read_annotations(reference)
    assert [line["id"] for line in lines] == list(range(10))
    accepted = [line for line in lines if line["status"] == "accepted"]
    assert [sample.id for sample in samples] == [line["id"] for line in accepted]
    assert len(accepted) >= 6
    assert {line["record"]["object"] for line in accepted} == {"furniture", "icon", "cover"}
    for line in lines:
        assert (line["status"] == "rejected") == bool(line["reasons"])
        assert all(sha256(reference / path) == digest for path, digest in line["images"].items())
        assert line["record"]["instruction"]
        assert line["record"]["notes"]["writer"] == "template"
    for sample in samples:
        assert len(sample.images) == 2
        assert sample.references[0].endswith(".")


def test_shared_objects_are_told_from_the_table(reference: Path) -> None:
    for line in manifest(reference):
        record = Record(**line["record"])
        mains = [view.subjects[0].photo for view in record.views]
        if record.object != "cover":
            assert mains[0].identity == mains[1].identity
            assert mains[0].description.split()[-1] in record.answer
        else:
            assert mains[0].author in record.answer or mains[0].genre in record.answer


def test_other_thresholds_make_nothing_anew(shop: Path, tmp_path: Path) -> None:
    recipe, out = shop_recipe(shop, samples=6), tmp_path / "run"
    before = synthesise(recipe, out)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()}
    strict = recipe.model_copy(update={"accept": recipe.accept.model_copy(update={"least_side": 0.95})})
    after = synthesise(strict, out)
    assert after["made"] < before["made"]
    assert after["rejected"]["compose: object is small in the picture (accept.least_side)"] == after["rejected_samples"]
    assert {path: path.stat().st_mtime_ns for path in (out / "images").iterdir()} == stamps
    assert synthesise(recipe, out) == before


def test_a_set_can_grow_and_not_shrink(shop: Path, reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    synthesise(shop_recipe(shop, samples=6), out)
    assert synthesise(shop_recipe(shop), out)["complete"]
    assert contents(out) == contents(reference)
    with pytest.raises(UserError, match="a set can grow, not shrink"):
        synthesise(shop_recipe(shop, samples=6), out)


def test_another_recipe_is_refused_by_its_difference(shop: Path, tmp_path: Path) -> None:
    synthesise(shop_recipe(shop, samples=2), tmp_path / "run")
    with pytest.raises(UserError, match=r"compose.gap: 8 -> 12"):
        synthesise(shop_recipe(shop, samples=2, compose={"gap": 12}), tmp_path / "run")


def test_chunks_shared_out_give_the_same_bytes(shop: Path, reference: Path, tmp_path: Path) -> None:
    out, recipe = tmp_path / "run", shop_recipe(shop)
    assert synthesise(recipe, out, shard=(1, 2))["missing"] == 6
    assert synthesise(recipe, out, shard=(0, 2))["complete"]
    assert contents(out) == contents(reference)


def test_the_size_of_chunks_changes_no_picture(shop: Path, reference: Path, tmp_path: Path) -> None:
    synthesise(shop_recipe(shop, chunk=7), tmp_path / "run")
    images = [{p: d for p, d in contents(out).items() if "images" in p} for out in (reference, tmp_path / "run")]
    assert images[0] == images[1]


def test_a_run_goes_on_with_another_size_of_chunks_but_for_a_shard(shop: Path, reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    synthesise(shop_recipe(shop), out, shard=(1, 2))
    with pytest.raises(UserError, match="chunk: 2 -> 7"):
        synthesise(shop_recipe(shop, chunk=7), out, shard=(0, 2))
    assert synthesise(shop_recipe(shop, chunk=7), out)["complete"]
    assert contents(out) == {**contents(reference), "recipe.yaml": sha256(out / "recipe.yaml")}


def test_a_shard_that_gets_nothing_is_told(shop: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = shop_recipe(shop, samples=3)
    assert synthesise(recipe, tmp_path / "run", shard=(2, 3))["missing"] == 3
    told = "--shard 2/3 has nothing to make: 3 samples in chunks of 2 are enough for 2 shards; "
    assert told in capsys.readouterr().err
    assert synthesise(recipe, tmp_path / "run", shard=(1, 3))["missing"] == 2
    assert "nothing to make" not in capsys.readouterr().err


def test_sources_that_change_stop_a_resumed_run(tmp_path: Path) -> None:
    shop, out = open_shop(tmp_path / "photographs"), tmp_path / "run"
    synthesise(shop_recipe(shop), out, shard=(0, 2))
    (shop / "furniture" / "0" / "1.png").unlink()
    with pytest.raises(UserError, match=r"aren't what they were.*1 gone"):
        synthesise(shop_recipe(shop), out)


def test_backdrops_and_texts_that_change_stop_a_resumed_run(tmp_path: Path) -> None:
    shop, out = open_shop(tmp_path / "photographs"), tmp_path / "run"
    (lines := tmp_path / "lines.txt").write_text("# version 1\nWhich piece of furniture do both pictures show?\n")
    only = {"furniture": {"instructions": str(lines)}}
    synthesise(shop_recipe(shop, objects=only, samples=2), out)
    lines.write_text("# version 1\nWhat do both show?\n")
    with pytest.raises(UserError, match=r"aren't what they were.*1 changed"):
        synthesise(shop_recipe(shop, objects=only, samples=4), out)
    lines.write_text("# version 1\nWhich piece of furniture do both pictures show?\n")
    Image.new("RGB", (99, 99)).save(shop / "backdrops" / "another.png")
    with pytest.raises(UserError, match=r"aren't what they were.*1 new"):
        synthesise(shop_recipe(shop, objects=only, samples=4), out)
    assert "samples: 2\n" in (out / "recipe.yaml").read_text()


def test_a_refused_start_leaves_the_directory_free(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UserError, match="nowhere"):
        synthesise(shop_recipe(shop, samples=2, background={"backdrops": "nowhere"}), out)
    assert synthesise(shop_recipe(shop, samples=2), out)["complete"]


def test_sources_are_looked_for_once_a_run(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[MmlinkRecipe] = []

    def look(recipe: MmlinkRecipe) -> Collection:
        looked.append(recipe)
        return read_items(recipe)

    monkeypatch.setattr(photo_work, "read_items", look)
    for expected in (1, 2):
        forget_steps()
        synthesise(shop_recipe(shop, samples=2 * expected), tmp_path / "run")
        assert len(looked) == expected


def test_bad_photographs_are_counted_by_reason(tmp_path: Path) -> None:
    shop = open_shop(tmp_path / "photographs")
    furniture = shop / "furniture"
    (furniture / "0" / "0.png").write_bytes((furniture / "0" / "0.png").read_bytes()[:400])
    Image.new("RGB", (20, 20)).save(furniture / "1" / "0.png")
    Image.new("RGB", (200, 200), (120, 120, 120)).save(furniture / "2" / "0.png")
    Image.effect_noise((200, 200), 200).convert("RGB").save(furniture / "3" / "0.png")
    only = {"furniture": {"noun": "piece of furniture", "distractors": 1}}
    summary = synthesise(shop_recipe(shop, objects=only, samples=20), tmp_path / "run")
    reasons = Counter(reason for line in manifest(tmp_path / "run") for reason in line["reasons"])
    expected = {"photograph unreadable", "photograph too small", "nothing was segmented", "backdrop is not plain"}
    assert expected <= {reason.removeprefix("segment: ") for reason in reasons}
    assert summary["made"] + summary["rejected_samples"] == 20
    verdicts = [line["record"]["rejected"] for line in manifest(tmp_path / "run") if line["record"]["rejected"]]
    assert all(verdict["detail"] for verdict in verdicts)


def test_what_failed_is_retried_alone(
    shop: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, recipe = tmp_path / "run", shop_recipe(shop)

    def describe(self: Describe, records: Sequence[Record]) -> list[Record]:
        for record in records:
            if record.id in (2, 5):
                mark(record, self.name, Failed("the machine is tired", "try later"))
        return real(self, records)

    real = Describe.__call__
    with monkeypatch.context() as tired:
        tired.setattr(Describe, "__call__", describe)
        summary = synthesise(recipe, out)
    assert (summary["failed_ids"], summary["complete"]) == ([2, 5], True)
    assert manifest(out)[5]["reasons"] == ["describe: the machine is tired"]
    painted = (out / "images" / "00000005_1.png").stat().st_mtime_ns
    forget_steps()
    assert synthesise(recipe, out)["failed"] == 2
    assert synthesise(recipe, out, retry_failed=True)["failed"] == 0
    retried = manifest(out)[5]
    assert (retried["attempts"], retried["rejections"]) == (2, ["describe: the machine is tired"])
    assert (out / "images" / "00000005_1.png").stat().st_mtime_ns == painted  # what was dear isn't made twice
    pictures = {path: digest for path, digest in contents(out).items() if path.startswith("images")}
    assert pictures == {path: digest for path, digest in contents(reference).items() if path.startswith("images")}


def test_the_command_line_makes_looks_and_filters_again(shop: Path, tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "run")
    settings = ["--set", "size=128", "--set", "accept.least_side=0.1", "--set", "chunk=2", "--workers", "1"]
    with pytest.raises(SystemExit) as end:
        main_with(
            "synth", "mmlink-light", "--data-root", str(shop), "--out", out, "--samples", "4", *settings, "--report"
        )
    assert end.value.code == 0
    assert re.search(r"accepted +\d", capsys.readouterr().out)
    with pytest.raises(SystemExit) as end:
        main_with("synth", "--out", out, "--set", "accept.least_side=0.9")
    assert end.value.code == 0
    assert "rejected" in capsys.readouterr().out


def main_with(*arguments: str) -> None:
    sys.argv = ["sam", *arguments]
    main()


def test_a_dry_run_tells_what_it_would_take(shop: Path, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main_with("synth", "mmlink", "--data-root", str(shop), "--out", str(tmp_path / "run"), "--dry-run")
    told = capsys.readouterr().out
    assert re.search(r"stable-diffusion-inpainting: about 2\.1 GB, missing", told)
    assert "missing: " in told  # the shop has no characters
    assert re.search(r"GPU: about \d+\.\d hours", told)
    with pytest.raises(SystemExit) as end:
        main_with("synth", "mmlink-light", "--data-root", str(shop), "--out", str(tmp_path / "run"), "--dry-run")
    told = capsys.readouterr()
    assert end.value.code == 0
    assert "GPU: none needed" in told.out
    assert "furniture" in told.out
    assert not (tmp_path / "run").exists()


def test_one_is_told_as_one(shop: Path, tmp_path: Path, capsys: Any) -> None:
    recipe = shop_recipe(shop, samples=1, objects={"icon": {"form": "grid"}})
    assert re.search(r"disk: about [\d.]+ kB for 1 sample$", plan(recipe), re.M)
    synthesise(recipe, tmp_path / "run")
    synthesise(recipe, tmp_path / "run")
    told = capsys.readouterr().err
    assert ": 1 sample\n" in told
    assert "nothing is left to make of 1 sample\n" in told


def test_a_captioner_that_is_nowhere_is_told_as_the_recipe_has_it(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match=r"^describe.captioner: no model some/model: .*in its place in the recipe"):
        synthesise(shop_recipe(shop, samples=1, describe={"captioner": "some/model"}), tmp_path / "run")


def start(recipe: MmlinkRecipe, out: Path, script: Path, engine: str = "local") -> subprocess.Popen[bytes]:
    script.write_text(CHILD)
    arguments = [sys.executable, str(script), recipe.model_dump_json(), str(out), engine]
    return subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def long_reference(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("long") / "run"
    synthesise(shop_recipe(shop, samples=LONG), out)
    return out


@pytest.mark.slow
def test_runs_and_workers_killed_at_random_end_with_the_same_bytes(
    shop: Path, long_reference: Path, tmp_path: Path
) -> None:
    out, script, rng = tmp_path / "run", tmp_path / "child.py", random.Random(0)
    recipe = shop_recipe(shop, samples=LONG, workers=2)
    for number in range(KILLS):
        process, goal = start(recipe, out, script), finished(out) + 4 * number % 7 + 1
        wait_for(lambda goal=goal: finished(out) >= goal or (out / "manifest.jsonl").exists(), 60)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.2))
        offspring = children(process.pid)
        if number % 2 and offspring:
            os.kill(rng.choice(offspring), signal.SIGKILL)
            time.sleep(rng.uniform(0, 1))
        process.kill()
        process.wait()
        wait_for(lambda offspring=offspring: not any(map(is_alive, offspring)))  # type: ignore[misc]
        assert number < 3 or finished(out) > 0 or (out / "manifest.jsonl").exists()
    assert start(recipe, out, script).wait() == 0
    assert contents(out) == contents(long_reference)


@pytest.mark.slow
def test_ray_makes_the_bytes_of_one_process_though_workers_are_killed(
    shop: Path, long_reference: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    out, rng, kills = tmp_path / "run", random.Random(0), 0
    process = start(shop_recipe(shop, samples=LONG), out, tmp_path / "child.py", "ray")
    while process.poll() is None:
        workers = ray_workers()
        if kills < KILLS and workers and finished(out) > 2 * kills:
            os.kill(rng.choice(workers), signal.SIGKILL)
            kills += 1
        time.sleep(0.05)
    assert (process.returncode, kills) == (0, KILLS)
    assert contents(out) == contents(long_reference)


def ray_workers() -> list[int]:
    """The processes of Ray that hold actors of a data set."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if "ray::MapWorker" in line]
