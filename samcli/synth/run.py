"""`sam synth`: a set made by several processes, resumed by itself, shared among machines, merged by the last."""

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.amounts import counted
from samcli.console import progress, say, warn
from samcli.errors import Interrupted, UserError
from samcli.files import JsonLines
from samcli.lock import locked
from samcli.recipe import SynthRecipe
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.run_directory import RECIPE, goes_on, held, open_run, record_environment
from samcli.signals import listening
from samcli.synth.ledger import MANIFEST, Entry, Ledger, is_complete, part_file
from samcli.synth.ray_engine import make_on_ray
from samcli.synth.work import DEALT, Bundle, Job, Made, Work
from samcli.synth.workers import make_locally
from samcli.synth.writer import lost_images, remove_leftovers

Shard = tuple[int, int]
WHOLE: Shard = (0, 1)
LOG = "log.jsonl"
HOPELESS = 16  # samples that all failed: what is wrong won't mend itself
ENGINES: dict[str, Callable[[Work, Path, Sequence[Bundle]], Generator[Made | None, None, None]]] = {
    "local": make_locally,
    "ray": make_on_ray,
}


def work_of(recipe: SynthRecipe | MmlinkRecipe) -> Work:
    """The recipe as work for the engines."""
    if isinstance(recipe, SynthRecipe):
        from samcli.synth.world.work import WorldWork

        return WorldWork(recipe)
    from samcli.synth.photos.work import PhotoWork

    return PhotoWork(recipe)


def synthesise(
    recipe: SynthRecipe | MmlinkRecipe,
    out: Path,
    *,
    shard: Shard | None = None,
    retry_failed: bool = False,
    overwrite: bool = False,
    engine: str = "local",
) -> dict[str, Any]:
    """Make the recipe's samples below `out`, or go on making them, and return a summary (see `summarise`).

    `shard` = (I, N) makes every N-th chunk of samples, from the I-th on; whoever finishes last, or a later call without
    a shard, writes the merged files. `retry_failed` tries anew, with new chances, what failed, and nothing else. The
    same recipe, machine and versions give the same bytes, however often the work was stopped or shared, and whatever
    the engine.

    Raises UserError when `out` holds another recipe's run (unless `overwrite`) or can't be written, and Interrupted
    after Ctrl-C or SIGTERM, with everything finished saved.
    """
    work = work_of(recipe)
    mine = _checked(shard, overwrite)
    with held(out, shared=not overwrite):  # shards work side by side
        _open(work, recipe.seed, out, mine, retry_failed, overwrite)
        with locked(out / f".part-{mine[0]}-of-{mine[1]}.lock", wait=False):
            remove_leftovers(out, lambda index: _belongs(work, index, mine))
            part_file(out, mine).trim()
            entries = Ledger(out)
            _check_growth(work, entries, out)
            _tell_of_no_share(work, mine)
            jobs = _retries(work, entries, mine) if retry_failed else _missing(work, out, entries, mine)
            _work(work, out, mine, jobs, engine)
        entries = _merged(work, out)
    summary = summarise(out, work, entries)
    _announce(summary, made_now=len(jobs))
    return summary


def _checked(shard: Shard | None, overwrite: bool) -> Shard:
    index, count = shard or WHOLE
    if not 0 <= index < count:
        raise UserError(f"--shard {index}/{count}: expected I/N with I from 0 to N - 1, for example 0/4, 1/4, 2/4, 3/4")
    if overwrite and count > 1:
        raise UserError("--overwrite would remove what the other shards made; remove the directory before they start")
    return index, count


def _open(work: Work, seed: int, out: Path, shard: Shard, retry_failed: bool, overwrite: bool) -> None:
    """Claim the directory for the recipe; shards that start at once do so one after the other."""
    if retry_failed and (overwrite or not (out / RECIPE).exists()):
        raise UserError(f"{out}: --retry-failed is for a run that is there; leave out --retry-failed to make one")
    may_change = [name for name in work.changeable if shard == WHOLE or name != DEALT]
    with locked(out / ".open.lock", wait=True):
        there = not overwrite and goes_on(out, work.identity(), may_change)
        has_work = retry_failed or not (there and is_complete(out) and len(Ledger(out)) >= work.samples)
        if has_work:
            work.check(out if there else None)  # before anything is noted: a refused call leaves no trace
        if not open_run(out, work.identity(), overwrite=overwrite, may_change=may_change):
            record_environment(out, seed=seed)
        if has_work:
            work.begin(out)


def _check_growth(work: Work, entries: Ledger, out: Path) -> None:
    last = max(entries, default=-1)
    if last >= work.samples:
        raise UserError(
            f"{out} holds sample {last}, beyond the {counted(work.samples, 'sample')} asked for: a set can grow, not "
            "shrink; give another --out"
        )


