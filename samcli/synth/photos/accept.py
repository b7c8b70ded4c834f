"""Which of the made samples are part of the set: thresholds on stored scores, so that they can change afterwards."""

from collections.abc import Iterator, Mapping

from samcli.recipe_mmlink import AcceptRecipe
from samcli.synth.photos.record import Record

DUPLICATE = "check: pictures repeat those of another sample"


def reasons_against(record: Record, accept: AcceptRecipe) -> list[str]:
    """Why a made sample isn't accepted, each as `stage: reason`; none if it is. What wasn't measured isn't judged."""
    return [f"{stage}: {reason}" for stage, reason, holds in _judged(record.scores, accept) if not holds] + [
        f"check: {fault}" for fault in record.faults
    ]


Bounds = Mapping[str, tuple[str, str, float]]  # by score: stage, what is wrong beyond it, the bound


def bounds(accept: AcceptRecipe) -> tuple[Bounds, Bounds]:
    """The least and the most that each score may be."""
    least = {
        "mask_score": ("segment", "mask is unsure", accept.mask_score),
        "mask_area_least": ("segment", "object is small in its photograph", accept.mask_area[0]),
        "mask_main_part": ("segment", "mask is in pieces", accept.mask_main_part),
        "least_side": ("compose", "object is small in the picture", accept.least_side),
        "spread": ("inpaint", "background is of one colour", accept.least_spread),
        "view_distance": ("check", "views of the object are the same", accept.view_distance),
        "scene_distance": ("check", "backgrounds are the same", accept.scene_distance),
        "identity": ("check", "views don't show the same object", accept.identity),
        "identity_margin": ("check", "a distractor is as like as the other view", accept.identity_margin),
        "scene_match": ("check", "background isn't what was asked for", accept.scene_match),
        "answer_words": ("describe", "answer is short", accept.answer_words[0]),
    }
    most = {
        "mask_area_most": ("segment", "object fills its photograph", accept.mask_area[1]),
        "instances": ("segment", "photograph shows several objects", accept.instances),
        "mask_holes": ("segment", "mask has holes", accept.mask_holes),
        "drift": ("inpaint", "object was changed by inpainting", accept.drift),
        "picture_similarity": ("check", "pictures are the same", accept.picture_similarity),
        "extra_objects": ("check", "inpainting added an object", accept.extra_objects),
        "answer_words": ("describe", "answer is long", accept.answer_words[1]),
    }
    return least, most


def _judged(scores: dict[str, float], accept: AcceptRecipe) -> Iterator[tuple[str, str, bool]]:
    """Stage, reason, and whether the score holds, for each score that is there."""
    least, most = bounds(accept)
    for name, (stage, reason, limit) in least.items():
        if name in scores:
            yield stage, reason, scores[name] >= limit
    for name, (stage, reason, limit) in most.items():
        if name in scores:
            yield stage, reason, scores[name] <= limit
