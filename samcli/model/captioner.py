"""A model ready for use: pictures and a prompt in, text out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from samcli.data.batch import Batch
from samcli.data.image import as_rgb, open_image
from samcli.errors import UserError
from samcli.model.find import BaseFiles
from samcli.model.generate import Asking, Generated
from samcli.model.preparation import Preparation
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, Traits
from samcli.recipe import DecodingRecipe, TextRecipe
from samcli.recipe_alignment import PatchTextRecipe
from samcli.recipe_method import NO_METHOD, MethodRecipe

Picture = Image.Image | str | Path
Pictures = Picture | Sequence[Picture]
RELEASED_LENGTHS = TextRecipe()
Answered = tuple[str | None, str | None]  # the text, or None and why there is none


class Model(Protocol):
    """What answers: a `SemanticAlignmentModel`, or a `PatchAlignedModel` of the projector family."""

    base: Any

    def __call__(self, batch: Batch) -> Any:
        """The loss of a batch's answers."""
        ...

    def eval(self) -> Any:
        """Out of training."""
        ...

    def train(self, mode: bool = True) -> Any:
        """Into training."""
        ...

    @property
    def declares_images(self) -> bool:
        """Whether prompts hold the places of their images."""
        ...

    @property
    def feature_dtype(self) -> torch.dtype:
        """The numbers of the vision tower's features."""
        ...

    @property
    def feature_shape(self) -> tuple[int, int]:
        """(P, V)."""
        ...

    def trained_parameters(self) -> Any:
        """Names and parameters that training changes."""
        ...

    def word_embeddings(self) -> Tensor:
        """The LLM's input embeddings, (vocabulary, D)."""
        ...

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """The vision tower's features of M images, (M, P, V)."""
        ...

    def visual_tokens(self, batch: Batch) -> Tensor:
        """The visual tokens of M images, (M, K, D)."""
        ...

    def answers(self, batch: Batch, asking: Asking) -> Iterator[Generated]:
        """Answers to a batch, in the order in which they are done."""
        ...


@dataclass(frozen=True)
class Captioner:
    """A model with its processor, the names they were loaded by, and how they are used.

    `traits`: how the base generates by itself, and whether it knows the embedded world alone. `text`: the lengths that
    the adapter was trained with. `files`: the base's, none of one that was made in memory.
    """

    model: Model
    processor: Preparation
    name: str
    adapter: str | None = None
    traits: Traits = RELEASED
    text: TextRecipe | PatchTextRecipe = RELEASED_LENGTHS
    files: BaseFiles | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.base.device
        return device

    @property
    def numbers(self) -> str:
        """What its weights are held in, such as `bfloat16` or `float32, the LLM in 4 bits`."""
        bits = [bits for bits in (4, 8) if getattr(self.model.base, f"is_loaded_in_{bits}bit", False)]
        held = str(self.model.feature_dtype).removeprefix("torch.")
        return f"{held}, the LLM in {bits[0]} bits" if bits else held

    @property
    def method(self) -> MethodRecipe:
        """What was added to the base; nothing, to one of the projector family."""
        return self.model.method if isinstance(self.model, SemanticAlignmentModel) else NO_METHOD

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
        """Answers for several samples in one batch; groups may differ in size. Raises UserError where one fails."""
        texts = []
        for text, fault in self.answers(groups, prompts, decoding, streamer):
            if text is None:
                raise UserError(fault or "no answer")
            texts.append(text)
        return texts

    def answers(
        self,
        groups: Sequence[Pictures],
        prompts: Sequence[str],
        decoding: DecodingRecipe | None = None,
        streamer: BaseStreamer | None = None,
        keys: Sequence[str] | None = None,
    ) -> list[Answered]:
        """The same, with the reason where one fails; `keys` are the samples' names (see `Asking`)."""
        asked = [as_group(group) for group in groups]
        if not all(asked):
            raise UserError("no images were given: at least one is needed")
        if any(not prompt.strip() for prompt in prompts):
            raise UserError("the prompt is empty: say what is asked of the images")
        # made small one by one: a group of photographs needs no more memory than its largest
        pictures = [[self.processor.square(as_picture(image)) for image in group] for group in asked]
        declare = self.model.declares_images
        batch = self.processor.batch(pictures, prompts, settings=self.text, declare=declare).to(self.device)
        asking = Asking(decoding or self.traits.decoding, streamer, keys)
        return [answered for _, answered in sorted(self.texts(batch, asking))]

    def texts(self, batch: Batch, asking: Asking) -> Iterator[tuple[int, Answered]]:
        """The number of each sample of a batch and its answer, in the order in which they are done."""
        for one in self.model.answers(batch, asking):
            text = self.processor.decode([one.ids])[0] if one.fault is None else None
            yield one.row, (text, one.fault)


def q_former_model(captioner: Captioner, purpose: str) -> SemanticAlignmentModel:
    """The captioner's model if it has a Q-Former; raises UserError that names the `purpose` for another one."""
    if isinstance(captioner.model, SemanticAlignmentModel):
        return captioner.model
    raise UserError(f"{purpose}: {captioner.name} has no Q-Former, which this needs; name an InstructBLIP")


def as_group(images: Pictures) -> Sequence[Picture]:
    """The pictures of a group; one alone is a group of one."""
    return [images] if isinstance(images, str | Path | Image.Image) else images


def as_picture(image: Picture) -> Image.Image:
    """An RGB picture, the same by path and by object. Raises UserError for one that can't be read."""
    if isinstance(image, str | Path):
        return open_image(Path(image))
    return as_rgb(image, getattr(image, "filename", "") or "a picture")
