"""Boxes for what is named: GroundingDINO (Liu et al. 2023), or any model that transformers loads for the same task."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.frozen.loading import directory_of, model_from, on_model, processor_from, weights_of

A_DETECTOR = "a detector"
SAME_OBJECT = 0.7  # intersection over union of two boxes


class Boxes(NamedTuple):
    """What was found in a picture, the surest first."""

    corners: NDArray[np.float32]  # (count, 4): left, top, right, bottom in pixels, within the picture
    scores: NDArray[np.float32]  # (count,), 0 to 1
    phrases: tuple[str, ...]  # the part of the prompt that each one is, never empty


class Detector:
    """Finds objects by what they are called; any model that transformers loads for zero-shot object detection."""

    def __init__(
        self, name: str, revision: str | None, device: str, dtype: str, box_threshold: float, text_threshold: float
    ) -> None:
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        directory = directory_of(name, A_DETECTOR, revision)
        self._processor: Any = processor_from(AutoProcessor, directory, A_DETECTOR)
        self._model: Any = model_from(AutoModelForZeroShotObjectDetection, directory, A_DETECTOR, device, dtype)
        self._thresholds = {"threshold": box_threshold, "text_threshold": text_threshold}
        self.weights = weights_of(name, directory)

    def __call__(self, pictures: Sequence[Image.Image], noun: str) -> list[Boxes]:
        """The objects of that name in each of the pictures, which are of one size: a box for each object."""
        return [_distinct(boxes) for boxes in self.find(pictures, [noun])]

    def find(self, pictures: Sequence[Image.Image], nouns: Sequence[str]) -> list[Boxes]:
        """All boxes for any of the names, in pictures of one size: an object may be in several, under other names."""
        import torch

        prompt = " ".join(f"{noun.strip().lower().rstrip('.')}." for noun in nouns)  # as these models were trained
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
    """What the detector found for a word of the prompt, within the picture."""
    scores = found["scores"].float().cpu().numpy()
    corners = found["boxes"].float().cpu().numpy().reshape(-1, 4).clip(0, [*size, *size]).astype(np.float32)
    phrases = [str(label or "") for label in found["text_labels"]]
    worded = np.asarray([bool(phrase) for phrase in phrases], dtype=bool)
    large = ((corners[:, 2:] - corners[:, :2]) >= 1).all(axis=1)
    order = np.argsort(-scores, kind="stable")
    return _taken(Boxes(corners, scores, tuple(phrases)), order[(worded & large)[order]])


def _taken(boxes: Boxes, order: NDArray[np.intp]) -> Boxes:
    """Those of the boxes, in that order."""
    return Boxes(boxes.corners[order], boxes.scores[order], tuple(boxes.phrases[one] for one in order))


def _distinct(boxes: Boxes) -> Boxes:
    """Of boxes that are nearly the same the first one, so that what is counted are objects."""
    kept: list[int] = []
    for one, corners in enumerate(boxes.corners):
        if all(_shared(corners, boxes.corners[other]) < SAME_OBJECT for other in kept):
            kept.append(one)
    return _taken(boxes, np.asarray(kept, dtype=np.intp))


def _shared(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = float(np.prod(sides.clip(0)))
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common)