def _tell_of_no_share(work: Work, shard: Shard) -> None:
    """Warn a shard that gets no sample: there are fewer chunks than shards."""
    index, count = shard
    chunks = -(-work.samples // work.chunk)
    if index >= chunks:
        warn(
            f"--shard {index}/{count} has nothing to make: {counted(work.samples, 'sample')} in chunks of {work.chunk} "
            f"are enough for {counted(chunks, 'shard')}; take fewer shards, or a smaller chunk for all of them"
        )


def _belongs(work: Work, index: int, shard: Shard) -> bool:
    return index // work.chunk % shard[1] == shard[0]


def _missing(work: Work, out: Path, entries: Ledger, shard: Shard) -> list[Job]:
    """What this shard has still to make: what was never finished, and what has lost its images."""
    lost = {entry.id: Job(entry.id, entry.rejections) for entry in lost_images(out, entries.values())}
    mine = (index for index in range(work.samples) if _belongs(work, index, shard))
    return [lost.get(i, Job(i)) for i in mine if i not in entries or i in lost]


def _retries(work: Work, entries: Ledger, shard: Shard) -> list[Job]:
    """The shard's failed samples, to go on with chances that were not tried yet."""
    mine = (entry for entry in entries.values() if entry.status == "failed" and _belongs(work, entry.id, shard))
    return [Job(entry.id, entry.reasons, entry.manifest.get("record")) for entry in mine]


def _work(work: Work, out: Path, shard: Shard, jobs: list[Job], engine: str) -> None:
    """Do the jobs and note each as it is finished; stop between two of them when a signal came."""
    if not jobs:
        return
    part, tally = part_file(out, shard), _Tally()
    with (
        listening() as stop,
        closing(ENGINES[engine](work, out, work.bundles(jobs))) as finished,
        progress(f"making {work.title}", len(jobs)) as advance,
    ):
        for made in finished:
            if made is not None:
                part.extend(entry.to_json() for entry in made.entries)
                tally.count(made)
                if tally.failed == tally.samples >= HOPELESS:
                    raise UserError(
                        f"all of the first {tally.samples} samples failed: {why_failed(made.entries[-1])}; mend that, "
                        "then the same command with --retry-failed goes on"
                    )
                advance(len(made.entries))
            if stop.signal_number is not None and tally.samples < len(jobs):
                tally.write(out, shard, engine)
                made_now = f"{tally.samples} of {counted(len(jobs), 'sample')}"
                told = f"stopped with {made_now} made; the same command goes on from there"
                raise Interrupted(stop.signal_number, told)
    tally.write(out, shard, engine)


@dataclass
class _Tally:
    """How much was made in this call, and the seconds that each step took, in all processes together."""

    samples: int = 0
    failed: int = 0
    seconds: Counter[str] = field(default_factory=Counter)

    def count(self, made: Made) -> None:
        self.samples += len(made.entries)
        self.failed += sum(entry.status == "failed" for entry in made.entries)
        self.seconds.update(made.seconds)

    def write(self, out: Path, shard: Shard, engine: str) -> None:
        seconds = {name: round(spent, 3) for name, spent in self.seconds.items()}
        line = {"samples": self.samples, "shard": list(shard), "engine": engine, "seconds": seconds}
        JsonLines(out / LOG).append(line)


def _merged(work: Work, out: Path) -> Ledger:
    """All finished samples; merged, if none is missing and nobody else did it."""
    with locked(out / ".merge.lock", wait=True):
        entries = Ledger(out)
        if len(entries) == work.samples and not work.is_finished(out):
            work.finish(out, entries)
            return Ledger(out)
        return entries


def summarise(out: Path, work: Work, entries: Ledger) -> dict[str, Any]:
    """How far the run is: counts, the ids of failed samples, and how often each reason led to a rejection."""
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failed: list[int] = []
    why = None
    for entry in entries.values():
        states[entry.status] += 1
        reasons.update(entry.reasons)
        if entry.status == "failed":
            failed.append(entry.id)
            why = why or why_failed(entry)
    return {
        "out": str(out),
        "dataset": work.title,
        "samples": work.samples,
        "made": states["made"] + states["accepted"],
        "missing": work.samples - len(entries),
        "failed": states["failed"],
        "rejected_samples": states["rejected"],
        "failed_ids": failed,
        "why_failed": why,
        "rejected": dict(reasons.most_common()),
        "complete": is_complete(out) and len(entries) == work.samples,
    }


def why_failed(entry: Entry) -> str:
    """The last reason, with what more is known."""
    verdict = (entry.manifest.get("record") or {}).get("failed") or {}
    told = entry.reasons[-1] if entry.reasons else "no reason is noted"
    return f"{told} ({verdict['detail']})" if verdict.get("detail") else told


def _announce(summary: dict[str, Any], made_now: int) -> None:
    """Tell people what came out."""
    out, missing = summary["out"], summary["missing"]
    if summary["failed"]:
        shown = ", ".join(map(str, summary["failed_ids"][:20])) + (", ..." if summary["failed"] > 20 else "")
        failed, why = counted(summary["failed"], "sample"), f"{summary['why_failed']}; {MANIFEST} has all"
        warn(f"{failed} failed: {shown}; the first: {why}; --retry-failed tries them anew")
    if summary["rejected_samples"]:
        count = f"{summary['rejected_samples']} of {counted(summary['samples'], 'sample')}"
        say(f"{out}: rejected {count}: {_commonest(summary)}")
    if missing:
        say(f"{out}: this share is finished; {counted(missing, 'sample')} left to other shards or a plain call")
    elif made_now == 0:
        say(f"{out}: nothing is left to make of {counted(summary['samples'], 'sample')}")
    else:
        say(f"{out}: {counted(summary['made'], 'sample')}")


def _commonest(summary: dict[str, Any]) -> str:
    """The commonest reasons in words."""
    reasons = list(summary["rejected"].items())
    told = "; ".join(f"{count} {reason}" for reason, count in reasons[:3])
    return told + (f"; {counted(len(reasons) - 3, 'more reason')} in --report" if len(reasons) > 3 else "")
