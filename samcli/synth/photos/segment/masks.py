"""What is done with every mask, whoever made it: specks filled, strays dropped, and all of it measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from samcli.synth.photos.stage import Rejected

Mask = NDArray[np.bool_]

SPECK = 0.01  # of the mask; a hole up to this size is a segmenter's mistake, a larger one is the hole of a ring
STRAY = 0.002  # of the largest part; a smaller part is dust on the backdrop
LEAST, MOST = 0.001, 0.995  # of the photograph; beyond them, nothing or everything was segmented
_TOUCHING = np.ones((3, 3), dtype=bool)  # pixels that meet at a corner belong together


@dataclass(frozen=True)
class Segmented:
    """An object's mask, bool of shape (height, width), and what was measured of it."""

    mask: Mask
    measures: dict[str, float]


def cleaned(mask: Mask, score: float, speck: float = SPECK, **more: float) -> Segmented:
    """The mask with holes up to a share `speck` of it filled, and without parts far smaller than its largest.

    Larger holes stay: a ring, a handle and an arm on a hip show the backdrop through them. Measured are `score`, as
    given; `area`, the mask's share of the photograph; `holes`, the share of it that was filled; `main_part`, the share
    of its largest part before any was dropped; `components`, the number of parts before that. Shares lie in 0 to 1;
    `more` measures are taken along.

    Raises Rejected for a mask with nothing or everything in it.
    """
    check_extent(mask)
    box = _box(mask)
    part = mask[box]
    whole = _without_specks(part, speck)
    filled = int(whole.sum() - part.sum()) / int(whole.sum())
    labels, components = ndimage.label(whole, structure=_TOUCHING)
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.zeros_like(mask)
    kept[box] = np.concatenate([[False], sizes >= STRAY * sizes.max()])[labels]
    check_extent(kept)
    measures = {
        "score": score,
        "area": float(kept.mean()),
        "holes": filled,
        "main_part": float(sizes.max() / sizes.sum()),
        "components": float(components),
        **more,
    }
    return Segmented(kept, {name: round(value, 6) for name, value in measures.items()})


def check_extent(mask: Mask) -> None:
    """Raise Rejected for a mask with nothing or everything in it."""
    area = float(mask.mean())
    if area < LEAST:
        raise Rejected("nothing was segmented", f"{area:.2%} of the photograph")
    if area > MOST:
        raise Rejected("everything was segmented", f"{area:.2%} of the photograph")


def reached(way: Mask) -> Mask:
    """What can be reached from the picture's border, by pixels' sides, through those of `way`."""
    labels, count = ndimage.label(way)
    outer = np.zeros(count + 1, dtype=bool)
    outer[_at_border(labels)] = True
    outer[0] = False
    found: Mask = outer[labels]
    return found


def grown(mask: Mask, steps: int = 1) -> Mask:
    """The mask and what touches it, corners too, so many pixels far."""
    for _ in range(steps):
        padded = np.pad(mask, 1)
        wide = padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]
        mask = wide[:-2] | wide[1:-1] | wide[2:]
    return mask


def shrunk(mask: Mask, steps: int = 1) -> Mask:
    """The mask without what is so near to its outline; the picture's border is no outline."""
    return ~grown(~mask, steps)


def _box(mask: Mask) -> tuple[slice, slice]:
    """The part of the picture that holds the mask; all work on it is quicker there."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _without_specks(mask: Mask, speck: float) -> Mask:
    """The mask, cropped to its box, with its small holes filled."""
    labels, count = ndimage.label(~mask)
    small = np.bincount(labels.ravel(), minlength=count + 1) <= speck * mask.sum()
    small[_at_border(labels)] = False
    small[0] = False
    filled: Mask = mask | small[labels]
    return filled


def _at_border(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
