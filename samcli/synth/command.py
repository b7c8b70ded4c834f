"""`sam synth` behind the command line: make a set, look at it, count it, or print one sample of it."""

from pathlib import Path
from typing import Any

from samcli.errors import UserError
from samcli.recipe import SynthRecipe
from samcli.run_directory import check_place, goes_on
from samcli.synth.preview import write_preview
from samcli.synth.report import report_text, show, write_report
from samcli.synth.run import identity, synthesise


def run_synth(
    recipe: SynthRecipe,
    out: Path,
    *,
    shard: str | None,
    retry_failed: bool,
    overwrite: bool,
    preview: bool,
    report: bool,
    show_id: int | None,
    dry_run: bool,
) -> str:
    """Do what was asked; return what belongs on standard output. Raises UserError, and Interrupted after a signal."""
    if show_id is not None:
        return show(out, show_id)
    if dry_run:
        return _plan(recipe, out, overwrite)
    summary = synthesise(recipe, out, shard=parse_shard(shard), retry_failed=retry_failed, overwrite=overwrite)
    lines = [_summary_line(summary)]
    if report:
        write_report(out)
        lines.append(report_text(out))
    if preview:
        lines.append(f"preview: {write_preview(out)}")
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
    failed = f", {summary['failed']} failed (--retry-failed tries them again)" if summary["failed"] else ""
    return (
        f"{summary['out']}: {summary['made']} of {summary['samples']} samples of {summary['dataset']}, {state}{failed}"
    )


def _plan(recipe: SynthRecipe, out: Path, overwrite: bool) -> str:
    check_place(out)
    if overwrite:
        what = "would remove the run that is there, if any, and make"
    else:
        what = "would go on with" if goes_on(out, identity(recipe)) else "would make"
    return (
        f"{what} {recipe.samples} samples of {recipe.dataset} ({recipe.split} split, seed {recipe.seed}, "
        f"{recipe.size} pixels a side) in {out}; nothing is missing: the embedded world needs no weights"
    )
