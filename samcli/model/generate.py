"""Answers from embeddings alone, as the release generates them."""

from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, RepetitionPenaltyLogitsProcessor
from transformers.generation.streamers import BaseStreamer

from samcli.model.sequence import TokenSequence
from samcli.recipe import DecodingRecipe


def generate_ids(
    llm: Any, settings: Any, sequence: TokenSequence, decoding: DecodingRecipe, streamer: BaseStreamer | None
) -> Tensor:
    """Answer ids (B, at most `max_length`) of a language model whose configuration is `settings`.

    A decoder's rows start with a BOS that the model never sees, but that counts in the length and in the repetition
    penalty; those of a model that reads with an encoder start with its decoder's first id.
    """
    more: dict[str, Any] = {"streamer": streamer} if streamer is not None else {}
    if not getattr(settings, "is_encoder_decoder", False):
        rows, device = len(sequence.embeds), sequence.embeds.device
        known = (settings.bos_token_id, settings.pad_token_id, 0)  # the model never sees it: any will do
        first = next(one for one in known if one is not None)
        more["input_ids"] = torch.full((rows, 1), int(first), device=device)
    # generate's own penalty passes over as many of the first ids as the embeddings have padding on the left
    penalty = RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty)
    ids: Tensor = llm.generate(
        inputs_embeds=sequence.embeds,
        attention_mask=sequence.mask,
        generation_config=GenerationConfig(
            num_beams=decoding.beams,
            do_sample=False,
            max_new_tokens=decoding.max_length - 1,
            min_new_tokens=decoding.min_length - 1 or None,
            repetition_penalty=1.0,
            length_penalty=decoding.length_penalty,
            bos_token_id=getattr(settings, "bos_token_id", None),
            eos_token_id=settings.eos_token_id,
            pad_token_id=settings.pad_token_id or 0,
            decoder_start_token_id=getattr(settings, "decoder_start_token_id", None),
        ),
        logits_processor=LogitsProcessorList([penalty]),
        **more,
    )
    return ids
