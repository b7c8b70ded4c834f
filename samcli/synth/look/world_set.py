"""What people are shown of a set of the embedded world."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from samcli.data.image import open_image
from samcli.recipe import SynthRecipe
from samcli.synth.ledger import Entry
from samcli.synth.look.seen import Loss, Panel, Row, Score, Seen, inside, loss_of


class WorldSet:
    """A run of kind `synth`."""

    def __init__(self, directory: Path, recipe: SynthRecipe) -> None:
        self.directory, self.wanted = directory, recipe.samples
        self.title = f"{recipe.dataset}, {recipe.split}"

    def see(self, entry: Entry) -> Seen:
        """Pictures, question, answer, scores, and why tries were rejected."""
        told = entry.annotation or {}
        panels = tuple(
            self._panel(path, digest, number, entry.manifest["sources"])
            for number, (path, digest) in enumerate(entry.images.items())
        )
        return Seen(
            id=entry.id,
            status=entry.manifest["status"],
            kind=told.get("provenance", {}).get("kind", ""),
            asked=told.get("instruction", ""),
            answer=told.get("output", ""),
            rows=(Row("", panels),) if panels else (),
            scores=tuple(
                Score(name.replace("_", " "), value) for name, value in sorted(entry.manifest["scores"].items())
            ),
            reasons=() if entry.annotation else entry.rejections,
            earlier=entry.rejections if entry.annotation else (),
        )

    def _panel(self, path: str, digest: str, number: int, sources: Sequence[Sequence[str]]) -> Panel:
        shows = sources[number] if number < len(sources) else ()

        def paint(side: int) -> Image.Image:
            picture = open_image(inside(self.directory, path))
            picture.thumbnail((side, side), Image.Resampling.BICUBIC)
            return picture

        return Panel("picture", "; ".join(shows) or f"picture {number + 1}", digest, paint, file=path)

    def stages(self, entry: Entry) -> Sequence[str]:
        """As noted with samples that were made."""
        return list(entry.manifest["stages"])

    def losses(self, entry: Entry) -> list[Loss | None]:
        """Each rejected try, and the one that was not."""
        lost: list[Loss | None] = [loss_of(reason) for reason in entry.rejections]
        return lost + [None] * (entry.annotation is not None)

    def count(self, entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
        """How often each kind of sample, thing, colour, scene and so on is there, and each reason for a rejection."""
        counts: dict[str, Counter[str]] = {}

        def add(title: str, values: Iterable[Any]) -> None:
            counts.setdefault(title, Counter()).update(map(str, values))

        for entry in entries:
            add("samples", [entry.manifest["status"]])
            add("pictures a sample", [len(entry.images)] if entry.annotation else [])
            add("attempts", [entry.manifest["attempts"]])
            add("rejected because", entry.rejections)
            provenance = entry.annotation["provenance"] if entry.annotation else {}
            things = [thing for picture in provenance.get("things", []) for thing in picture]
            settings = provenance.get("settings", [])
            add("kinds of sample", [provenance["kind"]] if "kind" in provenance else [])
            add("categories", (thing["category"] for thing in things))
            add("kinds", (f"{thing['category']} {thing['kind']}" for thing in things))
            add("colours", (thing["colour"] for thing in things))
            add("patterns", (thing["pattern"] for thing in things))
            add("scenes", (scene for _, scene, _ in settings))
            add("weather", (weather for weather, _, _ in settings))
            add("light", (light for _, _, light in settings))
        return {title: falling(tally) for title, tally in counts.items() if tally}

    def describe(self, entry: Entry) -> list[str]:
        """All that is known of it."""
        manifest = entry.manifest
        lines = [f"sample {entry.id}: {manifest['status']}, attempts: {manifest['attempts']}"]
        if entry.annotation:
            lines += [f"instruction: {entry.annotation['instruction']}", f"output: {entry.annotation['output']}"]
        lines += [f"rejected: {reason}" for reason in entry.rejections]
        for number, (path, digest) in enumerate(entry.images.items()):
            lines += [f"picture {number + 1}: {self.directory / path}", f"  sha256: {digest}"]
            lines += [f"  shows: {label}" for label in manifest["sources"][number]]
        lines += [f"score {name}: {value:g}" for name, value in manifest["scores"].items()]
        lines.append(f"seed: {manifest['seed']}; stages: {', '.join(manifest['stages']) or 'none'}")
        if entry.annotation:
            lines.append(f"provenance: {json.dumps(entry.annotation['provenance'], ensure_ascii=False)}")
        return lines


def falling(tally: Counter[str]) -> dict[str, int]:
    """Counts from the most frequent to the least; equal ones by name."""
    return dict(sorted(tally.items(), key=lambda entry: (-entry[1], entry[0])))
