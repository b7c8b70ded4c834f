"""LLaVA over groups of images: pixels and an instruction to a loss or an answer, one visual token for each patch.

Shapes: B samples, M images in all, P patches of an image, V channels of a patch's features, D LLM width.
"""

from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import LlavaForConditionalGeneration
from transformers.generation.streamers import BaseStreamer

from samcli.data.batch import Batch
from samcli.errors import UserError
from samcli.model.answer_loss import decoder_loss
from samcli.model.generate import Asking, Generated, as_tensor, generated
from samcli.model.sequence import join
from samcli.recipe import DecodingRecipe


class PatchAlignedModel(nn.Module):
    """A LLaVA whose projector trains, and its LLM where that is asked for; the vision tower never does."""

    declares_images = True  # prompts hold the places of their images

    def __init__(self, base: LlavaForConditionalGeneration) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.train_projector()

    def train_projector(self, *, with_llm: bool = False) -> None:
        """Let the projector train, and the LLM if asked; what trains is held in float32, or small steps would be lost.

        A word embedding that serves as head too trains once, as both.
        """
        core = self.base.model
        for part, trains in (
            (core.multi_modal_projector, True),
            (core.language_model, with_llm),
            (self.base.lm_head, with_llm),
        ):
            part.requires_grad_(trains)
            if trains:
                part.float()
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what trains; frozen parts stay in `eval()`, so that no dropout acts in them."""
        super().train(mode)
        self.base.model.vision_tower.eval()
        if not self.base.lm_head.get_parameter("weight").requires_grad:
            self.base.model.language_model.eval()
        return self

    def place(self, device: torch.device) -> Self:
        """Move the model to a device."""
        return self.to(device)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        vision: Any = self.base.config.vision_config
        return int(vision.image_size // vision.patch_size)

    @property
    def patches(self) -> int:
        """P, the visual tokens of an image."""
        return self.grid**2

    @property
    def feature_dtype(self) -> torch.dtype:
        """The numbers of the vision tower's features."""
        found: torch.dtype = self.base.model.vision_tower.dtype
        return found

    @property
    def feature_shape(self) -> tuple[int, int]:
        """(P, V)."""
        return self.patches, int(self.base.model.multi_modal_projector.linear_1.in_features)

    def word_embeddings(self) -> Tensor:
        """The LLM's input embeddings, (vocabulary, D)."""
        table: Tensor = self.base.get_input_embeddings().get_parameter("weight")
        return table

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The parameters that training changes, by name."""
        yield from ((name, one) for name, one in self.base.named_parameters() if one.requires_grad)

    def encode_images(self, pixel_values: Tensor) -> Tensor:
        """The frozen vision tower: pixels (M, 3, H, W) to the features of the patches, (M, P, V).

        Those of the layers that the LLaVA's configuration names, without a class token.
        """
        layers, without_class = self.base.config.vision_feature_layer, self.has_class_token
        # in its own numbers whatever a training computes in, so that kept features are the same
        with torch.no_grad(), torch.autocast(pixel_values.device.type, enabled=False):
            tower: Any = self.base.model.vision_tower
            seen = tower(pixel_values=pixel_values.to(self.feature_dtype), output_hidden_states=True).hidden_states
        chosen = [seen[layer] for layer in ([layers] if isinstance(layers, int) else layers)]
        found = torch.cat([one[:, 1:] if without_class else one for one in chosen], dim=-1)
        if found.shape[1] != self.patches:
            raise UserError(
                f"the vision tower gives {found.shape[1]} features for a picture of {self.patches} patches; needed is "
                "one for each, as of a CLIP (vision_feature_select_strategy: default) or a SigLIP (full)"
            )
        return found

    @property
    def has_class_token(self) -> bool:
        """Whether the tower sees a class token beside the patches."""
        return bool(self.base.config.vision_feature_select_strategy == "default")

    def project(self, image_embeds: Tensor) -> Tensor:
        """Features (M, P, V) into the LLM's space, (M, P, D), in the projector's numbers."""
        projector = self.base.model.multi_modal_projector
        made: Tensor = projector(image_embeds.to(projector.linear_1.weight))
        return made

    def visual_tokens(self, batch: Batch, image_embeds: Tensor | None = None) -> Tensor:
        """The visual tokens of every image, (M, P, D). Raises ValueError for a batch without images."""
        embeds = batch.image_embeds if image_embeds is None else image_embeds
        if embeds is None:
            if batch.pixel_values is None:
                raise ValueError("the batch has neither pixel_values nor image_embeds")
            embeds = self.encode_images(batch.pixel_values)
        return self.project(embeds)

    def forward(self, batch: Batch) -> Tensor:
        """The mean cross-entropy over all answer tokens of the batch."""
        return self.answer_loss(self.visual_tokens(batch), batch)

    def answer_loss(self, visual: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of the answers behind given visual tokens (M, P, D) and the prompts."""
        sequence = join(visual, batch, self.base.get_input_embeddings(), answers=True, pad="right")
        return decoder_loss(self.base.model.language_model, self.base.lm_head, sequence)

    def generate(self, batch: Batch, decoding: DecodingRecipe, streamer: BaseStreamer | None = None) -> Tensor:
        """Answer ids (B, at most `max_length`) in the batch's order, padded on the right."""
        return as_tensor(self.answers(batch, Asking(decoding, streamer)), self.base)

    @torch.no_grad()
    def answers(self, batch: Batch, asking: Asking) -> Iterator[Generated]:
        """Answers to a batch, in the order in which they are done, as `generated` makes them."""
        pieces = batch.pieces(asking.at_once or len(batch.image_counts))
        visual = torch.cat([self.visual_tokens(piece) for piece in pieces])
        sequence = join(visual, batch, self.base.get_input_embeddings(), answers=False, pad="left")
        yield from generated(self.base, sequence, asking)
