"""What the LLaVA of a recipe is like, told without its weights and without a network."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, LlavaConfig

from samcli.errors import UserError, first_line
from samcli.model.find import TINY, tiny_directory
from samcli.model.hub import cached
from samcli.model.llava.known_sizes import KNOWN_LLAVAS, known_llava, known_llm, known_tower
from samcli.model.llava.parts import LAST_LAYER, joined_config, siglip_config
from samcli.model.llava.processor import IMAGE_TOKEN
from samcli.recipe_alignment import LlavaModelRecipe


def local_config(settings: LlavaModelRecipe) -> LlavaConfig | None:
    """The configuration of a recipe's model, of published sizes or of files that are here; None without either.

    Raises UserError for files that can't be read, and for a base that is something else.
    """
    if settings.base == TINY:
        return _small() if (tiny_directory() / "config.json").exists() else None
    if settings.base is None:
        return _of_parts(str(settings.vision), str(settings.llm), settings.feature_layer)
    found = known_llava(settings.base) or _read(cached(settings.base, settings.revision))
    if found is not None and not isinstance(found, LlavaConfig):
        raise UserError(f"{settings.base} is a {found.model_type} model; needed is a LLaVA ({KNOWN_LLAVAS[0]})")
    return found


def _small() -> LlavaConfig:
    parts = _read(tiny_directory())
    _make_room(parts.text_config, tiny_directory())
    return _joined(siglip_config(parts.vision_config), parts.text_config, LAST_LAYER)


def _of_parts(vision: str, llm: str, feature_layer: int) -> LlavaConfig | None:
    tower, text = known_tower(vision) or _read(cached(vision)), known_llm(llm) or _local_llm(cached(llm))
    if tower is None or text is None:
        return None
    return _joined(getattr(tower, "vision_config", tower), text, feature_layer)


def _local_llm(directory: Path | None) -> Any:
    found = _read(directory)
    if found is not None and directory is not None:
        _make_room(found, directory)
    return found


def _joined(vision: Any, text: Any, feature_layer: int) -> LlavaConfig:
    return joined_config(vision, text, text.vocab_size - 1, feature_layer)


def _make_room(text: Any, directory: Path) -> None:
    """Give a language model a row for `<image>`, where its tokenizer fills all that it has."""
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"can't read the tokenizer in {directory}: {first_line(error)}") from error
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    text.vocab_size = max(text.vocab_size, len(tokenizer))


def _read(directory: Path | None) -> Any:
    """The configuration in a directory; None where there is none."""
    if directory is None or not (directory / "config.json").exists():
        return None
    try:
        return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"can't read {directory / 'config.json'}: {first_line(error)}") from error
