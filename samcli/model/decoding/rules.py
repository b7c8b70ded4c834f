"""A recipe's way of decoding as rules of the search, for one language model."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.streamers import BaseStreamer

from samcli.model.decoding.beams import Beams, BeamSearch, ReleasedBeams, TransformersBeams
from samcli.model.decoding.single import Single, SingleSearch
from samcli.recipe import DecodingRecipe


def rules_of(
    llm: Any, decoding: DecodingRecipe, keys: Sequence[str], device: torch.device, streamer: BaseStreamer | None
) -> BeamSearch | SingleSearch:
    """Rules for samples of these `keys` and a language model.

    Without beams the `streamer` hears the BOS and every token; it is for one sample.
    """
    ends, first = end_tokens(llm), first_token(llm)
    processors = processors_of(decoding, ends, device)
    if decoding.beams > 1:
        kind = ReleasedBeams if decoding.rules == "released" else TransformersBeams

        def beams(_: int, most: int) -> Beams:
            return kind(decoding.beams, first, ends, most, decoding.length_penalty)

        return BeamSearch(beams, decoding.beams, len(ends), processors)
    heard = _heard(streamer, first) if streamer is not None else None

    def single(sample: int, most: int) -> Single:
        return Single(first, ends, most, _chance(decoding, keys[sample]), heard)

    return SingleSearch(single, processors)


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


def processors_of(decoding: DecodingRecipe, ends: Sequence[int], device: torch.device) -> LogitsProcessorList:
    """What changes scores before tokens are chosen."""
    chosen: list[Any] = []
    if decoding.repetition_penalty != 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(decoding.repetition_penalty))
    if decoding.no_repeat_ngram:
        chosen.append(NoRepeatNGramLogitsProcessor(decoding.no_repeat_ngram))
    if decoding.min_length > 1 and ends:
        chosen.append(MinNewTokensLengthLogitsProcessor(1, decoding.min_length - 1, list(ends), device=str(device)))
    if decoding.temperature:
        chosen.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_p < 1:
            chosen.append(TopPLogitsWarper(decoding.top_p))
    return LogitsProcessorList(chosen)


def _chance(decoding: DecodingRecipe, key: str) -> torch.Generator | None:
    """Where a sample's tokens are drawn from; None where the likeliest are taken."""
    if not decoding.temperature:
        return None
    digest = hashlib.sha256(f"{decoding.seed} {key}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


def _heard(streamer: BaseStreamer, first: int) -> Callable[[int], None]:
    streamer.put(torch.tensor([first]))
    return lambda token: streamer.put(torch.tensor([token]))
