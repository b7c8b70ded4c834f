"""From a name to a model: the embedded `tiny`, a local directory or a hub id, with or without an adapter."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, InstructBlipForConditionalGeneration

from samcli.errors import UserError, first_line
from samcli.memory import enough_memory
from samcli.model.adapter import Adapter, find_adapter
from samcli.model.captioner import Captioner
from samcli.model.find import (
    DESCRIPTION,
    HUB_EXAMPLE,
    TINY,
    BaseFiles,
    find_base,
    is_patch_model,
    is_released,
    tiny_directory,
    traits_of,
    underlying,
    without_tiny,
)
from samcli.model.hub import fetch, is_hub_id
from samcli.model.llava.load import load_patch_model
from samcli.model.processor import Processor
from samcli.model.released import holds_guidance, put_into, read_released, use_released_norm
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, Traits
from samcli.model.weight_loading import load_weights
from samcli.model.weights import commit_of
from samcli.recipe import ModelRecipe, TextRecipe
from samcli.recipe_faults import first_fault
from samcli.recipe_method import NO_METHOD

SPREAD = "spread"
LESS_MEMORY = "use --dtype bfloat16 (in a recipe model.dtype) or another --device"


@dataclass(frozen=True)
class Base:
    """A frozen InstructBLIP, its processor, and what identifies it."""

    model: InstructBlipForConditionalGeneration
    processor: Processor
    name: str
    revision: str | None
    files: BaseFiles
    traits: Traits = RELEASED

    @cached_property
    def weights_hash(self) -> str:
        """A hash of all its weights, made when it is asked for: that of a large base takes a while the first time."""
        return self.files.weights_hash()


def load_model(
    model: str | None = None,
    adapter: str | None = None,
    *,
    device: str = "auto",
    dtype: str = "float32",
    revision: str | None = None,
    llm_bits: Literal[4, 8] | None = None,
    completed_from: str | None = None,
) -> Captioner:
    """Load a model that captions groups of images.

    Args:
        model: `tiny`, a directory or hub id of any InstructBLIP, or a released `.pth`; by default the base of
            `adapter`, else `tiny`.
        adapter: a directory or hub id that `sam train` wrote, or the authors' `.pth`; `tiny` comes with its own, as
            does a `.pth` that holds guidance; `"none"` leaves it out.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N`, `mps`, or `spread` (over all GPUs).
        dtype: `float32`, `bfloat16` or `float16` for the frozen parts.
        revision: commit or tag of `model` on the hub.
        llm_bits: hold the LLM alone in so many bits (needs bitsandbytes).
        completed_from: what a `.pth` is laid over; by default Salesforce/instructblip-vicuna-7b.

    Raises:
        UserError: the model or adapter isn't there, isn't one, or they don't belong together.
    """
    if model in (None, TINY) and adapter is None:
        model, adapter = TINY, TINY
        find_base(ModelRecipe(base=TINY))  # a checkout without it lacks both: say so of the whole
    if adapter is None and model is not None and is_released(model) and holds_guidance(Path(model).expanduser()):
        adapter = model
    found = None if adapter in (None, "none") else named_adapter(str(adapter), of_model=adapter == model)
    name = model or (found.base if found is not None else TINY)
    own = found is not None and name == found.base
    settings = {
        "base": name,
        "dtype": dtype,
        "device": device,
        "revision": revision or (found.revision if found is not None and own else None),
        "llm_bits": llm_bits,
        "completed_from": completed_from or (found.completed_from if found is not None and own else None),
    }
    place = resolve_device(device)
    if name != TINY and not is_released(name) and is_patch_model(find_base(_validated(settings)).directory):
        if found is not None:
            raise UserError(f"{name} is a LLaVA and takes no adapter: leave out {adapter}")
        if llm_bits is not None or device == SPREAD or completed_from is not None:
            raise UserError(f"{name} is a LLaVA: it takes neither llm_bits, nor device {SPREAD}, nor completed_from")
        return load_patch_model(name, revision, dtype, place)
    with enough_memory(f"with {name} in {dtype} on {place}", LESS_MEMORY):
        base = load_base(_validated(settings), place)
        if found is not None:
            found.check_base(base.name, base.weights_hash)
        sam = _with_method(base, found)
        sam.eval().place(place)
    if found is None:
        return Captioner(sam, base.processor, base.name, None, base.traits, files=base.files)
    lengths = text_lengths(found)
    return Captioner(sam, base.processor, base.name, found.name, base.traits, lengths, base.files)


def named_adapter(name: str, *, of_model: bool = False) -> Adapter:
    """The adapter of that name, `tiny`'s own among them; raises UserError when it isn't there or damaged."""
    if name != TINY:
        return find_adapter(name, of_model=of_model)
    directory = tiny_directory() / "adapter"
    if not directory.is_dir():
        raise UserError(without_tiny("adapter"))
    return replace(find_adapter(str(directory)), name=TINY)


def text_lengths(adapter: Adapter) -> TextRecipe:
    """The lengths of texts that an adapter was trained with; the released ones where it doesn't say."""
    recipe = adapter.record.get("recipe")
    lengths = recipe.get("text") if isinstance(recipe, dict) else None
    try:
        return TextRecipe.model_validate(lengths if lengths is not None else {})
    except ValidationError as error:
        raise UserError(f"{adapter.name}: damaged adapter (recipe.text: {first_fault(error)})") from error


def _validated(settings: dict[str, Any]) -> ModelRecipe:
    try:
        return ModelRecipe.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{first['loc'][0]} {first['input']}: {first['msg']}") from error


def _with_method(base: Base, adapter: Adapter | None) -> SemanticAlignmentModel:
    """The base with the adapter's method and weights; raises UserError when they don't fit."""
    if adapter is None:
        return SemanticAlignmentModel(base.model, NO_METHOD)
    try:
        sam = SemanticAlignmentModel(base.model, adapter.method)
    except ValueError as error:
        raise UserError(f"adapter {adapter.name} does not fit {base.name}: {error}") from error
    adapter.load_into(sam)
    if is_released(adapter.name):
        use_released_norm(base.model)
    return sam


def load_base(settings: ModelRecipe, place: torch.device | None = None) -> Base:
    """Load InstructBLIP and its processor onto a device, by default the CPU; nothing is unpickled, no code is run.

    Raises UserError when it isn't there or damaged, and when a released checkpoint doesn't fit it.
    """
    files = fetch_base(settings)
    if files.released is not None:
        completed = load_base(underlying(settings), place)
        put_into(completed.model, read_released(files.released))
        return replace(completed, name=settings.base, files=files)
    name, directory = settings.base, files.directory
    traits = traits_of(name, settings.revision)
    try:
        config = _config(name, directory)
        with enough_memory(f"loading {name} in {settings.dtype}", LESS_MEMORY):
            model = load_weights(directory, settings, place or torch.device("cpu"), small=traits.world)
        processor = Processor.load(str(directory), config.vision_config.image_size)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, ImportError) as error:
        raise UserError(f"can't load {name}: {first_line(error)}") from error
    return Base(model, processor, name, commit_of(directory), files, traits)


def fetch_base(settings: ModelRecipe) -> BaseFiles:
    """The files of a base, its weights fetched from the hub if need be.

    Raises UserError for what isn't there, and for what is no InstructBLIP, before anything large is fetched.
    """
    files, name = find_base(settings), underlying(settings).base
    _config(name, files.directory)
    if is_hub_id(name) and not Path(name).is_dir():
        fetch(name, "model", (*DESCRIPTION, "*.safetensors"), commit_of(files.directory))
    return files


def _config(name: str, directory: Path) -> Any:
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"can't load {name}: {first_line(error)}") from error
    if config.model_type != "instructblip":
        raise UserError(f"{name} is a {config.model_type} model; needed is an InstructBLIP ({HUB_EXAMPLE})")
    return config


def resolve_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one, `spread` the first of several.

    Raises UserError for one that isn't there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == SPREAD:
        name = "cuda:0"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"no device {name} on this machine ({str(error).splitlines()[0]}); try --device cpu") from error
    return device


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module holds, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())
