"""Sets whose pictures are painted straight from the world's records; those of several: groups, stories, changes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from samcli.synth.compose import Box
from samcli.synth.pipeline import Draft, Frame, Pipeline, Stage
from samcli.synth.world import instructions
from samcli.synth.world.grammar import NUMBERS, capital
from samcli.synth.world.pictures import Picture, Placed, place_things, render
from samcli.synth.world.splits import belongs_to, rng_for
from samcli.synth.world.sprites import aspect
from samcli.synth.world.stages import LEAST_SIDE
from samcli.synth.world.tasks import Accept, Change, View, draw_change, draw_group, draw_story
from samcli.synth.world.things import Thing

GROUP_SIZE = 5
LEAST_CHANGE = 0.002  # of the pixels
VISIBLE = 12  # of 255: smaller differences of a pixel don't count as a change


@dataclass(frozen=True)
class Task:
    """Pictures, what is asked of them, what is true, and what else the sample's annotation says."""

    kind: str
    pictures: tuple[Picture, ...]
    instruction: str
    answer: str
    provenance: dict[str, Any]


def draw_groups(rng: random.Random, accept: Accept) -> Task:
    """Five pictures and the phrase that fits them all."""
    group = draw_group(rng, accept, GROUP_SIZE)
    pictures = _place_views(rng, group.views)
    instruction = rng.choice(instructions.GROUPS).format(count=NUMBERS[GROUP_SIZE])
    return Task(group.about, pictures, instruction, f"{capital(group.phrase)}.", {})


def draw_stories(rng: random.Random, accept: Accept) -> Task:
    """Three to five panels; the instruction holds all captions but the last, which is the answer."""
    story = draw_story(rng, accept)
    pictures = _place_views(rng, story.views)
    told = "".join(f"{{image#{n}}}Caption#{n}:{caption}" for n, caption in enumerate(story.captions[:-1], start=1))
    last = len(story.captions)
    instruction = f"{rng.choice(instructions.STORIES)}{told}{{image#{last}}}Caption#{last}:"
    people = {name: thing.to_json() for thing, name in story.names.items()}
    return Task(f"{last} panels", pictures, instruction, story.captions[-1], {"people": people})


def draw_changes(rng: random.Random, accept: Accept) -> Task:
    """Two pictures of the same things, poses, places and chance, but for one change."""
    change = draw_change(rng, accept)
    pictures = place_change(rng, change)
    return Task(change.what, pictures, rng.choice(instructions.CHANGES), change.sentence, {})


def _place_views(rng: random.Random, views: Sequence[View]) -> tuple[Picture, ...]:
    return tuple(place_in_order(rng, view) for view in views)


def place_in_order(rng: random.Random, view: View) -> Picture:
    """A picture whose things stand in the view's order, left to right: texts name things in that order."""
    while (picture := place_things(rng, view.things, view.setting)).things != view.things:
        pass
    return picture


def place_change(rng: random.Random, change: Change) -> tuple[Picture, Picture]:
    """The pictures before and after: what leaves or comes leaves a gap, what turns into another stays in its place."""
    before, after = change.before, change.after
    fuller = after if change.what == "come" else before
    whole = place_things(rng, fuller.things, fuller.setting)
    if change.where is None:
        return whole, replace(whole, setting=after.setting)
    spot = whole.things.index(fuller.things[change.where])
    head, entry, tail = whole.placed[:spot], whole.placed[spot], whole.placed[spot + 1 :]
    if change.what == "turn":
        return whole, replace(whole, placed=(*head, _turned(entry, after.things[change.where]), *tail))
    gap = replace(whole, placed=head + tail)
    return (gap, whole) if change.what == "come" else (whole, gap)


def _turned(entry: Placed, thing: Thing) -> Placed:
    """Another thing in the same pose, on the same spot, inside the same box."""
    box, shape = entry.box, aspect(thing)
    if shape == aspect(entry.thing):
        return replace(entry, thing=thing)
    height = min(box.height, box.width / shape)
    width = height * shape
    return Placed(thing, entry.pose, Box(box.centre - width / 2, box.bottom, width, height))


@dataclass(frozen=True)
class PaintedSet:
    """How the samples of a set are drawn, what more is checked, and whether their annotations hold exact records.

    Sets that were there before the records do without: their bytes stay as they were.
    """

    draw: Callable[[random.Random, Accept], Task]
    checks: tuple[tuple[str, Stage], ...] = ()
    recorded: bool = False


class TaskGrouper:
    """Draws sample `index` of a set, words and pictures at once: here they are true by construction."""

    def __init__(self, of: PaintedSet, purpose: str, split: str, seed: int) -> None:
        self.of, self.purpose, self.split, self.seed = of, purpose, split, seed

    def __call__(self, index: int, attempt: int) -> Draft:
        """Start the draft: everything but the drawing."""
        rng = rng_for(self.split, f"{self.purpose}/{attempt}", self.seed, index)
        task = self.of.draw(rng, belongs_to(self.split))
        seed = f"{self.split}/{self.purpose}/{self.seed}/{index}/{attempt}"
        frames = [Frame([], picture) for picture in task.pictures]
        sources = [[thing.phrase for thing in picture.things] for picture in task.pictures]
        shown = {
            "kind": task.kind,
            "things": [[thing.to_json() for thing in picture.things] for picture in task.pictures],
            "settings": [list(picture.setting.words) for picture in task.pictures],
        }
        records = {"pictures": [picture.to_json() for picture in task.pictures]} if self.of.recorded else {}
        draft = Draft(index, seed, task.kind, None, frames, sources, task.instruction, task.answer)
        draft.provenance = shown | task.provenance | records
        return draft


class Painter:
    """Paints every frame, `size` pixels a side."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, draft: Draft) -> Draft:
        """Fill in the pictures."""
        for frame in draft.frames:
            frame.picture = render(frame.background, self.size)
        return draft


def check_sizes(draft: Draft) -> Draft:
    """Score the smallest side of a thing, and reject a sample with one that is too small to be seen."""
    boxes = [entry.box for frame in draft.frames for entry in frame.background.placed]
    draft.scores["least_side"] = min(min(box.width, box.height) for box in boxes)
    if draft.scores["least_side"] < LEAST_SIDE:
        draft.rejected = f"a thing has a side below {LEAST_SIDE} of the canvas"
    return draft


def check_change(draft: Draft) -> Draft:
    """Score how much of the picture changed, and reject a change that can't be seen or pointed at."""
    before, after = (frame.picture for frame in draft.frames)
    draft.scores["changed"] = changed_share(before, after) if before and after else 0.0
    if draft.scores["changed"] < LEAST_CHANGE:
        draft.rejected = "the change can't be seen"
    elif any(len(set(frame.background.things)) < len(frame.background.things) for frame in draft.frames):
        draft.rejected = "a thing is there twice"
    return draft


def changed_share(before: Image.Image, after: Image.Image) -> float:
    """The share of pixels that differ visibly between two pictures of one size."""
    difference = np.asarray(ImageChops.difference(before, after)).max(axis=-1)
    return round(float((difference >= VISIBLE).mean()), 6)


def painted_pipeline(of: PaintedSet, name: str, split: str, seed: int, size: int) -> Pipeline:
    """All stages of a painted set."""
    stages: list[tuple[str, Stage]] = [("paint", Painter(size)), ("check sizes", check_sizes), *of.checks]
    return Pipeline(TaskGrouper(of, name, split, seed), tuple(stages))
