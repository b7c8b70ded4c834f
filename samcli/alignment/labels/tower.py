"""A paired vision and text tower, CLIP or SigLIP: patches, pictures and words as vectors of one space."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from samcli.errors import UserError
from samcli.frozen.loading import directory_of, model_from, processor_from, weights_of
from samcli.model.llava.framing import Framing

A_TOWER = "a CLIP or SigLIP"
_KINDS = ("clip", "siglip")


class PairedTower:
    """Holds the two towers; they are loaded when something is first asked of them. Vectors have length 1."""

    def __init__(self, name: str, device: str, dtype: str) -> None:
        """Raises UserError when the model isn't to be had, or is neither a CLIP nor a SigLIP."""
        from transformers import AutoConfig

        self._directory, self._device, self._dtype = directory_of(name, A_TOWER), device, dtype
        self._config: Any = processor_from(AutoConfig, self._directory, A_TOWER)
        if self._config.model_type not in _KINDS:
            raise UserError(f"labels.clip {name} is a {self._config.model_type} model; needed is {A_TOWER}")
        self.is_clip: bool = self._config.model_type == "clip"
        self.identity = {"tower": weights_of(name, self._directory), "dtype": dtype}

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModel

        return model_from(AutoModel, self._directory, A_TOWER, self._device, self._dtype)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return processor_from(AutoTokenizer, self._directory, A_TOWER)

    @cached_property
    def _framing(self) -> Framing:
        """How the tower's own processor makes squares; pictures are cut already, so it cuts nothing off."""
        from transformers import AutoImageProcessor

        return replace(Framing.of(processor_from(AutoImageProcessor, self._directory, A_TOWER)), crop=False)

    @torch.inference_mode()
    def patches(self, pictures: Sequence[Image.Image], grid: int) -> Tensor:
        """The patches of pictures, (M, grid * grid, d) float32; of another grid than the tower's own, interpolated.

        Patches go the way of the whole picture's vector: for CLIP the last layer's states through the final norm and
        the projection; SigLIP's last states as they are, which nobody says lie in the space of its words: unverified,
        and ours. (SEA, arXiv 2408.11813, says V = f(X) and no more.)
        """
        states = self._vision(pictures).last_hidden_state
        if self.is_clip:
            states = self._model.visual_projection(self._model.vision_model.post_layernorm(states[:, 1:]))
        states = states.float()
        side = round(states.shape[1] ** 0.5)
        if side != grid:
            square = states.transpose(1, 2).unflatten(2, (side, side))
            square = interpolate(square, size=(grid, grid), mode="bilinear", antialias=True, align_corners=False)
            states = square.flatten(2).transpose(1, 2)
        return normalize(states, dim=-1)

    @torch.inference_mode()
    def whole(self, pictures: Sequence[Image.Image]) -> Tensor:
        """The pictures as a whole, (M, d) float32."""
        return normalize(self._vision(pictures).pooler_output.float(), dim=-1)

    @torch.inference_mode()
    def words(self, words: Sequence[str]) -> Tensor:
        """Words, each alone as a text, (W, d) float32."""
        tokens = self._tokenizer(
            list(words),
            return_tensors="pt",
            truncation=True,
            padding=True if self.is_clip else "max_length",  # SigLIP was trained on texts of full length
            max_length=self._config.text_config.max_position_embeddings,
        )
        features = self._model.get_text_features(input_ids=tokens["input_ids"].to(self._model.device))
        return normalize(features.pooler_output.float(), dim=-1)

    def _vision(self, pictures: Sequence[Image.Image]) -> Any:
        pixels = self._framing.pixels(pictures).to(self._model.device, self._model.dtype)
        return self._model.get_image_features(pixel_values=pixels)
