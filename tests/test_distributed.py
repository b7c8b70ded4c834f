"""Training in two processes: the same model as in one, and a stop that all of them agree on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.test_kill import recipe

__all__ = ["recipe"]  # a small random model, twelve pairs of plain pictures, and the recipe that trains on them


def launch(processes: int, recipe: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone", "--no-python"]
    command = [sys.executable, "-m", "samcli.cli", "train", str(recipe), "--out", str(out), "--resume", *more]
    if processes > 1:
        command = [sys.executable, *launcher, *command]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def finish(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    return errors


SHORT = ("--set", "optim.steps=6", "--set", "optim.accumulate=1", "--set", "data.augment=none", "--set", "log_every=1")


@pytest.fixture(scope="module")
def alone(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(launch(1, recipe, out, *SHORT))
    return out


def test_two_processes_train_the_same_model_as_one(recipe: Path, alone: Path, tmp_path: Path) -> None:
    finish(launch(2, recipe, tmp_path / "run", *SHORT))
    one, two = (load_file(out / "adapter" / "adapter.safetensors") for out in (alone, tmp_path / "run"))
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_signal_to_one_process_stops_both_with_everything_saved(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ("--set", "optim.steps=100000", "--set", "checkpoint.every_steps=100000")
    process = launch(2, recipe, out, *more)
    while not (out / "log.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[0]), signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert list((out / "checkpoints").glob("step-*/manifest.json"))
