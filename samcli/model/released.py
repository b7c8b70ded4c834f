"""Weights under the key names of the release (LAVIS and the authors' code), read into this package's modules.

The released names carry their history: `attn` is the adaptive layer; `one_2_muliple` (sic) and `multiple_2_one` are
the guide layers into and out of the W-Former; EVA's attention keeps its query and value biases apart and has none for
the keys.
"""

import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration

from samcli.errors import UserError
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe_method import GuidanceRecipe, MethodRecipe

RELEASED_NORM_EPSILON = 1e-5
"""Of the norm behind the vision tower in LAVIS; transformers has 1e-6 there, which moves features by up to 5e-5."""

_RECOMPUTED = re.compile(r".*\.(position_ids|inv_freq)")  # buffers that follow from the sizes
_BLOCK = r"visual_encoder\.blocks\.(\d+)\."
_LAYER = r"base.vision_model.encoder.layers.\1."
_RENAMES = {  # the first pattern that matches a whole key names it
    r"attn\.(\w+)": r"guidance.adjustment.score.\1",
    r"Qformer\.bert\.encoder\.one_2_muliple\.0\.(\w+)": r"guidance.guide_in.\1",
    r"Qformer\.bert\.encoder\.multiple_2_one\.0\.(\w+)": r"guidance.guide_out.\1",
    r"Qformer\.bert\.embeddings\.LayerNorm\.(\w+)": r"base.qformer.embeddings.layernorm.\1",
    r"Qformer\.bert\.(.*attention)\.self\.(.*)": r"base.qformer.\1.attention.\2",
    r"Qformer\.bert\.(.*)": r"base.qformer.\1",
    r"query_tokens": r"base.query_tokens",
    r"visual_encoder\.cls_token": r"base.vision_model.embeddings.class_embedding",
    r"visual_encoder\.pos_embed": r"base.vision_model.embeddings.position_embedding",
    r"visual_encoder\.patch_embed\.proj\.(\w+)": r"base.vision_model.embeddings.patch_embedding.\1",
    _BLOCK + r"norm([12]\.\w+)": _LAYER + r"layer_norm\2",
    _BLOCK + r"attn\.proj\.(\w+)": _LAYER + r"self_attn.projection.\2",
    _BLOCK + r"attn\.(.*)": _LAYER + r"self_attn.\2",
    _BLOCK + r"(mlp\..*)": _LAYER + r"\2",
    r"ln_vision\.(\w+)": r"base.vision_model.post_layernorm.\1",
    r"(?:llm|t5)_proj\.(\w+)": r"base.language_projection.\1",
    r"(?:llm|t5)_model\.(.*)": r"base.language_model.\1",
}
_PARTS = (  # what a file may hold or lack as a whole; LAVIS leaves out what it had frozen
    "guidance.",
    "base.vision_model.post_layernorm.",
    "base.vision_model.",
    "base.query_tokens",
    "base.qformer.",
    "base.language_projection.",
    "base.language_model.",
)
_GUIDANCE, _PROJECTION = "guidance.", "base.language_projection."


def read_released(path: Path) -> dict[str, Tensor]:
    """The tensors of a released checkpoint by their released names; nothing in it is executed.

    Raises UserError for a file that can't be read, is damaged, or holds anything but tensors and plain values.
    """
    try:
        held = _load(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: not read, since it holds more than tensors and plain values, or is damaged"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: can't be read as a checkpoint: {str(error).splitlines()[0]}") from error
    state = held.get("model", held) if isinstance(held, Mapping) else held
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"{path}: not a released checkpoint: expected named tensors, or those below the key `model`")
    return dict(state)


