"""The sets of single pictures: captions, questions, and where a thing that is named stands."""

import random
from dataclasses import dataclass

import numpy as np

from samcli.synth.world import instructions
from samcli.synth.world.cells import GRID, Cells
from samcli.synth.world.grammar import name
from samcli.synth.world.painted import Task, place_in_order
from samcli.synth.world.pictures import Picture, draw_accepted, draw_family, draw_setting, patch_owners
from samcli.synth.world.questions import KINDS, ask_one
from samcli.synth.world.tasks import Accept, View, draw_any_view
from samcli.synth.world.things import CATEGORIES, Thing

TWO_THINGS = 0.85  # of the pictures in which something is looked for
OF_ONE_CATEGORY = 0.7  # of those with two things; most of them are near misses
IN_FULL = 0.7  # of the names given to one of two things
_CELL = 16  # pixels: where a thing is doesn't depend on the size that pictures are drawn in


def draw_captions(rng: random.Random, accept: Accept) -> Task:
    """A picture and all that it shows."""
    return _ask(rng, accept, "describe")


def draw_questions(rng: random.Random, accept: Accept) -> Task:
    """A picture and a question about part of it."""
    weights = {kind: weight for kind, weight in KINDS.items() if kind != "describe"}
    return _ask(rng, accept, rng.choices(tuple(weights), weights=tuple(weights.values()))[0])


def _ask(rng: random.Random, accept: Accept, kind: str) -> Task:
    view = draw_any_view(rng, accept)
    question, answer = ask_one(rng, view, kind, accept)
    return Task(kind, (place_in_order(rng, view),), question, answer, {})


def draw_grounding(rng: random.Random, accept: Accept) -> Task:
    """A picture, mostly of two things, and the name of one of them: in which cells of a grid is it?"""
    view = _draw_search(rng, accept)
    where = rng.randrange(len(view.things))
    asked = _draw_name(rng, view, where)
    instruction = rng.choice(instructions.GROUNDING).format(thing=asked.phrase)
    picture = place_in_order(rng, view)
    answer = f"In {cells_of(picture, where).phrase}."
    return Task(asked.kind, (picture,), instruction, answer, {"thing": view.things[where].to_json()})


def _draw_search(rng: random.Random, accept: Accept) -> View:
    """One thing, two of one category, or any two."""
    while True:
        category = rng.choice(list(CATEGORIES))
        if rng.random() >= TWO_THINGS:
            things = [draw_accepted(rng, category, accept)]
        elif rng.random() < OF_ONE_CATEGORY:
            things = draw_family(rng, category, 2, accept)
        else:
            things = [draw_accepted(rng, rng.choice(list(CATEGORIES)), accept) for _ in range(2)]
        if len(set(things)) == len(things):
            return View(tuple(things), draw_setting(rng))


@dataclass(frozen=True)
class _Name:
    """A phrase for a thing, and of which kind it is: `full`, `attribute` or `category`."""

    kind: str
    phrase: str


def _draw_name(rng: random.Random, view: View, where: int) -> _Name:
    """The thing's name in full, or what tells it from the other one: `the animal with colour red`, `the animal`."""
    thing, others = view.things[where], [other for place, other in enumerate(view.things) if place != where]
    if not others or rng.random() < IN_FULL:
        return _Name("full", name(thing))
    noun = CATEGORIES[thing.category].noun
    if others[0].category != thing.category:
        return _Name("category", f"the {noun}")
    attribute = rng.choice(_differing(thing, others[0]))
    return _Name("attribute", f"the {noun} with {attribute} {thing[attribute]}")


def _differing(thing: Thing, other: Thing) -> list[str]:
    return [attribute for attribute, word in thing.attributes.items() if word != other[attribute]]


def cells_of(picture: Picture, where: int) -> Cells:
    """The box of all cells that the `where`-th thing from the left owns, see `patch_owners`."""
    rows, columns = np.nonzero(patch_owners(picture, GRID * _CELL, _CELL) == where)
    return Cells(int(rows.min()) + 1, int(rows.max()) + 1, int(columns.min()) + 1, int(columns.max()) + 1)
