"""Frozen models and their processors, from a hub id or a directory: no code of theirs is run, only tensors are read."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from samcli.console import stderr, warn
from samcli.errors import UserError
from samcli.memory import enough_memory
from samcli.model.hub import STAGE, fetch_model, is_hub_id

GPU_BATCH = 8  # pictures


def directory_of(name: str, what: str, revision: str | None = None) -> Path:
    """Where the files of a model are, fetched from the hub if need be; raises UserError when they are nowhere.

    `what` it is, in words: `a segmenter`.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(name):
        raise UserError(f"{name}: neither a directory nor a hub id (OWNER/NAME) of {what}")
    return fetch_model(name, STAGE, revision)


def processor_from(cls: Any, directory: Path, what: str) -> Any:
    """A processor, tokenizer or configuration; `cls` is its class. Raises UserError when the directory holds none."""
    try:
        return cls.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory}: the processor of {what} can't be loaded: {_told(error)}") from error


def model_from(cls: Any, directory: Path, what: str, device: str, dtype: str) -> Any:
    """A model in eval mode, straight to its device and dtype; raises UserError when the directory holds none."""
    import torch
    from transformers.utils import logging

    from samcli.model.load import resolve_device
    from samcli.model.weight_loading import tensors_alone

    if stderr.quiet or not sys.stderr.isatty():
        logging.disable_progress_bar()
    place = resolve_device(device)
    try:
        less = "use --dtype bfloat16 or another --device"
        with enough_memory(f"while {what} was loaded", less), tensors_alone(directory) as how:
            model, report = cls.from_pretrained(
                directory,
                dtype=getattr(torch, dtype),
                device_map={"": place},
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                **how,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{directory}: {what} can't be loaded: {_told(error)}") from error
    if missing := sorted(report["missing_keys"]):
        warn(
            f"{directory}: {len(missing)} tensors of {what} aren't in its files, such as {missing[0]}: they are random"
        )
    return model.eval()


def batch_on(device: str) -> int:
    """How many pictures a model takes at a time: on a CPU one, so that its numbers don't depend on the others."""
    from samcli.model.load import resolve_device

    return GPU_BATCH if resolve_device(device).type == "cuda" else 1


def needs_torchvision(what: str, instead: str) -> None:
    """Raise UserError where torchvision, with which transformers prepares pictures for newer models, isn't there."""
    if find_spec("torchvision") is None:
        raise UserError(f"{what} wants torchvision: pip install torchvision, or use {instead}")


def on_model(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A processor's tensors on a model's device, those of numbers with a fraction in its dtype."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in inputs.items()
    }


def weights_of(name: str, directory: Path) -> str:
    """What tells a model's weights from others: hub id and commit, or for a directory the hash of its files."""
    from samcli.model.weights import commit_of, weights_hash

    commit = commit_of(directory)
    return weights_hash(directory) if commit is None else f"{name}@{commit}"


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
