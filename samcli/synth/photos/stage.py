"""What a stage is: it loads its model once, when it is built, and maps a batch of records to a batch of records."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from samcli.recipe_mmlink import MmlinkRecipe, ObjectRecipe
from samcli.synth.photos.kinds import kind_called
from samcli.synth.photos.record import Record, Verdict


class Rejected(Exception):
    """A sample can't be made, and never will be: the reason, in words that are counted, and a detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Failed(Rejected):
    """A sample could not be made for now; another try may mend it."""


class Stage(Protocol):
    """A step of the making; records that are rejected or failed pass through it untouched."""

    name: str

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """The records, further on."""
        ...


def for_each(stage: str, records: Iterable[Record], do: Callable[[Record], None]) -> None:
    """Do something with each record that is still open; one that raises Rejected or Failed is marked so."""
    for record in records:
        if record.is_open:
            try:
                do(record)
            except Rejected as error:
                mark(record, stage, error)


def mark(record: Record, stage: str, error: Rejected) -> None:
    """Note on the record why it goes no further."""
    verdict = Verdict(stage=stage, reason=error.reason, detail=error.detail)
    if isinstance(error, Failed):
        record.failed = verdict
    else:
        record.rejected = verdict


class Setting:
    """What all stages share: the recipe, the run's directory, and what the recipe says of each kind of object."""

    def __init__(self, recipe: MmlinkRecipe, out: Path) -> None:
        self.recipe, self.out, self.root = recipe, out, Path(recipe.root)

    def kind(self, record: Record) -> ObjectRecipe:
        """The recipe of the record's kind of object."""
        return kind_called(self.recipe, record.object)

    def noun(self, record: Record) -> str:
        """What the record's object is called: `person`, `piece of furniture`."""
        return self.kind(record).noun or record.object.replace("_", " ").replace("-", " ")
