"""What is started on Ray is ended, whoever ends it."""

import ctypes
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
from samcli.signals import handlers_kept, listening
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
        self.join()


def at_work() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name == on_ray.COLLECTING or name.startswith("StreamingExecutor")]


def first(rows: Iterator[dict[str, Any] | None]) -> dict[str, Any]:
    return next(row for row in rows if row is not None)


def test_all_rows_come_and_nothing_is_at_work_afterwards() -> None:
    rows = rows_as_done(Dataset(3, lingers=0.3), 3)
    assert first(rows) == {"row": 0}
    assert len(at_work()) == 2
    assert [row for row in rows if row is not None] == [{"row": 1}, {"row": 2}]
    assert at_work() == []


def test_closing_ends_what_is_under_way() -> None:
    dataset = Dataset(1)
    rows = rows_as_done(dataset, 3)
    assert first(rows) == {"row": 0}
    assert not dataset.over.is_set()
    rows.close()
    assert dataset.over.is_set()
    assert at_work() == []


def test_an_executor_that_cannot_be_shut_down_cleanly_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    def shutdown(self: Executor, force: bool) -> None:
        self.dataset.over.set()
        raise RuntimeError("the cluster is ending itself")

    monkeypatch.setattr(Executor, "shutdown", shutdown)
    rows = rows_as_done(Dataset(1), 3)
    first(rows)
    rows.close()
    assert on_ray.COLLECTING not in at_work()


def test_a_ray_that_does_not_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr(on_ray, "PATIENCE", 0.1)
    monkeypatch.setattr(Executor, "shutdown", lambda self, force: left.wait())
    dataset = Dataset(1)
    rows = rows_as_done(dataset, 3)
    first(rows)
    rows.close()
    assert not left.is_set()
    assert len(at_work()) == 2
    left.set()
    dataset.over.set()
    wait_for(lambda: at_work() == [])


def test_an_error_gives_whoever_takes_the_rows_a_last_look_at_signals() -> None:
    """The signal that ended Ray may have come here too."""
    rows = rows_as_done(Dataset(1, lingers=0.01), 3)
    first(rows)
    assert next(rows) is None
    with pytest.raises(UserError, match="Ray ended before all was done"):
        list(rows)


def test_handlers_come_back_though_python_does_not_see_what_replaced_them() -> None:
    """Ray's core sets its handler of SIGTERM by the system's call."""
    former = signal.getsignal(signal.SIGTERM)
    set_by_the_system = ctypes.CDLL(None).signal
    set_by_the_system.restype = ctypes.c_void_p
    with listening() as stop:
        with handlers_kept():
            set_by_the_system(signal.SIGTERM, ctypes.c_void_p(1))  # SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.signal_number is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM
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


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", r"RAY_ADDRESS=127.0.0.1:1; .*or unset RAY_ADDRESS.*refused"),
        ("a..b:1", r"RAY_ADDRESS=a\.\.b:1; "),
        ("auto", r"RAY_ADDRESS=auto; .*Could not find any running Ray"),
        ("", r"the address left by ray start; .*or end what is left: ray stop"),
    ],
)
@pytest.mark.usefixtures("ray")
def test_a_cluster_that_does_not_answer_is_told(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UserError, match=rf"^no Ray cluster answers at {told}"):
        ray_started()


def start(out: Path, *more: str) -> "subprocess.Popen[str]":
    words = ["synth", "tiny/world", "--samples", "200", "--out", str(out), "--set", "size=128", *more]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = ours | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", CHILD, *words], env=environment, stderr=subprocess.PIPE, text=True)


def descendants(process: int) -> list[int]:
    return [one for child in children(process) for one in (child, *descendants(child))]


@pytest.mark.slow
def test_a_signal_stops_a_run_on_ray_which_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "run"
    process = start(out, "--engine", "ray")
    try:
        wait_for(lambda: process.poll() is not None or any(out.rglob("*_1.png")), 60)
        offspring = descendants(process.pid)
        process.terminate()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, said
    assert said.splitlines()[-1].endswith("of 200 samples made; the same command goes on from there")
    wait_for(lambda: not any(map(is_alive, offspring)), 20)
    assert len(offspring) > 5
    for directory in (out, tmp_path / "straight"):
        process = start(directory)
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert contents(out) == contents(tmp_path / "straight")
