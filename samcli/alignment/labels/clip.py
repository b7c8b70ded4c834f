"""Labels as SEA finds them: the words nearest to each patch in the space of a paired vision and text tower.

arXiv 2408.11813: the score of patch i and word j is the negative of the cosine of their vectors, since CLIP's patches
lie opposite to their texts, as CLIP-Surgery found; the best 10 words are kept, those of a score below 0 dropped. What
the sign is for SigLIP isn't published: `clip_sign`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.pictures import seen_pictures
from samcli.alignment.labels.tower import PairedTower
from samcli.alignment.labels.word_features import WordFeatures
from samcli.recipe_alignment import LabelsRecipe


class ClipLabels:
    """The words of a list that are nearest to each patch, with their scores."""

    def __init__(self, settings: LabelsRecipe, words: Sequence[str], eye: Eye, device: str) -> None:
        """Raises UserError when the tower isn't to be had."""
        self.words = words
        self._settings, self._eye = settings, eye
        self._tower = PairedTower(settings.clip, device, settings.dtype)
        self._features = WordFeatures(self._tower, words)
        chosen = settings.model_dump(include={"top", "least_score", "clip_sign"})
        self.identity: dict[str, Any] = {"kind": "clip", **self._tower.identity, **chosen}

    @property
    def sign(self) -> float:
        """What cosines are multiplied by: -1 where patches lie opposite to their words."""
        flipped = self._settings.clip_sign == "flipped" or (self._settings.clip_sign == "auto" and self._tower.is_clip)
        return -1.0 if flipped else 1.0

    def prepare(self, directory: Path) -> None:
        """Compute the vectors of all words."""
        self._features.prepare(directory)

    def label(self, images: Iterable[Path]) -> PatchLabels:
        """The labels of these image files; all of them are compared with a word while it is at hand."""
        batches = seen_pictures(images, self._eye, self._settings.batch_size)
        patches = torch.cat([self._tower.patches(pictures, self._eye.grid) for pictures in batches])
        scores, words = self._features.nearest(patches.flatten(0, 1), self._settings.top, self.sign)
        kept = (scores >= self._settings.least_score) & (scores > 0)
        counts = kept.sum(dim=1).view(len(patches), -1)
        return PatchLabels(counts, words[kept], scores[kept]).to(torch.device("cpu"))
