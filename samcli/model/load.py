"""From a name to a model: the embedded `tiny`, a local directory or a hub id, with or without an adapter."""

import sys
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, InstructBlipForConditionalGeneration
from transformers.utils import logging as transformers_logging

from samcli.console import stderr
from samcli.errors import UserError
from samcli.memory import enough_memory
from samcli.model.adapter import Adapter, find_adapter
from samcli.model.captioner import Captioner
from samcli.model.hub import fetch, is_hub_id
from samcli.model.processor import QFORMER_FOLDER, Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, WORLD, Traits, read_traits
from samcli.model.weights import commit_of, weights_hash
from samcli.recipe import NO_METHOD, ModelRecipe, TextRecipe
from samcli.recipe_faults import first_fault

TINY = "tiny"
HUB_EXAMPLE = "Salesforce/instructblip-vicuna-7b"
_DESCRIPTION = ("*.json", "*.model", "*.txt")  # configuration and tokenizers
LESS_MEMORY = "use --dtype bfloat16 (in a recipe model.dtype) or another --device"


@dataclass(frozen=True)
class Base:
    """A frozen InstructBLIP, its processor, and what identifies it."""

    model: InstructBlipForConditionalGeneration
    processor: Processor
    name: str
    revision: str | None
    directory: Path
    traits: Traits = RELEASED

    @cached_property
    def weights_hash(self) -> str:
        """A hash of all its weights, made when it is asked for: that of a large base takes a while the first time."""
        return weights_hash(self.directory)


def tiny_directory() -> Path:
    """Where the embedded model lies."""
    return Path(str(resources.files("samcli"))) / "assets" / "tiny"


def load_model(
    model: str | None = None,
    adapter: str | None = None,
    *,
    device: str = "auto",
    dtype: str = "float32",
    revision: str | None = None,
) -> Captioner:
    """Load a model that captions groups of images.

    Args:
        model: `tiny`, a directory or hub id of any InstructBLIP; by default the base of `adapter`, else `tiny`.
        adapter: a directory or hub id that `sam train` wrote; `tiny` comes with its own, `"none"` leaves it out.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `float32`, `bfloat16` or `float16` for the frozen parts.
        revision: commit or tag of `model` on the hub.

    Raises:
        UserError: the model or adapter isn't there, isn't one, or they don't belong together.
    """
    if model in (None, TINY) and adapter is None:
        model, adapter = TINY, TINY
        find_base(TINY)  # a checkout without it lacks both: say so of the whole
    found = None if adapter in (None, "none") else named_adapter(str(adapter))
    name = model or (found.base if found is not None else TINY)
    own = found is not None and name == found.base
    settings = {
        "base": name,
        "dtype": dtype,
        "device": device,
        "revision": revision or (found.revision if found is not None and own else None),
    }
    place = resolve_device(device)
    base = load_base(_validated(settings))
    if found is not None:
        found.check_base(base.name, base.weights_hash)
    sam = _with_method(base, found)
    with enough_memory(f"moving {name} in {dtype} to {place}", LESS_MEMORY):
        sam.eval().to(place)
    if found is None:
        return Captioner(sam, base.processor, base.name, None, base.traits)
    return Captioner(sam, base.processor, base.name, found.name, base.traits, text_lengths(found))


def named_adapter(name: str) -> Adapter:
    """The adapter of that name, `tiny`'s own among them; raises UserError when it isn't there or damaged."""
    if name != TINY:
        return find_adapter(name)
    directory = tiny_directory() / "adapter"
    if not directory.is_dir():
        raise UserError(_without_tiny("adapter"))
    return replace(find_adapter(str(directory)), name=TINY)


def text_lengths(adapter: Adapter) -> TextRecipe:
    """The lengths of texts that an adapter was trained with; the released ones where it doesn't say."""
    recipe = adapter.record.get("recipe")
    lengths = recipe.get("text") if isinstance(recipe, dict) else None
    try:
        return TextRecipe.model_validate(lengths if lengths is not None else {})
    except ValidationError as error:
        raise UserError(f"{adapter.name}: damaged adapter (recipe.text: {first_fault(error)})") from error


