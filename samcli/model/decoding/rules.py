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
from samcli.model.decoding.tokens import end_tokens, first_token
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
    return torch.Generator().manual_seed(seed_of(decoding, key)) if decoding.temperature else None


def seed_of(decoding: DecodingRecipe, key: str) -> int:
    """What a sample's draws start from: the recipe's seed and its own name."""
    return int.from_bytes(hashlib.sha256(f"{decoding.seed} {key}".encode()).digest()[:7])


def _heard(streamer: BaseStreamer, first: int) -> Callable[[int], None]:
    streamer.put(torch.tensor([first]))
    return lambda token: streamer.put(torch.tensor([token]))
