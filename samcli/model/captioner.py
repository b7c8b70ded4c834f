"""A model ready for use: pictures and a prompt in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers.generation.streamers import BaseStreamer

from samcli.data.image import as_rgb, open_image
from samcli.errors import UserError
from samcli.model.find import BaseFiles
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, Traits
from samcli.recipe import DecodingRecipe, TextRecipe

Picture = Image.Image | str | Path
Pictures = Picture | Sequence[Picture]
RELEASED_LENGTHS = TextRecipe()


@dataclass(frozen=True)
class Captioner:
    """A model with its processor, the names they were loaded by, and how they are used.

    `traits`: how the base generates by itself, and whether it knows the embedded world alone. `text`: the lengths that
    the adapter was trained with. `files`: the base's, none of one that was made in memory.
    """

    model: SemanticAlignmentModel
    processor: Processor
    name: str
    adapter: str | None = None
    traits: Traits = RELEASED
    text: TextRecipe = RELEASED_LENGTHS
    files: BaseFiles | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.base.device

    @property
    def numbers(self) -> str:
        """What its weights are held in, such as `bfloat16` or `float32, the LLM in 4 bits`."""
        base: Any = self.model.base
        bits = [bits for bits in (4, 8) if getattr(base, f"is_loaded_in_{bits}bit", False)]
        held = str(base.vision_model.dtype).removeprefix("torch.")
        return f"{held}, the LLM in {bits[0]} bits" if bits else held

    def caption(
        self,
        images: Pictures,
        prompt: str,
        decoding: DecodingRecipe | None = None,
        streamer: BaseStreamer | None = None,
    ) -> str:
        """The model's answer to `prompt` about `images` (a path or a PIL picture, or several of them).

        Without `decoding` it is generated in the base's own way. Raises UserError for a picture that can't be read, and
        when there is none or no prompt.
        """
        return self.answer([images], [prompt], decoding, streamer)[0]

    def answer(
        self,
        groups: Sequence[Pictures],
        prompts: Sequence[str],
        decoding: DecodingRecipe | None = None,
        streamer: BaseStreamer | None = None,
    ) -> list[str]:
        """Answers for several samples in one batch; groups may differ in size."""
        asked = [as_group(group) for group in groups]
        if not all(asked):
            raise UserError("no images were given: at least one is needed")
        if any(not prompt.strip() for prompt in prompts):
            raise UserError("the prompt is empty: say what is asked of the images")
        # made small one by one: a group of photographs needs no more memory than its largest
        pictures = [[self.processor.square(as_picture(image)) for image in group] for group in asked]
        declare = self.model.declares_images
        batch = self.processor.batch(pictures, prompts, settings=self.text, declare=declare).to(self.device)
        ids = self.model.generate(batch, decoding or self.traits.decoding, streamer)
        return self.processor.decode(ids)


def as_group(images: Pictures) -> Sequence[Picture]:
    """The pictures of a group; one alone is a group of one."""
    return [images] if isinstance(images, str | Path | Image.Image) else images


def as_picture(image: Picture) -> Image.Image:
    """An RGB picture, the same by path and by object. Raises UserError for one that can't be read."""
    if isinstance(image, str | Path):
        return open_image(Path(image))
    return as_rgb(image, getattr(image, "filename", "") or "a picture")
