"""The world's language alone: what the small LLM reads before it has seen a picture.

A picture is stood in for by the words of what it would show, in fixed places: this is the form in which the visual
tokens will arrive later. Several of them together are called lists, never pictures: linking pictures isn't taught here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from samcli.synth.world.grammar import capital, name
from samcli.synth.world.pictures import MOST_THINGS
from samcli.synth.world.questions import ask
from samcli.synth.world.tasks import Accept, View, draw_any_view, draw_change, draw_group, draw_linking, draw_story
from samcli.synth.world.things import CATEGORIES

WORDS_A_THING = 7
SLOTS = MOST_THINGS * WORDS_A_THING + 3

_BOTH = (
    ("Which thing is in both lists?", "It is {shared}."),
    ("Name what the two lists share.", "The two lists share {shared}."),
    ("What do both lists have in common?", "Both lists have {shared}."),
    ("What stands in the first list and in the second?", "Both lists have {shared}."),
    ("Find the entry that is repeated in the second list.", "The entry is {shared}."),
    ("One {noun} is in both lists. Which one?", "It is {shared}."),
    ("Describe the {noun} that both lists name.", "The {noun} in both lists is {shared}."),
)
_COMMON = (
    "What do all the lists have in common?",
    "Say in a few words what the lists share.",
    "Which phrase fits every list?",
    "Name the common theme of the lists.",
)
_CHANGED = (
    "What has changed from the first list to the second?",
    "Name the difference between the two lists.",
    "What is new in the second list?",
)
_TOLD = ("Tell the end of the tale.", "Say what comes last.", "Complete the tale of the lists.")


@dataclass(frozen=True)
class Lesson:
    """Lists of words (None: an empty place), a question and its answer."""

    lists: tuple[tuple[str | None, ...], ...]
    question: str
    answer: str


def slot_words(view: View) -> tuple[str | None, ...]:
    """What a view shows as `SLOTS` words: each thing's attributes from left to right, then weather, scene and light."""
    words: list[str | None] = []
    for thing in view.things:
        words += [*thing.words, *[None] * (WORDS_A_THING - len(thing.words))]
    words += [None] * (WORDS_A_THING * (MOST_THINGS - len(view.things)))
    return (*words, *view.setting.words)


def draw_lesson(rng: random.Random, accept: Accept) -> Lesson:
    """One exercise: about a single list, one among several, or several together."""
    makers: tuple[Callable[[random.Random, Accept], Lesson], ...] = (_single, _both, _common, _changed, _told)
    return rng.choices(makers, weights=(9, 9, 2, 2, 2))[0](rng, accept)


def _lesson(views: tuple[View, ...], question: str, answer: str) -> Lesson:
    return Lesson(tuple(slot_words(view) for view in views), question, answer)


def _single(rng: random.Random, accept: Accept) -> Lesson:
    count = rng.choice((1, 1, 2, 2, 3))
    views = tuple(draw_any_view(rng, accept) for _ in range(count))
    return _lesson(views, *ask(rng, views, accept, rng.choice(("picture", "list"))))


def _both(rng: random.Random, accept: Accept) -> Lesson:
    category = CATEGORIES[rng.choice(list(CATEGORIES))]
    linking = draw_linking(rng, category.name, accept, rng.choice((1, 2, 2, 2)))
    question, answer = (text.format(noun=category.noun, shared=name(linking.shared)) for text in rng.choice(_BOTH))
    return _lesson(linking.views, question, answer)


def _common(rng: random.Random, accept: Accept) -> Lesson:
    group = draw_group(rng, accept, rng.choice((2, 3, 4, 5)))
    return _lesson(group.views, rng.choice(_COMMON), f"{capital(group.phrase)}.")


def _changed(rng: random.Random, accept: Accept) -> Lesson:
    change = draw_change(rng, accept)
    return _lesson((change.before, change.after), rng.choice(_CHANGED), change.sentence)


def _told(rng: random.Random, accept: Accept) -> Lesson:
    story = draw_story(rng, accept)
    told = " ".join(f"{index}: {caption}" for index, caption in enumerate(story.captions[:-1], 1))
    question = f"{rng.choice(_TOLD)} {told} {len(story.captions)}:"
    return _lesson(story.views, question, story.captions[-1])
