"""How a picture becomes the square that a vision tower looks at: what CLIP's and SigLIP's image processors do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from samcli.errors import UserError


@dataclass(frozen=True)
class Framing:
    """A side in pixels, what is done with pictures that are no squares, and what channels are normalised by."""

    side: int
    crop: bool  # to the middle, after the shorter side has its length; else the picture is squashed
    resample: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @classmethod
    def of(cls, settings: Any) -> "Framing":
        """As an image processor of transformers says. Raises UserError for one that makes no squares."""
        size, crop = settings.size, bool(getattr(settings, "do_center_crop", False))
        side = (settings.crop_size if crop else size)["height"]
        shortest = size.get("shortest_edge")
        whole = (size.get("height"), size.get("width")) == (side, side)
        if not (whole or (crop and shortest == side)) or getattr(settings, "do_pad", False):
            raise UserError(f"images of {dict(size)} pixels are not supported: a square of one size is needed")
        mean, deviation = tuple(settings.image_mean), tuple(settings.image_std)
        return cls(side, shortest is not None, int(settings.resample), mean, deviation)

    def square(self, picture: Image.Image) -> Image.Image:
        """The picture at the tower's size."""
        side, (width, height) = self.side, picture.size
        if not self.crop:
            return self._resized(picture, (side, side))
        short = min(width, height)
        picture = self._resized(picture, (int(side * width / short), int(side * height / short)))
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        return picture.crop((left, top, left + side, top + side))

    def _resized(self, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
        return picture if picture.size == size else picture.resize(size, Image.Resampling(self.resample))

    def pixels(self, pictures: Sequence[Image.Image]) -> Tensor:
        """RGB pictures of any size as `pixel_values` (M, 3, side, side)."""
        stacked = np.stack([np.asarray(self.square(one), dtype=np.uint8) for one in pictures])
        mean, deviation = torch.tensor(self.mean).view(3, 1, 1), torch.tensor(self.deviation).view(3, 1, 1)
        return (torch.from_numpy(stacked).permute(0, 3, 1, 2).to(torch.float32) / 255 - mean) / deviation
