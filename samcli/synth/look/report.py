"""What a made set holds, in numbers: for people, for scripts, and its funnel as a picture."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from samcli.answers import for_terminal
from samcli.files import write_json
from samcli.synth.ledger import Entry
from samcli.synth.look.funnel import Funnel, Step, draw_funnel
from samcli.synth.look.made_set import entries_of, open_set
from samcli.synth.look.seen import MadeSet

REPORT = "report.json"
_MOST_LINES = 40  # under a heading; the file holds all
_LEAST_WIDTH, _MOST_WIDTH = 44, 90  # of names: every reason fits, long paths are cut
Counts = dict[str, dict[str, Any]]


def count_all(directory: Path) -> Counts:
    """The set's counts under their headings; what it says nothing of is left out.

    Raises UserError when the directory holds no samples or one whose record can't be understood.
    """
    return _counted(directory)[0]


def write_report(directory: Path) -> str:
    """Write the counts to `report.json` and the funnel to `funnel.png` and `.svg`; return both as lines of text."""
    counts, steps, title = _counted(directory)
    write_json(directory / REPORT, counts)
    picture, *_ = draw_funnel(steps, title, directory)
    return f"{as_text(counts)}\n\nfunnel: {picture}"


def _counted(directory: Path) -> tuple[Counts, list[Step], str]:
    made, funnel = open_set(directory), Funnel()
    counts = made.count(_passed_on(made, entries_of(directory).values(), funnel))
    return counts, funnel.steps(), made.title


def _passed_on(made: MadeSet, entries: Iterable[Entry], funnel: Funnel) -> Iterator[Entry]:
    """The entries, seen by the funnel on their way: a large set is read once."""
    for entry in entries:
        funnel.add(made.stages(entry), made.losses(entry))
        yield entry


def as_text(counts: Counts) -> str:
    """The counts as lines of text, a heading for each question."""
    return for_terminal("\n\n".join(_block(title, found) for title, found in counts.items()))


def _block(title: str, found: dict[str, Any]) -> str:
    """What stands under a heading, its numbers below one another."""
    width = min(max(_LEAST_WIDTH, *map(len, found)), _MOST_WIDTH)
    lines = [f"  {_cut(name, width):<{width}} {_numbers(value)}" for name, value in found.items()]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"  … and {len(lines) - _MOST_LINES:,} more in {REPORT}"]
    first = next(iter(found.values()))
    columns = f"{'':<{width - len(title) + 2}} {_aligned(first)}" if isinstance(first, dict) else ""
    return "\n".join([title + columns, *lines])


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _numbers(value: Any) -> str:
    return _aligned(f"{number:.4g}" for number in value.values()) if isinstance(value, dict) else f"{value:>9,}"


def _aligned(texts: Iterable[str]) -> str:
    return "".join(f"{text:>9}" for text in texts)
