"""What a stage of backgrounds and its painters hand to each other, and what is measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import minimum_filter

from samcli.synth.photos.record import Record, View
from samcli.synth.photos.stage import Rejected

OPAQUE = 255
INSET = 4  # pixels from an object's edge, where even a faithful model mixes it with the background


@dataclass(frozen=True)
class Task:
    """A picture to be painted: which view of which record, and its objects on a transparent sheet."""

    record: Record
    number: int  # of the picture in its sample, from 1
    objects: Image.Image  # RGBA, colours multiplied by alpha

    @property
    def view(self) -> View:
        """The picture's view."""
        return self.record.views[self.number - 1]

    @property
    def seed(self) -> str:
        """What everything left to chance in this picture begins with."""
        return f"{self.record.seed}/inpaint/{self.number}"


@dataclass(frozen=True)
class Painted:
    """What a painter made: objects (RGBA, multiplied) to be put in front of a ground (RGB)."""

    objects: Image.Image
    ground: Image.Image
    drift: float  # how far the painter changed the objects' own pixels, 0 to 1


class Painter(Protocol):
    """Paints what is behind objects."""

    def __call__(self, tasks: Sequence[Task]) -> list[Painted | Rejected]:
        """A painting for each task, or why there is none."""
        ...


def drift(before: Image.Image, after: Image.Image, alpha: Image.Image, inset: int = INSET) -> float:
    """The mean absolute difference, 0 to 1, of two pictures where the objects are, `inset` pixels from the edge.

    Where objects are too thin for that, all their pixels count.
    """
    cover = np.asarray(alpha)
    within = minimum_filter(cover, 2 * inset + 1, mode="constant", cval=OPAQUE) if inset else cover
    chosen = next((mask for mask in (within == OPAQUE, cover == OPAQUE, cover > 0) if mask.any()), None)
    if chosen is None:
        return 0.0
    change = _colours(before, chosen) - _colours(after, chosen)
    return float(np.abs(change).mean() / 255)


def spread(ground: Image.Image, alpha: Image.Image) -> float:
    """The standard deviation, 0 to 1, of the brightness of what was painted; black frames have none."""
    free = np.asarray(alpha) == 0
    grey = np.asarray(ground.convert("L"), dtype=np.float32)
    return float(grey[free].std() / 255) if free.any() else float(grey.std() / 255)


def _colours(picture: Image.Image, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(picture)[chosen][:, :3].astype(np.float32)
