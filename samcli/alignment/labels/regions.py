"""Labels of regions: words that fit a whole picture, a box for each of them, and the mask of what is in the box.

The way that patch-aligned training (arXiv 2505.17316) is said to label: tagger, open-vocabulary detector, box-prompted
segmenter. Its tools and thresholds aren't known to us, so which models serve, and how a mask becomes labels, is our own
choice: the tagger is a paired vision and text tower over a list of words; a patch gets a region's words where the mask
covers enough of it, and their score is that of the box.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.pictures import seen_pictures
from samcli.alignment.labels.tower import PairedTower
from samcli.alignment.labels.word_features import WordFeatures
from samcli.frozen.box_segmenter import A_SEGMENTER, BoxSegmenter
from samcli.frozen.detector import A_DETECTOR, Boxes, Detector
from samcli.frozen.loading import directory_of, weights_of
from samcli.recipe_alignment import LabelsRecipe


class RegionLabels:
    """Words of a list, on the patches of the regions that they name; a patch may have none, one or several."""

    def __init__(self, settings: LabelsRecipe, words: Sequence[str], eye: Eye, device: str) -> None:
        """Raises UserError when a model isn't to be had."""
        self.words = words
        self._settings, self._eye, self._device = settings, eye, device
        self._tower = PairedTower(settings.clip, device, settings.dtype)
        self._features = WordFeatures(self._tower, words)
        chosen = settings.model_dump(include={"tags", "box_threshold", "covered"})
        weights = {
            "detector": weights_of(settings.detector, directory_of(settings.detector, A_DETECTOR)),
            "segmenter": weights_of(settings.segmenter, directory_of(settings.segmenter, A_SEGMENTER)),
        }
        self.identity: dict[str, Any] = {"kind": "regions", **self._tower.identity, **weights, **chosen}

    @cached_property
    def _detector(self) -> Detector:
        least = self._settings.box_threshold  # of the words too, so that every box has at least one
        return Detector(self._settings.detector, None, self._device, self._settings.dtype, least, least)

    @cached_property
    def _segmenter(self) -> BoxSegmenter:
        return BoxSegmenter(self._settings.segmenter, None, self._device, self._settings.dtype)

    def prepare(self, directory: Path) -> None:
        """Compute the vectors of all words."""
        self._features.prepare(directory)

    def label(self, images: Iterable[Path]) -> PatchLabels:
        """The labels of these image files. Boxes and masks are found at the pictures' own resolution, one by one."""
        labels = []
        for pictures in seen_pictures(images, self._eye, self._settings.batch_size):
            _, tags = self._features.nearest(self._tower.whole(pictures), self._settings.tags, sign=1.0)
            labels += [self._label(picture, own) for picture, own in zip(pictures, tags.tolist(), strict=True)]
        return PatchLabels.joined(labels)

    def _label(self, picture: Image.Image, tags: Sequence[int]) -> PatchLabels:
        """The labels of one picture, (1, P), of words among its `tags`, places in the list."""
        (boxes,) = self._detector.find([picture], [self.words[tag] for tag in tags])
        scores = torch.zeros(len(tags), self._eye.patches)
        if len(boxes.scores):
            (masks,) = self._segmenter.in_boxes([picture], [boxes.corners])
            shares = torch.stack([torch.from_numpy(covered_shares(mask, self._eye)).flatten() for mask, _ in masks])
            scores = best_scores(boxes, shares >= self._settings.covered, [self.words[tag] for tag in tags])
        return _sparse(scores, torch.tensor(tags))


def covered_shares(mask: NDArray[np.bool_], eye: Eye) -> NDArray[np.float32]:
    """How much of each patch a mask (height, width) covers, 0 to 1, (grid, grid)."""
    height, width = mask.shape
    looked_at = (0, 0, width * eye.reach, height * eye.reach)
    sheet = Image.fromarray(mask.astype(np.float32))
    return np.array(sheet.resize((eye.grid, eye.grid), Image.Resampling.BOX, box=looked_at))


def best_scores(boxes: Boxes, covers: Tensor, tags: Sequence[str]) -> Tensor:
    """The score of each tag on each patch, (tags, P), 0 where it has none: that of the best box it names.

    Args:
        boxes: what was found, K of them.
        covers: (K, P) bool, whether the mask in a box covers a patch.
        tags: words; each names the boxes in whose phrase it stands.
    """
    scores = torch.zeros(len(tags), covers.shape[1])
    for phrase, score, covered in zip(boxes.phrases, boxes.scores.tolist(), covers, strict=True):
        for place, tag in enumerate(tags):
            if _stands_in(tag, phrase):
                scores[place] = torch.maximum(scores[place], score * covered)
    return scores


def _stands_in(tag: str, phrase: str) -> bool:
    return re.search(rf"\b{re.escape(tag.lower())}\b", phrase.lower()) is not None


def _sparse(scores: Tensor, words: Tensor) -> PatchLabels:
    """Scores (W, P) of words as labels of one picture, the best of each patch first."""
    ordered, order = scores.T.sort(dim=1, descending=True, stable=True)
    there = ordered > 0
    return PatchLabels(there.sum(dim=1)[None], words[order][there], ordered[there])
