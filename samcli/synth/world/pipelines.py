"""Which pipeline makes which set of the embedded world."""

from samcli.synth.pipeline import Pipeline
from samcli.synth.world.mixture import check_change_among, draw_instructions
from samcli.synth.world.painted import (
    PaintedSet,
    check_change,
    draw_changes,
    draw_groups,
    draw_stories,
    painted_pipeline,
)
from samcli.synth.world.single import draw_captions, draw_grounding, draw_questions
from samcli.synth.world.stages import GROUPS, linking_pipeline

_CHECK_CHANGE = "check change"
_PAINTED = {
    "world-groups": PaintedSet(draw_groups),
    "world-stories": PaintedSet(draw_stories),
    "world-changes": PaintedSet(draw_changes, ((_CHECK_CHANGE, check_change),)),
    "world-captions": PaintedSet(draw_captions, recorded=True),
    "world-questions": PaintedSet(draw_questions, recorded=True),
    "world-grounding": PaintedSet(draw_grounding, recorded=True),
    "world-instructions": PaintedSet(draw_instructions, ((_CHECK_CHANGE, check_change_among),), recorded=True),
}
RECORDED = tuple(name for name, of in _PAINTED.items() if of.recorded)
"""The sets whose annotations hold an exact record of each picture (`Picture.to_json`), under `pictures`."""


def set_pipeline(name: str, split: str, seed: int, size: int) -> Pipeline:
    """The pipeline of a set; each sample depends on set, split, seed and its index alone (`size`: pixels a side)."""
    if name == "world-mmlink":
        return linking_pipeline(split, seed, size)
    if name == "world-links":
        return linking_pipeline(split, seed, size, GROUPS)
    return painted_pipeline(_PAINTED[name], name, split, seed, size)
