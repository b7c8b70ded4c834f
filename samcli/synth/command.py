"""`sam synth` behind the command line: make a set, look at it, count it, or print one sample of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samcli.amounts import counted
from samcli.data.export.formats import check_formats, export_set
from samcli.errors import UserError
from samcli.recipe import SynthRecipe
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.run_directory import check_place, goes_on
from samcli.synth.look.page import write_preview
from samcli.synth.look.report import write_report
from samcli.synth.look.single import show
from samcli.synth.run import ENGINES, synthesise, work_of


def run_synth(
    recipe: SynthRecipe | MmlinkRecipe,
    out: Path,
    *,
    engine: str,
    shard: str | None,
    retry_failed: bool,
    overwrite: bool,
    preview: bool,
    report: bool,
    show_id: int | None,
    dry_run: bool,
    export: Sequence[str] = (),
) -> str:
    """Do what was asked; return what belongs on standard output. Raises UserError, and Interrupted after a signal."""
    if show_id is not None:
        return show(out, show_id)
    if dry_run:
        return _plan(recipe, out, overwrite)
    check_formats(export)
    if engine not in ENGINES:
        raise UserError(f"--engine {engine}: there are local, for this machine, and ray, for a cluster")
    mine = parse_shard(shard)
    summary = synthesise(recipe, out, shard=mine, retry_failed=retry_failed, overwrite=overwrite, engine=engine)
    lines = [_summary_line(summary)]
    if report:
        lines.append(write_report(out))
    if preview:
        lines.append(f"preview: {write_preview(out)}")
    if export and not summary["complete"]:
        raise UserError(f"--export: {out} still lacks {counted(summary['missing'], 'sample')}; make all first")
    if export and not summary["made"]:
        raise UserError(f"--export: no sample of {out} is accepted; --report says why, `accept` in the recipe decides")
    lines += [f"{name}: {export_set(out, name)}" for name in dict.fromkeys(export)]
    return "\n".join(lines)


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """`0/4` as (0, 4); raises UserError for anything but 0 <= I < N."""
    if text is None:
        return None
    index, slash, count = text.partition("/")
    if slash and index.isdigit() and count.isdigit() and int(index) < int(count):
        return int(index), int(count)
    raise UserError(f"--shard {text}: expected I/N with 0 <= I < N, such as 0/4, 1/4, 2/4 and 3/4 on four machines")


def _summary_line(summary: dict[str, Any]) -> str:
    state = "complete" if summary["complete"] else f"{summary['missing']} still missing"
    rejected = f", {summary['rejected_samples']} rejected" if summary["rejected_samples"] else ""
    failed = f", {summary['failed']} failed (--retry-failed tries them again)" if summary["failed"] else ""
    count = f"{summary['made']} of {counted(summary['samples'], 'sample')} of {summary['dataset']}"
    return f"{summary['out']}: {count}, {state}{rejected}{failed}"


def _plan(recipe: SynthRecipe | MmlinkRecipe, out: Path, overwrite: bool) -> str:
    check_place(out)
    work = work_of(recipe)
    if overwrite:
        what = "would remove the run that is there, if any, and make"
    else:
        what = "would go on with" if goes_on(out, work.identity(), work.changeable) else "would make"
    if isinstance(recipe, MmlinkRecipe):
        from samcli.synth.photos.plan import plan

        return f"{what} {counted(recipe.samples, 'sample')} in {out}\n{plan(recipe)}"
    return (
        f"{what} {counted(recipe.samples, 'sample')} of {recipe.dataset} ({recipe.split} split, seed {recipe.seed}, "
        f"{recipe.size} pixels a side) in {out}; nothing is missing: the embedded world needs no weights"
    )
