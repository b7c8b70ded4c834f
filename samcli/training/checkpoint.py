"""Checkpoints that a kill can't spoil: a folder is staged beside its final name, flushed, and renamed last.

A checkpoint holds tensors (safetensors), `state.json`, and a manifest with the hash of each; there is no pickle in it.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from samcli.console import warn
from samcli.errors import UserError
from samcli.files import read_json, sha256, sync_directory, write_json

TENSORS = ("parameters.safetensors", "optimizer.safetensors")
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


def save_checkpoint(directory: Path, checkpoint: Checkpoint, keep: int) -> Path:
    """Write `directory/step-N` whole or not at all, then prune to the newest `keep`.

    Raises UserError when the disk is full; earlier checkpoints are untouched then.
    """
    final = directory / f"step-{checkpoint.step:08d}"
    staging = directory / f".{final.name}.tmp"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        _write_files(staging, checkpoint)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(staging, final)
        sync_directory(directory)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"can't save checkpoint {final}: {reason}; earlier ones are intact") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for old in finished(directory)[:-keep]:
        shutil.rmtree(old)
    return final


def _write_files(staging: Path, checkpoint: Checkpoint) -> None:
    for name, group in zip(TENSORS, (checkpoint.parameters, checkpoint.moments), strict=True):
        save_file({key: value.detach().cpu().contiguous() for key, value in group.items()}, staging / name)
        with open(staging / name, "rb") as file:
            os.fsync(file.fileno())
    write_json(staging / STATE, {"step": checkpoint.step, **checkpoint.state})
    write_json(staging / MANIFEST, {name: sha256(staging / name) for name in (*TENSORS, STATE)})
    sync_directory(staging)


def finished(directory: Path) -> list[Path]:
    """The complete checkpoints, oldest first."""
    if not directory.is_dir():
        return []
    named = [path for path in directory.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).exists()]
    return sorted(named)


def latest_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest checkpoint whose files are what their hashes say; damaged ones are passed over with a warning."""
    for path in reversed(finished(directory)):
        if _intact(path):
            state = read_json(path / STATE)
            tensors = [load_file(path / name) for name in TENSORS]
            more = {key: value for key, value in state.items() if key != "step"}
            return Checkpoint(state["step"], tensors[0], tensors[1], more)
        warn(f"checkpoint {path} is damaged; going back to the one before")
    return None


def _intact(path: Path) -> bool:
    """Whether every file of a checkpoint is what the manifest says."""
    try:
        hashes = read_json(path / MANIFEST)
        return all(sha256(path / name) == hashes[name] for name in (*TENSORS, STATE))
    except (UserError, OSError, KeyError, TypeError):
        return False


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
