"""Words as the LLM reads them: the mean of the input embeddings of each word's tokens."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from samcli.errors import UserError

_BEFORE = "a"  # a word in running text has another before it, and many a tokenizer spells it otherwise at the beginning


class WordTable:
    """A list of words and the tokenizer of an LLM; words are asked for by their places in the list.

    A word is spelt as in the midst of a text, and only when it is asked for: a list may have millions.
    """

    def __init__(self, words: Sequence[str], tokenizer: Any) -> None:
        self.words = words
        self._tokenizer = tokenizer
        self._spelt: dict[int, list[int]] = {}
        self._opening = len(self._encoded([_BEFORE])[0])

    def __len__(self) -> int:
        return len(self.words)

    def embeddings(self, table: Tensor, chosen: Tensor) -> Tensor:
        """The embeddings (N, D) of the words at `chosen` (N,): SEA's targets, in the numbers of `table`.

        `table` (vocabulary, D) holds the LLM's input embeddings; special tokens have no part in a word. Raises
        UserError for a word that the tokenizer spells with no token at all.
        """
        if not len(chosen):
            return table.new_zeros(0, table.shape[1])
        spelt = self.spelt(chosen.tolist())
        lengths = torch.tensor([len(ids) for ids in spelt])
        ids = torch.tensor([one for ids in spelt for one in ids], device=table.device)
        starts = (lengths.cumsum(0) - lengths).to(table.device)
        return functional.embedding_bag(ids, table, starts, mode="mean")

    def spelt(self, chosen: Sequence[int]) -> list[list[int]]:
        """The LLM's tokens of each word at `chosen`. Raises UserError as `embeddings` does."""
        new = [place for place in dict.fromkeys(chosen) if place not in self._spelt]
        if new:
            encoded = self._encoded([f"{_BEFORE} {self.words[place]}" for place in new])
            self._spelt |= {place: ids[self._opening :] for place, ids in zip(new, encoded, strict=True)}
        if empty := [place for place in new if not self._spelt[place]]:
            raise UserError(
                f"the LLM's tokenizer has no token for word {empty[0] + 1}, {self.words[empty[0]]!r}; "
                "take it out of the list"
            )
        return [self._spelt[place] for place in chosen]

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids
