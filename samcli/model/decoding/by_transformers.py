"""Answers of transformers' own `generate`, for the language models that the search can't serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, RepetitionPenaltyLogitsProcessor
from transformers.generation.streamers import BaseStreamer

from samcli.model.decoding.rules import end_tokens, first_token, settings_of
from samcli.recipe import DecodingRecipe


def answers_of_transformers(
    llm: Any, embeds: Tensor, mask: Tensor, decoding: DecodingRecipe, streamer: BaseStreamer | None
) -> list[list[int]]:
    """The ids of each prompt's answer, its first token first and at most one end last.

    Prompts are `embeds` (B, S, D), padded on the side that the model wants, with a mask (B, S).
    """
    settings = settings_of(llm)
    more: dict[str, Any] = {"streamer": streamer} if streamer is not None else {}
    if not settings.is_encoder_decoder:
        more["input_ids"] = torch.full((len(embeds), 1), first_token(llm), device=embeds.device)
    # generate's own penalty passes over as many of the first ids as the embeddings have padding on the left
    penalty = RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)
    with own_chance(decoding):
        ids: Tensor = llm.generate(
            inputs_embeds=embeds,
            attention_mask=mask,
            generation_config=GenerationConfig(
                num_beams=decoding.beams,
                **chance_settings(decoding),
                max_new_tokens=decoding.max_length - 1,
                min_new_tokens=decoding.min_length - 1 or None,
                no_repeat_ngram_size=decoding.no_repeat_ngram,
                repetition_penalty=1.0,
                length_penalty=decoding.length_penalty,
                bos_token_id=getattr(settings, "bos_token_id", None),
                eos_token_id=end_tokens(llm) or None,
                pad_token_id=settings.pad_token_id or 0,
                decoder_start_token_id=getattr(settings, "decoder_start_token_id", None),
            ),
            logits_processor=LogitsProcessorList([penalty]),
            **more,
        )
    ends = end_tokens(llm)
    return [_to_the_end(row, ends) for row in ids.tolist()]


def chance_settings(decoding: DecodingRecipe) -> dict[str, Any]:
    """What `generate` is told of drawing tokens by chance."""
    if not decoding.temperature:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}


@contextmanager
def own_chance(decoding: DecodingRecipe) -> Iterator[None]:
    """What is drawn depends on the seed alone, and draws nothing from elsewhere."""
    with torch.random.fork_rng(enabled=decoding.temperature > 0):
        if decoding.temperature:
            torch.manual_seed(decoding.seed)
        yield


def _to_the_end(ids: list[int], ends: list[int]) -> list[int]:
    """Without the padding behind the first end; what comes first is none, whatever its id."""
    place = next((place for place, token in enumerate(ids) if place and token in ends), len(ids))
    return ids[: place + 1]
