"""Which of the made samples are part of the set: thresholds on stored scores, so that they can change afterwards."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from samcli.recipe_mmlink import AcceptRecipe
from samcli.synth.photos.record import Record


class Bound(NamedTuple):
    """What a score may be at least or at most, by a key of `accept`, and what is wrong beyond it."""

    stage: str
    wrong: str
    key: str
    value: float

    @property
    def reason(self) -> str:
        """What is wrong, at which stage, and which setting says so."""
        return _reason(self.stage, self.wrong, self.key)


Bounds = Mapping[str, Bound]


def _reason(stage: str, wrong: str, key: str) -> str:
    return f"{stage}: {wrong} (accept.{key})"


DUPLICATE = _reason("check", "pictures repeat those of another sample", "duplicate_distance")
_LEAST = {
    "mask_score": ("segment", "mask is unsure", "mask_score"),
    "mask_area_least": ("segment", "object is small in its photograph", "mask_area"),
    "mask_main_part": ("segment", "mask is in pieces", "mask_main_part"),
    "least_side": ("compose", "object is small in the picture", "least_side"),
    "spread": ("inpaint", "background is of one colour", "least_spread"),
    "view_distance": ("check", "views of the object are the same", "view_distance"),
    "scene_distance": ("check", "backgrounds are the same", "scene_distance"),
    "distractor_distance": ("check", "a distractor is the same as another object", "distractor_distance"),
    "identity": ("check", "views don't show the same object", "identity"),
    "identity_margin": ("check", "a distractor is as like as the other view", "identity_margin"),
    "scene_match": ("check", "background isn't what was asked for", "scene_match"),
    "answer_words": ("describe", "answer is short", "answer_words"),
}
_MOST = {
    "mask_area_most": ("segment", "object fills its photograph", "mask_area"),
    "instances": ("segment", "photograph shows several objects", "instances"),
    "mask_holes": ("segment", "mask has holes", "mask_holes"),
    "drift": ("inpaint", "object was changed by inpainting", "drift"),
    "picture_similarity": ("check", "pictures are the same", "picture_similarity"),
    "extra_objects": ("check", "inpainting added an object", "extra_objects"),
    "answer_words": ("describe", "answer is long", "answer_words"),
}


def reasons_against(record: Record, accept: AcceptRecipe) -> list[str]:
    """Why a made sample isn't accepted, as `stage: what is wrong (accept.KEY)`; none if it is.

    What wasn't measured isn't judged. Faults of texts have no key.
    """
    return [*_broken(record.scores, accept), *(f"check: {fault}" for fault in record.faults)]


def bounds(accept: AcceptRecipe) -> tuple[Bounds, Bounds]:
    """The least and the most that each score may be."""

    def bound(stage: str, wrong: str, key: str, end: int) -> Bound:
        value = getattr(accept, key)
        return Bound(stage, wrong, key, value[end] if isinstance(value, tuple) else value)

    least = {score: bound(*told, 0) for score, told in _LEAST.items()}
    return least, {score: bound(*told, 1) for score, told in _MOST.items()}


def _broken(scores: Mapping[str, float], accept: AcceptRecipe) -> Iterator[str]:
    """The reason of each bound that a score is beyond, or that it can't be held against."""
    least, most = bounds(accept)
    for name, bound in least.items():
        if name in scores and not scores[name] >= bound.value:
            yield bound.reason
    for name, bound in most.items():
        if name in scores and not scores[name] <= bound.value:
            yield bound.reason
