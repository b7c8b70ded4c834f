"""What a language model says of itself: its configuration, and the tokens that begin and end an answer."""

from typing import Any


def end_tokens(llm: Any) -> list[int]:
    """The tokens that end an answer; none where the model knows none, so that answers get as long as they may."""
    ends = settings_of(llm).eos_token_id
    if ends is None and llm.generation_config is not None:
        ends = llm.generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def first_token(llm: Any) -> int:
    """The BOS that answers start with; where the model has none, any will do: it never sees it."""
    settings = settings_of(llm)
    known = (settings.bos_token_id, settings.pad_token_id, 0)
    return next(one for one in known if one is not None)


def settings_of(llm: Any) -> Any:
    """The configuration of a language model, or of the one in a model that sees."""
    return llm.config.get_text_config()
