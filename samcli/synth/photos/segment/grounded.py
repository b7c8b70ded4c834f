"""A box for a noun, then a mask in the box: a detector and Segment Anything."""

from collections.abc import Sequence

from samcli.frozen.box_segmenter import BoxSegmenter
from samcli.frozen.detector import Detector
from samcli.frozen.loading import batch_on
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.segment.masks import Segmented, cleaned
from samcli.synth.photos.segment.segmenter import Identity, Opened, attempted
from samcli.synth.photos.stage import Rejected


def detector_of(recipe: MmlinkRecipe, name: str, revision: str | None) -> Detector:
    """A detector on the recipe's device, as sure of boxes and words as the recipe asks."""
    segment = recipe.segment
    return Detector(name, revision, recipe.device, recipe.dtype, segment.box_threshold, segment.text_threshold)


class Grounded:
    """The segmenter; of several objects of the name, the one whose box is surest is cut out."""

    def __init__(self, recipe: MmlinkRecipe) -> None:
        segment = recipe.segment
        self._box_segmenter = BoxSegmenter(segment.model, segment.model_revision, recipe.device, recipe.dtype)
        self._detector = detector_of(recipe, segment.detector, segment.detector_revision)
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
