"""`sam eval` and `sam ablate`, killed at random moments, end with the same bytes as where nobody killed them."""

import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from samcli.cli import main
from tests.test_kill import recipe as kill_recipe

pytestmark = pytest.mark.slow

training = kill_recipe  # a small random model, twelve pairs of plain pictures, and the recipe that trains on them

KILLS = 4  # of an ablation
KILLS_OF_AN_EVALUATION = 10
TABLE = """
kind: ablate
base: BASE
seeds: 2
tasks: [storytelling]
datasets: [PAIRS]
batch_size: 4
rows:
- {row: 1, name: base, train: false, overrides: {guidance.enabled: false}}
- {row: 7, name: SAM, overrides: {optim.steps: 6, checkpoint.every_steps: 2}}
"""


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Makes fresh processes in a moment: a helper process imports torch once and is forked for each of them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["samcli.evaluation.ablate", "samcli.training.run", "tests.test_kill_evaluation"])
    return context


def sam(data: Path, arguments: tuple[str, ...]) -> None:
    """The command line, as a process that has already imported what it needs."""
    os.environ["SAM_DATA"] = str(data)
    sys.argv = ["sam", *arguments, "--quiet"]
    main()


def files(out: Path) -> dict[str, bytes]:
    """What must be equal: all but times, what holds or hashes them, notes of the machine, and unfinished files."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        differing = path.name in ("environment.json", "log.jsonl", "state.json", "manifest.json")
        if path.is_file() and not differing and path.suffix != ".tmp":
            found[name] = without_seconds(path) if "predictions" in name else path.read_bytes()
    return found


def without_seconds(path: Path) -> bytes:
    lines = [json.loads(line) | {"seconds": 0} for line in path.read_text(encoding="utf-8").splitlines()]
    return json.dumps(lines).encode()


@dataclass(frozen=True)
class Command:
    """A command that works in a directory, and how far it came there."""

    server: ForkServerContext
    data: Path
    arguments: tuple[str, ...]
    progress: Callable[[Path], int]

    def start(self, out: Path) -> ForkServerProcess:
        process = self.server.Process(target=sam, args=(self.data, (*self.arguments, "--out", str(out))))
        process.start()
        return process

    def finish(self, out: Path) -> None:
        process = self.start(out)
        process.join()
        assert process.exitcode == 0

    def kill(self, out: Path, rng: random.Random) -> int:
        """Let it make up to two more things, wait a moment more, and kill it, wherever it is; how far it came."""
        process, goal = self.start(out), self.progress(out) + rng.randint(0, 2)
        while process.is_alive() and self.progress(out) < goal:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.join()
        return self.progress(out)


def check_kills(command: Command, tmp_path: Path, kills: int = KILLS) -> None:
    straight, killed, rng = tmp_path / "straight", tmp_path / "killed", random.Random(1)
    command.finish(straight)
    reached = [command.kill(killed, rng) for _ in range(kills)]
    assert len(set(reached)) > kills // 3, f"the kills hit too few moments: {reached}"
    assert reached[-1] < command.progress(straight), f"it ended before the last kill: {reached}"
    command.finish(killed)
    assert files(killed) == files(straight)


def test_a_killed_evaluation_goes_on_to_the_same_bytes(
    training: Path, tmp_path: Path, server: ForkServerContext
) -> None:
    def answered(out: Path) -> int:
        path = out / "predictions" / "pairs.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    settings = ("--beams", "5", "--max-length", "60", "--batch-size", "1", "--device", "cpu", "--seed", "3")
    alone = ("--set", "reuse_answers=false")
    arguments = (
        "eval",
        *alone,
        "--task",
        "storytelling",
        "--datasets",
        "pairs",
        "--model",
        str(training.parent / "base"),
    )
    command = Command(server, training.parent, (*arguments, *settings), answered)
    check_kills(command, tmp_path, KILLS_OF_AN_EVALUATION)


def test_a_killed_ablation_goes_on_to_the_same_bytes(training: Path, tmp_path: Path, server: ForkServerContext) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(TABLE.replace("BASE", str(training)).replace("PAIRS", "pairs"), encoding="utf-8")

    def made(out: Path) -> int:
        return sum(1 for path in out.rglob("*") if path.name.startswith("step-") or path.suffix == ".json")

    settings = ("--beams", "1", "--max-length", "20", "--device", "cpu")
    check_kills(Command(server, training.parent, ("ablate", str(path), *settings), made), tmp_path)
