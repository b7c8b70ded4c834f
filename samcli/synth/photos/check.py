"""The last stage: what tells a good sample from a bad one is measured and stored; nothing is judged here."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.synth.photos.canvas import foreground, on_ground
from samcli.synth.photos.describe.rules import faults_of
from samcli.synth.photos.embedder import Embedder, Vectors
from samcli.synth.photos.hashing import distance, hash_around, hash_of, hash_of_object
from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Record, View
from samcli.synth.photos.segment.grounded import detector_of
from samcli.synth.photos.stage import Rejected, Setting, for_each

BINS = 12  # of a colour's channel
SMOOTH = 1.5  # bins by which light may move a colour
DIGITS = 4
SEEN = 128  # pixels of the longer side at which colours are compared


class Check:
    """Scores pictures, objects and texts."""

    name = "check"

    def __init__(self, setting: Setting) -> None:
        self.setting, recipe, check = setting, setting.recipe, setting.recipe.check
        self._embedder = (
            Embedder(check.embedder, check.embedder_revision, recipe.device, recipe.dtype) if check.embedder else None
        )
        self._counter = detector_of(recipe, check.counter, check.counter_revision) if check.counter else None

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """Fill in `scores`, `hashes` and `faults`."""
        for_each(self.name, records, self._check)
        return list(records)

    def _check(self, record: Record) -> None:
        pictures = [self._picture(view) for view in record.views]
        record.hashes = {f"picture {number}": hash_of(picture) for number, picture in enumerate(pictures, start=1)}
        form = self.setting.kind(record).form
        if form == "scenes":
            self._check_scenes(record, pictures)
        if form == "covers":
            record.scores["view_distance"] = float(distance(*record.hashes.values()))
        else:
            self._tell_apart(record)
        if broken := [name for name, score in record.scores.items() if not math.isfinite(score)]:
            raise Rejected("a model returned no number", ", ".join(broken))
        record.faults = faults_of(record.answer, record)

    def _picture(self, view: View) -> Image.Image:
        if view.picture is None:
            raise RuntimeError("pictures are painted before they are checked")
        try:
            return open_image(self.setting.out / view.picture)
        except UserError as error:
            raise Rejected("picture unreadable", view.picture) from error

    def _check_scenes(self, record: Record, pictures: Sequence[Image.Image]) -> None:
        """Are the objects the same, seen differently, before different backgrounds?"""
        masks = [foreground(self.setting, view).getchannel("A") for view in record.views]
        around = [hash_around(picture, mask) for picture, mask in zip(pictures, masks, strict=True)]
        record.scores["scene_distance"] = float(distance(*around))
        self._check_identity(record)
        if self._counter is not None:
            noun = self.setting.noun(record)
            found = [self._counter.count(picture, noun) for picture in pictures]
            extra = [count - len(view.subjects) for count, view in zip(found, record.views, strict=True)]
            record.scores["extra_objects"] = float(max(0, *extra))
        if self._embedder is not None:
            self._compare_pictures(record, self._embedder, self._embedder.pictures(pictures))

    def _tell_apart(self, record: Record) -> None:
        """How different the shared object's views are, and the two most alike of all other pairs of objects.

        The same photograph may be filed under two names, and then there is more than one object that pictures share.
        """
        hashes = [hash_of_object(cutout(self.setting, subject)) for subject in record.subjects]
        apart = {pair: float(distance(*(hashes[place] for place in pair))) for pair in _pairs(record)}
        views = apart.pop(_mains(record))
        if self.setting.kind(record).form == "scenes":
            record.scores["view_distance"] = views
        if apart:
            record.scores["distractor_distance"] = min(apart.values())

    def _compare_pictures(self, record: Record, embedder: Embedder, pictures: Vectors) -> None:
        """How alike the pictures are, and how well each fits the line that its background was painted from."""
        record.scores["picture_similarity"] = _rounded(float(pictures[0] @ pictures[1]))
        if embedder.reads_text and self.setting.recipe.background.kind == "diffusion":
            lines = [(view.scene, picture) for view, picture in zip(record.views, pictures, strict=True) if view.scene]
            matches = [float(embedder.text(line)[0] @ picture) for line, picture in lines]
            record.scores["scene_match"] = _rounded(min(matches))

    def _check_identity(self, record: Record) -> None:
        """How alike the two views of the main object are, and how much less alike it and any distractor."""
        cuts = [cutout(self.setting, subject) for subject in record.subjects]
        if self._embedder is not None:
            vectors = self._embedder.pictures([on_ground(cut) for cut in cuts])
            alike = {(one, other): float(vectors[one] @ vectors[other]) for one, other in _pairs(record)}
        else:
            colours = [colour_histogram(cut) for cut in cuts]
            alike = {(one, other): shared_colours(colours[one], colours[other]) for one, other in _pairs(record)}
        mains = _mains(record)
        record.scores["identity"] = _rounded(alike[mains])
        others = [value for pair, value in alike.items() if len(set(pair) & set(mains)) == 1]
        if others:
            record.scores["identity_margin"] = _rounded(alike[mains] - max(others))


def _pairs(record: Record) -> Iterator[tuple[int, int]]:
    """All pairs of a record's objects, by their places among them."""
    return combinations(range(len(record.subjects)), 2)


def _mains(record: Record) -> tuple[int, int]:
    """The places of the two views of the object that the pictures share."""
    return 0, len(record.views[0].subjects)


def colour_histogram(cut: Image.Image) -> NDArray[np.float64]:
    """The shares of an object's colours, (BINS, BINS, BINS): light, red against green, yellow against blue.

    `cut` is RGBA with colours multiplied by alpha; mean light, which differs between photographs, is taken out.
    """
    pixels = np.asarray(cut.reduce(max(1, max(cut.size) // SEEN)), dtype=np.float32).reshape(-1, 4)
    pixels = pixels[pixels[:, 3] > 128]
    if not len(pixels):
        return np.zeros((BINS,) * 3)
    red, green, blue = (pixels[:, channel] / pixels[:, 3] for channel in range(3))
    light = (red + green + blue) / 3
    opponent = (light - light.mean() + 0.5, red - green + 0.5, (red + green) / 2 - blue + 0.5)
    places = [np.clip(axis * BINS, 0, BINS - 1).astype(np.intp) for axis in opponent]
    counts = np.bincount((places[0] * BINS + places[1]) * BINS + places[2], minlength=BINS**3).reshape((BINS,) * 3)
    smooth: NDArray[np.float64] = gaussian_filter(counts.astype(np.float64), SMOOTH, mode="constant")
    return np.divide(smooth, max(smooth.sum(), 1e-12))


def shared_colours(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The share of colours that two histograms have in common, 0 to 1."""
    return float(np.minimum(first, second).sum())


def _rounded(value: float) -> float:
    return round(value, DIGITS)
