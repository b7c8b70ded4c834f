"""A training run killed at random moments ends with the same bytes as one that was not."""

import json
import multiprocessing
import random
import signal
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from samcli.cli import main
from samcli.training.checkpoint import finished
from tests.killing import kill_at_random
from tests.small_models import save_small, small_sizes

pytestmark = pytest.mark.slow

COLOURS = ("red", "blue", "green")
KILLS = 20
STEPS = 80
RECIPE = f"""
kind: sam
model: {{base: BASE, device: cpu}}
data: {{train: PAIRS, augment: released}}
optim: {{batch_size: 4, accumulate: 2, steps: {STEPS}, warmup_steps: 5, learning_rate: 0.01}}
checkpoint: {{every_steps: 1, every_minutes: null}}
log_every: 3
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe for a small random model and a dozen pairs of plain pictures."""
    root = tmp_path_factory.mktemp("kill")
    save_small(root / "base", small_sizes(qformer_layers=12))
    (root / "pairs").mkdir()
    records = []
    for index in range(12):
        for side in "ab":
            Image.new("RGB", (40, 40), (index * 20, 99, ord(side))).save(root / "pairs" / f"{index}{side}.png")
        images = [f"{index}a.png", f"{index}b.png"]
        records.append({"id": index, "img_list": images, "instruction": "what is shared", "output": COLOURS[index % 3]})
    (root / "pairs" / "annotations.json").write_text(json.dumps(records))
    path = root / "recipe.yaml"
    path.write_text(RECIPE.replace("BASE", str(root / "base")).replace("PAIRS", str(root / "pairs")))
    return path


def train(recipe: Path, out: Path, *more: str) -> None:
    """The command line, as a process that has already imported what it needs."""
    sys.argv = ["sam", "train", str(recipe), "--out", str(out), "--resume", "--quiet", *more]
    main()


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Makes fresh processes in a moment: a helper process imports torch once and is forked for each of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["samcli.training.run", "tests.test_kill"])
    return context


def steps_done(out: Path) -> int:
    kept = finished(out / "checkpoints")
    return int(kept[-1].name.removeprefix("step-")) if kept else 0


def test_twenty_kills_change_no_byte(recipe: Path, tmp_path: Path, server: ForkServerContext) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(server, recipe, straight)
    rng, died_at = random.Random(1), []
    for _ in range(KILLS):
        process = server.Process(target=train, args=(recipe, killed))
        process.start()
        kill_at_random(process, lambda: steps_done(killed), rng, longest_wait=0.2)
        died_at.append(steps_done(killed))
    assert len(set(died_at)) > KILLS // 3, f"the kills hit too few moments: {died_at}"
    assert died_at[-1] < STEPS, f"the run ended before the last kill: {died_at}"
    finish(server, recipe, killed)
    for name in ("adapter/adapter.safetensors", "adapter/adapter.json", "adapter/README.md", "results.json"):
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
    for name in ("parameters.safetensors", "optimizer.safetensors"):
        last = [load_file(finished(out / "checkpoints")[-1] / name) for out in (straight, killed)]
        assert last[0].keys() == last[1].keys()
        assert all((last[0][key] == last[1][key]).all() for key in last[0])


def test_a_terminated_training_saves_where_it_is_and_goes_on_from_there(
    recipe: Path, tmp_path: Path, server: ForkServerContext
) -> None:
    out, seldom = tmp_path / "run", ("--set", "checkpoint.every_steps=null")
    process = server.Process(target=train, args=(recipe, out, *seldom))
    process.start()
    while process.is_alive() and not (out / "log.jsonl").exists():
        time.sleep(0.002)
    process.terminate()
    process.join()
    assert process.exitcode == 128 + signal.SIGTERM
    assert 0 < steps_done(out) < STEPS
    log = (out / "log.jsonl").read_bytes()
    finish(server, recipe, out, *seldom)
    assert steps_done(out) == STEPS
    assert (out / "log.jsonl").read_bytes().startswith(log)
    assert (out / "adapter" / "adapter.safetensors").exists()


def finish(server: ForkServerContext, recipe: Path, out: Path, *more: str) -> None:
    process = server.Process(target=train, args=(recipe, out, *more))
    process.start()
    process.join()
    assert process.exitcode == 0
