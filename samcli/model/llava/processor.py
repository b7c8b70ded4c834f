"""From pictures and text to a LLaVA's tensors: the places of images stand in the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer

from samcli.data.batch import IMAGE, pad_right
from samcli.model.llava.framing import Framing
from samcli.model.preparation import TOKENIZING, Preparation
from samcli.recipe_alignment import PatchTextRecipe

IMAGE_TOKEN = "<image>"  # noqa: S105  LLaVA's own
_TEMPLATES = {"plain": "{images} {instruction}", "vicuna": "USER: {images}\n{instruction} ASSISTANT:"}


@dataclass(frozen=True)
class PatchProcessor(Preparation):
    """Makes batches; `image_processor` and `tokenizer` are the checkpoint's own, `tokenizer` knows `<image>`."""

    always_places_images: ClassVar[bool] = True

    image_processor: Any
    tokenizer: Any

    @classmethod
    def load(cls, source: str) -> "PatchProcessor":
        """Read both from the directory of a LLaVA in the hub's format."""
        return cls(load_image_processor(source), AutoTokenizer.from_pretrained(source))

    def save(self, directory: Path) -> None:
        """Write both where `load` finds them."""
        self.image_processor.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)

    @property
    def framing(self) -> Framing:
        """How pictures become squares."""
        return Framing.of(self.image_processor)

    @property
    def transform(self) -> str:
        """All of the framing."""
        return repr(self.framing)

    def square(self, image: Image.Image) -> Image.Image:
        """The picture at the model's size."""
        return self.framing.square(image)

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size as (M, 3, H, W)."""
        return self.framing.pixels(images)

    def texts(
        self,
        instructions: Sequence[str],
        answers: Sequence[str] | None,
        settings: PatchTextRecipe | None = None,
        images: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """The text fields of a `Batch` for samples of so many images; long instructions lose their beginning.

        An `<image>` that an instruction spells out is no image, and left out.
        """
        settings = settings or PatchTextRecipe()
        counts = [1] * len(instructions) if images is None else images
        prompts = [self.prompt(one, count, settings) for one, count in zip(instructions, counts, strict=True)]
        limit = settings.prompt_tokens if answers is not None else None
        with TOKENIZING:
            rows = {"prompt": [self._placed(ids, limit) for ids in self.tokenizer(prompts)["input_ids"]]}
            if answers is not None:
                rows["answer"] = [self.answer_ids(answer, settings.answer_tokens) for answer in answers]
        nothing = torch.zeros((len(prompts), 0), dtype=torch.int64)
        tensors = {"qformer_ids": nothing, "qformer_mask": nothing}  # there is no Q-Former to read it
        for name, ids in rows.items():
            tensors[f"{name}_ids"], tensors[f"{name}_mask"] = pad_right(ids)
        return tensors

    @staticmethod
    def prompt(instruction: str, images: int, settings: PatchTextRecipe) -> str:
        """An instruction in its template, behind so many `<image>`."""
        words = instruction.replace(IMAGE_TOKEN, "")
        return _TEMPLATES[settings.template].format(images=IMAGE_TOKEN * images, instruction=words)

    def _placed(self, ids: Sequence[int], limit: int | None) -> list[int]:
        """A prompt with the batch's mark where images go, and of what is behind them the last `limit` tokens."""
        mark = self.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        placed = [IMAGE if one == mark else one for one in ids]
        if limit is None:
            return placed
        head = len(placed) - placed[::-1].index(IMAGE)
        return placed[:head] + placed[head:][-limit:]


def load_image_processor(source: str) -> Any:
    """How a checkpoint's pictures are prepared, in the form that needs no torchvision."""
    return AutoImageProcessor.from_pretrained(source, backend="pil")
