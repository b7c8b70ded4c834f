"""Answers from embeddings alone: by the search, or by transformers' `generate` where the search can't serve a model."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from samcli.console import say_once
from samcli.errors import UserError
from samcli.model.decoding.by_transformers import answers_of_transformers, own_chance
from samcli.model.decoding.room import Sizes, memory_beside
from samcli.model.decoding.rules import rules_of, seed_of
from samcli.model.decoding.search import Reading, Search, unheard
from samcli.model.decoding.served import why_not_served
from samcli.model.decoding.step import roomy
from samcli.model.decoding.tokens import settings_of
from samcli.model.sequence import TokenSequence
from samcli.recipe import DecodingRecipe

NOT_NUMBERS = "the language model's numbers are not numbers (NaN); weights in float32 help where others overflow"


@dataclass(frozen=True)
class Asking:
    """How a batch is answered.

    `streamer` hears the tokens of a lone sample without beams. `keys` are the samples' names, by which tokens are drawn
    where chance has a say: the same for the same name and seed, whatever is answered beside it. `at_once`: samples
    under way at a time, None for all of them; `within_memory`: fewer, where a GPU can't hold so many.
    """

    decoding: DecodingRecipe
    streamer: BaseStreamer | None = None
    keys: Sequence[str] | None = None
    at_once: int | None = None
    within_memory: bool = False

    def key(self, row: int) -> str:
        """A sample's name."""
        return str(row) if self.keys is None else self.keys[row]


@dataclass(frozen=True)
class Generated:
    """The answer to sample `row` of a batch: its ids, BOS first, or why there is none."""

    row: int
    ids: list[int]
    fault: str | None = None


def generated(llm: Any, sequence: TokenSequence, asking: Asking, reading: Reading = unheard) -> Iterator[Generated]:
    """Answers of a language model to prompts, in the order in which they are done.

    A decoder's answers start with a BOS that the model never sees, but that counts in the length and in the repetition
    penalty; those of a model that reads with an encoder start with its decoder's first id.
    """
    room = _room(llm, sequence)
    for row, tokens in enumerate(room):
        if tokens < 1:
            yield Generated(row, [], _too_long(int(sequence.mask[row].sum()), settings_of(llm).max_position_embeddings))
    fitting = {row: tokens for row, tokens in enumerate(room) if tokens > 0}
    reason = why_not_served(llm)
    if reason is None:
        yield from _searched(llm, sequence, asking, fitting, reading)
        return
    say_once(f"answers come from transformers' generate, slower and with its own rules for beams: {reason}")
    yield from _by_transformers(llm, sequence, asking, list(fitting), reading)


def as_tensor(answers: Iterator[Generated], llm: Any) -> Tensor:
    """Ids (B, longest) in the batch's order, padded on the right; raises UserError for an answer that failed."""
    made = sorted(answers, key=lambda one: one.row)
    for one in made:
        if one.fault is not None:
            raise UserError(one.fault)
    rows = [torch.tensor(one.ids, dtype=torch.int64) for one in made]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=settings_of(llm).pad_token_id or 0)


def _searched(
    llm: Any, sequence: TokenSequence, asking: Asking, room: Mapping[int, int], reading: Reading
) -> Iterator[Generated]:
    """Answers to the samples that there is `room` for, in tokens of an answer."""
    rows = list(room)
    prompts = [sequence.embeds[row, sequence.mask[row].bool()] for row in rows]
    most = [min(asking.decoding.max_length, 1 + room[row]) for row in rows]
    if most and min(most) < asking.decoding.max_length:
        say_once(
            f"answers may be cut: behind the longest prompt there is room for {min(most) - 1} tokens instead of "
            f"{asking.decoding.max_length - 1}, as the language model has "
            f"{settings_of(llm).max_position_embeddings:,} positions",
            about="answers may be cut",
        )
    streamer = asking.streamer if len(rows) == 1 and asking.decoding.beams == 1 else None
    keys = [asking.key(row) for row in rows]
    search = Search(
        llm, rules_of(llm, asking.decoding, keys, sequence.embeds.device, streamer), compiled=asking.decoding.compiled
    )
    at_once = _at_once(llm, prompts, max(most, default=1), asking)

    def told(samples: Sequence[int], length: int) -> None:
        reading([rows[sample] for sample in samples], length)

    for found in search.answers(prompts, most, at_once, told):
        fault = NOT_NUMBERS if found.ids is None else None
        yield Generated(rows[found.sample], found.ids or [], fault)
    if streamer is not None:
        streamer.end()


def _by_transformers(
    llm: Any, sequence: TokenSequence, asking: Asking, rows: Sequence[int], reading: Reading
) -> Iterator[Generated]:
    decoding = asking.decoding
    size = 1 if decoding.temperature else asking.at_once or len(rows)  # each draws for itself
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        reading(some, sequence.length)
        seed = seed_of(decoding, asking.key(some[0]))
        with own_chance(decoding, seed, sequence.embeds.device):
            answers = answers_of_transformers(
                llm, sequence.embeds[some], sequence.mask[some], decoding, asking.streamer if len(rows) == 1 else None
            )
        for row, ids in zip(some, answers, strict=True):
            yield Generated(row, ids or [], NOT_NUMBERS if ids is None else None)


def _at_once(llm: Any, prompts: Sequence[Tensor], most: int, asking: Asking) -> int:
    """Samples under way at a time: as many as are wanted, or as a GPU's memory holds beside the language model.

    By the memory that the GPU has, not by what happens to be free, so that the same command answers the same together.
    """
    wanted = asking.at_once or len(prompts)
    memory = memory_beside(llm) if asking.within_memory and prompts else None
    if memory is None:
        return wanted
    beams, longest = asking.decoding.beams, max(map(len, prompts))
    if asking.decoding.compiled:
        longest = roomy(longest)
    sizes = Sizes.of(settings_of(llm), prompts[0].element_size())
    at_once = min(wanted, sizes.fitting(memory, beams, longest, most - 1))
    say_once(
        f"keys and values of up to {sizes.of_sample(beams, longest, most - 1) / 1e6:,.0f} MB a sample with its beams "
        f"({beams}); memory beside the language model: {memory / 1e9:.1f} GB; samples under way at a time: {at_once}",
        about=f"samples under way with beams: {beams}",
    )
    return at_once


def _room(llm: Any, sequence: TokenSequence) -> list[int]:
    """How many tokens a model can say behind each prompt; no bound where a decoder reads the answer alone."""
    settings = settings_of(llm)
    positions = getattr(settings, "max_position_embeddings", None)
    if positions is None or settings.is_encoder_decoder:
        return [sys.maxsize] * len(sequence.mask)
    return [positions - tokens for tokens in sequence.mask.sum(dim=1).tolist()]


def _too_long(prompt: int, positions: int) -> str:
    """Says that a prompt leaves no room for an answer."""
    return (
        f"the prompt is {prompt:,} tokens long, with those of its images, and the language model has {positions:,} "
        "positions: give fewer images or a shorter prompt"
    )
