"""Beam search: what goes on, what is set aside, when a sample is over; by the release's rules or transformers' own.

Scores are sums of log-probabilities. A beam's tokens begin with a BOS that the model never saw. More candidates are
ranked than there are beams, so that enough are left when some end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import LogitsProcessorList

from samcli.model.decoding.processed import processed

NEVER = -1e9  # a score that nothing is chosen for


class Candidate(NamedTuple):
    """A way for a beam to go on."""

    score: float
    parent: int
    token: int


class Beams(ABC):
    """K beams of one sample, of which at first only one goes on: all have said the same."""

    def __init__(self, count: int, first: int, ends: Sequence[int], most: int, length_penalty: float) -> None:
        """`first` is the BOS, `ends` are the tokens that end a beam, `most` is its greatest length, BOS counted."""
        self.count, self.ends, self.most, self.length_penalty = count, ends, most, length_penalty
        self.scores = [0.0] + [NEVER] * (count - 1)
        self.tokens: list[list[int]] = [[first] for _ in range(count)]
        self.parents = list(range(count))  # of each beam, the one of a step ago that it goes on from
        self.aside: list[tuple[float, list[int]]] = []  # divided scores and tokens of beams that are done
        self.over = False

    @property
    def length(self) -> int:
        """Tokens of each running beam, BOS counted."""
        return len(self.tokens[0])

    @abstractmethod
    def step(self, candidates: Sequence[Candidate]) -> None:
        """Take the candidates, the best first, and go on with K of them."""

    def answer(self) -> list[int]:
        """The best of what was set aside; raises ValueError before the sample is over."""
        if not self.over:
            raise ValueError("the beams still run")
        return self._best()

    @abstractmethod
    def _best(self) -> list[int]:
        """The answer, once the sample is over."""

    def _go_on(self, chosen: Sequence[Candidate]) -> None:
        self.scores = [one.score for one in chosen]
        self.parents = [one.parent for one in chosen]
        self.tokens = [[*self.tokens[one.parent], one.token] for one in chosen]

    def _divided(self, score: float, length: int) -> float:
        return float(score / length**self.length_penalty)


class ReleasedBeams(Beams):
    """The rules of transformers 4.33, which the release pins.

    A beam that ends is set aside, if it ranks among the first K, with its sum divided by its length to the power of
    `length_penalty`, BOS counted and the end not. The sample is over when K are set aside and the worst of them is at
    least the best candidate's sum divided by the length that it has now; or at `most` tokens, when those that still run
    are set aside by their full length. Of equal ones the later wins.
    """

    def step(self, candidates: Sequence[Candidate]) -> None:
        """See `Beams.step`."""
        chosen: list[Candidate] = []
        for rank, one in enumerate(candidates):
            if one.token not in self.ends:
                chosen.append(one)
            elif rank < self.count:
                self._set_aside(one.score, self.tokens[one.parent])
            if len(chosen) == self.count:
                break
        self._go_on(chosen)
        if len(self.aside) == self.count and self._worst() >= self._divided(candidates[0].score, self.length):
            self.over = True
        elif self.length >= self.most:
            for score, tokens in zip(self.scores, self.tokens, strict=True):
                self._set_aside(score, tokens)
            self.over = True

    def _worst(self) -> float:
        return min(score for score, _ in self.aside)

    def _set_aside(self, score: float, tokens: list[int]) -> None:
        divided = self._divided(score, len(tokens))
        if len(self.aside) < self.count:
            self.aside.append((divided, tokens))
        elif divided > self._worst():
            worst = min(range(self.count), key=lambda place: self.aside[place][0])
            self.aside = [*self.aside[:worst], *self.aside[worst + 1 :], (divided, tokens)]

    def _best(self) -> list[int]:
        """See `Beams._best`; one that is shorter than it may be ends with the first of the end tokens."""
        tokens = sorted(self.aside, key=lambda one: one[0])[-1][1]
        return tokens if len(tokens) >= self.most else [*tokens, self.ends[0]]


class TransformersBeams(Beams):
    """The rules of transformers 5 with `early_stopping` false.

    A beam that ends, by an end or at `most` tokens, is set aside, if it ranks among the first K, with its sum divided
    by the number of its new tokens, its end counted. The sample is over when K are set aside and the best that still
    runs, divided by its present number of new tokens, is no better than the worst of them.
    """

    def step(self, candidates: Sequence[Candidate]) -> None:
        """See `Beams.step`."""
        new = self.length  # new tokens of each candidate: BOS isn't one
        done = [one.token in self.ends or self.length + 1 >= self.most for one in candidates]
        ranked = sorted(zip(done, candidates, strict=True), key=lambda pair: -(pair[1].score + NEVER * pair[0]))
        ended = [
            (self._divided(one.score, new), [*self.tokens[one.parent], one.token])
            for one, is_done in zip(candidates[: self.count], done, strict=False)
            if is_done
        ]
        self.aside = sorted([*self.aside, *ended], key=lambda one: -one[0])[: self.count]
        chosen = [one._replace(score=one.score + NEVER * is_done) for is_done, one in ranked[: self.count]]
        self._go_on(chosen)
        enough = len(self.aside) == self.count
        hopeless = enough and self._divided(max(self.scores), new) <= self.aside[-1][0]
        self.over = hopeless or all(done)

    def _best(self) -> list[int]:
        """See `Beams._best`."""
        return self.aside[0][1]


class BeamSearch:
    """How beams are told what the language model says."""

    def __init__(
        self, begin: Callable[[int, int], Beams], beams: int, ends: int, processors: LogitsProcessorList
    ) -> None:
        """`begin` makes the beams of a sample by its number and its greatest length.

        `ends` is the number of end tokens. `processors` change log-probabilities as transformers' do.
        """
        self.begin, self.beams, self.processors = begin, beams, processors
        self.candidates = beams * max(2, 1 + ends)

    def step(self, running: Sequence[Beams], logits: Tensor) -> None:
        """Let every sample's beams go on by the logits (n, K, W) behind their newest tokens."""
        log_probabilities = logits.float().log_softmax(dim=-1)
        scores = processed(self.processors, [one.tokens for one in running], log_probabilities)
        sums = scores + torch.tensor([one.scores for one in running], device=scores.device)[..., None]
        best, where = sums.flatten(1).topk(min(self.candidates, sums[0].numel()))
        words = scores.shape[-1]
        for beams, its_best, its_places in zip(running, best.tolist(), where.tolist(), strict=True):
            beams.step([Candidate(s, *divmod(place, words)) for s, place in zip(its_best, its_places, strict=True)])
