"""What exists in the embedded world: six categories of things and the attributes that tell one thing from another.

A thing is a plain record of words. Pictures draw it, the grammar names it, and two things are the same exactly when
all their words are.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black")
ACCENTS = ("red", "yellow", "green", "blue", "white", "black")
PATTERNS = ("plain", "striped", "dotted", "checked")
TITLES = tuple("SEA OWL FOX ZOO JAM ICE WIND MOON SNOW KING LION SHIP TREE HOME DUCK CAKE".split())


@dataclass(frozen=True)
class Category:
    """One sort of thing: its name in instructions, its attributes with their words, and the phrase that names it.

    `phrase` is a format string over the attributes; `reading`, a pattern over them, matches the phrase and what is left
    of it when anything but kind and colour is missing. `contrast` lists pairs of attributes that must differ, so that
    nothing is drawn red on red.
    """

    name: str
    noun: str
    plural: str
    attributes: Mapping[str, tuple[str, ...]]
    phrase: str
    reading: str
    contrast: tuple[tuple[str, str], ...] = ()

    @cached_property
    def size(self) -> int:
        """An upper bound of how many different things the category holds (contrast not counted)."""
        total = 1
        for words in self.attributes.values():
            total *= len(words)
        return total

    @cached_property
    def places(self) -> dict[str, int]:
        """Which of a thing's words each attribute is."""
        return {name: place for place, name in enumerate(self.attributes)}

    def allows(self, words: Mapping[str, str]) -> bool:
        """Tell whether these words satisfy every contrast."""
        return all(words[first] != words[second] for first, second in self.contrast)


CHARACTER = Category(
    "character",
    "character",
    "characters",
    {
        "kind": ("man", "woman", "boy", "girl"),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "garment": ("coat", "shirt", "jumpsuit", "dress"),
        "hair": ("black", "brown", "blond", "red", "grey", "blue"),
        "style": ("short", "long", "curly", "tied"),
        "accessory": ("hat", "crown", "scarf", "bag", "balloon", "umbrella"),
    },
    "{kind} with {style} {hair} hair, a {pattern} {colour} {garment} and a {accessory}",
    r"\b{kind}(?: with)?(?: {style})?(?: {hair})?(?: hair)?,?(?: and)?(?: in)? an?(?: {pattern})? {colour}"
    r"(?: {garment})?(?: and an? {accessory})?\b",
)
FURNITURE = Category(
    "furniture",
    "piece of furniture",
    "pieces of furniture",
    {
        "kind": ("sofa", "chair", "table", "lamp", "bed", "cabinet", "clock", "bench"),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "trim": ACCENTS,
        "topping": ("vase", "plant", "cup", "candle", "ball", "cushion"),
    },
    "{pattern} {colour} {kind} with {trim} legs and a {topping}",
    r"\b(?:{pattern} )?{colour} {kind}\b(?: with {trim} legs)?(?: and an? {topping})?\b",
    (("colour", "trim"),),
)
ICON = Category(
    "icon",
    "icon",
    "icons",
    {
        "kind": tuple("heart star moon sun key bell leaf acorn drop bolt cloud flower fish anchor arrow note".split()),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "ground": ACCENTS,
        "badge": ("square", "circle", "diamond", "hexagon", "shield"),
    },
    "{colour} {kind} icon on a {pattern} {ground} {badge}",
    r"\b{colour} {kind} icon\b(?: on an?(?: {pattern})?(?: {ground})?(?: {badge})?)?\b",
    (("colour", "ground"),),
)
BOOK = Category(
    "book",
    "book",
    "books",
    {
        "kind": ("book", "notebook", "album"),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "title": TITLES,
        "emblem": ("heart", "star", "moon", "sun", "key", "bell", "leaf", "drop", "bolt", "fish", "anchor", "flower"),
        "ink": ACCENTS,
    },
    "{pattern} {colour} {kind} titled {title} with a {ink} {emblem}",
    r"\b(?:{pattern} )?{colour} {kind}\b(?: titled {title})?(?: with an?(?: {ink})?(?: {emblem})?)?\b",
    (("colour", "ink"),),
)
ANIMAL = Category(
    "animal",
    "animal",
    "animals",
    {
        "kind": ("dog", "cat", "horse", "cow", "sheep", "elephant", "rabbit", "bear", "duck", "giraffe"),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "wear": ("collar", "scarf", "hat", "bow"),
        "accent": ACCENTS,
    },
    "{pattern} {colour} {kind} with a {accent} {wear}",
    r"\b(?:{pattern} )?{colour} {kind}\b(?: with an?(?: {accent})?(?: {wear})?)?\b",
    (("colour", "accent"),),
)
VEHICLE = Category(
    "vehicle",
    "vehicle",
    "vehicles",
    {
        "kind": ("car", "bus", "truck", "train", "boat", "plane", "tractor", "rocket"),
        "colour": COLOURS,
        "pattern": PATTERNS,
        "load": ("flag", "box", "barrel", "light"),
        "accent": ACCENTS,
    },
    "{pattern} {colour} {kind} with a {accent} {load}",
    r"\b(?:{pattern} )?{colour} {kind}\b(?: with an?(?: {accent})?(?: {load})?)?\b",
    (("colour", "accent"),),
)
CATEGORIES = {c.name: c for c in (CHARACTER, FURNITURE, ICON, BOOK, ANIMAL, VEHICLE)}
MMLINK_CATEGORIES = ("character", "furniture", "icon", "book")


@dataclass(frozen=True)
class Thing:
    """One thing of the world; equal words, equal thing."""

    category: str
    words: tuple[str, ...]

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes by name, `kind` and `colour` first."""
        return dict(zip(CATEGORIES[self.category].attributes, self.words, strict=True))

    def __getitem__(self, attribute: str) -> str:
        return self.words[CATEGORIES[self.category].places[attribute]]

    @property
    def phrase(self) -> str:
        """The words that name the thing in full, without an article: `striped red sofa with gold legs ...`."""
        words = CATEGORIES[self.category].phrase.format_map(self.attributes)
        return re.sub(r"\ba (?=[aeiou])", "an ", words)

    def to_json(self) -> dict[str, Any]:
        """A record that `from_json` reads back."""
        return {"category": self.category, **self.attributes}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Thing":
        """Rebuild a thing from the record of `to_json`; raises KeyError when an attribute is missing."""
        category = CATEGORIES[record["category"]]
        return cls(category.name, tuple(record[name] for name in category.attributes))


def draw_thing(rng: random.Random, category: str) -> Thing:
    """Draw a thing of `category`, uniformly among those that satisfy its contrasts."""
    kind = CATEGORIES[category]
    while True:
        words = {name: rng.choice(options) for name, options in kind.attributes.items()}
        if kind.allows(words):
            return Thing(category, tuple(words.values()))


def draw_near_miss(rng: random.Random, thing: Thing) -> Thing:
    """Draw a thing that differs from `thing` in exactly one attribute, each attribute equally likely."""
    kind = CATEGORIES[thing.category]
    while True:
        words = thing.attributes
        name = rng.choice(list(kind.attributes))
        words[name] = rng.choice([word for word in kind.attributes[name] if word != words[name]])
        if kind.allows(words):
            return Thing(thing.category, tuple(words.values()))
