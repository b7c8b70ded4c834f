"""`sam synth`: a set made by several processes, resumed by itself, shared among machines, merged by the last."""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from samcli.console import progress, say, warn
from samcli.errors import Interrupted, UserError
from samcli.lock import locked
from samcli.recipe import SynthRecipe
from samcli.run_directory import RECIPE, held, open_run, record_environment
from samcli.signals import listening
from samcli.synth.workers import Job, make_samples
from samcli.synth.writer import (
    MANIFEST,
    Entry,
    is_complete,
    lost_images,
    merge,
    part_file,
    read_entries,
    remove_leftovers,
)

Shard = tuple[int, int]
WHOLE: Shard = (0, 1)


def synthesise(
    recipe: SynthRecipe,
    out: Path,
    *,
    shard: Shard | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Make the recipe's samples below `out`, or go on making them, and return a summary (see `summarise`).

    `shard` = (I, N) makes the samples whose id modulo N is I; whoever finishes last, or a later call without a shard,
    writes the merged files. `retry_failed` tries anew, with new chances, what failed, and nothing else. The same
    recipe, machine and versions give the same bytes, however often the work was stopped or shared.

    Raises UserError when `out` holds another recipe's run (unless `overwrite`) or can't be written, and Interrupted
    after Ctrl-C or SIGTERM, with everything finished saved.
    """
    mine = _checked(shard, overwrite)
    with held(out, shared=not overwrite):  # shards work side by side
        _open(recipe, out, retry_failed, overwrite)
        with locked(out / f".part-{mine[0]}-of-{mine[1]}.lock", wait=False):
            remove_leftovers(out, mine)
            part_file(out, mine).trim()
            entries = read_entries(out)
            jobs = _retries(entries, mine) if retry_failed else _missing(out, recipe, entries, mine)
            _work(recipe, out, mine, jobs)
        entries = _merged(recipe, out)
    summary = summarise(out, recipe, entries)
    _announce(summary, made_now=len(jobs))
    return summary


def _checked(shard: Shard | None, overwrite: bool) -> Shard:
    index, count = shard or WHOLE
    if not 0 <= index < count:
        raise UserError(f"--shard {index}/{count}: expected I/N with I from 0 to N - 1, for example 0/4, 1/4, 2/4, 3/4")
    if overwrite and count > 1:
        raise UserError("--overwrite would remove what the other shards made; remove the directory before they start")
    return index, count


def _open(recipe: SynthRecipe, out: Path, retry_failed: bool, overwrite: bool) -> None:
    """Claim the directory for the recipe; shards that start at once do so one after the other."""
    if retry_failed and (overwrite or not (out / RECIPE).exists()):
        raise UserError(f"{out}: --retry-failed is for a run that is there; leave out --retry-failed to make one")
    with locked(out / ".open.lock", wait=True):
        if not open_run(out, identity(recipe), overwrite=overwrite):
            record_environment(out, seed=recipe.seed)


def identity(recipe: SynthRecipe) -> SynthRecipe:
    """The recipe that a run is known by: how many processes work is no part of what is made."""
    return recipe.model_copy(update={"workers": 0})


def _missing(out: Path, recipe: SynthRecipe, entries: dict[int, Entry], shard: Shard) -> list[Job]:
    """What this shard has still to make: what was never finished, and what has lost its images."""
    lost = {entry.id: Job(entry.id, entry.rejections) for entry in lost_images(out, entries.values())}
    index, count = shard
    mine = range(index, recipe.samples, count)
    return [lost.get(i, Job(i)) for i in mine if i not in entries or i in lost]


def _retries(entries: dict[int, Entry], shard: Shard) -> list[Job]:
    """The shard's failed samples, to go on with chances that were not tried yet."""
    index, count = shard
    mine = (entry for entry in entries.values() if entry.id % count == index and entry.annotation is None)
    return [Job(entry.id, entry.rejections) for entry in mine]


def _work(recipe: SynthRecipe, out: Path, shard: Shard, jobs: list[Job]) -> None:
    """Do the jobs and note each as it is finished; stop between two of them when a signal came."""
    if not jobs:
        return
    part, finished = part_file(out, shard), 0
    with (
        listening() as stop,
        closing(make_samples(recipe, out, jobs, recipe.workers)) as made,
        progress(f"making {recipe.dataset}", len(jobs)) as advance,
    ):
        for entry in made:
            part.append(entry.to_json())
            finished += 1
            advance(1)
            if stop.signal_number is not None and finished < len(jobs):
                message = f"stopped with {finished} of {len(jobs)} samples made; the same command goes on from there"
                raise Interrupted(stop.signal_number, message)


def _merged(recipe: SynthRecipe, out: Path) -> dict[int, Entry]:
    """All finished samples; merged, if none is missing and nobody else did it."""
    with locked(out / ".merge.lock", wait=True):
        entries = read_entries(out)
        if len(entries) == recipe.samples and not is_complete(out):
            merge(out, entries)
        return entries


def summarise(out: Path, recipe: SynthRecipe, entries: dict[int, Entry]) -> dict[str, Any]:
    """How far the run is: counts, the ids of failed samples, and how often each reason led to a rejection."""
    failed = [entry.id for entry in entries.values() if entry.annotation is None]
    return {
        "out": str(out),
        "dataset": recipe.dataset,
        "split": recipe.split,
        "samples": recipe.samples,
        "made": len(entries) - len(failed),
        "missing": recipe.samples - len(entries),
        "failed": len(failed),
        "failed_ids": failed,
        "rejected": rejected_by_reason(entries.values()),
        "complete": is_complete(out),
    }


def rejected_by_reason(entries: Iterable[Entry]) -> dict[str, int]:
    """How many attempts each reason ended, the commonest first."""
    return dict(Counter(reason for entry in entries for reason in entry.rejections).most_common())


def _announce(summary: dict[str, Any], made_now: int) -> None:
    """Tell people what came out."""
    out, missing = summary["out"], summary["missing"]
    if summary["failed"]:
        shown = ", ".join(map(str, summary["failed_ids"][:20])) + (", ..." if summary["failed"] > 20 else "")
        warn(f"{summary['failed']} samples failed: {shown}; why, says {MANIFEST}; --retry-failed tries them anew")
    if missing:
        say(f"{out}: this share is finished; {missing} samples are missing, which other shards or a plain call make")
    elif made_now == 0:
        say(f"{out}: all {summary['samples']} samples are there already")
    else:
        say(f"{out}: {summary['made']} samples")
