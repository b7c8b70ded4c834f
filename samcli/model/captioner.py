"""A model ready for use: pictures and a prompt in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from transformers.generation.streamers import BaseStreamer

from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, Traits
from samcli.recipe import DecodingRecipe, TextRecipe

Picture = Image.Image | str | Path
RELEASED_LENGTHS = TextRecipe()


@dataclass(frozen=True)
class Captioner:
    """A model with its processor, the names they were loaded by, and how they are used.

    `traits`: how the base generates by itself, and whether it knows the embedded world alone. `text`: the lengths that
    the adapter was trained with.
    """

    model: SemanticAlignmentModel
    processor: Processor
    name: str
    adapter: str | None = None
    traits: Traits = RELEASED
    text: TextRecipe = RELEASED_LENGTHS

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.base.device

    def caption(
        self,
        images: Sequence[Picture],
        prompt: str,
        decoding: DecodingRecipe | None = None,
        streamer: BaseStreamer | None = None,
    ) -> str:
        """The model's answer to `prompt` about `images` (paths or PIL pictures, one or more).

        Without `decoding` it is generated in the base's own way. Raises UserError for a picture that can't be read, and
        when there is none or no prompt.
        """
        return self.answer([images], [prompt], decoding, streamer)[0]

    def answer(
        self,
        groups: Sequence[Sequence[Picture]],
        prompts: Sequence[str],
        decoding: DecodingRecipe | None = None,
        streamer: BaseStreamer | None = None,
    ) -> list[str]:
        """Answers for several samples in one batch; groups may differ in size."""
        if any(not group for group in groups):
            raise UserError("no images were given: at least one is needed")
        if any(not prompt.strip() for prompt in prompts):
            raise UserError("the prompt is empty: say what is asked of the images")
        # made small one by one: a group of photographs needs no more memory than its largest
        pictures = [[self.processor.square(as_picture(image)) for image in group] for group in groups]
        batch = self.processor.batch(pictures, prompts, settings=self.text).to(self.device)
        ids = self.model.generate(batch, decoding or self.traits.decoding, streamer)
        return self.processor.decode(ids)


def as_picture(image: Picture) -> Image.Image:
    """An RGB picture, read from disk if need be."""
    return open_image(Path(image)) if isinstance(image, str | Path) else image.convert("RGB")
