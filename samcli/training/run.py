"""`sam train` behind the command line: whose directory it is, whether it may go on, and which training it runs."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from samcli.console import be_quiet, say
from samcli.errors import UserError
from samcli.recipe import RESUMED_WITH, BaseRecipe, SamRecipe
from samcli.recipe_alignment import LlavaRecipe
from samcli.recipe_file import changed_settings
from samcli.recipe_yaml import read_yaml
from samcli.run_directory import RECIPE, RESULTS, AnotherRun, goes_on, held, open_run, record_environment
from samcli.training.checkpoint import finished
from samcli.training.llava_run import train_llava
from samcli.training.loop import new_accelerator
from samcli.training.sam_run import train_sam
from samcli.training.small.base import train_base

Training = SamRecipe | LlavaRecipe | BaseRecipe
_HOW = "\n--accept-changes goes on with the run in spite of that: its steps so far keep the old settings"


def run_training(recipe: Training, out: Path, *, resume: bool, overwrite: bool, accept_changes: bool = False) -> None:
    """Train in `out`: from nothing, or with `resume` from its last checkpoint.

    Raises UserError when `out` holds another run, or this one and neither `resume` nor `overwrite` was asked for, and
    when both were; for a changed recipe or changed data unless `accept_changes`, which stage 0 doesn't know: its
    finished steps would keep the old settings.
    """
    if resume and overwrite:
        raise UserError("--resume goes on with the run in --out, --overwrite removes it: give one of the two")
    if accept_changes and not resume:
        raise UserError("--accept-changes is for a run that goes on: give --resume with it")
    if accept_changes and isinstance(recipe, BaseRecipe):
        raise UserError("--accept-changes is for trainings on a base; the base itself is trained anew with --overwrite")
    accelerator = _accelerator(recipe, out)
    with held(out) if accelerator.is_main_process else nullcontext():
        if accelerator.is_main_process:
            _open(recipe, out, accelerator, resume=resume, overwrite=overwrite, accept_changes=accept_changes)
        else:
            be_quiet()
        accelerator.wait_for_everyone()
        longer = accept_changes and (out / RESULTS).exists() and _is_changed(recipe, out)
        if (out / RESULTS).exists() and not longer:
            say(f"{out} is finished; --overwrite trains anew")
        elif isinstance(recipe, BaseRecipe):
            train_base(recipe, out, accelerator)
        elif isinstance(recipe, LlavaRecipe):
            train_llava(recipe, out, accelerator, accept_changes=accept_changes)
        else:
            train_sam(recipe, out, accelerator=accelerator, accept_changes=accept_changes, longer=longer)


def _is_changed(recipe: Training, out: Path) -> bool:
    """Whether a finished run was of another recipe, in what comes out of it."""
    return bool(changed_settings(read_yaml(out / RECIPE), recipe, RESUMED_WITH))


def _open(
    recipe: Training,
    out: Path,
    accelerator: Accelerator,
    *,
    resume: bool,
    overwrite: bool,
    accept_changes: bool,
) -> None:
    """Make `out` the directory of this run; accepted changes are noted when the training is sure to go on with them."""
    settings = tuple(name for name in type(recipe).model_fields if name != "kind")
    may_change = settings if accept_changes else RESUMED_WITH
    try:
        going_on = not overwrite and goes_on(out, recipe, may_change)
    except AnotherRun as error:
        raise UserError(f"{error}{_HOW if resume and not isinstance(recipe, BaseRecipe) else ''}") from error
    if going_on:
        if (out / RESULTS).exists() and not (accept_changes and _is_changed(recipe, out)):
            return
        started = any(finished(folder) for folder in (out / "checkpoints", *out.glob("*/checkpoints")))
        if started and not resume:
            raise UserError(
                f"{out} holds an unfinished run of this recipe: --resume goes on with it, --overwrite starts anew"
            )
    elif resume:
        say(f"{out} holds nothing to resume: starting anew")
    if not (going_on and accept_changes):
        open_run(out, recipe, overwrite=overwrite, may_change=may_change)
    more: dict[str, Any] = {"seed": recipe.seed, "device": str(accelerator.device)}
    record_environment(out, processes=accelerator.num_processes, **more)


def _accelerator(recipe: Training, out: Path) -> Accelerator:
    """Devices and processes; the small model's stage 0 is made for CPUs."""
    if isinstance(recipe, BaseRecipe):
        return new_accelerator("cpu")
    return new_accelerator(recipe.model.device, recipe.trackers, out)
