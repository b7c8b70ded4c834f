"""From the settings of a recipe to a LLaVA: the small one, a directory or hub id, or one of a tower and an LLM."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlavaForConditionalGeneration,
    SiglipImageProcessorPil,
)

from samcli.errors import UserError, first_line
from samcli.memory import enough_memory
from samcli.model.captioner import Captioner
from samcli.model.find import DESCRIPTION, TINY, BaseFiles, hint_of_run, tiny_directory, without_tiny
from samcli.model.hub import fetch, fetch_model, is_hub_id
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.llava.parts import FEATURE_DEVIATION, draw_projector, join_parts, of_instructblip
from samcli.model.llava.processor import PatchProcessor, load_image_processor
from samcli.model.processor import DEVIATION, MEAN
from samcli.model.traits import PATCHES, WORLD, Traits, read_traits
from samcli.model.weight_loading import complete_model, load_weights, show_no_bar, tensors_alone
from samcli.model.weights import base_identity
from samcli.recipe import ModelRecipe
from samcli.recipe_alignment import LlavaModelRecipe, PatchTextRecipe

LLAVA_EXAMPLE = "llava-hf/llava-1.5-7b-hf"
SMALL = WORLD.model_copy(update={"template": "plain", "feature_deviation": FEATURE_DEVIATION})
_LESS_MEMORY = "use model.dtype bfloat16 or another device"


@dataclass(frozen=True)
class PatchBase:
    """A LLaVA, its processor, and what identifies it."""

    model: LlavaForConditionalGeneration
    processor: PatchProcessor
    name: str
    identity: dict[str, str]
    traits: Traits = PATCHES
    files: BaseFiles | None = None  # of a whole one


def load_patch_base(settings: LlavaModelRecipe, seed: int) -> PatchBase:
    """Load the model that a recipe names, on the CPU; a new projector is drawn from `seed`.

    Raises UserError when something isn't there, is damaged, or is of another kind.
    """
    name = settings.base or f"{settings.vision} + {settings.llm}"
    try:
        with enough_memory(f"loading {name} in {settings.dtype}", _LESS_MEMORY):
            if settings.base == TINY:
                return _small(settings, seed)
            return _of_parts(settings, name, seed) if settings.base is None else _whole(settings, settings.base, seed)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, ImportError) as error:
        raise UserError(f"can't load {name}: {first_line(error)}") from error


def load_patch_model(name: str, revision: str | None, dtype: str, place: torch.device) -> Captioner:
    """A LLaVA that captions groups of images, from a directory or hub id. Raises UserError as `load_patch_base`."""
    settings = {"base": name, "revision": revision, "dtype": dtype, "new_projector": False}
    found = load_patch_base(LlavaModelRecipe.model_validate(settings), seed=0)
    model = PatchAlignedModel(found.model)
    model.base.requires_grad_(False)
    with enough_memory(f"with {name} in {dtype} on {place}", _LESS_MEMORY):
        model.eval().place(place)
    text = PatchTextRecipe(template=found.traits.template)
    return Captioner(model, found.processor, name, None, found.traits, text, found.files)


def _small(settings: LlavaModelRecipe, seed: int) -> PatchBase:
    if not (tiny_directory() / "config.json").exists():
        raise UserError(without_tiny("base"))
    whole = load_weights(tiny_directory(), ModelRecipe(dtype=settings.dtype), torch.device("cpu"), small=True)
    tokenizer = AutoTokenizer.from_pretrained(tiny_directory())
    llava = of_instructblip(whole, tokenizer, seed)
    side = whole.vision_model.config.image_size
    size = {"height": side, "width": side}
    image_processor = SiglipImageProcessorPil(size=size, image_mean=MEAN, image_std=DEVIATION, resample=3)
    identity = base_identity(tiny_directory())
    return PatchBase(llava, PatchProcessor(image_processor, tokenizer), TINY, identity, SMALL)


def _whole(settings: LlavaModelRecipe, name: str, seed: int) -> PatchBase:
    directory = patch_directory(name, settings.revision)
    traits = read_traits(directory) or PATCHES
    show_no_bar(small=traits.world)
    more: dict[str, Any] = {"attn_implementation": "eager"} if traits.world else {}  # the faster one at its sizes
    more |= {"dtype": getattr(torch, settings.dtype), "use_safetensors": True}
    llava = complete_model(LlavaForConditionalGeneration, directory, **more)
    if settings.new_projector:
        draw_projector(llava, seed, traits.feature_deviation)
    processor = PatchProcessor.load(str(directory))
    return PatchBase(llava, processor, name, base_identity(directory), traits, BaseFiles(directory))


def patch_identity(settings: LlavaModelRecipe) -> dict[str, str]:
    """What tells the base that a recipe names from others of its name. Raises UserError when it isn't there."""
    if settings.base == TINY:
        return base_identity(tiny_directory())
    if settings.base is not None:
        return base_identity(patch_directory(settings.base, settings.revision))
    return _identity_of_parts(*_parts(settings))


def _parts(settings: LlavaModelRecipe) -> tuple[Path, Path]:
    """The directories of tower and language model, fetched from the hub if need be."""
    return _part_directory(str(settings.vision)), _part_directory(str(settings.llm))


def _part_directory(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(name):
        raise UserError(f"{name}: neither a directory nor a hub id such as openai/clip-vit-large-patch14-336")
    return fetch_model(name, "model")


def _part(kind: Any, directory: Path, dtype: str) -> Any:
    """A tower or a language model; of files that are pickles (Vicuna's are) tensors are read and nothing else."""
    with tensors_alone(directory) as how:
        return complete_model(kind, directory, f"{directory} lacks", dtype=getattr(torch, dtype), **how)


def _identity_of_parts(vision: Path, llm: Path) -> dict[str, str]:
    parts = {"vision": base_identity(vision), "llm": base_identity(llm)}
    return {f"{part}_{key}": value for part, found in parts.items() for key, value in found.items()}


def patch_directory(name: str, revision: str | None) -> Path:
    """The directory of a LLaVA, fetched from the hub if need be. Raises UserError for anything else."""
    directory = _directory(name, revision, DESCRIPTION)
    if not (directory / "config.json").exists() and (hint := hint_of_run(directory)):
        raise UserError(f"{name} is not a LLaVA in the hub's format: it lacks config.json{hint}")
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"can't load {name}: {first_line(error)}") from error
    if config.model_type != "llava":
        raise UserError(f"{name} is a {config.model_type} model; needed is a LLaVA ({LLAVA_EXAMPLE})")
    return _directory(name, revision, (*DESCRIPTION, "*.safetensors"))


def _directory(name: str, revision: str | None, files: tuple[str, ...]) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not is_hub_id(name):
        raise UserError(f"no model {name}: neither `{TINY}`, nor a directory, nor a hub id such as {LLAVA_EXAMPLE}")
    return fetch(name, "model", files, revision)


def _of_parts(settings: LlavaModelRecipe, name: str, seed: int) -> PatchBase:
    vision, llm = _parts(settings)
    both = _part(AutoModel, vision, settings.dtype)
    tower = getattr(both, "vision_model", both)
    language = _part(AutoModelForCausalLM, llm, settings.dtype)
    tokenizer = AutoTokenizer.from_pretrained(llm)
    processor = PatchProcessor(load_image_processor(str(vision)), tokenizer)
    llava = join_parts(tower, language, tokenizer, settings.feature_layer, seed)
    return PatchBase(llava, processor, name, _identity_of_parts(vision, llm))
