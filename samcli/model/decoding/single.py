"""One answer a sample, token by token: always the likeliest token, or one drawn by chance."""

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from samcli.model.decoding.processed import processed


class Single:
    """A running answer; with `chance`, its tokens are drawn by it."""

    def __init__(
        self,
        first: int,
        ends: Collection[int],
        most: int,
        chance: torch.Generator | None,
        heard: Callable[[int], None] | None = None,
    ) -> None:
        """`first` is the BOS, `ends` are the tokens that end it, `most` is its greatest length, BOS counted.

        `heard` is called with each token as it is chosen.
        """
        self.tokens: list[list[int]] = [[first]]
        self.parents = [0]
        self.ends, self.most, self.chance, self.heard = ends, most, chance, heard
        self.over = False

    def step(self, probabilities: Tensor | None, likeliest: int) -> None:
        """Go on with the `likeliest` token, or draw one by the probabilities (W,) of all words, if there are any."""
        token = likeliest
        if probabilities is not None and self.chance is not None:
            token = int(torch.multinomial(probabilities, 1, generator=self.chance))
        self.tokens[0].append(token)
        self.over = token in self.ends or len(self.tokens[0]) >= self.most
        if self.heard is not None:
            self.heard(token)

    def answer(self) -> list[int]:
        """The tokens, BOS first, an end last if there was one."""
        return self.tokens[0]


class SingleSearch:
    """How single answers are told what the language model says."""

    beams = 1

    def __init__(self, begin: Callable[[int, int], Single], processors: LogitsProcessorList) -> None:
        """`begin` makes a sample's answer by its number and greatest length; `processors` change logits."""
        self.begin, self.processors = begin, processors

    def step(self, running: Sequence[Single], logits: Tensor) -> None:
        """Let every answer go on by the logits (n, 1, W) behind its newest token."""
        scores = processed(self.processors, [one.tokens for one in running], logits.float())[:, 0]
        likeliest = scores.argmax(dim=-1).tolist()
        if all(single.chance is None for single in running):
            for single, token in zip(running, likeliest, strict=True):
                single.step(None, token)
            return
        # none where every word is forbidden
        drawable = scores.amax(dim=-1).isfinite().tolist()
        probabilities = scores.softmax(dim=-1).cpu()
        for single, row, token, by_chance in zip(running, probabilities, likeliest, drawable, strict=True):
            single.step(row if by_chance else None, token)
