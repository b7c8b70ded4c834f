"""From pictures and texts to a model's tensors and back: what the families of models have in common."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from samcli.data.batch import Batch

TOKENIZING = threading.Lock()
"""Held while tokenizers are asked: truncation is a state of theirs, and batches are made ahead in a thread."""


class Preparation(ABC):
    """Makes batches for a model; `tokenizer` is its LLM's."""

    tokenizer: Any
    always_places_images: ClassVar[bool] = False  # whether there is no prompt without the places of its images

    @property
    @abstractmethod
    def transform(self) -> str:
        """What happens to a picture on its way to the vision tower: pictures of another one have other features."""

    @abstractmethod
    def square(self, image: Image.Image) -> Image.Image:
        """The picture at the model's size."""

    @abstractmethod
    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size as (M, 3, H, W)."""

    @abstractmethod
    def texts(
        self,
        instructions: Sequence[str],
        answers: Sequence[str] | None,
        settings: Any = None,
        images: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """The text fields of a `Batch`; `images`: how many each sample has, where prompts hold their places.

        `settings` are a recipe's lengths, by default the family's own.
        """

    def batch(
        self,
        images: Sequence[Sequence[Image.Image]],
        instructions: Sequence[str],
        answers: Sequence[str] | None = None,
        settings: Any = None,
        *,
        declare: bool = False,
    ) -> Batch:
        """A batch of samples: their pictures, instructions and, for training, answers.

        `declare`: prompts hold the places of their images.
        """
        counts = [len(group) for group in images]
        pixels = self.pixels([image for group in images for image in group])
        texts = self.texts(instructions, answers, settings, counts if declare or self.always_places_images else None)
        return Batch(torch.tensor(counts), pixel_values=pixels, **texts)

    def answer_ids(self, answer: str, limit: int) -> list[int]:
        """An answer's tokens with EOS behind them, at most `limit`."""
        ids: list[int] = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [*ids[: limit - 1], self.tokenizer.eos_token_id]

    def decode(self, ids: Tensor | Sequence[Sequence[int]]) -> list[str]:
        """Generated ids as text, without special tokens."""
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]
