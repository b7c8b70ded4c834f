"""Answers of transformers' own `generate`, for the language models that the search can't serve.

Shapes: B samples, S prompt tokens, D LLM width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, RepetitionPenaltyLogitsProcessor
from transformers.generation.streamers import BaseStreamer

from samcli.model.decoding.tokens import end_tokens, first_token, settings_of
from samcli.recipe import DecodingRecipe


def answers_of_transformers(
    llm: Any, embeds: Tensor, mask: Tensor, decoding: DecodingRecipe, streamer: BaseStreamer | None = None
) -> list[list[int] | None]:
    """The ids of each prompt's answer, its first token first and at most one end last; None where numbers were none.

    Prompts are `embeds` (B, S, D), padded on the side that the model wants, with a mask (B, S). What is drawn by chance
    comes from torch's own generator.
    """
    settings, ends = settings_of(llm), end_tokens(llm)
    more: dict[str, Any] = {"streamer": streamer} if streamer is not None else {}
    if not settings.is_encoder_decoder:
        more["input_ids"] = torch.full((len(embeds), 1), first_token(llm), device=embeds.device)
    unsound = _Unsound(decoding.beams)
    # generate's own penalty passes over as many of the first ids as the embeddings have padding on the left
    penalty = RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)
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
            eos_token_id=ends or None,
            pad_token_id=settings.pad_token_id or 0,
            decoder_start_token_id=getattr(settings, "decoder_start_token_id", None),
        ),
        logits_processor=LogitsProcessorList([unsound, penalty]),
        **more,
    )
    return [None if row in unsound.rows else _to_the_end(one, ends) for row, one in enumerate(ids.tolist())]


class _Unsound:
    """Notes samples whose scores are none, and gives them some, so that the others go on."""

    def __init__(self, beams: int) -> None:
        self.beams, self.rows = beams, set[int]()

    def __call__(self, _: Tensor, scores: Tensor) -> Tensor:
        faulty = ~scores.amax(dim=-1).isfinite()
        self.rows |= {row // self.beams for row in faulty.nonzero().flatten().tolist()}
        return scores.masked_fill(faulty[:, None], 0.0)


def chance_settings(decoding: DecodingRecipe) -> dict[str, Any]:
    """What `generate` is told of drawing tokens by chance."""
    if not decoding.temperature:
        return {"do_sample": False}
    return {"do_sample": True, "temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}


@contextmanager
def own_chance(decoding: DecodingRecipe, seed: int, device: torch.device) -> Iterator[None]:
    """What is drawn depends on the seed alone, and nothing elsewhere on what is drawn."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices, enabled=decoding.temperature > 0):
        if decoding.temperature:
            torch.manual_seed(seed)
        yield


def _to_the_end(ids: list[int], ends: list[int]) -> list[int]:
    """Without the padding behind the first end; what comes first is none, whatever its id."""
    place = next((place for place, token in enumerate(ids) if place and token in ends), len(ids))
    return ids[: place + 1]
