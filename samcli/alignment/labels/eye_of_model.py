"""How the model of a recipe looks at pictures, read from its files without its weights."""

from pathlib import Path
from typing import Any

from samcli.alignment.labels.eye import Eye
from samcli.errors import UserError
from samcli.model.find import DESCRIPTION, TINY, tiny_directory
from samcli.model.hub import cached, fetch
from samcli.recipe_alignment import LlavaModelRecipe


def eye_of(settings: LlavaModelRecipe) -> Eye:
    """The eye of the model that a recipe names; its description is fetched from the hub if need be.

    Raises UserError when it isn't to be had, or says nothing of a vision tower.
    """
    if settings.base == TINY:
        return _squashing(tiny_directory())
    name, revision = _with_tower(settings)
    path = Path(name).expanduser()
    return _as_described(path if path.is_dir() else fetch(name, "model", DESCRIPTION, revision))


def local_eye_of(settings: LlavaModelRecipe) -> Eye | None:
    """The same without asking the network; None where the description isn't here."""
    if settings.base == TINY:
        return _squashing(tiny_directory())
    directory = cached(*_with_tower(settings))
    return None if directory is None else _as_described(directory)


def _with_tower(settings: LlavaModelRecipe) -> tuple[str, str | None]:
    """The name and revision of what holds the vision tower's description."""
    return (str(settings.vision), None) if settings.base is None else (settings.base, settings.revision)


def _squashing(directory: Path) -> Eye:
    side, patch = _tower(directory)
    return Eye(side, patch, crop=False)


def _as_described(directory: Path) -> Eye:
    from samcli.model.llava.framing import Framing
    from samcli.model.llava.processor import load_image_processor

    side, patch = _tower(directory)
    try:
        framing = Framing.of(load_image_processor(str(directory)))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{directory}: its image processor can't be loaded: {error}") from error
    return Eye(side, patch, framing.crop)


def _tower(directory: Path) -> tuple[int, int]:
    """Pixels a side of what a vision tower sees, and of a patch."""
    from transformers import AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        vision = getattr(config, "vision_config", config)
        return int(vision.image_size), int(vision.patch_size)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{directory}: no description of a vision tower ({error})") from error
