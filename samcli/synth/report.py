"""What a made set holds: counts for people and scripts, and single records as text."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from samcli.errors import UserError
from samcli.files import write_json
from samcli.synth.writer import MANIFEST, Entry, read_entries

REPORT = "report.json"
Counts = dict[str, dict[str, int]]


def entries_of(directory: Path) -> dict[int, Entry]:
    """All finished samples of a run, complete or not; raises UserError when there are none."""
    entries = read_entries(directory)
    if not entries:
        raise UserError(f"{directory}: no samples of `sam synth` there ({MANIFEST} is missing); make them first")
    return entries


def count_all(directory: Path) -> Counts:
    """How often each kind of sample, thing, colour, scene and so on is there, and each reason for a rejection.

    What a set says nothing of is left out; counts run from the most frequent to the least.
    """
    entries = entries_of(directory).values()
    counts = {"samples": dict(Counter(entry.manifest["status"] for entry in entries))}
    counts |= {
        "pictures a sample": _count(len(entry.images) for entry in entries if entry.annotation),
        "attempts": _count(entry.manifest["attempts"] for entry in entries),
        "rejected because": _count(reason for entry in entries for reason in entry.rejections),
    }
    provenances = [entry.annotation["provenance"] for entry in entries if entry.annotation]
    things = [thing for provenance in provenances for thing in _things(provenance)]
    settings = [setting for provenance in provenances for setting in provenance.get("settings", [])]
    counts |= {
        "kinds of sample": _count(provenance["kind"] for provenance in provenances if "kind" in provenance),
        "categories": _count(thing["category"] for thing in things),
        "kinds": _count(f"{thing['category']} {thing['kind']}" for thing in things),
        "colours": _count(thing["colour"] for thing in things),
        "patterns": _count(thing["pattern"] for thing in things),
        "scenes": _count(scene for _, scene, _ in settings),
        "weather": _count(weather for weather, _, _ in settings),
        "light": _count(light for _, _, light in settings),
    }
    return {title: found for title, found in counts.items() if found}


def _count(values: Iterable[Any]) -> dict[str, int]:
    tally = Counter(map(str, values))
    return dict(sorted(tally.items(), key=lambda entry: (-entry[1], entry[0])))


def _things(provenance: dict[str, Any]) -> Iterator[dict[str, str]]:
    for picture in provenance.get("things", []):
        yield from picture


def write_report(directory: Path) -> Path:
    """Write the counts to `report.json` and return its path."""
    write_json(directory / REPORT, count_all(directory))
    return directory / REPORT


def report_text(directory: Path) -> str:
    """The counts as lines of text, a heading for each question."""
    width = 28
    lines = []
    for title, found in count_all(directory).items():
        lines += ["", title]
        lines += [f"  {value[:width]:<{width}} {number:>7}" for value, number in found.items()]
    return "\n".join(lines[1:])


def show(directory: Path, identity: int) -> str:
    """One sample's record as readable text; raises UserError when there is no sample of that number."""
    entries = entries_of(directory)
    if identity not in entries:
        raise UserError(f"{directory}: no sample {identity}; its ids run from {min(entries)} to {max(entries)}")
    entry = entries[identity]
    lines = [f"sample {identity}: {entry.manifest['status']}, attempts: {entry.manifest['attempts']}"]
    if entry.annotation:
        lines += [f"instruction: {entry.annotation['instruction']}", f"output: {entry.annotation['output']}"]
    lines += [f"rejected: {reason}" for reason in entry.rejections]
    for number, (path, digest) in enumerate(entry.images.items()):
        lines += [f"picture {number + 1}: {directory / path}", f"  sha256: {digest}"]
        lines += [f"  shows: {label}" for label in entry.manifest["sources"][number]]
    lines += [f"score {name}: {value:g}" for name, value in entry.manifest["scores"].items()]
    lines.append(f"seed: {entry.manifest['seed']}; stages: {', '.join(entry.manifest['stages']) or 'none'}")
    if entry.annotation:
        lines.append(f"provenance: {json.dumps(entry.annotation['provenance'], ensure_ascii=False)}")
    return "\n".join(lines)
