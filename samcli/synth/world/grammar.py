"""The world's language: how things and pictures are put into words, and how words are read back into things.

Writing and reading share the phrases of `things.py`, so a name that the world writes is always read back in full.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from samcli.synth.world.things import CATEGORIES, Thing

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
_WEATHER = {"clear": "clear", "rain": "rainy", "snow": "snowy", "fog": "foggy"}
_LIGHT = {"day": "by day", "evening": "in the evening", "night": "at night"}


def article(phrase: str) -> str:
    """The phrase behind its indefinite article."""
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def name(thing: Thing) -> str:
    """The thing named in full: `a striped red sofa with gold legs and a plant`."""
    return article(thing.phrase)


def enumerate_things(things: Sequence[Thing]) -> str:
    """The things named in full, separated by semicolons and a last `and`."""
    names = [name(thing) for thing in things]
    return names[0] if len(names) == 1 else f"{'; '.join(names[:-1])}; and {names[-1]}"


def place(scene: str, light: str | None = None, weather: str | None = None) -> str:
    """Where and when a picture is, as far as given: `a rainy park at night`, `a park at night`, `a rainy park`."""
    where = article(f"{_WEATHER[weather]} {scene}" if weather else scene)
    return f"{where} {_LIGHT[light]}" if light else where


def capital(text: str) -> str:
    """The text with a capital first letter, the rest untouched."""
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Mention:
    """Something that a text names: a category and the attributes that could be read, perhaps not all of them."""

    category: str
    attributes: Mapping[str, str]

    def names_in_full(self, thing: Thing) -> bool:
        """Tell whether every attribute of `thing` was named, and rightly."""
        return self.category == thing.category and dict(self.attributes) == thing.attributes

    def names_in_part(self, thing: Thing) -> bool:
        """Tell whether kind and colour of `thing` were named, and rightly, whatever else was said."""
        same = (self.attributes.get(key) == thing[key] for key in ("kind", "colour"))
        return self.category == thing.category and all(same)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """For each category, its reading as a compiled pattern with a group for each attribute."""
    compiled = []
    for category in CATEGORIES.values():
        groups = {key: rf"(?P<{key}>{'|'.join(words)})" for key, words in category.attributes.items()}
        compiled.append((category.name, re.compile(category.reading.format_map(groups))))
    return tuple(compiled)


def read_mentions(text: str) -> list[Mention]:
    """Read every thing that the text names, in order; words that fit no phrase are passed over."""
    flat = re.sub(r"\s+", " ", text)
    found: list[tuple[int, Mention]] = []
    for category, pattern in _patterns():
        for match in pattern.finditer(flat):
            words = {key: word for key, word in match.groupdict().items() if word is not None}
            found.append((match.start(), Mention(category, words)))
    return [mention for _, mention in sorted(found, key=lambda entry: entry[0])]
