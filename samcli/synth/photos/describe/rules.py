"""What no instruction and no answer may say, told in fixed words that are counted."""

import re

from samcli.synth.photos.describe.colours import NAMED
from samcli.synth.photos.language.question import is_refusal
from samcli.synth.photos.record import Record

_PICTURE = r"(?:image|picture|photo|photograph|visual|frame|panel|scene|cover)"
_ONE_PICTURE = re.compile(
    rf"\b{_PICTURE}s?\s*#?\s*(?:\d|(?-i:[AB])\b)|\b{_PICTURE}\s+(?:one|two)\b"
    rf"|\b(?:first|second|1st|2nd|third|left|right|left-hand|right-hand|other|upper|lower|top|bottom|former|latter)"
    rf"\s+(?:one\s+)?{_PICTURE}s?\b|\bin (?:the former|the latter)\b",
    re.IGNORECASE,
)
_GROUND = re.compile(r"\b(?:background|backdrop|scenery|surroundings?)s?\b", re.IGNORECASE)
_MAKING = re.compile(
    r"\b(?:captions?|captioned|(?:the|these|both) descriptions?|metadata|segment(?:ed|ation)|inpaint\w*|"
    r"cut-?outs?|composit\w+|pasted|synthetic|generated|dataset|prompt|JSON|according to the)\b",
    re.IGNORECASE,
)
_PICTURE_FILE = re.compile(r"\.(?:png|jpe?g|webp|gif|bmp|tiff?)$", re.IGNORECASE)
_TOO_COMMON = frozenset(
    "with from that this these those under over into onto near beside behind between along across against among around "
    "where while which whose their there some both same other more most many much very small large little long short "
    "high wide narrow tall picture pictures image images view scene light dark bright soft warm cool golden made "
    "wearing painted clear style color colour colours colored coloured".split()
) | {word for name, _ in NAMED for word in name.split()}


def faults_of(answer: str, record: Record) -> list[str]:
    """Why an answer and its record's instruction can't be used, in fixed words; empty where they can.

    An answer may not refuse, speak of one of the pictures, of backgrounds, of how the pictures were made, or use words
    of the record's own scene lines, unless they are words for the object itself.
    """
    own = _own_words(record)
    faults = [f"the answer {fault}" for fault in _faults(answer, own)]
    if _GROUND.search(answer):
        faults.append("the answer speaks of the background")
    if _words(answer) & (_scene_words(record) - own):
        faults.append("the answer speaks of a scene")
    return faults + [f"the instruction {fault}" for fault in _faults(record.instruction, own)]


def _faults(text: str, own: frozenset[str]) -> list[str]:
    if not text.strip():
        return ["is empty"]
    tests = {
        "is a refusal": is_refusal(text),
        "speaks of one picture": _ONE_PICTURE.search(text) is not None,
        "speaks of the making": any(not _words(match[0]) <= own for match in _MAKING.finditer(text)),
    }
    return [fault for fault, holds in tests.items() if holds]


def _own_words(record: Record) -> frozenset[str]:
    """What is said of the object without any scene: by its source, the captioner, or measured."""
    photos = [view.subjects[0].photo for view in record.views]
    said = [text for photo in photos for text in (photo.description, photo.title, photo.author, photo.genre)]
    return _words(" ".join([*said, *(view.caption or "" for view in record.views), record.notes.get("facts", "")]))


def _scene_words(record: Record) -> frozenset[str]:
    """The words of the scene lines that tell something; a backdrop's path is no such line."""
    lines = [view.scene for view in record.views if view.scene and not _PICTURE_FILE.search(view.scene)]
    return frozenset(word for word in _words(" ".join(lines)) if len(word) > 3) - _TOO_COMMON


def _words(text: str) -> frozenset[str]:
    """Lower-case words, plurals as their singular."""
    return frozenset(_singular(word) for word in re.findall(r"[^\W\d_]+", text.lower()))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
