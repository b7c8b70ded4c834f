"""A box for a noun, then a mask in the box: GroundingDINO, or what works alike, and Segment Anything 1 or 2.

Liu et al. 2023, "Grounding DINO"; Kirillov et al. 2023, "Segment Anything"; Ravi et al. 2024, "SAM 2".
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.models import directory_of, model_from, processor_from
from samcli.synth.photos.segment.masks import Mask, Segmented, cleaned
from samcli.synth.photos.segment.segmenter import (
    Identity,
    Opened,
    attempted,
    batch_on,
    needs_torchvision,
    on_model,
    weights_of,
)
from samcli.synth.photos.stage import Rejected

if TYPE_CHECKING:
    import torch

A_DETECTOR, A_SEGMENTER = "a detector", "a segmenter"
SAME_OBJECT = 0.7  # intersection over union of two boxes
CLASSES = {"sam": "Sam", "sam2": "Sam2", "sam2_video": "Sam2"}  # by a configuration's model type


class Boxes(NamedTuple):
    """The objects found in a picture, the surest first."""

    corners: NDArray[np.float32]  # (count, 4): left, top, right, bottom in pixels, within the picture
    scores: NDArray[np.float32]  # (count,)


class Detector:
    """Finds objects by what they are called; any model that transformers loads for zero-shot object detection."""

    def __init__(self, name: str, revision: str | None, recipe: MmlinkRecipe) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        directory = directory_of(name, A_DETECTOR, revision)
        self._processor: Any = processor_from(AutoProcessor, directory, A_DETECTOR)
        self._model: Any = model_from(
            AutoModelForZeroShotObjectDetection, directory, A_DETECTOR, recipe.device, recipe.dtype
        )
        self._thresholds = {
            "threshold": recipe.segment.box_threshold,
            "text_threshold": recipe.segment.text_threshold,
        }
        self.weights = weights_of(name, directory)

    def __call__(self, pictures: Sequence[Image.Image], noun: str) -> list[Boxes]:
        """The boxes in each of the pictures, which are of one size."""
        import torch

        prompt = f"{noun.strip().lower().rstrip('.')}."  # the form of texts that these models were trained with
        inputs = self._processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")
        inputs = on_model(inputs, self._model)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        sizes = [(picture.height, picture.width) for picture in pictures]
        found = self._processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], target_sizes=sizes, **self._thresholds
        )
        return [_boxes(one, picture.size) for one, picture in zip(found, pictures, strict=True)]

    def count(self, picture: Image.Image, noun: str) -> int:
        """How many objects of that name the picture shows."""
        (boxes,) = self([picture], noun)
        return len(boxes.scores)


def _boxes(found: Mapping[str, Any], size: tuple[int, int]) -> Boxes:
    """What the detector found for a word of the noun, within the picture."""
    scores = found["scores"].float().cpu().numpy()
    corners = found["boxes"].float().cpu().numpy().reshape(-1, 4).clip(0, [*size, *size]).astype(np.float32)
    worded = np.asarray([bool(label) for label in found["text_labels"]], dtype=bool)
    large = ((corners[:, 2:] - corners[:, :2]) >= 1).all(axis=1)
    order = np.argsort(-scores, kind="stable")
    order = order[(worded & large)[order]]
    order = np.asarray(_distinct(corners, order), dtype=np.intp)
    return Boxes(corners[order], scores[order])


def _distinct(corners: NDArray[np.float32], order: Iterable[int]) -> list[int]:
    """Of boxes that are nearly the same the first one, so that what is counted are objects."""
    kept: list[int] = []
    for one in order:
        if all(_shared(corners[one], corners[other]) < SAME_OBJECT for other in kept):
            kept.append(one)
    return kept


def _shared(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = float(np.prod(sides.clip(0)))
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common)


class BoxSegmenter:
    """Gives the mask of what is in a box: Segment Anything 1 or 2."""

    def __init__(self, name: str, revision: str | None, recipe: MmlinkRecipe) -> None:
        import transformers

        directory = directory_of(name, A_SEGMENTER, revision)
        family = _family(name, directory)
        self._processor: Any = processor_from(getattr(transformers, f"{family}Processor"), directory, A_SEGMENTER)
        self._model: Any = model_from(
            getattr(transformers, f"{family}Model"), directory, A_SEGMENTER, recipe.device, recipe.dtype
        )
        self.weights = weights_of(name, directory)

    def __call__(
        self, pictures: Sequence[Image.Image], corners: Sequence[NDArray[np.float32]]
    ) -> list[tuple[Mask, float]]:
        """The mask in each picture's box, and how well the model thinks that it fits (IoU, 0 to 1)."""
        boxes = [[[float(value) for value in box]] for box in corners]
        inputs = self._processor(images=list(pictures), input_boxes=boxes, return_tensors="pt")
        logits, fits = best_masks(self._model, inputs["pixel_values"], inputs["input_boxes"])
        sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
        masks = self._processor.image_processor.post_process_masks(list(logits), *sizes)  # logits above 0
        return [(np.asarray(mask[0, 0]), float(fit)) for mask, fit in zip(masks, fits, strict=True)]


