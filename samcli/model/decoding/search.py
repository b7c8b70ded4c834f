"""The search: prompts go in, answers come out, some samples at a time and each for itself.

A prompt is computed once, whatever the number of beams: those of a sample are positions of one sequence, and a mask
says what each of them sees. A sample that is done leaves, and the next takes its place, so that a long answer holds up
nobody.

Shapes: n samples, K beams, S prompt tokens, D LLM width, W words of the vocabulary.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from samcli.model.decoding.step import Room, step_of
from samcli.model.decoding.tree_cache import TreeCache

READ = 4
"""Prompts that are read together: their keys and values are there twice for a moment."""

Reading = Callable[[Sequence[int], int], None]
"""Is told which samples are read next, and with how many tokens each, padding included."""


def unheard(samples: Sequence[int], length: int) -> None:
    """Nobody wants to know what is read."""


class Running(Protocol):
    """A sample's beams on their way."""

    tokens: list[list[int]]
    parents: list[int]
    over: bool

    def answer(self) -> list[int]:
        """The tokens of its answer, BOS first."""
        ...


class Rules(Protocol):
    """How tokens are chosen, a `BeamSearch` or a `SingleSearch`."""

    beams: int

    def begin(self, sample: int, most: int, /) -> Any:
        """What runs for a sample, up to a length, BOS counted."""
        ...

    def step(self, running: Sequence[Any], logits: Tensor) -> None:
        """Choose the next tokens by logits (n, K, W)."""
        ...


@dataclass(frozen=True)
class Found:
    """A sample's answer, BOS first; none where the model's numbers were not numbers."""

    sample: int
    ids: list[int] | None


@dataclass(frozen=True)
class _Row:
    sample: int
    said: Running


class Search:
    """Answers of one language model, as it is loaded by transformers, by some rules."""

    def __init__(self, llm: Any, rules: Rules, *, compiled: bool = False) -> None:
        """`compiled`: steps have fixed shapes and are compiled, once a language model and size."""
        self.llm, self.rules, self.step = llm, rules, step_of(llm, compiled)

    @torch.no_grad()
    def answers(
        self, prompts: Sequence[Tensor], most: Sequence[int], at_once: int, reading: Reading = unheard
    ) -> Iterator[Found]:
        """The answers to prompts (S, D), each up to a length, `at_once` of them at a time, as they are done."""
        waiting = deque(range(len(prompts)))
        if not waiting:
            return
        wanted = Room(len(prompts), at_once, self.rules.beams, max(map(len, prompts)), max(most) - 1)
        cache = self.step.room(wanted, prompts[0].device)
        rows: list[_Row] = []
        while waiting or rows:
            while waiting and len(rows) < at_once:
                new = [waiting.popleft() for _ in range(min(len(waiting), at_once - len(rows), READ))]
                reading(new, max(len(prompts[sample]) for sample in new))
                logits = self._read([prompts[sample] for sample in new], cache)
                rows += [_Row(sample, self.rules.begin(sample, most[sample])) for sample in new]
                yield from self._choose(rows, len(rows) - len(new), logits, cache)
            if rows:
                yield from self._choose(rows, 0, self._say(rows, cache), cache)
        self.step.leave(cache)

    def _read(self, prompts: Sequence[Tensor], cache: TreeCache) -> Tensor:
        """Compute prompts, padded on the left, into the cache; the logits (n, K, W) behind them are all beams'."""
        longest, device = max(map(len, prompts)), cache.device
        embeds = torch.stack([torch.nn.functional.pad(one, (0, 0, longest - len(one), 0)) for one in prompts])
        lengths = torch.tensor([len(one) for one in prompts], device=device)
        mask = (torch.arange(longest, device=device) >= longest - lengths[:, None]).long()
        read = DynamicCache()
        logits: Tensor = self.llm(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=read,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        cache.take_in(read, lengths.tolist())
        return logits[:, -1:].to(device).expand(-1, self.rules.beams, -1)

    def _say(self, rows: Sequence[_Row], cache: TreeCache) -> Tensor:
        """Compute every beam's newest token; the logits (n, K, W) behind them."""
        cache.go_on(torch.tensor([row.said.parents for row in rows], device=cache.device))
        return self.step.logits(self.llm, [[beam[-1] for beam in row.said.tokens] for row in rows], cache)

    def _choose(self, rows: list[_Row], first: int, logits: Tensor, cache: TreeCache) -> Iterator[Found]:
        """Choose for the rows from the `first` on; those that are done leave `rows` and the cache."""
        sound = logits.flatten(1).amax(dim=1).isfinite().tolist()  # NaN and infinity come first
        chosen = [place for place, is_sound in enumerate(sound) if is_sound]
        if chosen:
            of_them = logits if len(chosen) == len(sound) else logits[torch.tensor(chosen, device=logits.device)]
            self.rules.step([rows[first + place].said for place in chosen], of_them)
        for place in reversed(range(first, len(rows))):
            row, is_sound = rows[place], sound[place - first]
            if is_sound and not row.said.over:
                continue
            if not is_sound:
                cache.wipe(place)
            cache.leave(place)
            rows[place] = rows[-1]
            rows.pop()
            yield Found(row.sample, row.said.answer() if is_sound else None)
