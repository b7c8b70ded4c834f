"""A cache of frozen vision features in memory: computed once, used at every epoch, by every row of an ablation."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from samcli.console import progress
from samcli.data.image import open_image
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel

BATCH = 64


class FeatureCache:
    """Features by image path; they depend on the base and its processor alone, not on guidance or projection.

    Those of a base in float32 are kept in float16, for half the memory: rounded to 11 significant bits, so training on
    them is not bit for bit training on pixels. Those of bases in float16 and bfloat16 are kept as they are.
    """

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self._features: dict[Path, Tensor] = {}
        self._dtype = torch.float32

    def prepare(self, model: SemanticAlignmentModel, images: Sequence[Path]) -> None:
        """Compute what is missing, in fixed batches, in the model's own numbers."""
        missing = [path for path in dict.fromkeys(images) if path not in self._features]
        with progress("vision features", len(missing)) as advance:
            for start in range(0, len(missing), BATCH):
                paths = missing[start : start + BATCH]
                pixels = self.processor.pixels([self.processor.square(open_image(path)) for path in paths])
                features = model.encode_images(pixels.to(model.base.device)).cpu()
                self._dtype = features.dtype
                features = features.half() if self._dtype == torch.float32 else features
                self._features.update(zip(paths, features.unbind(), strict=True))
                advance(len(paths))

    def get(self, images: Sequence[Path]) -> Tensor:
        """Features of these images, (M, P, V), in the base's numbers; raises KeyError for one that was not prepared."""
        return torch.stack([self._features[path] for path in images]).to(self._dtype)
