"""What people are shown of a made set, whatever it was made from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from PIL import Image

from samcli.errors import UserError
from samcli.synth.ledger import Entry


@dataclass(frozen=True)
class Score:
    """A number that a stage measured, and what the recipe asks of it, if anything."""

    name: str
    value: float
    limit: str = ""  # `at least 0.5`
    is_out: bool = False


@dataclass(frozen=True)
class Panel:
    """A picture of one stage; `paint` draws it within a square of that many pixels.

    Equal keys mean equal pictures. `paint` raises UserError or Rejected when what it needs is missing on disk.
    """

    stage: Literal["source", "canvas", "picture"]
    caption: str
    key: str
    paint: Callable[[int], Image.Image]
    scores: tuple[Score, ...] = ()
    file: str = ""  # relative to the run's directory: the picture itself, where it is a file of the run


@dataclass(frozen=True)
class Row:
    """How one of a sample's pictures came about, stage after stage."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Seen:
    """A finished sample; reasons say `stage: reason`."""

    id: int
    status: str
    kind: str
    asked: str
    answer: str
    rows: tuple[Row, ...]
    scores: tuple[Score, ...]
    reasons: tuple[str, ...] = ()  # why it isn't part of the set
    earlier: tuple[str, ...] = ()  # why earlier tries came to nothing
    detail: str = ""  # of the reasons
    texts: tuple[tuple[str, str], ...] = ()  # what else was written on the way: (what it is, text)


@dataclass(frozen=True)
class Loss:
    """Where a sample, or a try at it, went no further."""

    stage: str
    reason: str
    failed: bool = False  # another try may mend it


class MadeSet(Protocol):
    """A run's directory, by its recipe; entries are handed in, since there may be more than memory holds."""

    title: str
    wanted: int  # samples

    def see(self, entry: Entry) -> Seen:
        """What is shown of a sample; raises UserError when its record can't be understood."""
        ...

    def stages(self, entry: Entry) -> Sequence[str]:
        """The stages that such a sample goes through, in their order, as far as its entry tells."""
        ...

    def losses(self, entry: Entry) -> list[Loss | None]:
        """For each try at the sample, where it was lost; None: nowhere."""
        ...

    def count(self, entries: Iterable[Entry]) -> dict[str, dict[str, Any]]:
        """What the set holds: numbers by name, under headings."""
        ...

    def describe(self, entry: Entry) -> list[str]:
        """A sample's record as lines of text."""
        ...


def loss_of(reason: str, *, failed: bool = False) -> Loss:
    """`stage: reason` as a loss."""
    stage, _, why = reason.partition(": ")
    return Loss(stage, why or stage, failed)


def inside(directory: Path, name: str) -> Path:
    """A path that a data file names below a directory; raises UserError when it leads elsewhere."""
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise UserError(f"{name} leads out of {directory}")
    return path
