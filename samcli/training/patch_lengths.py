"""How long the samples of a LLaVA's stage are; what is done with those that are too long, `lengths.py` says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samcli.data.batch import IMAGE
from samcli.data.sample import Sample
from samcli.model.llava.processor import PatchProcessor
from samcli.recipe_alignment import PatchTextRecipe
from samcli.training.lengths import Numbers, count_tokens, cut_by


@dataclass(frozen=True)
class PatchLengths:
    """Tokens of each sample's prompt and answer before anything is cut, and its number of images.

    `head` is what stands before the images, the same for all and never cut.
    """

    head: int
    prompt: Numbers  # what stands behind the images
    answer: Numbers  # with EOS
    images: Numbers

    @classmethod
    def of(cls, processor: PatchProcessor, samples: Sequence[Sample], settings: PatchTextRecipe) -> "PatchLengths":
        """Measured with the model's tokenizer."""
        bare = processor.texts([""], None, settings, [1])["prompt_ids"][0].tolist()
        head = bare.index(IMAGE)
        prompts = [processor.prompt(sample.instruction, 1, settings) for sample in samples]
        answers = [sample.references[0] for sample in samples]
        return cls(
            head,
            count_tokens(processor.tokenizer, prompts) - head - 1,
            count_tokens(processor.tokenizer, answers, add_special_tokens=False) + 1,
            np.array([len(sample.images) for sample in samples], dtype=np.int64),
        )

    def sequence(self, settings: PatchTextRecipe, patches: int) -> Numbers:
        """Tokens of each sample in the language model, after cutting."""
        prompt = self.prompt if settings.prompt_tokens is None else np.minimum(self.prompt, settings.prompt_tokens)
        return self.head + self.images * patches + prompt + np.minimum(self.answer, settings.answer_tokens)

    def cut(self, settings: PatchTextRecipe) -> dict[str, int]:
        """How many samples lose tokens, by the setting that cuts them; empty where none does."""
        return cut_by(
            {
                "text.prompt_tokens": (self.prompt, settings.prompt_tokens),
                "text.answer_tokens": (self.answer, settings.answer_tokens),
            }
        )
