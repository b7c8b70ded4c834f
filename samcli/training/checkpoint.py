"""Checkpoints that a kill can't spoil: a folder is staged beside its final name, flushed, and renamed last.

A checkpoint holds tensors (safetensors), `state.json`, and a manifest with the hash of each; there is no pickle in it.
"""

import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from samcli.console import warn
from samcli.errors import UserError
from samcli.files import atomic_directory, read_json, sha256, write_json

TENSORS = ("parameters.safetensors", "optimizer.safetensors")
GOES_ON = "the same command goes on from it (sam train: with --resume)"
STATE = "state.json"
MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had not stopped."""

    step: int
    parameters: dict[str, Tensor]
    moments: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(directory: Path, checkpoint: Checkpoint, keep: int, best: int | None = None) -> Path:
    """Write `directory/step-N` whole or not at all, then prune to the newest `keep` up to it, and step `best`.

    Later ones are damaged, or the run would have gone on from them. Raises UserError when the disk is full, which says
    how much is missing; earlier checkpoints are untouched then.
    """
    final = place_of(directory, checkpoint.step)
    try:
        with atomic_directory(final) as staging:
            _write_files(staging, checkpoint)
    except UserError as error:
        raise UserError(f"{error}{_room(directory, checkpoint)}") from error
    kept = [path for path in finished(directory) if path <= final][-keep:]
    kept += [place_of(directory, best)] if best is not None else []
    for path in finished(directory):
        if path not in kept:
            shutil.rmtree(path)
    return final


def place_of(directory: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return directory / f"step-{step:08d}"


def _room(directory: Path, checkpoint: Checkpoint) -> str:
    """What a checkpoint that could not be written takes, where the disk has less."""
    tensors = (*checkpoint.parameters.values(), *checkpoint.moments.values())
    needed = sum(tensor.numel() * tensor.itemsize for tensor in tensors)
    with suppress(OSError):
        free = shutil.disk_usage(directory).free
        if free < needed:
            short = f"{(needed - free) / 1e6:.0f} MB are missing"
            return f"; it takes {needed / 1e6:.0f} MB and {short}; the last good checkpoint is kept, and {GOES_ON}"
    return ""


def _write_files(staging: Path, checkpoint: Checkpoint) -> None:
    for name, group in zip(TENSORS, (checkpoint.parameters, checkpoint.moments), strict=True):
        save_file({key: value.detach().cpu().contiguous() for key, value in group.items()}, staging / name)
    write_json(staging / STATE, {"step": checkpoint.step, **checkpoint.state})
    files = {name: staging / name for name in (*TENSORS, STATE)}
    manifest = {name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for name, path in files.items()}
    write_json(staging / MANIFEST, manifest)


def finished(directory: Path) -> list[Path]:
    """The checkpoints that were written to the end, oldest first, also those that were damaged since."""
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))


def latest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, None where there is none; damaged ones are passed over with a warning.

    Raises UserError when all are damaged.
    """
    there = finished(directory)
    for path in reversed(there):
        if checkpoint := read_checkpoint(path):
            return checkpoint
        warn(f"checkpoint {path} is damaged and passed over")
    if there:
        raise UserError(f"{directory}: all checkpoints are damaged, so the run can't go on; --overwrite starts anew")
    return None


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint, or None unless every file is what the manifest says and can be read; nothing is unpickled."""
    try:
        manifest = read_json(path / MANIFEST)
        if any((path / name).stat().st_size != manifest[name]["bytes"] for name in (*TENSORS, STATE)):
            return None
        if any(sha256(path / name) != manifest[name]["sha256"] for name in (*TENSORS, STATE)):
            return None
        state = read_json(path / STATE)
        parameters, moments = (load_file(path / name) for name in TENSORS)
        return Checkpoint(state.pop("step"), parameters, moments, state)
    except (UserError, OSError, LookupError, TypeError, AttributeError, SafetensorError):
        return None


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer], names: dict[int, str]) -> dict[str, Tensor]:
    """The optimisers' state as named tensors; `names` maps a parameter's id() to its name."""
    states = [item for optimizer in optimizers for item in optimizer.state.items()]
    return {f"{names[id(parameter)]}|{key}": value for parameter, values in states for key, value in values.items()}


def load_optimizer_tensors(
    optimizers: Sequence[torch.optim.Optimizer], names: dict[int, str], flat: dict[str, Tensor]
) -> None:
    """Put back what `optimizer_tensors` returned; raises UserError when a parameter's state is missing."""
    for optimizer in optimizers:
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            prefix = f"{names[id(parameter)]}|"
            values = {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}
            if not values:
                raise UserError(f"the checkpoint has no optimiser state for {prefix[:-1]}; start anew with --overwrite")
            optimizer.state[parameter] = {
                key: value if key == "step" else value.to(parameter.device) for key, value in values.items()
            }
