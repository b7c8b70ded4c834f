"""What is started on Ray is ended, whoever ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from samcli import on_ray
from samcli.errors import UserError
from samcli.on_ray import ray_started, rows_as_done
from samcli.signals import handlers_kept
from tests.test_synth import children, contents, is_alive, wait_for

ROOT = Path(__file__).parent.parent
CHILD = "import sys; from samcli.cli import main; sys.argv[0] = 'sam'; main()"


@dataclass
class Dataset:
    """Stands in for one of Ray Data's: an executor of its name, `made` rows, and no end till that is shut down."""

    made: int
    over: threading.Event = field(default_factory=threading.Event)
    lingers: float = 0.0

    def get_dataset_id(self) -> str:
        return f"dataset_{id(self)}_1"

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        executor = Executor(self)
        executor.start()
        yield from ({"row": number} for number in range(self.made))
        if self.lingers:
            time.sleep(self.lingers)
        else:
            executor.join()


class Executor(threading.Thread):
    def __init__(self, dataset: Dataset) -> None:
        super().__init__(daemon=True, name=f"StreamingExecutor-{dataset.get_dataset_id()}")
        self.dataset = dataset

    def run(self) -> None:
        self.dataset.over.wait()

    def shutdown(self, force: bool) -> None:
        assert force
        self.dataset.over.set()


def test_all_rows_come_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    rows = [row for row in rows_as_done(Dataset(3, lingers=0.3), 3) if row is not None]
    assert rows == [{"row": 0}, {"row": 1}, {"row": 2}]
    wait_for(lambda: set(threading.enumerate()) <= before, 1)


def test_closing_ends_what_is_under_way() -> None:
    before, dataset = set(threading.enumerate()), Dataset(1)
    rows = rows_as_done(dataset, 3)
    assert next(row for row in rows if row is not None) == {"row": 0}
    assert not dataset.over.is_set()
    rows.close()
    assert dataset.over.is_set()
    wait_for(lambda: set(threading.enumerate()) <= before, 1)


def test_a_ray_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "PATIENCE", 0.1)
    monkeypatch.setattr(Executor, "shutdown", lambda self, force: time.sleep(3))
    dataset = Dataset(1)
    rows = rows_as_done(dataset, 3)
    next(rows)
    began = time.monotonic()
    rows.close()
    assert time.monotonic() - began < 2
    dataset.over.set()


def test_handlers_come_back_whatever_a_library_sets() -> None:
    former = signal.getsignal(signal.SIGTERM)
    with handlers_kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) is former


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray, not started yet, and unable to start."""
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", _nothing_found)
    return ray


def _nothing_found(**_: Any) -> None:
    raise ConnectionError("Could not find any running Ray instance")


@pytest.mark.parametrize(("address", "told"), [("127.0.0.1:1", "nobody answers at"), ("auto", "no Ray cluster at")])
@pytest.mark.usefixtures("ray")
def test_a_cluster_that_is_not_there_is_told(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=rf"^{told} RAY_ADDRESS={address}.*ray start --head"):
        ray_started()


def start(out: Path, *more: str) -> "subprocess.Popen[str]":
    words = ["synth", "tiny/world", "--samples", "200", "--out", str(out), "--set", "size=128", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", CHILD, *words], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_signal_stops_a_run_on_ray_which_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "run"
    process = start(out, "--engine", "ray")
    wait_for(lambda: any(out.rglob("*_1.png")), 60)
    offspring = children(process.pid)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said.splitlines()[-1].endswith("of 200 samples made; the same command goes on from there")
    wait_for(lambda: not any(map(is_alive, offspring)), 20)
    assert len(offspring) > 3
    for directory in (out, tmp_path / "straight"):
        assert start(directory).wait() == 0
    assert contents(out) == contents(tmp_path / "straight")
