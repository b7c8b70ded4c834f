"""`sam export`: an adapter from any checkpoint of a run, into a directory and onto the hub."""

from pathlib import Path
from typing import Any

from samcli.console import say
from samcli.errors import UserError
from samcli.files import read_json
from samcli.model.adapter import FILES, is_adapter_place, write_adapter
from samcli.model.hub import is_hub_id, upload
from samcli.run_directory import RECORD
from samcli.training.checkpoint import Checkpoint, finished, latest_checkpoint, place_of, read_checkpoint

BEST, LAST = "best", "last"
_OWN_NAMES = ("base.", "guidance.")  # in front of what an adapter calls by the rest of its name


def export(run: Path, out: Path, *, step: str = LAST, push: str | None = None, private: bool = False) -> Path:
    """Write the adapter of a checkpoint of `run` to `out` and return that; `step` is a number, `best` or `last`.

    With `push`, a hub id, it is uploaded as well, with its card. Raises UserError when `run` is no training of a SAM,
    has no such checkpoint, or the hub refuses.
    """
    if push is not None and not is_hub_id(push):
        raise UserError(f"--push {push}: expected OWNER/NAME")
    if not (run / RECORD).is_file():
        raise UserError(f"{run} holds no training of guidance: it lacks {RECORD}, which `sam train` writes")
    checkpoint = _checkpoint(run / "checkpoints", step)
    record: dict[str, Any] = checkpoint.state.get("about") or read_json(run / RECORD)
    scores = checkpoint.state.get("last", {})
    tensors = {_adapter_name(name): value for name, value in checkpoint.parameters.items()}
    if out.exists() and not is_adapter_place(out):
        raise UserError(f"--out {out} holds other things than an adapter; name a new directory")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_adapter(out, tensors, record | {"step": checkpoint.step, "scores": scores})
    say(f"adapter of step {checkpoint.step} written to {out}")
    if push is not None:
        upload(out, push, FILES, private=private)
        say(f"uploaded as {push}; `sam caption --adapter {push}` takes it from there")
    return out


def _adapter_name(name: str) -> str:
    for prefix in _OWN_NAMES:
        name = name.removeprefix(prefix)
    return name


def _checkpoint(directory: Path, step: str) -> Checkpoint:
    there = [int(path.name.removeprefix("step-")) for path in finished(directory)]
    if not there:
        raise UserError(f"{directory} has no checkpoints")
    newest = latest_checkpoint(directory)
    if step == LAST and newest is not None:
        return newest
    best = newest.state.get("best", {}).get("step") if newest is not None else None
    if step == BEST and best is None:
        raise UserError(f"{directory.parent} was trained without validation, so no checkpoint is its best")
    wanted = best if step == BEST else int(step) if step.isdigit() else None
    if wanted not in there:
        listed = ", ".join(map(str, there))
        raise UserError(f"--step {step}: there are checkpoints of steps {listed}, `{LAST}` and `{BEST}`")
    found = read_checkpoint(place_of(directory, int(wanted)))
    if found is None:
        raise UserError(f"{place_of(directory, int(wanted))} is damaged")
    return found