def best_masks(model: Any, pixels: "torch.Tensor", boxes: "torch.Tensor") -> "tuple[torch.Tensor, torch.Tensor]":
    """For each picture the one of a model's three masks that it thinks fits best.

    Args:
        model: a SamModel or Sam2Model.
        pixels: (pictures, 3, height, width), as the model's processor gives them.
        boxes: (pictures, 1, 4), in pixels of those.

    Returns:
        Logits (pictures, 1, 1, mask height, mask width) and predicted IoU (pictures,), 0 to 1, on the CPU.
    """
    import torch

    inputs = on_model({"pixel_values": pixels}, model)
    with torch.inference_mode():  # boxes stay precise: in bfloat16 they would move by some pixels
        outputs = model(**inputs, input_boxes=boxes.float().to(model.device), multimask_output=True)
    fits = outputs.iou_scores[:, 0].float().cpu()
    best = fits.argmax(dim=-1)
    rows = torch.arange(len(best))
    logits = outputs.pred_masks[:, 0].float().cpu()[rows, best]
    return logits[:, None, None], fits[rows, best].clamp(0, 1)


def _family(name: str, directory: Path) -> str:
    """`Sam` or `Sam2`; raises UserError for other models, and where Segment Anything 2 lacks torchvision."""
    from transformers import AutoConfig

    kind = processor_from(AutoConfig, directory, A_SEGMENTER).model_type
    if kind not in CLASSES:
        raise UserError(f"segment.model {name} is a {kind} model; needed is Segment Anything 1 or 2")
    if CLASSES[kind] == "Sam2":
        needs_torchvision(
            f"segment.model {name}, a Segment Anything 2,", "a Segment Anything 1 such as facebook/sam-vit-huge"
        )
    return CLASSES[kind]


class Grounded:
    """The segmenter; of several objects of the name, the one whose box is surest is cut out."""

    def __init__(self, recipe: MmlinkRecipe) -> None:
        segment = recipe.segment
        self._box_segmenter = BoxSegmenter(segment.model, segment.model_revision, recipe)
        self._detector = Detector(segment.detector, segment.detector_revision, recipe)
        self._identity: Identity = {
            "segmenter": "grounded",
            "detector": self._detector.weights,
            "model": self._box_segmenter.weights,
            "dtype": recipe.dtype,
            "box_threshold": segment.box_threshold,
            "text_threshold": segment.text_threshold,
        }
        self.batch = batch_on(recipe.device)

    def identity(self, noun: str) -> Identity:
        """Both models, the thresholds and the noun."""
        return self._identity | {"noun": noun}

    def __call__(self, photos: Sequence[Opened], noun: str) -> list[Segmented | Rejected]:
        """A mask for each photograph; `score` is how well the model thinks that it fits.

        Also measured: `box_score`, and `instances`, the number of boxes.
        """
        pictures = [photo for photo, _ in photos]
        found = self._detector(pictures, noun)
        shown = [number for number, boxes in enumerate(found) if len(boxes.scores)]
        results: list[Segmented | Rejected] = [Rejected("object not found", f"no box for {noun!r}") for _ in photos]
        if shown:
            masks = self._box_segmenter([pictures[i] for i in shown], [found[i].corners[0] for i in shown])
            for number, (mask, fit) in zip(shown, masks, strict=True):
                scores = found[number].scores
                results[number] = attempted(
                    cleaned, mask, fit, box_score=float(scores[0]), instances=float(len(scores))
                )
        return results
