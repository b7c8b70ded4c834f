"""One step: what the language model says behind every beam's newest token.

Shapes: R rows that the cache computes, n of them samples, K beams, W words of the vocabulary.
"""

from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from samcli.console import say_once
from samcli.errors import UserError
from samcli.model.decoding.tokens import settings_of
from samcli.model.decoding.tree_cache import TreeCache

WHOLE = 64
"""Room for prompts is a multiple of this, so that those of about one length share what was compiled."""


class Step(Protocol):
    """How steps are computed."""

    def room(self, rows: int, beams: int, longest: int, steps: int, device: torch.device) -> TreeCache:
        """A cache for so many samples of so many beams, prompts of at most `longest` tokens, and so many steps."""
        ...

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """The logits (n, K, W) behind the newest token of each sample's beams, which the cache made room for."""
        ...

    def leave(self, cache: TreeCache) -> None:
        """A search is over and needs its cache no more."""
        ...


class PlainStep:
    """Steps as they come: only samples under way are computed, and the cache grows with what is said."""

    def room(self, rows: int, beams: int, longest: int, steps: int, device: torch.device) -> TreeCache:
        """See `Step.room`."""
        return TreeCache(rows, beams, longest, steps, device)

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """See `Step.logits`."""
        return _said(llm, torch.tensor(tokens, device=cache.device), _mask(llm, cache), cache.positions, cache)

    def leave(self, cache: TreeCache) -> None:
        """See `Step.leave`."""


class CompiledStep:
    """Steps of fixed shapes, compiled at the first one and, on a GPU, captured: launched at once, not layer by layer.

    One a language model, since what was captured reads its cache where that lies: the cache is kept from search to
    search, and made anew, then compiled for again, only where a search needs more than it holds.
    """

    def __init__(self) -> None:
        self.kept: TreeCache | None = None
        self.said = torch.compile(_said, dynamic=False, mode="reduce-overhead")

    def room(self, rows: int, beams: int, longest: int, steps: int, device: torch.device) -> TreeCache:
        """See `Step.room`. Nothing is kept until the search is over, so that one that failed leaves its memory."""
        say_once(f"compiling a step of the language model for {device.type}, a minute or so for large ones")
        kept, self.kept = self.kept, None
        longest = -(-longest // WHOLE) * WHOLE
        if kept is None or (kept.beams, kept.device) != (beams, device):
            return TreeCache(rows, beams, longest, steps, device, fixed=True)
        wanted, held = (rows, longest, steps), (kept.most_rows, kept.longest, kept.steps)
        if all(one <= other for one, other in zip(wanted, held, strict=True)):
            return kept
        rows, longest, steps = map(max, wanted, held)
        return TreeCache(rows, beams, longest, steps, device, fixed=True)

    def logits(self, llm: Any, tokens: list[list[int]], cache: TreeCache) -> Tensor:
        """See `Step.logits`. Raises UserError where nothing can be compiled."""
        idle = [[0] * cache.beams] * (cache.most_rows - len(tokens))
        ids = torch.tensor([*tokens, *idle], device=cache.device)
        torch.compiler.cudagraph_mark_step_begin()
        try:
            logits = self.said(llm, ids, _mask(llm, cache), cache.positions, cache)
        except torch._dynamo.exc.TorchDynamoException as error:
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
    return _COMPILED.setdefault(llm, CompiledStep()) if compiled else PlainStep()


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
