"""Where a base model's files are: the embedded `tiny`, a directory, the hub, or a released checkpoint over one of them.

Nothing is loaded here.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from samcli.errors import UserError
from samcli.files import read_json
from samcli.model.hub import fetch, is_hub_id
from samcli.model.traits import PATCHES, RELEASED, WORLD, Traits, read_traits
from samcli.model.weights import base_identity, file_hash, weights_hash
from samcli.recipe import ModelRecipe

TINY = "tiny"
HUB_EXAMPLE = "Salesforce/instructblip-vicuna-7b"
DESCRIPTION = ("*.json", "*.model", "*.txt")  # configuration and tokenizers
QFORMER_FOLDER = "qformer_tokenizer"


@dataclass(frozen=True)
class BaseFiles:
    """A directory in the hub's format, and the released checkpoint whose tensors replace its own, if there is one."""

    directory: Path
    released: Path | None = None

    def identity(self) -> dict[str, str]:
        """What tells its weights from others of its name; raises UserError for files that can't be read."""
        own = {"released": file_hash(self.released)} if self.released is not None else {}
        return base_identity(self.directory) | own

    def weights_hash(self) -> str:
        """A hash of all its weights: of a large base it takes a while the first time."""
        below = weights_hash(self.directory)
        if self.released is None:
            return below
        return hashlib.sha256(f"{below}:{file_hash(self.released)}".encode()).hexdigest()


def is_released(name: str) -> bool:
    """Whether a name is that of a released checkpoint's file."""
    return Path(name).suffix in (".pth", ".pt")


def underlying(settings: ModelRecipe) -> ModelRecipe:
    """Itself, or for a released checkpoint the base in the hub's format that it is laid over.

    Raises UserError where that is a released checkpoint too.
    """
    if not is_released(settings.base):
        return settings
    below = settings.completed_from or HUB_EXAMPLE
    if is_released(below):
        raise UserError(f"model.completed_from {below}: a released checkpoint can't complete another one")
    return settings.model_copy(update={"base": below})


def tiny_directory() -> Path:
    """Where the embedded model lies."""
    return Path(str(resources.files("samcli"))) / "assets" / "tiny"


def find_base(settings: ModelRecipe) -> BaseFiles:
    """The files of a base; configuration and tokenizers are fetched from the hub if need be.

    Raises UserError for what is neither `tiny`, nor such a directory, nor a hub id that can be had, nor a checkpoint.
    """
    name = settings.base
    if name.startswith("lavis:"):
        raise UserError(f"{name}: models of LAVIS are there for sam eval alone; docs/lavis.md")
    if is_released(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UserError(f"no model {name}: there is no such file")
        return BaseFiles(find_base(underlying(settings)).directory, path)
    return BaseFiles(_find_directory(name, settings.revision))


def _find_directory(name: str, revision: str | None) -> Path:
    path = tiny_directory() if name == TINY else Path(name).expanduser()
    if name == TINY and not (path / "config.json").exists():
        raise UserError(without_tiny("base"))
    if path.suffix in (".bin", ".safetensors") and path.is_file():
        raise UserError(
            f"{name} is a bare checkpoint without its configuration; give a directory or hub id in the hub's format "
            f"({HUB_EXAMPLE})"
        )
    if not path.is_dir():
        if not is_hub_id(name):
            raise UserError(f"no model {name}: neither `{TINY}`, nor a directory, nor a hub id such as {HUB_EXAMPLE}")
        path = fetch(name, "model", DESCRIPTION, revision)
    needed = ("config.json",) if is_patch_model(path) else ("config.json", QFORMER_FOLDER)
    missing = [entry for entry in needed if not (path / entry).exists()]
    if missing and (path / "config.json").exists():
        kind = model_type(path)
        if kind not in (None, "instructblip"):
            raise UserError(f"{name} is a {kind} model; needed is an InstructBLIP ({HUB_EXAMPLE}) or a LLaVA")
    if missing:
        lacks = f"it lacks {', '.join(missing)}{hint_of_run(path)}"
        raise UserError(f"{name} is not an InstructBLIP in the hub's format: {lacks}")
    return path


def hint_of_run(directory: Path) -> str:
    """What to add to the refusal of a training's own directory, whose model lies below it; nothing of others."""
    inner = directory / "model"
    return f"; did you mean {inner}?" if (inner / "config.json").is_file() else ""


def is_patch_model(directory: Path) -> bool:
    """Whether a model's directory says that it is a LLaVA, of the projector family."""
    return model_type(directory) == "llava"


def model_type(directory: Path) -> str | None:
    """What a model's directory says that it is; None where it can't be told: who loads it says what is wrong."""
    try:
        config = read_json(directory / "config.json")
    except UserError:
        return None
    kind = config.get("model_type") if isinstance(config, dict) else None
    return kind if isinstance(kind, str) else None


def traits_of(name: str, revision: str | None = None) -> Traits:
    """What the base of that name is like, told before its weights are loaded.

    What can't be had now counts as released: loading it will say why. `tiny` knows the world even before it is made.
    """
    directory = tiny_directory() if name == TINY else Path(name).expanduser()
    if not directory.is_dir() and is_hub_id(name) and not name.startswith("lavis:"):
        return _traits_on_hub(name, revision)
    return _traits_in(directory) or (WORLD if name == TINY else RELEASED)


@cache
def _traits_on_hub(name: str, revision: str | None) -> Traits:
    try:
        return _traits_in(_find_directory(name, revision)) or RELEASED
    except UserError:
        return RELEASED


def _traits_in(directory: Path) -> Traits | None:
    return read_traits(directory) or (PATCHES if is_patch_model(directory) else None)


def without_tiny(part: str) -> str:
    """What to tell who asks for the embedded model where it isn't."""
    return (
        f"this checkout lacks the embedded model's {part} ({tiny_directory()}): `make tiny` makes it (some hours), an "
        f"installed release has it; or name another base, a directory or a hub id such as {HUB_EXAMPLE} "
        "(--model; for sam train, --set model.base=)"
    )
