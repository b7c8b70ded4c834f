"""A mask for a noun phrase in one step: Carion et al. 2025, "SAM 3: Segment Anything with Concepts"."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from samcli.frozen.loading import (
    batch_on,
    directory_of,
    model_from,
    needs_torchvision,
    on_model,
    processor_from,
    weights_of,
)
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.segment.masks import Mask, Segmented, cleaned
from samcli.synth.photos.segment.segmenter import Identity, Opened, attempted
from samcli.synth.photos.stage import Rejected

A_SEGMENTER = "a segmenter"


class Instance(NamedTuple):
    """The surest object of a picture."""

    mask: Mask  # (height, width)
    score: float  # 0 to 1
    instances: int  # objects as sure as asked for, itself among them


class Sam3:
    """The segmenter; nouns are in the singular, and of several objects of the name the surest is cut out."""

    def __init__(self, recipe: MmlinkRecipe) -> None:
        from transformers import Sam3Model, Sam3Processor

        segment = recipe.segment
        directory = directory_of(segment.model, A_SEGMENTER, segment.model_revision)
        needs_torchvision(f"segment.model {segment.model}, a Segment Anything 3,", "segment.kind grounded or plain")
        self._processor: Any = processor_from(Sam3Processor, directory, A_SEGMENTER)
        self._model: Any = model_from(Sam3Model, directory, A_SEGMENTER, recipe.device, recipe.dtype)
        self._threshold, self._mask_threshold = segment.box_threshold, segment.mask_threshold
        self._identity: Identity = {
            "segmenter": "sam3",
            "model": weights_of(segment.model, directory),
            "dtype": recipe.dtype,
            "threshold": segment.box_threshold,
            "mask_threshold": segment.mask_threshold,
        }
        self.batch = batch_on(recipe.device)

    def identity(self, noun: str) -> Identity:
        """The model, the thresholds and the noun."""
        return self._identity | {"noun": noun}

    def __call__(self, photos: Sequence[Opened], noun: str) -> list[Segmented | Rejected]:
        """A mask for each photograph; also measured is the number of `instances`."""
        import torch

        pictures = [photo for photo, _ in photos]
        inputs = self._processor(images=pictures, text=[noun] * len(pictures), return_tensors="pt")
        wanted = {name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")}
        with torch.inference_mode():
            outputs = self._model(**on_model(wanted, self._model))
        sizes = [(picture.height, picture.width) for picture in pictures]
        found = best_instances(outputs, self._threshold, self._mask_threshold, sizes)
        return [
            Rejected("object not found", f"nothing for {noun!r}")
            if one is None
            else attempted(cleaned, one.mask, one.score, instances=float(one.instances))
            for one in found
        ]


def best_instances(
    outputs: Any, threshold: float, mask_threshold: float, sizes: Sequence[tuple[int, int]]
) -> list[Instance | None]:
    """The surest object of each picture, None where none is surer than `threshold`.

    As the model's processor does it, but for one mask of a picture: 200 at a photograph's size would take gigabytes.

    Args:
        outputs: of a Sam3Model: `pred_logits` (pictures, queries), `presence_logits` (pictures, 1), `pred_masks`
            (pictures, queries, mask height, mask width).
        threshold: least score, 0 to 1.
        mask_threshold: least probability of a mask's pixel.
        sizes: height and width of each picture.
    """
    from torch.nn.functional import interpolate

    scores = outputs.pred_logits.float().sigmoid()
    if outputs.presence_logits is not None:
        scores = scores * outputs.presence_logits.float().sigmoid()
    found: list[Instance | None] = []
    for own, masks, size in zip(scores, outputs.pred_masks, sizes, strict=True):
        best = int(own.argmax())
        if not float(own[best]) > threshold:
            found.append(None)
            continue
        chances = masks[best].float().sigmoid()[None, None]
        chances = interpolate(chances, size=size, mode="bilinear", align_corners=False)[0, 0]
        mask = np.asarray((chances > mask_threshold).cpu())
        found.append(Instance(mask, float(own[best]), int((own > threshold).sum())))
    return found