def _load(path: Path) -> Any:
    """Mapped into memory where the file's format allows it, so that no tensor is copied before it is needed."""
    mapped = zipfile.is_zipfile(path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


@cache
def holds_guidance(path: Path) -> bool:
    """Whether a released checkpoint has what the authors trained; raises UserError as `read_released`."""
    return path.is_file() and any(_new_name(key).startswith(_GUIDANCE) for key in read_released(path))


def put_into(base: InstructBlipForConditionalGeneration, state: Mapping[str, Tensor]) -> None:
    """Put a released checkpoint's tensors in the places of the base's own; parts that it lacks altogether stay.

    Raises UserError that lists what is unknown, misshapen, or missing from a part that it holds.
    """
    shapes = _shapes(base.config)
    held = {_part(_new_name(key)) for key in _with_joined_biases(state)}
    named = _named(state, {name: shape for name, shape in shapes.items() if _part(name) in held})
    own = base.state_dict()
    with torch.no_grad():
        for name, tensor in _below("base.", named).items():
            own[name].copy_(tensor)
    use_released_norm(base)


def released_adapter(path: Path, *, alone: bool) -> dict[str, Tensor]:
    """Guidance and projection of the authors' checkpoint, under the names of `trained_parameters`.

    `alone`: raise UserError that lists whatever else the file holds. That they are whole `Adapter.load_into` checks.
    """
    state = read_released(path)
    named = {_new_name(key): tensor for key, tensor in state.items()}
    others = [key for key in state if not _new_name(key).startswith((_GUIDANCE, _PROJECTION))]
    if alone and others:
        raise UserError(
            f"{path} holds more than guidance and projection: {_listed('unknown', others)}; a whole model is given as "
            "--model"
        )
    chosen = {name: tensor for name, tensor in named.items() if name.startswith((_GUIDANCE, _PROJECTION))}
    return {name.removeprefix("base.").removeprefix(_GUIDANCE): tensor for name, tensor in chosen.items()}


def _part(name: str) -> str | None:
    return next((part for part in _PARTS if name.startswith(part)), None)


def convert_released(
    state: Mapping[str, Tensor], config: InstructBlipConfig
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A complete released state dict as those of `InstructBlipForConditionalGeneration` and of `Guidance`.

    `use_released_norm` belongs to the first of them. Raises UserError that lists all unknown, missing and misshapen
    tensors.
    """
    named = _named(state, _shapes(config))
    return _below("base.", named), _below("guidance.", named)


def released_guidance_and_projection(state: Mapping[str, Tensor], config: InstructBlipConfig) -> dict[str, Tensor]:
    """The authors' checkpoint, which holds what they trained and no more, under the names of `trained_parameters`.

    Raises UserError as `convert_released`.
    """
    trained = ("guidance.", "base.language_projection.")
    wanted = {name: shape for name, shape in _shapes(config).items() if name.startswith(trained)}
    named = _named(state, wanted)
    return {**_below("base.", named), **_below("guidance.", named)}


def use_released_norm(base: InstructBlipForConditionalGeneration) -> None:
    """The norm behind the vision tower has the release's epsilon from now on."""
    base.vision_model.post_layernorm.eps = RELEASED_NORM_EPSILON


def _below(prefix: str, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)}


def _shapes(config: InstructBlipConfig) -> dict[str, torch.Size]:
    """Names and shapes of the whole model's tensors; nothing is allocated."""
    anywhere = MethodRecipe(
        guidance=GuidanceRecipe(from_layer=1, to_layer=1)
    )  # the layers in use have no part in the names
    with torch.device("meta"):
        model = SemanticAlignmentModel(InstructBlipForConditionalGeneration(config), anywhere)
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _named(state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """`state` under our names, exactly the `wanted` ones; raises UserError that lists every exception."""
    released = {key: tensor for key, tensor in _with_joined_biases(state).items() if not _RECOMPUTED.fullmatch(key)}
    names = {key: _new_name(key) for key in released}
    named = {names[key]: tensor for key, tensor in released.items()}
    misshapen = (
        f"{key} {tuple(tensor.shape)} instead of {tuple(wanted[names[key]])}"
        for key, tensor in released.items()
        if tensor.shape != wanted.get(names[key], tensor.shape)
    )
    faults = (
        _listed("unknown", (key for key, name in names.items() if name not in wanted)),
        _listed("missing", (name for name in wanted if name not in named)),
        _listed("of another shape", misshapen),
    )
    if any(faults):
        raise UserError(
            f"the released checkpoint does not fit the model's sizes: {'; '.join(filter(None, faults))}; "
            "check that it belongs to this base model"
        )
    return named


def _new_name(key: str) -> str:
    """Our name for a released key; an unknown key stays as it is."""
    for pattern, name in _RENAMES.items():
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    return key


def _with_joined_biases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with one bias for queries, keys and values, the keys' zero, wherever query and value biases stand apart.

    A bias without its partner stays, to be found unknown.
    """
    joined = dict(state)
    for key in state:
        block = key.removesuffix(".q_bias")
        if block != key and f"{block}.v_bias" in state:
            query, value = joined.pop(key), joined.pop(f"{block}.v_bias")
            joined[f"{block}.qkv.bias"] = torch.cat([query, torch.zeros_like(query), value])
    return joined


def _listed(what: str, items: Iterable[str]) -> str:
    """`what (number): item, item`, or nothing when there are no items."""
    items = sorted(items)
    return f"{what} ({len(items)}): {', '.join(items)}" if items else ""
