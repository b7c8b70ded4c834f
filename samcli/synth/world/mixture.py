"""What a model is taught together: single pictures, and several of them, painted."""

import random
from collections.abc import Callable
from dataclasses import replace

from samcli.synth.pipeline import Draft
from samcli.synth.world.painted import (
    Task,
    check_change,
    draw_changes,
    draw_groups,
    draw_stories,
    place_in_order,
)
from samcli.synth.world.pictures import Picture
from samcli.synth.world.single import draw_captions, draw_grounding, draw_questions
from samcli.synth.world.sprites import Pose
from samcli.synth.world.stages import GROUPS, draw_linking_category, draw_variants, word_linking
from samcli.synth.world.tasks import Accept, draw_linking
from samcli.synth.world.things import Thing

_CHANGES = "changes"


def draw_pairs(rng: random.Random, accept: Accept) -> Task:
    """Two pictures that share one thing, and which: as `world-mmlink`, painted."""
    return _draw_linked(rng, accept, 2)


def draw_links(rng: random.Random, accept: Accept) -> Task:
    """The same of two to five pictures: as `world-links`, painted."""
    return _draw_linked(rng, accept, rng.choice(GROUPS))


def _draw_linked(rng: random.Random, accept: Accept, count: int) -> Task:
    category = draw_linking_category(rng)
    linking = draw_linking(rng, category, accept, pictures=count)
    instruction, answer = word_linking(rng, linking.shared, count)
    variants = draw_variants(rng, count)
    pictures = [
        _posed(place_in_order(rng, view), linking.shared, variant)
        for view, variant in zip(linking.views, variants, strict=True)
    ]
    return Task(category, tuple(pictures), instruction, answer, {"shared": linking.shared.to_json()})


def _posed(picture: Picture, thing: Thing, variant: int) -> Picture:
    """The picture with the thing in another variant of its pose."""
    placed = (
        replace(entry, pose=Pose(variant, entry.pose.mirrored)) if entry.thing == thing else entry
        for entry in picture.placed
    )
    return replace(picture, placed=tuple(placed))


PARTS: dict[str, tuple[Callable[[random.Random, Accept], Task], int]] = {
    "captions": (draw_captions, 20),
    "questions": (draw_questions, 20),
    "grounding": (draw_grounding, 20),
    "pairs": (draw_pairs, 8),
    "links": (draw_links, 8),
    "groups": (draw_groups, 8),
    _CHANGES: (draw_changes, 8),
    "stories": (draw_stories, 8),
}
"""How each part is drawn, and percent of the samples."""


def draw_instructions(rng: random.Random, accept: Accept) -> Task:
    """A task of any part; its own kind is kept as `about`."""
    weights = [weight for _, weight in PARTS.values()]
    part = rng.choices(tuple(PARTS), weights=weights)[0]
    draw, _ = PARTS[part]
    task = draw(rng, accept)
    return replace(task, kind=part, provenance=task.provenance | {"about": task.kind})


def check_change_among(draft: Draft) -> Draft:
    """`check_change` for those samples that are about a change."""
    return check_change(draft) if draft.kind == _CHANGES else draft
