"""The world's language alone: what the small LLM reads before it has seen a picture.

A picture is stood in for by the words of what it would show, in fixed places: this is the form in which the visual
tokens will arrive later. Several of them together are called lists, cards or pages, never pictures: linking pictures
isn't taught here. That they go by many names, and questions by many wordings, lets the LLM take a new name as another
of them, as a large one would.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from samcli.synth.world.grammar import NUMBERS, capital, name
from samcli.synth.world.pictures import MOST_THINGS
from samcli.synth.world.questions import ask
from samcli.synth.world.tasks import Accept, View, draw_any_view, draw_change, draw_group, draw_linking, draw_story
from samcli.synth.world.things import CATEGORIES

WORDS_A_THING = 7
SLOTS = MOST_THINGS * WORDS_A_THING + 3

_SHEETS = ("list", "memo", "card", "page", "row", "sheet")  # whatever holds the words

_BOTH = (  # questions and answers about what two lists share
    ("Which thing is in both {sheets}?", "It is {shared}."),
    ("One {noun} is in both {sheets}. Which one?", "It is {shared}."),
    ("What was carried from one {sheet} to the other?", "It is {shared}."),
    ("Something walked or drove from the first {sheet} to the second. What?", "It is {shared}."),
    ("Which {noun} comes back in the second {sheet}?", "It is {shared}."),
    ("Who or what can be seen in the two {sheets} alike?", "It is {shared}."),
    ("What do both {sheets} show?", "Both {sheets} show {shared}."),
    ("What do both {sheets} have in common?", "Both {sheets} show {shared}."),
    ("Name what the two {sheets} share.", "Both {sheets} show {shared}."),
    ("Find the {noun} that is visible in both {sheets}.", "Both {sheets} show {shared}."),
    ("Can you tell which {noun} appears in both {sheets}?", "Both {sheets} show {shared}."),
    ("The {sheets} have one {noun} in common. Name it.", "Both {sheets} show {shared}."),
    ("Describe the {noun} that both {sheets} name.", "The {noun} in both {sheets} is {shared}."),
    ("Give every detail of the {noun} found in both {sheets}.", "The {noun} in both {sheets} is {shared}."),
    ("What does the {noun} look like that is shown in both {sheets}?", "The {noun} in both {sheets} is {shared}."),
    ("Tell me about the same {noun} in the two {sheets}.", "The {noun} in both {sheets} is {shared}."),
    ("Which {noun} lies in this {sheet} and in the other?", "The {noun} in both {sheets} is {shared}."),
    ("Can you find what both {sheets} have alike and describe it?", "Both {sheets} show {shared}."),
)
_BOTH_OF = {  # others that suit one category
    "character": (
        ("Which person do both {sheets} name?", "It is {shared}."),
        ("Who is in both {sheets}? Tell the hair and the clothes.", "Both {sheets} show {shared}."),
        ("How does the person in both {sheets} look?", "The {noun} in both {sheets} is {shared}."),
    ),
    "furniture": (
        ("What piece of furniture is found in both {sheets}?", "It is {shared}."),
        ("Name the furniture of both {sheets}.", "Both {sheets} show {shared}."),
    ),
    "book": (
        ("Which title is in both {sheets}, on what cover?", "It is {shared}."),
        ("Tell the looks of the cover that both {sheets} name.", "Both {sheets} show {shared}."),
    ),
}
_COMMON = (
    "What do all the {sheets} have in common?",
    "Say in a few words what the {count} {sheets} share.",
    "Which short caption fits all these {sheets}?",
    "Name the common factor of all {count} {sheets}.",
    "Sum up all the {sheets} in one phrase.",
    "Give the phrase that the {sheets} share.",
)
_CHANGED = (
    "What has changed from the first {sheet} to the second?",
    "Name the difference between the two {sheets}.",
    "What is new in the second {sheet}?",
    "Compare the {sheets}. In what is the second one different?",
    "Tell the change between the {sheets}.",
)
_TOLD = (
    "Here is a story. Write its last caption.",
    "Here are {sheets}, and their captions follow. Write the last one to finish the story.",
    "Read the captions below and finish the story.",
    "Complete the story that the {sheets} tell.",
    "A caption was written for each {sheet}. What does the last one say?",
)


@dataclass(frozen=True)
class Lesson:
    """What is asked for, lists of words (None: an empty place), a question and its answer."""

    task: Literal["single", "both", "common", "changed", "told"]
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


def _lists(views: Sequence[View]) -> tuple[tuple[str | None, ...], ...]:
    return tuple(slot_words(view) for view in views)


def _single(rng: random.Random, accept: Accept) -> Lesson:
    count = rng.choice((1, 1, 2, 2, 3))
    views = tuple(draw_any_view(rng, accept) for _ in range(count))
    return Lesson("single", _lists(views), *ask(rng, views, accept, rng.choice(("picture", "picture", *_SHEETS))))


def _both(rng: random.Random, accept: Accept) -> Lesson:
    category = CATEGORIES[rng.choice(list(CATEGORIES))]
    linking = draw_linking(rng, category.name, accept, rng.choice((1, 2, 2, 2)))
    texts = rng.choice((*_BOTH, *_BOTH_OF.get(category.name, ())))
    words = {"noun": category.noun, "shared": name(linking.shared)} | _sheet(rng)
    question, answer = (text.format_map(words) for text in texts)
    return Lesson("both", _lists(linking.views), question, answer)


def _common(rng: random.Random, accept: Accept) -> Lesson:
    group = draw_group(rng, accept, rng.choice((2, 3, 4, 5)))
    question = rng.choice(_COMMON).format(count=NUMBERS[len(group.views)], **_sheet(rng))
    return Lesson("common", _lists(group.views), question, f"{capital(group.phrase)}.")


def _changed(rng: random.Random, accept: Accept) -> Lesson:
    change = draw_change(rng, accept)
    question = rng.choice(_CHANGED).format_map(_sheet(rng))
    return Lesson("changed", _lists((change.before, change.after)), question, change.sentence)


def _told(rng: random.Random, accept: Accept) -> Lesson:
    story = draw_story(rng, accept)
    words = _sheet(rng)
    marks = [f"{{{words['sheet']}#{n}}}Caption#{n}:" for n in range(1, len(story.captions) + 1)]
    told = "".join(mark + caption for mark, caption in zip(marks, story.captions[:-1], strict=False))
    return Lesson(
        "told", _lists(story.views), f"{rng.choice(_TOLD).format_map(words)}{told}{marks[-1]}", story.captions[-1]
    )


def _sheet(rng: random.Random) -> dict[str, str]:
    """A name for what holds the words, alone and for several."""
    word = rng.choice(_SHEETS)
    return {"sheet": word, "sheets": f"{word}s"}
