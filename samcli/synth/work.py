"""What the engines need to know of a set that is made: its samples, its steps, and how they are noted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from samcli.synth.ledger import Entry, Ledger

Step = Callable[[list[Any]], list[Any]]
DEALT = "chunk"  # the setting by which samples are dealt out to shards: those of one run have it in common


@dataclass(frozen=True)
class Job:
    """A sample to be made, why its earlier attempts came to nothing, and how far the last one came, if that is kept."""

    index: int
    rejections: tuple[str, ...] = ()
    begun: dict[str, Any] | None = None


Bundle = tuple[Job, ...]


@dataclass(frozen=True)
class Made:
    """Finished samples, and the seconds that each step took for them."""

    entries: tuple[Entry, ...]
    seconds: dict[str, float]


class Work(Protocol):
    """A set in the making; it is sent to other processes, so it holds its recipe and nothing that is loaded."""

    @property
    def samples(self) -> int:
        """Samples that are to be made."""
        ...

    @property
    def chunk(self) -> int:
        """Neighbouring samples that are always made together, so that a machine's share is made of whole chunks."""
        ...

    @property
    def title(self) -> str:
        """What is made, for people."""
        ...

    @property
    def workers(self) -> int:
        """Processes that make it on this machine, unless the recipe's own number is 0: then as many as fit."""
        ...

    @property
    def devices(self) -> list[str]:
        """The GPUs that its processes share, where it needs any."""
        ...

    @property
    def start_method(self) -> Literal["fork", "spawn"]:
        """How its processes start: those that load models must not inherit threads."""
        ...

    @property
    def changeable(self) -> tuple[str, ...]:
        """Settings that a run which goes on may have changed: none of what is made depends on them."""
        ...

    @property
    def pools(self) -> tuple[tuple[str, ...], ...]:
        """The steps in their order, those together that one actor of a cluster does."""
        ...

    def identity(self) -> BaseModel:
        """The recipe that a run is known by."""
        ...

    def bundles(self, jobs: Sequence[Job]) -> list["Bundle"]:
        """The jobs in bundles: what goes through the steps together, and what a killed process loses."""
        ...

    def check(self, out: Path | None) -> None:
        """Check what the set is made of, and compare it with what the run in `out`, if there is one, was begun with.

        Writes nothing; raises UserError for what is in the way.
        """
        ...

    def begin(self, out: Path) -> None:
        """Note what the set is made of, before the first sample."""
        ...

    def step(self, name: str, out: Path) -> Step:
        """A step with all that it needs loaded; the first takes jobs, the last gives entries."""
        ...

    def gpus(self, pool: tuple[str, ...]) -> float:
        """The share of a GPU that an actor with these steps takes, where there are GPUs."""
        ...

    def pack(self, items: Sequence[Any]) -> str:
        """What steps hand on, as text, for a step that runs elsewhere."""
        ...

    def unpack(self, text: str) -> list[Any]:
        """What `pack` packed."""
        ...

    def is_finished(self, out: Path) -> bool:
        """Whether the set's own files are there, and made with these settings."""
        ...

    def finish(self, out: Path, entries: Ledger) -> None:
        """Write the set's own files once all samples are made."""
        ...


def make(work: Work, out: Path, jobs: Sequence[Job]) -> Made:
    """Make samples, all steps in this process; the steps are built once and kept."""
    items: list[Any] = list(jobs)
    seconds = {}
    for name in (name for pool in work.pools for name in pool):
        step, began = built_step(work, name, out), time.perf_counter()
        items = step(items)
        seconds[name] = time.perf_counter() - began
    return Made(tuple(items), seconds)


_built: dict[tuple[str, Path], dict[str, Step]] = {}  # the steps of the one work that this process is at


def built_step(work: Work, name: str, out: Path) -> Step:
    """A step of the work, built when it is first asked for."""
    key = (work.identity().model_dump_json(), out)
    if key not in _built:
        _built.clear()
        _built[key] = {}
    steps = _built[key]
    if name not in steps:
        steps[name] = work.step(name, out)
    return steps[name]


def forget_steps() -> None:
    """Let go of built steps and the models that they hold."""
    _built.clear()
