"""How long the texts of the training samples are, and what is done with those that are too long.

One policy, told before the first step and recorded: instructions lose their beginning (as in the release), answers
their end, and a sample whose whole sequence is longer than the language model takes is an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.model.processor import Processor
from samcli.recipe import TextRecipe

Numbers = NDArray[np.int64]
_AT_ONCE = 4096  # texts given to a tokenizer at once


@dataclass(frozen=True)
class Lengths:
    """Tokens of each sample's texts before anything is cut, and its number of images."""

    qformer: Numbers
    prompt: Numbers
    answer: Numbers
    images: Numbers
    declared: Numbers  # what names the images in a prompt, beside their visual tokens

    @classmethod
    def of(cls, processor: Processor, samples: Sequence[Sample], *, declared: bool = False) -> "Lengths":
        """Measured with the model's tokenizers; answers with the EOS that ends them."""
        instructions = [sample.instruction for sample in samples]
        answers = [sample.references[0] for sample in samples]
        images = np.array([len(sample.images) for sample in samples], dtype=np.int64)
        named = {count: processor.declaration_tokens(int(count)) if declared else 0 for count in np.unique(images)}
        return cls(
            count_tokens(processor.qformer_tokenizer, instructions),
            count_tokens(processor.tokenizer, instructions),
            count_tokens(processor.tokenizer, answers, add_special_tokens=False) + 1,
            images,
            np.array([named[count] for count in images], dtype=np.int64),
        )

    def sequence(self, settings: TextRecipe, queries: int) -> Numbers:
        """Tokens of each sample in the language model, after cutting."""
        prompt = self.prompt if settings.prompt_tokens is None else np.minimum(self.prompt, settings.prompt_tokens)
        return self.images * queries + self.declared + prompt + np.minimum(self.answer, settings.answer_tokens)

    def cut(self, settings: TextRecipe) -> dict[str, int]:
        """How many samples lose tokens, by the setting that cuts them; empty where none does."""
        return cut_by(
            {
                "text.qformer_tokens": (self.qformer, settings.qformer_tokens),
                "text.prompt_tokens": (self.prompt, settings.prompt_tokens),
                "text.answer_tokens": (self.answer, settings.answer_tokens),
            }
        )


def cut_by(limits: Mapping[str, tuple[Numbers, int | None]]) -> dict[str, int]:
    """How many samples have more tokens than a setting allows, by settings; those without effect are left out."""
    found = {key: int((tokens > limit).sum()) for key, (tokens, limit) in limits.items() if limit is not None}
    return {key: count for key, count in found.items() if count}


def cut_warnings(cut: dict[str, int], samples: int) -> list[str]:
    """What is lost, in words."""
    part = {"text.answer_tokens": "answers lose their end", "text.qformer_tokens": "instructions lose their beginning"}
    return [
        f"{key}: {count:,} of {samples:,} {part.get(key, 'prompts lose their beginning')}" for key, count in cut.items()
    ]


def check_sequences(lengths: Numbers, samples: Sequence[Sample], most: int | None) -> None:
    """Raise UserError for samples whose sequences are longer than the language model takes."""
    if most is None or not (too_long := np.flatnonzero(lengths > most)).size:
        return
    worst = int(lengths.argmax())
    raise UserError(
        f"{too_long.size:,} of {len(samples):,} training samples are longer than the language model takes ({most:,} "
        f"tokens), most of all {samples[worst].id!r} with {int(lengths[worst]):,}, "
        f"{len(samples[worst].images)} images; leave them out, or lower text.prompt_tokens or text.answer_tokens"
    )


def count_tokens(tokenizer: Any, texts: Sequence[str], **more: bool) -> Numbers:
    """Tokens of each text."""
    counted: list[int] = []
    for start in range(0, len(texts), _AT_ONCE):
        made = tokenizer(list(texts[start : start + _AT_ONCE]), **more)
        counted += map(len, made["input_ids"])
    return np.array(counted, dtype=np.int64)
