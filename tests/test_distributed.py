"""Training in two processes: the same model as in one, and a stop that all of them agree on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.test_kill import recipe

pytestmark = pytest.mark.slow

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


def wait_for_log(process: subprocess.Popen[str], out: Path) -> None:
    while not (out / "log.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


SHORT = ("--set", "optim.steps=6", "--set", "optim.accumulate=1", "--set", "data.augment=none", "--set", "log_every=1")


@pytest.fixture(scope="module")
def alone(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "run"
    finish(launch(1, recipe, out, *SHORT))
    return out


CHOICES = {
    "two processes": (2, ()),
    "four passes instead of one": (1, ("--set", "optim.accumulate=4")),
    "two processes of two passes": (2, ("--set", "optim.accumulate=2")),
    "a language model that is shared out": (2, ("--set", "model.shard=true")),
    "shared out and computed twice": (2, ("--set", "model.shard=true", "--set", "model.recompute_activations=true")),
}


@pytest.mark.parametrize("name", CHOICES)
def test_how_a_step_is_shared_out_changes_nothing_but_rounding(
    recipe: Path, alone: Path, tmp_path: Path, name: str
) -> None:
    processes, more = CHOICES[name]
    finish(launch(processes, recipe, tmp_path / "run", *SHORT, *more))
    one, two = (load_file(out / "adapter" / "adapter.safetensors") for out in (alone, tmp_path / "run"))
    assert one.keys() == two.keys()
    assert max(float((one[key] - two[key]).abs().max()) for key in one) < 1e-6
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_shared_model_is_looked_at_by_all_however_few_samples_there_are(recipe: Path, tmp_path: Path) -> None:
    look = ("--set", "validation.samples=1", "--set", "validation.every_steps=3", "--set", "validation.shown=1")
    held = ("--set", f"validation.data={recipe.parent / 'pairs'}")
    finish(launch(2, recipe, tmp_path / "run", *SHORT, *look, *held, "--set", "model.shard=true"))
    found = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in found if "validation_loss" in line] == [3, 6]


def test_a_process_that_dies_takes_the_run_down_with_its_error_in_under_a_minute(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ("--set", "optim.steps=100000", "--set", "checkpoint.every_steps=100000")
    process = launch(2, recipe, out, *more)
    wait_for_log(process, out)
    os.kill(children_of(process)[1], signal.SIGKILL)
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 60
    assert process.returncode != 0
    assert "rank      : 1" in errors
    assert "SIGKILL" in errors


def fail_in_two(script: Path, change: str, *arguments: str) -> str:
    """The errors of a training in two processes that run `change`, lines of Python, before the command line."""
    script.write_text(f"import os\nfrom samcli.cli import main\n{change}main()\n")
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command = [sys.executable, *launcher, str(script), "train", *arguments, *SHORT]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert made.returncode != 0
    return made.stderr


def test_an_error_of_one_process_names_it(recipe: Path, tmp_path: Path) -> None:
    change = (
        "import samcli.training.sam_job as job\n"
        "from samcli.errors import UserError\n"
        "make = job.Batches.of\n"
        "def of(self, samples, chances=None):\n"
        "    if os.environ['RANK'] == '1':\n"
        "        raise UserError('the disk of this machine is gone')\n"
        "    return make(self, samples, chances)\n"
        "job.Batches.of = of\n"
    )
    errors = fail_in_two(tmp_path / "broken.py", change, str(recipe), "--out", str(tmp_path / "run"))
    assert "rank 1: error: the disk of this machine is gone" in errors


def test_processes_that_see_different_checkpoints_are_told_so(recipe: Path, tmp_path: Path) -> None:
    change = (
        "import samcli.training.loop as loop\n"
        "if os.environ['RANK'] == '1':\n"
        "    loop.latest_checkpoint = lambda directory: None\n"
    )
    out = tmp_path / "run"
    finish(launch(1, recipe, out, *SHORT))
    (out / "results.json").unlink()
    errors = fail_in_two(tmp_path / "broken.py", change, str(recipe), "--out", str(out), "--resume")
    assert "the processes see checkpoints of steps [6, 0]" in errors


def test_a_signal_to_one_process_stops_both_with_everything_saved(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    more = ("--set", "optim.steps=100000", "--set", "checkpoint.every_steps=100000")
    process = launch(2, recipe, out, *more)
    wait_for_log(process, out)
    os.kill(children_of(process)[0], signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert list((out / "checkpoints").glob("step-*/manifest.json"))
