"""Objects on a plain backdrop, as shops photograph them, without any weights; and photographs that bring a mask along.

The backdrop is a smooth surface of colour, since light falls off and grounds are curved. It is estimated from the
photograph's border, and the object is whatever can't be reached from there without leaving the surface: a white
collar on a white ground stays, as it lies within the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from samcli.synth.photos.segment.masks import MOST, Mask, Segmented, check_extent, cleaned, grown, reached, shrunk
from samcli.synth.photos.segment.segmenter import Identity, Opened, attempted
from samcli.synth.photos.stage import Rejected

Floats = NDArray[np.float32]

OPAQUE = 128  # of 255
WORK_SIDE = 384  # pixels; the object is found at this size, and its outline drawn at the photograph's own
BORDER = 0.02  # of the work size; how much of each side shows the backdrop
PLAIN = 0.6  # share of the border that has to lie on one surface; objects may reach the border elsewhere
SHADE = 40.0  # CIELAB lightness; a shadow takes no more from the backdrop
GENTLE = 2.5  # CIELAB lightness a pixel of the work size; the edge of a soft shadow isn't steeper
FOOT = 0.45  # of the object's height; soft shadows lie no higher
OPENING = 0.001  # of the mask; smaller openings aren't told from noise
ALIKE = 0.15  # of the tolerance; what is seen through an opening is on average no further from the backdrop's colour
WHITE = 98.0  # CIELAB lightness; a lighter backdrop isn't told from white parts of the object
_LINEAR = np.asarray(
    [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in np.arange(256) / 255],
    dtype=np.float32,
)
_TO_XYZ = np.asarray(  # from linear sRGB, in shares of the white of D65
    [[0.433953, 0.376219, 0.189828], [0.212671, 0.715160, 0.072169], [0.017758, 0.109477, 0.872765]], dtype=np.float32
)


class Plain:
    """The segmenter; a colour further than `tolerance` (CIELAB distance) from the backdrop is none of it."""

    batch = 1

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance

    def identity(self, _noun: str) -> Identity:
        """The tolerance; nothing is looked for by name."""
        return {"segmenter": "plain", "tolerance": self.tolerance}

    def __call__(self, photos: Sequence[Opened], noun: str) -> list[Segmented | Rejected]:
        """A mask for each photograph, or why there is none."""
        return [attempted(self.cut, photo, alpha) for photo, alpha in photos]

    def cut(self, photo: Image.Image, alpha: Image.Image | None = None) -> Segmented:
        """The object's mask; an alpha channel that leaves something out is taken as it is.

        The score is the share of the mask's outline where the colour changes by more than twice the tolerance within a
        few pixels: it falls where light parts run into the backdrop, and where a shadow was taken for the object.

        Raises Rejected for a border that doesn't lie on one surface, and for a mask with nothing or everything in it.
        """
        if alpha is not None and (opaque := np.asarray(alpha) >= OPAQUE).mean() <= MOST:
            return cleaned(opaque, score=1.0, speck=0.0)
        small = photo.resize(_work_size(photo.size), Image.Resampling.BOX, reducing_gap=1.0)
        colours = lab(np.asarray(small))
        ground = _ground_of(colours, self.tolerance)
        plain = ground.at(_grid(colours.shape[:2]))
        away = _distance(colours, plain)
        backdrop, shadow = _shaded(colours, plain, away <= self.tolerance, self.tolerance)
        mask = ~(backdrop | shadow)
        mask &= ~_openings(mask, away, plain, self.tolerance)
        check_extent(mask)
        score = _crispness(mask, colours, self.tolerance)
        if small.size != photo.size:
            mask = _outlined(mask, shadow, np.asarray(photo), ground, self.tolerance)
        return cleaned(mask, score, speck=OPENING)


@dataclass(frozen=True)
class Ground:
    """A backdrop's colour as a polynomial of second order over the picture; `weights` are (6, 3)."""

    weights: Floats

    def at(self, places: Floats) -> Floats:
        """CIELAB (..., 3) at places (..., 2), each from -1 to 1, across and down."""
        return _terms(places) @ self.weights


