"""`preview.html`: a made set on one page that needs no network, its pictures small in files beside it."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from samcli import __version__
from samcli.answers import for_terminal
from samcli.console import progress
from samcli.errors import UserError
from samcli.files import write_text
from samcli.page.html_page import html_page
from samcli.processes import done_by, settle
from samcli.synth.ledger import Entry
from samcli.synth.look.funnel import Funnel, Step
from samcli.synth.look.made_set import entries_of, open_set
from samcli.synth.look.seen import MadeSet, Panel, Score, Seen
from samcli.synth.look.thumbnails import Unwritable, make_directory, thumbnail

PREVIEW, THUMBNAILS = "preview.html", "preview"
_BUNDLE = 16  # samples handed to a process at a time
Card = dict[str, Any]  # what the page holds of a sample


def write_preview(directory: Path, count: int = 2000) -> Path:
    """Write `preview.html` with up to `count` samples, evenly spread over the set, and return its path.

    What is missing or damaged is said in its place. Raises UserError when the directory holds no samples or can't be
    written.
    """
    made, entries = open_set(directory), entries_of(directory)
    shown = min(count, len(entries))
    wanted = {place * len(entries) // shown for place in range(shown)}
    funnel, endings, chosen = Funnel(), Counter[str](), []
    for place, entry in enumerate(entries.values()):
        funnel.add(made.stages(entry), made.losses(entry))
        endings[entry.status] += 1
        if place in wanted:
            chosen.append(entry)
    cards = _cards(directory, chosen)
    data = {
        "title": made.title,
        "version": __version__,
        "wanted": made.wanted,
        "finished": len(entries),
        "endings": {_text(status): number for status, number in sorted(endings.items())},
        "funnel": [_step(step) for step in funnel.steps()],
        "samples": cards,
    }
    page = html_page("samcli.synth.look", data, title="sam synth", images="'self' file:")
    write_text(directory / PREVIEW, page)
    _remove_others(directory / THUMBNAILS, cards)
    return directory / PREVIEW


def _step(step: Step) -> dict[str, Any]:
    losses = [{"reason": _text(loss.reason), "failed": loss.failed, "number": number} for loss, number in step.losses]
    return {"stage": _text(step.stage), "reached": step.reached, "passed": step.passed, "losses": losses}


def _cards(directory: Path, entries: Sequence[Entry]) -> list[Card]:
    """What the page holds of each sample; small copies are written on the way, by several processes."""
    bundles = [(start, entries[start : start + _BUNDLE]) for start in range(0, len(entries), _BUNDLE)]
    make, processes = partial(_cards_of, directory), min(os.cpu_count() or 1, len(bundles))
    found: dict[int, list[Card]] = {}
    try:
        make_directory(directory / THUMBNAILS)
        with progress("preview", len(entries)) as advance, closing(done_by(_pool, make, bundles, processes)) as done:
            for one in done:
                if one is not None:
                    (start, _), found[start] = one
                    advance(len(found[start]))
    except Unwritable as error:
        _remove_half_written(directory / THUMBNAILS)
        raise UserError(str(error)) from error
    return [card for start in sorted(found) for card in found[start]]


def _pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, initializer=settle)


def _cards_of(directory: Path, bundle: tuple[int, Sequence[Entry]]) -> list[Card]:
    return [_card(directory, entry) for entry in bundle[1]]


@lru_cache(maxsize=1)
def _set(directory: Path) -> MadeSet:
    """Opened once in each process."""
    return open_set(directory)


def _card(directory: Path, entry: Entry) -> Card:
    try:
        seen = _set(directory).see(entry)
    except UserError as error:
        seen = Seen(entry.id, entry.manifest["status"], "", "", "", (), (), detail=str(error))
    return {
        "id": seen.id,
        "status": _text(seen.status),
        "kind": _text(seen.kind),
        "reasons": [_text(reason) for reason in seen.reasons],
        "earlier": [_text(reason) for reason in seen.earlier],
        "detail": _text(seen.detail),
        "asked": _text(seen.asked),
        "answer": _text(seen.answer),
        "texts": [[_text(name), _text(text)] for name, text in seen.texts],
        "scores": [_score(score) for score in seen.scores],
        "rows": [
            {"title": _text(row.title), "panels": [_panel(panel, directory / THUMBNAILS) for panel in row.panels]}
            for row in seen.rows
        ],
    }


def _panel(panel: Panel, directory: Path) -> dict[str, Any]:
    found = thumbnail(panel, directory)
    shown: dict[str, Any] = {"stage": panel.stage, "caption": _text(panel.caption)}
    if isinstance(found, str):
        shown["fault"] = _text(found)
    else:
        shown |= {"small": f"{THUMBNAILS}/{found.name}", "size": [found.width, found.height]}
        if panel.file:
            shown["file"] = quote(panel.file)
    if panel.scores:
        shown["scores"] = [_score(score) for score in panel.scores]
    return shown


def _score(score: Score) -> dict[str, Any]:
    value = float(score.value)
    shown = {"name": _text(score.name), "value": value if math.isfinite(value) else str(value)}
    return shown | ({"limit": score.limit, "out": score.is_out} if score.limit else {})


def _text(text: str) -> str:
    """A text without characters that hide or turn what is read; the page never takes it for markup."""
    return for_terminal(text)


def _remove_others(directory: Path, cards: Sequence[Mapping[str, Any]]) -> None:
    """Remove the small copies that earlier pages showed, and what a kill left half-written."""
    used = {panel.get("small") for card in cards for row in card["rows"] for panel in row["panels"]}
    for path in directory.glob("*.webp"):
        if f"{THUMBNAILS}/{path.name}" not in used:
            path.unlink(missing_ok=True)
    _remove_half_written(directory)


def _remove_half_written(directory: Path) -> None:
    """Remove what killed processes were writing."""
    for path in directory.glob(".*.webp.*.tmp"):
        path.unlink(missing_ok=True)
