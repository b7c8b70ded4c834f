"""What can be asked of a single picture, alone or among others, and what is true: the small model's first lessons."""

import random
from collections.abc import Sequence

from samcli.synth.world.grammar import NUMBERS, capital, enumerate_things, name
from samcli.synth.world.tasks import Accept, View, near_miss_within
from samcli.synth.world.things import CATEGORIES, Thing

ORDINALS = ("first", "second", "third", "fourth", "fifth")
PLACES = {1: ("in the middle",), 2: ("on the left", "on the right")}
_WORDINGS = {
    "describe": (
        "Describe the picture.",
        "What do you see?",
        "Say what the picture shows.",
        "Give a full description.",
    ),
    "where": ("What is {place}?", "Name the thing {place}.", "Describe the thing {place}."),
    "setting": ("Where is it?", "Where and when is it?", "What place is it?"),
    "attribute": ("What is the {attribute} of the thing {place}?", "Tell the {attribute} of the thing {place}."),
    "presence": ("Is there {thing}?", "Can you see {thing}?"),
    "category": ("Which {nouns} are there?", "List the {nouns}."),
}
KINDS = {"describe": 4, "where": 6, "setting": 1, "attribute": 3, "presence": 2, "category": 2}
"""The kinds of question, and how often each is asked beside the others."""


def ask(rng: random.Random, views: Sequence[View], accept: Accept, word: str = "picture") -> tuple[str, str]:
    """A question about one of `views` and its answer; with several views the question says which `word` it means."""
    which = rng.randrange(len(views))
    kind = rng.choices(tuple(KINDS), weights=tuple(KINDS.values()))[0]
    question, answer = ask_one(rng, views[which], kind, accept)
    if len(views) > 1:
        scope, count = f"the {ORDINALS[which]} {word}", NUMBERS[len(views)]
        openings = (
            f"In {scope}:",
            f"Look at {scope}.",
            f"Here are {count} {word}s. In {scope}:",
            f"Of these {word}s, {scope}:",
        )
        question = f"{rng.choice(openings)} {question}"
    return question.replace("picture", word), answer


def ask_one(rng: random.Random, view: View, kind: str, accept: Accept) -> tuple[str, str]:
    """A question of one of `KINDS` about a picture, and its answer."""
    wording = rng.choice(_WORDINGS[kind])
    where = rng.randrange(len(view.things))
    thing, spot = view.things[where], PLACES[len(view.things)][where]
    if kind == "describe":
        return wording, describe(view)
    if kind == "setting":
        return wording, f"{capital(view.place)}."
    if kind == "where":
        return wording.format(place=spot), f"{capital(name(thing))}."
    if kind == "attribute":
        attribute = rng.choice(list(thing.attributes))
        return wording.format(attribute=attribute, place=spot), f"It is {thing[attribute]}."
    if kind == "presence":
        return _presence(rng, view, thing, wording, accept)
    category = CATEGORIES[thing.category]
    members = [other for other in view.things if other.category == thing.category]
    return wording.format(nouns=category.plural), f"{capital(enumerate_things(members))}."


def _presence(rng: random.Random, view: View, thing: Thing, wording: str, accept: Accept) -> tuple[str, str]:
    """Ask for a thing that is there, or for a near miss of it that isn't."""
    near = near_miss_within(rng, thing, accept)
    asked = near if near is not None and rng.random() < 0.5 else thing
    return wording.format(thing=name(asked)), "Yes." if asked in view.things else "No."


def describe(view: View) -> str:
    """The whole view: place and things."""
    return f"{capital(view.place)}: {enumerate_things(view.things)}."