def lab(pixels: NDArray[np.uint8]) -> Floats:
    """SRGB (..., 3) as CIELAB under D65: lightness 0 to 100, a, b."""
    xyz = _LINEAR[pixels] @ _TO_XYZ.T
    roots = np.where(xyz > 216 / 24389, np.cbrt(xyz), xyz * np.float32(841 / 108) + np.float32(4 / 29))
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _work_size(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, WORK_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _grid(shape: tuple[int, ...]) -> Floats:
    """The places of all pixels, (height, width, 2)."""
    down, across = (np.linspace(-1, 1, length, dtype=np.float32) for length in shape)
    return np.stack(np.meshgrid(across, down), axis=-1)


def _terms(places: Floats) -> Floats:
    x, y = places[..., 0], places[..., 1]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _distance(colours: Floats, others: Floats) -> Floats:
    difference = colours - others
    distance: Floats = np.sqrt(np.einsum("...c,...c->...", difference, difference))
    return distance


def _ground_of(colours: Floats, tolerance: float) -> Ground:
    """The surface that most of the border lies on; raises Rejected when there is none."""
    height, width = colours.shape[:2]
    thick = max(2, round(BORDER * max(height, width)))
    at_border = np.ones((height, width), dtype=bool)
    at_border[thick:-thick, thick:-thick] = False
    places, border = _grid((height, width))[at_border][::3], colours[at_border][::3]  # enough for six numbers
    away = _distance(border, np.median(border, axis=0))
    ground = Ground(np.zeros((6, 3), dtype=np.float32))
    for reach in (3, 2, 1, 1):  # from one colour to a surface: what lies off it counts less and less
        near = away <= reach * tolerance
        if near.mean() < PLAIN:
            break
        ground = _fitted(places[near], border[near])
        away = _distance(border, ground.at(places))
    share = float((away <= tolerance).mean())
    if share < PLAIN:
        raise Rejected(
            "backdrop is not plain",
            f"{share:.0%} of the border within {tolerance:g} of one colour, {PLAIN:.0%} needed; median distance "
            f"{np.median(away):.1f}",
        )
    return ground


def _fitted(places: Floats, colours: Floats) -> Ground:
    """The surface nearest to colours; what bends it is held back a little, where the border tells little of it."""
    terms = _terms(places).astype(np.float64)
    hold = np.diag([0, 0, 0, 1, 1, 1]) * 1e-3 * len(terms)
    weights = np.linalg.solve(terms.T @ terms + hold + 1e-9 * np.eye(6), terms.T @ colours.astype(np.float64))
    return Ground(weights.astype(np.float32))


def _shaded(colours: Floats, plain: Floats, near: Mask, tolerance: float) -> tuple[Mask, Mask]:
    """The backdrop, and the soft shadows on it: its colour in less light, entered over gentle slopes.

    Less light scales CIELAB's cube roots alike, and with them a, b and lightness + 16. `near` is what has the
    backdrop's colour; where only a shadow leads to it, between legs that stand in one, it is backdrop too.
    """
    backdrop = reached(near)
    darker = plain[..., 0] - colours[..., 0]
    dimmed = (colours[..., :1] + 16) / (plain[..., :1] + 16)
    tinted = _distance(colours[..., 1:], plain[..., 1:] * dimmed)
    alike = near | ((darker > 0) & (darker <= SHADE) & (tinted <= tolerance / 2))
    way = backdrop | (alike & (_slope(colours[..., 0]) <= GENTLE))
    wide = backdrop | (grown(shrunk(way)) & way)  # no leaking through a gap of one pixel in an outline
    found = grown(reached(wide) & ~backdrop, 2) & alike & ~backdrop
    found &= _low(~backdrop)
    return backdrop | (found & near), found & ~near


def _low(mask: Mask) -> Mask:
    """The rows in which a mask's shadow may lie: above them light parts of the object would be taken for it."""
    rows = np.flatnonzero(mask.any(axis=1))
    low = np.zeros_like(mask)
    if len(rows):
        low[rows[0] + round((1 - FOOT) * (rows[-1] - rows[0])) :] = True
    return low


def _slope(lightness: Floats) -> Floats:
    """How steep it is, a pixel, over 3 x 3 pixels."""
    padded = np.pad(lightness, 1, mode="edge")
    down = padded[2:] - padded[:-2]
    across = padded[:, 2:] - padded[:, :-2]
    down = down[:, :-2] + down[:, 1:-1] + down[:, 2:]
    across = across[:-2] + across[1:-1] + across[2:]
    slope: Floats = np.sqrt(down * down + across * across) / 6
    return slope


def _openings(mask: Mask, away: Floats, plain: Floats, tolerance: float) -> Mask:
    """Where the object lets the backdrop be seen: enclosed areas of just its colour.

    None where that is pure white: nothing tells it from white cloth, paper or paint, and those are the object's own.
    """
    near = mask & (away <= tolerance) & (plain[..., 0] < WHITE)
    core = shrunk(near)  # at its edges an area takes on the colours around it
    labels, count = ndimage.label(core)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    total = np.bincount(labels.ravel(), away.ravel(), minlength=count + 1)
    alike = (total <= ALIKE * tolerance * sizes) & (sizes > OPENING * mask.sum())
    alike[0] = False
    return grown(alike[labels]) & near


def _crispness(mask: Mask, colours: Floats, tolerance: float) -> float:
    """The share of the mask's outline that the picture's colours bear out."""
    rows, columns = np.nonzero(mask & ~shrunk(mask))
    if not len(rows):
        return 1.0
    padded = np.pad(colours, ((2, 2), (2, 2), (0, 0)), mode="edge")
    around = np.stack([padded[rows + down, columns + across] for down in range(5) for across in range(5)])
    change = around.max(axis=0) - around.min(axis=0)
    return float((np.sqrt((change * change).sum(axis=-1)) > 2 * tolerance).mean())


def _outlined(mask: Mask, shadow: Mask, pixels: NDArray[np.uint8], ground: Ground, tolerance: float) -> Mask:
    """The mask at the photograph's size; near its outline each pixel is judged anew, except beside a shadow."""
    height, width = pixels.shape[:2]
    picture = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
    fine = np.asarray(picture) >= 128
    band = grown(mask, 2) & ~shrunk(mask, 2) & ~grown(shadow, 2)
    down, across = (np.arange(long) * short // long for long, short in zip((height, width), mask.shape, strict=True))
    rows, columns = np.nonzero(band[down][:, across])
    places = np.stack([columns / (width - 1), rows / (height - 1)], axis=-1).astype(np.float32) * 2 - 1
    fine[rows, columns] = _distance(lab(pixels[rows, columns]), ground.at(places)) > tolerance
    return fine
