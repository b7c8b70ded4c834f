"""Which language models the search can answer with."""

import inspect
from typing import Any

from samcli.model.decoding.tokens import settings_of

_NEEDED = ("inputs_embeds", "position_ids", "past_key_values", "logits_to_keep")
_ATTENTION = ("eager", "sdpa")  # these take a mask of any shape
_KINDS_OF_LAYERS = ("layer_types", "attention_layers")


def why_not_served(llm: Any) -> str | None:
    """What about a model of transformers is in the search's way; None where nothing is.

    The search feeds beams as positions of one sequence, so the model must take positions and masks as they are given,
    see all that the mask lets it, and compute a token in the same way whatever stands beside it.
    """
    config = settings_of(llm)
    if config.is_encoder_decoder:
        return "it reads with an encoder"
    lacking = [name for name in _NEEDED if name not in inspect.signature(llm.forward).parameters]
    if lacking:
        return f"its forward pass has no {lacking[0]}"
    if config._attn_implementation not in _ATTENTION:
        return f"its attention is {config._attn_implementation}"
    kinds = {kind for name in _KINDS_OF_LAYERS for kind in getattr(config, name, None) or ()}
    if kinds - {"full_attention", "global"} or (not kinds and getattr(config, "sliding_window", None)):
        return "some of its layers don't see the whole prompt"
    if getattr(config, "alibi", False):
        return "its attention depends on distances in the cache"
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") in ("dynamic", "longrope"):
        return "its positions depend on the longest text of a batch"
    return None
