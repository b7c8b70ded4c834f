"""What is known of what a sample's pictures share, by the form of the sample: before anybody puts it into sentences."""

import re
from dataclasses import dataclass

from samcli.synth.photos.describe.colours import main_colours
from samcli.synth.photos.describe.wording import (
    article,
    as_phrase,
    finished,
    is_clause,
    is_plural,
    listed,
    noun_phrase,
    plural,
    sentences_of,
    tidy_caption,
)
from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Photo, Record
from samcli.synth.photos.stage import Rejected, Setting

MOST_WORDS = 45  # of a description in several sentences; whole ones are left out
_NAME_WORDS = 3
_SOLD = re.compile(
    r"\b(?:(?:hand|machine) wash|dry clean|tumble|bleach|cool iron|made in|imported|model is|true to size|sku|inseam|"
    r"measured|content \+|size \+|designed by|style no)\b|\d\s*%|\d\s*(?:\"|cm\b|inch)",
    re.IGNORECASE,
)


_PERSONS = frozenset("person character man woman boy girl child model".split())
_PERSON_WORDS = re.compile(
    r"\b(?:person|character|man|woman|boy|girl|child|lady|gentleman|guy|kid|baby|toddler|teenager|adult|player|he|she|"
    r"they|figure|doll|king|queen|knight|soldier|wizard|princess|prince)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Facts:
    """`shape` names the templates that put them into words, `values` what these fill in; `told` are lines for people.

    Shapes: phrase, plural, sentences, worn, worn-sentences, colours, icon, author, genre, author-and-genre.
    """

    shape: str
    values: dict[str, str]
    told: tuple[str, ...]


def facts_of(setting: Setting, record: Record) -> Facts:
    """What is known; raises Rejected where that is nothing."""
    noun = setting.noun(record)
    nouns = {"noun": noun, "nouns": plural(noun), "a_noun": article(noun)}
    match setting.kind(record).form:
        case "covers":
            found = _relation(record)
        case "grid":
            found = _of_icon(setting, record, noun)
        case _:
            found = _of_object(setting, record)
            if noun in _PERSONS:
                found = _worn(found)
    return Facts(found.shape, nouns | found.values, found.told)


def _worn(found: Facts) -> Facts:
    """Of a person, the source may describe the clothes alone, as shops do."""
    shape = {"phrase": "worn", "plural": "worn", "sentences": "worn-sentences"}.get(found.shape)
    if shape is None or _PERSON_WORDS.search(found.values["description"]):
        return found
    return Facts(shape, found.values, found.told)


def _relation(record: Record) -> Facts:
    """Same author, same genre, or both (the paper's book covers)."""
    shared = {name: value for name in ("author", "genre") if (value := _same(record, name))}
    if not shared:
        raise Rejected("the covers are not related")
    return Facts("-and-".join(shared), shared, tuple(f"same {name}: {value}" for name, value in shared.items()))


def _same(record: Record, name: str) -> str:
    """What all pictures' sources say alike, whatever the case; empty where they don't."""
    said = [" ".join(getattr(view.subjects[0].photo, name).split()) for view in record.views]
    return said[0] if len({one.casefold() for one in said}) == 1 else ""


def _of_icon(setting: Setting, record: Record, noun: str) -> Facts:
    """Its name: the source's words, else those of its identity, else captions, else colours."""
    generic = {noun.lower(), plural(noun).lower(), record.object.lower()}
    names = (_name(photo, generic) for photo in _photos(record))
    name = next(filter(None, names), "")
    if not name:
        return _of_object(setting, record)
    words = " ".join(name.strip(" .").split())
    if len(words.split()) <= _NAME_WORDS and noun.lower() not in words.lower() and not is_clause(words):
        words = f"{words} {noun}"
    found = _of_text(words)
    shape = "icon" if found.shape == "phrase" else found.shape
    return Facts(shape, found.values, (f"name: {name}", *_captions(record)))


def _name(photo: Photo, generic: set[str]) -> str:
    return photo.description or photo.title or _identity_words(photo.identity, generic)


def _identity_words(identity: str, generic: set[str]) -> str:
    """The words in a source's own key, as far as any tell what it is: `nature/oak_leaf-07` is an oak leaf."""
    for part in reversed(identity.split("/")):
        spaced = re.sub(r"[\W_]+|(?<=[a-z])(?=[A-Z])", " ", part)
        words = re.sub(r"\b\d+|\d+\b", " ", spaced).lower().split()
        if words := [word for word in words if len(word) > 1 and word.isalpha() and word not in generic | {"id"}]:
            return " ".join(words)
    return ""


def _of_object(setting: Setting, record: Record) -> Facts:
    """Captions, else the source's description or title, else the colours of the pixels."""
    captions = _captions(record)
    sources = [text for photo in _photos(record) for text in (photo.description, photo.title) if text.strip()]
    if captions:
        found = _of_text(_most_confirmed(captions))
    elif sources:
        found = _of_text(sources[0])
    else:
        found = _colours(setting, record)
    told = [*captions, *(f"its source says: {' '.join(text.split())}" for text in dict.fromkeys(sources))]
    return Facts(found.shape, found.values, tuple(told) or found.told)


def _photos(record: Record) -> list[Photo]:
    return [view.subjects[0].photo for view in record.views]


def _captions(record: Record) -> list[str]:
    """What the captioner said of each view, the same only once."""
    return list(dict.fromkeys(view.caption for view in record.views if view.caption))


def _most_confirmed(captions: list[str]) -> str:
    """The caption whose words the others repeat most: what only one view says may be wrong."""
    words = [set(re.findall(r"\w+", caption.lower())) for caption in captions]

    def confirmed(place: int) -> float:
        others = set().union(*(set_ for number, set_ in enumerate(words) if number != place))
        return len(words[place] & others) / max(1, len(words[place]))

    return captions[max(range(len(captions)), key=confirmed)]


def _of_text(text: str) -> Facts:
    """A phrase that fits into a sentence, or sentences of their own."""
    sentences = [as_phrase(sentence) for sentence in sentences_of(tidy_caption(text))]
    if not sentences:
        raise Rejected("nothing is known of the object")
    if len(sentences) > 1 or is_clause(sentences[0]):
        return Facts("sentences", {"description": _brief(sentences)}, (text,))
    shape = "plural" if is_plural(sentences[0]) else "phrase"
    return Facts(shape, {"description": noun_phrase(sentences[0])}, (text,))


def _brief(sentences: list[str]) -> str:
    """The first sentences, without those for buyers alone, up to `MOST_WORDS` words."""
    of_looks = [sentence for sentence in sentences if not _SOLD.search(sentence)] or sentences[:1]
    kept: list[str] = []
    for sentence in of_looks:
        if kept and sum(len(one.split()) for one in (*kept, sentence)) > MOST_WORDS:
            break
        kept.append(sentence)
    return " ".join(map(finished, kept))


def _colours(setting: Setting, record: Record) -> Facts:
    names = main_colours([cutout(setting, view.subjects[0]) for view in record.views])
    if not names:
        raise Rejected("nothing is known of the object")
    colours = listed(names)
    return Facts("colours", {"description": colours}, (f"its main colours: {colours}",))
