"""MmLINK from photographs as work for the engines: its steps in their order, and which one actor does together."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from samcli.console import say, warn
from samcli.files import sha256
from samcli.gpus import usable_gpus
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.ledger import Entry, Ledger
from samcli.synth.photos.background.backdrop import backdrops
from samcli.synth.photos.filtering import filtered, is_filtered
from samcli.synth.photos.group import Group
from samcli.synth.photos.kept import forget_kept, kept
from samcli.synth.photos.language.load import check_endpoint
from samcli.synth.photos.language.names import is_local
from samcli.synth.photos.listing import SOURCES, check_listing, write_listing
from samcli.synth.photos.record import Photo, Record, status_of
from samcli.synth.photos.scene_pool import write_scene_pool
from samcli.synth.photos.sources import Collection, Item, read_items
from samcli.synth.photos.stage import Setting, Stage
from samcli.synth.work import DEALT, Bundle, Job, Step

POOLS = (("group", "segment"), ("compose", "inpaint"), ("describe",), ("check", "write"))


@dataclass(frozen=True)
class PhotoWork:
    """A set from photographs."""

    recipe: MmlinkRecipe
    start_method: Literal["spawn"] = "spawn"
    changeable: tuple[str, ...] = ("samples", "accept", "api", "device", "gpus", DEALT)
    pools: tuple[tuple[str, ...], ...] = POOLS

    @property
    def samples(self) -> int:
        """Samples that are tried."""
        return self.recipe.samples

    @property
    def chunk(self) -> int:
        """Samples that go through the stages together."""
        return self.recipe.chunk

    @property
    def title(self) -> str:
        """The recipe's name for what it makes."""
        return "mmlink"

    @property
    def workers(self) -> int:
        """The recipe's number, else one for each GPU, else one for each core."""
        return self.recipe.workers or len(self.devices) or os.cpu_count() or 1

    @property
    def devices(self) -> list[str]:
        """The machine's GPUs, if any step has a model."""
        return usable_gpus(self.recipe.device) if any(map(self.gpus, self.pools)) else []

    def identity(self) -> MmlinkRecipe:
        """The recipe; how many processes work is no part of what is made."""
        return self.recipe.model_copy(update={"workers": 0})

    def bundles(self, jobs: Sequence[Job]) -> list[Bundle]:
        """One for each chunk."""
        return [tuple(chunk) for _, chunk in groupby(jobs, lambda job: job.index // self.chunk)]

    def check(self, out: Path | None) -> None:
        """Read the sources, refuse what no sample can be made of, compare with those that the run was begun with."""
        forget_kept()
        found = self._found
        for remark in found.notes:
            warn(remark)
        for reason, count in found.left_out.items():
            warn(f"left out {reason}: {count}, such as {found.examples[reason]}")
        sources = self._sources()
        if out is not None and (out / SOURCES).exists():
            check_listing(out, *sources)

    def begin(self, out: Path) -> None:
        """Note the sources, have scenes written if that is asked for, and see that who writes answers is there."""
        one_thread()
        if not (out / SOURCES).exists():
            write_listing(out, *self._sources())
        setting = Setting(self.recipe, out)
        write_scene_pool(setting)
        check_endpoint(setting)

    @property
    def _found(self) -> Collection:
        """The objects; a process looks for them once."""
        return _collection(self.recipe.model_dump_json())

    def _sources(self) -> tuple[Path, list[Item], list[Path]]:
        """The root, all photographs and backdrops, and the text files; raises UserError where one can't be used."""
        setting = Setting(self.recipe, Path())
        scenes = tuple(Photo(identity=path, path=path) for path in backdrops(setting))
        items = [item for own in self._found.items.values() for item in own]
        return setting.root, [*items, Item("backdrop", "backdrops", None, scenes)], texts_of(setting)

    def step(self, name: str, out: Path) -> Step:
        """A stage with its model loaded; from now on this process computes with one thread on the CPU."""
        one_thread()
        if name == "group":
            return Group(self.recipe, self._found.items)
        if name == "write":
            return lambda records: [entry_of(out, record) for record in records]
        return _stage(name, Setting(self.recipe, out))

    def gpus(self, pool: tuple[str, ...]) -> float:
        """As the recipe says of the pool's dearest step; none for steps without a model."""
        recipe = self.recipe
        shares = {
            "segment": recipe.gpus.segment if recipe.segment.kind != "plain" else 0.0,
            "inpaint": recipe.gpus.inpaint if recipe.background.kind == "diffusion" else 0.0,
            "describe": recipe.gpus.describe if recipe.describe.captioner or is_local(recipe.describe.writer) else 0.0,
            "check": recipe.gpus.check if recipe.check.embedder or recipe.check.counter else 0.0,
        }
        return max(shares.get(name, 0.0) for name in pool)

    def pack(self, items: Sequence[Any]) -> str:
        """Jobs, records or entries as JSON."""
        return json.dumps([_packed(item) for item in items])

    def unpack(self, text: str) -> list[Any]:
        """Jobs or records; entries are read where they are noted."""
        return [_unpacked(item) for item in json.loads(text)]

    def is_finished(self, out: Path) -> bool:
        """Whether the set is merged, with these thresholds."""
        return is_filtered(out, self.recipe)

    def finish(self, out: Path, entries: Ledger) -> None:
        """Judge all samples by the recipe's thresholds, and write annotations and manifest."""
        for leftover in (out / "masks").glob("*/.*.tmp"):  # of killed processes; nobody makes masks any more
            leftover.unlink(missing_ok=True)
        filtered(out, self.recipe, entries)
        if any((out / made).exists() for made in ("preview.html", "export")):
            say(
                f"{out}: what was exported or drawn before shows an earlier choice; --preview and --export make it anew"
            )


@kept(1)
def _collection(recipe: str) -> Collection:
    return read_items(MmlinkRecipe.model_validate_json(recipe))


def _packed(item: Job | Record | Entry) -> Any:
    if isinstance(item, Job):
        return [item.index, item.rejections, item.begun]
    return item.to_json() if isinstance(item, Entry) else item.model_dump(mode="json")


def _unpacked(item: Any) -> Job | Record:
    return Job(item[0], tuple(item[1]), item[2]) if isinstance(item, list) else Record(**item)


def _stage(name: str, setting: Setting) -> Stage:
    """The stage of that name; what it needs is imported when it is built."""
    if name == "segment":
        from samcli.synth.photos.segment.stage import Segment

        return Segment(setting)
    if name == "compose":
        from samcli.synth.photos.compose import Compose

        return Compose(setting)
    if name == "inpaint":
        from samcli.synth.photos.background.stage import build_background

        return build_background(setting)
    if name == "describe":
        from samcli.synth.photos.describe.stage import Describe

        return Describe(setting)
    from samcli.synth.photos.check import Check

    return Check(setting)


def one_thread() -> None:
    """One thread for torch and what is below numpy, loaded or not: bytes don't depend on the number of cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def texts_of(setting: Setting) -> list[Path]:
    """The text files that the recipe names."""
    background, kinds = setting.recipe.background, setting.recipe.objects.values()
    named = [kind.instructions for kind in kinds] + [background.scenes if background.kind == "diffusion" else None]
    return [Path(name).expanduser() for name in named if name and Path(name).expanduser().is_file()]


def entry_of(out: Path, record: Record) -> Entry:
    """The line that notes a record which went through all stages, whatever became of it.

    The pictures of one that can't be made are removed; those of one that failed are kept for another try.
    """
    status = status_of(record)
    made = [view.picture for view in record.views if view.picture]
    if status == "rejected":
        for view in record.views:
            if view.picture:
                (out / view.picture).unlink(missing_ok=True)
            view.picture = None
    verdict = record.failed or record.rejected
    manifest = {
        "id": record.id,
        "status": status,
        "reasons": [f"{verdict.stage}: {verdict.reason}"] if verdict else [],
        "attempts": len(record.earlier) + 1,
        "rejections": record.earlier,
        "record": record.model_dump(mode="json", exclude={"earlier"}),
        "images": {picture: sha256(out / picture) for picture in made} if status == "made" else {},
    }
    return Entry(manifest, None)
