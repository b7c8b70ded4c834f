"""The set out of what was made: every sample judged by the recipe's thresholds, repeated ones left out, both written.

It reads what the stages stored and makes nothing anew, so that other thresholds cost a moment.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samcli.files import read_json, write_json
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.ledger import Entry, Ledger, is_complete
from samcli.synth.photos.accept import DUPLICATE, reasons_against
from samcli.synth.photos.duplicates import near_duplicates
from samcli.synth.photos.kinds import kind_called
from samcli.synth.photos.record import Record
from samcli.synth.writer import merge

ACCEPTED = "accepted.json"  # by which thresholds, of how many
RULES = 2  # raised when the same thresholds would judge otherwise, or in other words


def is_filtered(out: Path, recipe: MmlinkRecipe) -> bool:
    """Whether the set in `out` is there and was judged by the recipe's thresholds."""
    return is_complete(out) and (out / ACCEPTED).exists() and read_json(out / ACCEPTED) == _stamp(recipe)


def _stamp(recipe: MmlinkRecipe) -> dict[str, Any]:
    return {"rules": RULES, "samples": recipe.samples, "accept": recipe.accept.model_dump(mode="json")}


def filtered(out: Path, recipe: MmlinkRecipe, entries: Ledger) -> None:
    """Write annotations and manifest of all samples, those that the thresholds take with an annotation."""
    reasons = judged(recipe, entries)
    (out / ACCEPTED).unlink(missing_ok=True)
    merge(out, _Judged(entries, reasons))
    write_json(out / ACCEPTED, _stamp(recipe))


def judged(recipe: MmlinkRecipe, entries: Ledger) -> dict[int, list[str]]:
    """For each made sample that isn't accepted, why."""
    reasons: dict[int, list[str]] = {}
    hashes: list[int] = []
    owners: list[int] = []
    pairs: set[frozenset[str]] = set()
    for index, record in _made(entries):
        if against := reasons_against(record, recipe.accept):
            reasons[index] = against
            continue
        if kind_called(recipe, record.object).form == "covers":  # a cover may be related to several others
            pair = frozenset(subject.photo.path for subject in record.subjects)
            if pair in pairs and recipe.accept.duplicate_distance >= 0:
                reasons[index] = [DUPLICATE]
            pairs.add(pair)
            continue
        for value in record.hashes.values():
            hashes.append(int(value, 16))
            owners.append(index)
    if recipe.accept.duplicate_distance >= 0:
        found = near_duplicates(
            np.asarray(hashes, dtype=np.uint64), np.asarray(owners, dtype=np.int64), recipe.accept.duplicate_distance
        )
        reasons |= {index: [DUPLICATE] for index in found}
    return reasons


def _made(entries: Ledger) -> Iterator[tuple[int, Record]]:
    for index, entry in entries.items():
        record = Record(**entry.manifest["record"])
        if record.is_open:
            yield index, record


class _Judged(Mapping[int, Entry]):
    """The entries as the set has them, each made when it is asked for."""

    def __init__(self, entries: Ledger, reasons: dict[int, list[str]]) -> None:
        self.entries, self.reasons = entries, reasons

    def __getitem__(self, index: int) -> Entry:
        manifest = self.entries[index].manifest
        record = Record(**manifest["record"])
        if not record.is_open:
            return Entry(manifest, None)
        against = self.reasons.get(index, [])
        manifest = manifest | {"status": "rejected" if against else "accepted", "reasons": against}
        return Entry(manifest, None if against else annotation_of(record))

    def __iter__(self) -> Iterator[int]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def annotation_of(record: Record) -> dict[str, Any]:
    """A sample in the released format, with where it comes from."""
    return {
        "id": record.id,
        "img_list": [view.picture for view in record.views],
        "instruction": record.instruction,
        "output": record.answer,
        "provenance": {
            "kind": record.object,
            "sources": [[subject.photo.path for subject in view.subjects] for view in record.views],
            "identity": record.views[0].subjects[0].photo.identity,
            "scenes": [view.scene for view in record.views],
            "notes": record.notes,
            "seed": record.seed,
        },
    }
