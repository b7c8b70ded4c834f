"""`sam train` behind the command line: whose directory it is, whether it may go on, and which training it runs."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from samcli.console import be_quiet, say
from samcli.errors import UserError
from samcli.recipe import RESUMED_WITH, BaseRecipe, SamRecipe
from samcli.run_directory import RESULTS, goes_on, held, open_run, record_environment
from samcli.training.checkpoint import finished
from samcli.training.loop import new_accelerator
from samcli.training.sam_run import train_sam
from samcli.training.small.base import train_base


def run_training(
    recipe: SamRecipe | BaseRecipe, out: Path, *, resume: bool, overwrite: bool, accept_changes: bool = False
) -> None:
    """Train in `out`: from nothing, or with `resume` from its last checkpoint.

    Raises UserError when `out` holds another run, or this one and neither `resume` nor `overwrite` was asked for, and
    when both were; for a changed recipe or changed data unless `accept_changes`.
    """
    if resume and overwrite:
        raise UserError("--resume goes on with the run in --out, --overwrite removes it: give one of the two")
    if accept_changes and not resume:
        raise UserError("--accept-changes is for a run that goes on: give --resume with it")
    accelerator = _accelerator(recipe, out)
    with held(out) if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            settings = tuple(name for name in type(recipe).model_fields if name != "kind")
            may_change = settings if accept_changes else RESUMED_WITH
            _open(recipe, out, accelerator, resume=resume, overwrite=overwrite, may_change=may_change)
        else:
            be_quiet()
        accelerator.wait_for_everyone()
        if (out / RESULTS).exists():
            say(f"{out} is finished; --overwrite trains anew")
        elif isinstance(recipe, BaseRecipe):
            train_base(recipe, out, accelerator)
        else:
            train_sam(recipe, out, accelerator=accelerator, accept_changes=accept_changes)


def _open(
    recipe: SamRecipe | BaseRecipe,
    out: Path,
    accelerator: Accelerator,
    *,
    resume: bool,
    overwrite: bool,
    may_change: Sequence[str],
) -> None:
    if not overwrite and goes_on(out, recipe, may_change):
        if (out / RESULTS).exists():
            return
        started = any(finished(folder) for folder in (out / "checkpoints", *out.glob("*/checkpoints")))
        if started and not resume:
            raise UserError(
                f"{out} holds an unfinished run of this recipe: --resume goes on with it, --overwrite starts anew"
            )
    elif resume:
        say(f"{out} holds nothing to resume: starting anew")
    open_run(out, recipe, overwrite=overwrite, may_change=may_change)
    more: dict[str, Any] = {"seed": recipe.seed, "device": str(accelerator.device)}
    record_environment(out, processes=accelerator.num_processes, **more)


def _accelerator(recipe: SamRecipe | BaseRecipe, out: Path) -> Accelerator:
    """Devices and processes; the small model's stage 0 is made for CPUs."""
    if isinstance(recipe, BaseRecipe):
        return new_accelerator("cpu")
    return new_accelerator(recipe.model.device, recipe.trackers, out)
