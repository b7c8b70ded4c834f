"""Answers from embeddings alone: by the search, or by transformers' `generate` where the search can't serve a model."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from samcli.console import say_once
from samcli.errors import UserError
from samcli.model.decoding.by_transformers import answers_of_transformers
from samcli.model.decoding.room import bytes_of_sample, fitting, free_bytes
from samcli.model.decoding.rules import rules_of, settings_of
from samcli.model.decoding.search import Search
from samcli.model.decoding.served import why_not_served
from samcli.model.sequence import TokenSequence
from samcli.recipe import DecodingRecipe

NOT_NUMBERS = "the language model's numbers are not numbers (NaN); weights in float32 help where others overflow"


@dataclass(frozen=True)
class Asking:
    """How a batch is answered.

    `streamer` hears the tokens of a lone sample without beams. `keys` are the samples' names, by which tokens are drawn
    where chance has a say: the same for the same name and seed, whatever is answered beside it. `at_once`: samples
    under way at a time, None for all of them.
    """

    decoding: DecodingRecipe
    streamer: BaseStreamer | None = None
    keys: Sequence[str] | None = None
    at_once: int | None = None


@dataclass(frozen=True)
class Generated:
    """The answer to sample `row` of a batch: its ids, BOS first, or why there is none."""

    row: int
    ids: list[int]
    fault: str | None = None


def generated(llm: Any, sequence: TokenSequence, asking: Asking) -> Iterator[Generated]:
    """Answers of a language model to prompts, in the order in which they are done.

    A decoder's answers start with a BOS that the model never sees, but that counts in the length and in the repetition
    penalty; those of a model that reads with an encoder start with its decoder's first id.
    """
    reason = why_not_served(llm)
    if reason is None:
        yield from _searched(llm, sequence, asking)
        return
    say_once(f"answers come from transformers' generate, slower and with its own rules for beams: {reason}")
    size = asking.at_once or len(sequence.embeds)
    for start in range(0, len(sequence.embeds), size):
        some = slice(start, start + size)
        embeds, mask = sequence.embeds[some], sequence.mask[some]
        answers = answers_of_transformers(llm, embeds, mask, asking.decoding, asking.streamer)
        yield from (Generated(start + row, ids) for row, ids in enumerate(answers))


def as_tensor(answers: Iterator[Generated], llm: Any) -> Tensor:
    """Ids (B, longest) in the batch's order, padded on the right; raises UserError for an answer that failed."""
    made = sorted(answers, key=lambda one: one.row)
    for one in made:
        if one.fault is not None:
            raise UserError(one.fault)
    rows = [torch.tensor(one.ids, dtype=torch.int64) for one in made]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=settings_of(llm).pad_token_id or 0)


def _searched(llm: Any, sequence: TokenSequence, asking: Asking) -> Iterator[Generated]:
    settings = settings_of(llm)
    prompts = [embeds[mask.bool()] for embeds, mask in zip(sequence.embeds, sequence.mask, strict=True)]
    room = [_room(len(prompt), settings) for prompt in prompts]
    for row, tokens in enumerate(room):
        if tokens < 1:
            yield Generated(row, [], too_long(len(prompts[row]), settings.max_position_embeddings))
    rows = [row for row, tokens in enumerate(room) if tokens > 0]
    keys = [asking.keys[row] if asking.keys is not None else str(row) for row in rows]
    streamer = asking.streamer if len(prompts) == 1 else None
    rules = rules_of(llm, asking.decoding, keys, sequence.embeds.device, streamer)
    most = [min(asking.decoding.max_length, 1 + room[row]) for row in rows]
    asked = [prompts[row] for row in rows]
    at_once = _at_once(settings, asked, max(most, default=1), asking)
    for found in Search(llm, rules).answers(asked, most, at_once):
        fault = NOT_NUMBERS if found.ids is None else None
        yield Generated(rows[found.sample], found.ids or [], fault)
    if streamer is not None:
        streamer.end()


def _at_once(settings: Any, prompts: Sequence[Tensor], most: int, asking: Asking) -> int:
    """Samples under way at a time: as many as are wanted, or as fit into a GPU's memory."""
    wanted = min(asking.at_once or len(prompts), len(prompts))
    free = free_bytes(prompts[0].device) if prompts else None
    if free is None:
        return wanted
    beams, longest = asking.decoding.beams, max(map(len, prompts))
    of_sample = bytes_of_sample(settings, prompts[0].element_size(), beams, longest, most - 1)
    at_once = min(wanted, fitting(free, of_sample))
    say_once(
        f"samples under way at a time: {at_once} with {beams} beams each, for which {at_once * of_sample / 1e9:.1f} of "
        f"{free / 1e9:.1f} free GB are needed at most",
        about=f"samples under way at a time: {at_once} of {wanted} with {beams} beams",
    )
    return at_once


def _room(prompt: int, settings: Any) -> int:
    """How many tokens a model can say behind a prompt."""
    positions = getattr(settings, "max_position_embeddings", None)
    return sys.maxsize if positions is None else positions - prompt


def too_long(prompt: int, positions: int) -> str:
    """Says that a prompt leaves no room for an answer."""
    return (
        f"the prompt is {prompt:,} tokens long, with those of its images, and the language model has {positions:,} "
        "positions: give fewer images or a shorter prompt"
    )
