"""From pictures and text to tensors, as InstructBLIP was trained: squashed to a square, CLIP's mean and deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import AutoTokenizer

from samcli.data.batch import IMAGE, pad_right
from samcli.model.find import QFORMER_FOLDER
from samcli.model.preparation import TOKENIZING, Preparation
from samcli.recipe import TextRecipe

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Processor(Preparation):
    """Makes batches; the tokenizers are the LLM's and the Q-Former's."""

    image_size: int
    tokenizer: Any
    qformer_tokenizer: Any

    @classmethod
    def load(cls, source: str, image_size: int) -> "Processor":
        """Read both tokenizers of an InstructBLIP from a directory or the hub."""
        tokenizer = AutoTokenizer.from_pretrained(source)
        qformer_tokenizer = AutoTokenizer.from_pretrained(source, subfolder=QFORMER_FOLDER)
        for one in (tokenizer, qformer_tokenizer):
            one.truncation_side = "left"
        return cls(image_size, tokenizer, qformer_tokenizer)

    def save(self, directory: Path) -> None:
        """Write both tokenizers where `load` finds them."""
        self.tokenizer.save_pretrained(directory)
        self.qformer_tokenizer.save_pretrained(directory / QFORMER_FOLDER)

    @property
    def transform(self) -> str:
        """To be changed with `square` and `normalise`."""
        return f"square-bicubic-1/{self.image_size}"

    def square(self, image: Image.Image) -> Image.Image:
        """The picture at the model's size, resized bicubically without cropping."""
        size = (self.image_size, self.image_size)
        return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size as (M, 3, H, W), each made square first."""
        resized = [self.square(image) for image in images]
        stacked = torch.from_numpy(np.stack([np.asarray(image, dtype=np.uint8) for image in resized]))
        return normalise(stacked)

    def texts(
        self,
        instructions: Sequence[str],
        answers: Sequence[str] | None,
        settings: TextRecipe | None = None,
        images: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """The text fields of a `Batch`; long instructions lose their beginning, as released.

        `images` gives the number of images of each sample whose prompt is to name them one by one, as MMICL does.
        """
        settings = settings or TextRecipe()
        instructions, answers = list(instructions), None if answers is None else list(answers)
        limits: dict[str, Any] = {"truncation": True, "max_length": settings.qformer_tokens}
        limit = settings.prompt_tokens if answers is not None else None
        with TOKENIZING:
            qformer_ids = self.qformer_tokenizer(instructions, **limits)["input_ids"]
            prompt_ids = self.tokenizer(instructions, truncation=limit is not None, max_length=limit)["input_ids"]
            if images is not None:
                prompt_ids = [self._declare(ids, count) for ids, count in zip(prompt_ids, images, strict=True)]
        fields = {"qformer": qformer_ids, "prompt": prompt_ids}
        if answers is not None:
            with TOKENIZING:
                fields["answer"] = [self.answer_ids(answer, settings.answer_tokens) for answer in answers]
        tensors: dict[str, Tensor] = {}
        for name, rows in fields.items():
            tensors[f"{name}_ids"], tensors[f"{name}_mask"] = pad_right(rows)
        return tensors

    def declaration_tokens(self, images: int) -> int:
        """Tokens that declarations of so many images add to a prompt, beside the visual tokens."""
        with TOKENIZING:
            return len(self._declare([], images)) - images

    def _declare(self, prompt: list[int], images: int) -> list[int]:
        """The prompt behind `image 0 is`, the place of that image's visual tokens, a full stop, and so on."""
        declared: list[int] = []
        for number in range(images):
            name, end = self.tokenizer([f"image {number} is", "."], add_special_tokens=False)["input_ids"]
            declared += [*name, IMAGE, *end]
        opening = 1 if prompt[:1] == [self.tokenizer.bos_token_id] else 0
        return [*prompt[:opening], *declared, *prompt[opening:]]


def normalise(pixels: Tensor) -> Tensor:
    """Bytes (M, H, W, 3) to normalised floats (M, 3, H, W)."""
    mean, deviation = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(DEVIATION).view(3, 1, 1)
    return (pixels.permute(0, 3, 1, 2).to(torch.float32) / 255 - mean) / deviation
