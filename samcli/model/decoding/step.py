"""One step: what the language model says behind every beam's newest token.

Shapes: R rows that the cache computes, n of them samples, K beams, W words of the vocabulary.
"""

from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from samcli.console import say_once
from samcli.errors import UserError
from samcli.memory import is_out_of_memory
from samcli.model.decoding.tokens import settings_of
from samcli.model.decoding.tree_cache import TreeCache

LEAST = 64
MOST_SHAPES = 64  # compiled for in a process; torch stops at eight by itself, and computes all else uncompiled


class Room(NamedTuple):
    """What a search needs room for: of `samples`, so many under way at once, their beams, longest prompt and steps."""

    samples: int
    at_once: int
    beams: int
    longest: int
    steps: int


def roomy(longest: int) -> int:
    """Room for prompts of at most so many tokens, in one of few sizes: 64, 128, 256 and so on."""
    return max(LEAST, 1 << (longest - 1).bit_length())


class Step(Protocol):
    """How steps are computed."""

    def room(self, wanted: Room, device: torch.device) -> TreeCache:
        """A cache for a search."""
        ...

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """The logits (n, K, W) behind the newest token of each sample's beams, which the cache made room for."""
        ...

    def leave(self, cache: TreeCache) -> None:
        """A search is over and needs its cache no more."""
        ...


class PlainStep:
    """Steps as they come: only samples under way are computed, and the cache grows with what is said."""

    def room(self, wanted: Room, device: torch.device) -> TreeCache:
        """See `Step.room`."""
        rows = min(wanted.at_once, wanted.samples)
        return TreeCache(rows, wanted.beams, wanted.longest, wanted.steps, device)

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """See `Step.logits`."""
        return _said(llm, torch.tensor(tokens, device=cache.device), _mask(llm, cache), cache.positions, cache)

    def leave(self, cache: TreeCache) -> None:
        """See `Step.leave`."""


class CompiledStep:
    """Steps of fixed shapes, compiled at the first one and, on a GPU, captured: launched at once, not layer by layer.

    One a language model, since what was captured reads its cache where that lies: the cache is kept for the next
    search, if that is of the same shape, whatever was asked before. What was compiled serves every search of a shape.
    """

    def __init__(self) -> None:
        torch._dynamo.config.recompile_limit = max(MOST_SHAPES, torch._dynamo.config.recompile_limit)
        self.said = torch.compile(_said, dynamic=False, mode="reduce-overhead")
        self.kept: TreeCache | None = None

    def room(self, wanted: Room, device: torch.device) -> TreeCache:
        """See `Step.room`. Nothing is kept until the search is over, so that one that failed leaves its memory."""
        say_once(f"compiling a step of the language model for {device.type}, a minute or so for large ones")
        kept, self.kept = self.kept, None
        cache = (wanted.at_once, wanted.beams, roomy(wanted.longest), wanted.steps, device)
        if kept is not None and cache == (kept.most_rows, kept.beams, kept.longest, kept.steps, kept.device):
            return kept
        return TreeCache(*cache, fixed=True)

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """See `Step.logits`. Raises UserError where nothing can be compiled."""
        idle = [[0] * cache.beams] * (cache.most_rows - len(tokens))
        ids = torch.tensor([*tokens, *idle], device=cache.device)
        torch.compiler.cudagraph_mark_step_begin()
        try:
            logits = self.said(llm, ids, _mask(llm, cache), cache.positions, cache)
        except torch._dynamo.exc.TorchDynamoException as error:
            if is_out_of_memory(error):  # here, which fewer samples may mend
                raise torch.OutOfMemoryError(str(error)) from error
            raise UserError(
                f"a step of the language model can't be compiled here; leave decoding.compiled out: {_reason(error)}"
            ) from error
        return logits[: len(tokens)]

    def leave(self, cache: TreeCache) -> None:
        """See `Step.leave`."""
        self.kept = cache


_COMPILED: WeakKeyDictionary[Any, CompiledStep] = WeakKeyDictionary()


def step_of(llm: Any, compiled: bool) -> Step:
    """How a language model's steps are computed; what was compiled for it lasts as long as it."""
    if not compiled:
        return PlainStep()
    if reason := why_not_compiled(llm):
        say_once(f"steps of the language model are not compiled: {reason}")
        return PlainStep()
    if llm not in _COMPILED:
        _COMPILED[llm] = CompiledStep()
    return _COMPILED[llm]


def forget_kept() -> None:
    """Leave the memory that is kept for next searches."""
    for step in _COMPILED.values():
        step.kept = None


def why_not_compiled(llm: Any) -> str | None:
    """What about a language model breaks a compiled step into many; None where nothing does."""
    if len(set((getattr(llm, "hf_device_map", None) or {}).values())) > 1:
        return "it is spread over several devices"
    if getattr(llm, "is_loaded_in_8bit", False):
        return "its weights are in 8 bits"
    return None


def _said(llm: Any, ids: Tensor, mask: Tensor, positions: Tensor, cache: TreeCache) -> Tensor:
    """The logits (R, K, W) behind ids (R, K): the beams of a sample are K positions of one sequence."""
    logits: Tensor = llm(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).logits
    return logits.to(cache.device)


def _mask(llm: Any, cache: TreeCache) -> Tensor:
    """What each newest token sees (R, 1, K, columns): yes or no, or, for attention that adds it, numbers."""
    mask = cache.mask()
    if settings_of(llm)._attn_implementation == "sdpa":
        return mask
    return torch.zeros_like(mask, dtype=llm.dtype).masked_fill_(~mask, torch.finfo(llm.dtype).min)


def _reason(error: Exception) -> str:
    """The first line of what a compiler says, without whose error it is."""
    inner = getattr(error, "inner_exception", None) or error
    return next((line for line in str(inner).splitlines() if line.strip()), type(inner).__name__)
