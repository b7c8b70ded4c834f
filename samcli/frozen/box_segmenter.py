"""The mask of what is in a box: Segment Anything 1 (Kirillov et al. 2023) or 2 (Ravi et al. 2024)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.errors import UserError
from samcli.frozen.loading import directory_of, model_from, needs_torchvision, on_model, processor_from, weights_of

if TYPE_CHECKING:
    import torch

Mask = NDArray[np.bool_]

A_SEGMENTER = "a segmenter"
CLASSES = {"sam": "Sam", "sam2": "Sam2", "sam2_video": "Sam2"}  # by a configuration's model type


class BoxSegmenter:
    """Gives the mask of what is in a box: Segment Anything 1 or 2."""

    def __init__(self, name: str, revision: str | None, device: str, dtype: str) -> None:
        import transformers

        directory = directory_of(name, A_SEGMENTER, revision)
        family = _family(name, directory)
        self._processor: Any = processor_from(getattr(transformers, f"{family}Processor"), directory, A_SEGMENTER)
        self._model: Any = model_from(getattr(transformers, f"{family}Model"), directory, A_SEGMENTER, device, dtype)
        self.weights = weights_of(name, directory)

    def __call__(
        self, pictures: Sequence[Image.Image], corners: Sequence[NDArray[np.float32]]
    ) -> list[tuple[Mask, float]]:
        """The mask in each picture's box, and how well the model thinks that it fits (IoU, 0 to 1)."""
        return [masks[0] for masks in self.in_boxes(pictures, [box[None] for box in corners])]

    def in_boxes(
        self, pictures: Sequence[Image.Image], corners: Sequence[NDArray[np.float32]]
    ) -> list[list[tuple[Mask, float]]]:
        """The same for several boxes of each picture, (boxes, 4), of as many in each."""
        boxes = [[[float(value) for value in box] for box in own] for own in corners]
        inputs = self._processor(images=list(pictures), input_boxes=boxes, return_tensors="pt")
        logits, fits = best_masks(self._model, inputs["pixel_values"], inputs["input_boxes"])
        sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
        masks = self._processor.image_processor.post_process_masks(list(logits), *sizes)  # logits above 0
        return [
            [(np.asarray(mask[0]), fit) for mask, fit in zip(own, scores, strict=True)]
            for own, scores in zip(masks, fits.tolist(), strict=True)
        ]


def best_masks(model: Any, pixels: "torch.Tensor", boxes: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """For each box the one of a model's three masks that it thinks fits best.

    Args:
        model: a SamModel or Sam2Model.
        pixels: (pictures, 3, height, width), as the model's processor gives them.
        boxes: (pictures, boxes, 4), in pixels of those.

    Returns:
        Logits (pictures, boxes, 1, mask height, mask width) and predicted IoU (pictures, boxes), 0 to 1, on the CPU.
    """
    import torch

    inputs = on_model({"pixel_values": pixels}, model)
    with torch.inference_mode():  # boxes stay precise: in bfloat16 they would move by some pixels
        outputs = model(**inputs, input_boxes=boxes.float().to(model.device), multimask_output=True)
    fits = outputs.iou_scores.float().cpu()
    best = fits.argmax(dim=-1, keepdim=True)
    logits = outputs.pred_masks.float().cpu().take_along_dim(best[..., None, None], dim=2)
    return logits, fits.take_along_dim(best, dim=-1)[..., 0].clamp(0, 1)


def _family(name: str, directory: Path) -> str:
    """`Sam` or `Sam2`; raises UserError for other models, and where Segment Anything 2 lacks torchvision."""
    from transformers import AutoConfig

    kind = processor_from(AutoConfig, directory, A_SEGMENTER).model_type
    if kind not in CLASSES:
        raise UserError(f"{name} is a {kind} model; needed is Segment Anything 1 or 2")
    if CLASSES[kind] == "Sam2":
        needs_torchvision(f"{name}, a Segment Anything 2,", "a Segment Anything 1 such as facebook/sam-vit-huge")
    return CLASSES[kind]