def traits_of(name: str, revision: str | None = None) -> Traits:
    """What the base of that name is like, told before its weights are loaded.

    What can't be had now counts as released: loading it will say why. `tiny` knows the world even before it is made.
    """
    directory = tiny_directory() if name == TINY else Path(name).expanduser()
    if not directory.is_dir() and is_hub_id(name):
        return _traits_on_hub(name, revision)
    return read_traits(directory) or (WORLD if name == TINY else RELEASED)


@cache
def _traits_on_hub(name: str, revision: str | None) -> Traits:
    try:
        return read_traits(find_base(name, revision)) or RELEASED
    except UserError:
        return RELEASED


def _without_tiny(part: str) -> str:
    return (
        f"this checkout lacks the embedded model's {part} ({tiny_directory()}): `make tiny` makes it (some hours), an "
        f"installed release has it; or name another base, a directory or a hub id such as {HUB_EXAMPLE} "
        "(--model; for sam train, --set model.base=)"
    )


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
    return sam


def load_base(settings: ModelRecipe) -> Base:
    """Load InstructBLIP and its processor, from safetensors only; raises UserError when it isn't there or damaged."""
    name = settings.base
    directory = find_base(name, settings.revision)
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        _check_config(name, config)
        revision = commit_of(directory) or settings.revision
        if is_hub_id(name) and not Path(name).is_dir():
            fetch(name, "model", (*_DESCRIPTION, "*.safetensors"), revision)
        traits = traits_of(name, settings.revision)
        with enough_memory(f"loading {name} in {settings.dtype}", LESS_MEMORY):
            model = _load_weights(directory, settings, small=traits.world)
        processor = Processor.load(str(directory), config.vision_config.image_size)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"can't load {name}: {_first_line(error)}") from error
    return Base(model, processor, name, revision, directory, traits)


def _load_weights(directory: Path, settings: ModelRecipe, *, small: bool) -> InstructBlipForConditionalGeneration:
    """The model, complete; what its files lack transformers would fill with chance, and only warn."""
    if small or stderr.quiet or not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()
    more: dict[str, Any] = {"attn_implementation": "eager"} if small else {}  # the faster one on CPUs at its sizes
    loaded: Any = InstructBlipForConditionalGeneration.from_pretrained(
        directory, dtype=getattr(torch, settings.dtype), use_safetensors=True, output_loading_info=True, **more
    )
    model, report = loaded
    if absent := sorted(report["missing_keys"]):
        raise ValueError(
            f"its files lack {len(absent)} of the model's tensors, such as {absent[0]}; copy or download them again"
        )
    complete: InstructBlipForConditionalGeneration = model.eval()
    return complete


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _check_config(name: str, config: Any) -> None:
    if config.model_type != "instructblip":
        raise UserError(f"{name} is a {config.model_type} model; needed is an InstructBLIP ({HUB_EXAMPLE})")
    if not config.use_decoder_only_language_model:
        raise UserError(f"{name} has an encoder-decoder language model; use one with LLaMA ({HUB_EXAMPLE})")


def find_base(name: str, revision: str | None = None) -> Path:
    """The directory of an InstructBLIP's configuration and tokenizers, from the hub if need be.

    Raises UserError for what is neither `tiny`, nor such a directory, nor a hub id that can be had.
    """
    path = tiny_directory() if name == TINY else Path(name).expanduser()
    if name == TINY and not (path / "config.json").exists():
        raise UserError(_without_tiny("base"))
    if path.suffix in (".pth", ".pt", ".bin", ".safetensors") and path.is_file():
        raise UserError(
            f"{name} is a bare checkpoint without its configuration; give a directory or hub id in the hub's format "
            f"({HUB_EXAMPLE})"
        )
    if not path.is_dir():
        if not is_hub_id(name):
            raise UserError(f"no model {name}: neither `{TINY}`, nor a directory, nor a hub id such as {HUB_EXAMPLE}")
        path = fetch(name, "model", _DESCRIPTION, revision)
    missing = [entry for entry in ("config.json", QFORMER_FOLDER) if not (path / entry).exists()]
    if missing:
        raise UserError(f"{name} is not an InstructBLIP in the hub's format: it lacks {', '.join(missing)}")
    return path


def resolve_device(name: str) -> torch.device:
    """The device of that name; `auto` is a GPU where there is one. Raises UserError for one that isn't there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"no device {name} on this machine ({str(error).splitlines()[0]}); try --device cpu") from error
    return device


def count_parameters(module: nn.Module) -> int:
    """How many numbers a module holds, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())
