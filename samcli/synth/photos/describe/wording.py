"""English that templates need: articles, plurals, phrases told from sentences, and how a sentence ends."""

import re

_DETERMINERS = frozenset(
    "a an the this that these those his her its their my your our one two three four several some many few each every "
    "both another".split()
)
_SOUNDS_LIKE_YOU = re.compile(r"(?:uni(?!n|m)|us[aeiu]|ut[ei]|u[bfr][aeiou]|eu|ewe|one\b|once\b|u\b)", re.IGNORECASE)
_SILENT_H = re.compile(r"(?:hour|heir|honest|honou?r)", re.IGNORECASE)
_SPELT_OUT = re.compile(r"(?:[AEFHILMNORSX](?=\b|[A-Z0-9])|8|1[18]\b)")
_BARE_HEADS = frozenset(
    "furniture clothing luggage jewelry jewellery hair people men women children feet teeth footwear underwear cutlery "
    "stationery lingerie equipment".split()
)
_SINGULAR_IN_S = frozenset("canvas lens glass atlas christmas compass mattress iris cosmos gas texas chaos".split())
_AFTER_HEAD = re.compile(
    r"[,;:(]|\b(?:with|in|on|of|at|wearing|and|that|which|who|from|for|made|featuring|by|having|holding|under|over)\b"
)
_FINITE = re.compile(
    r"(?<!that )(?<!which )(?<!who )\b(?:is|are|was|has|have|wears|features|looks|appears|comes|seems|carries|holds|"
    r"stands|sits|it's)\b",
    re.IGNORECASE,
)
_IS_DOING = re.compile(r"(the|an?)\s+(.+?)\s+is\s+(\w+ing\b)", re.IGNORECASE)
_LEAD = re.compile(
    r"^\s*(?:(?:the|this|an?)\s+(?:image|picture|photo|photograph)\s+(?:shows|features|depicts|displays|contains|"
    r"captures|is\s+of|of)|(?:there\s+(?:is|are)|it\s+is|this\s+is)(?=\s+an?\b))\s+",
    re.IGNORECASE,
)
_IN_THE_PICTURE = re.compile(r",?\s+in\s+(?:the|this)\s+(?:image|picture|photo|photograph)\b", re.IGNORECASE)
_GROUND = re.compile(
    r"[,;]?\s*(?:\b(?:and|is|are|was|standing|posing|sitting|lying|shown|seen|set|isolated|placed|pictured|alone)\s+)*"
    r"\b(?:against|on|in front of|over|before|with|in)\s+(?:(?:a|an|the|some)\s+)?(?:[\w-]+\s+){0,3}?"
    r"(?:background|backdrop)s?\b",
    re.IGNORECASE,
)


def article(phrase: str) -> str:
    """The phrase behind its indefinite article, which goes by sound: `an hour`, `a uniform`, `an X-shaped stool`."""
    if _SPELT_OUT.match(phrase):
        vowel = True
    elif _SOUNDS_LIKE_YOU.match(phrase):
        vowel = False
    else:
        vowel = phrase[:1].lower() in "aeiou" or _SILENT_H.match(phrase) is not None
    return f"{'an' if vowel else 'a'} {phrase}"


def plural(noun: str) -> str:
    """A noun in the plural, by the usual rules: `books`, `pieces of furniture`, `people`."""
    head, of, rest = noun.partition(" of ")
    before, space, last = head.rpartition(" ")
    irregular = {"person": "people", "man": "men", "woman": "women", "child": "children", "furniture": "furniture"}
    if last in irregular:
        last = irregular[last]
    elif re.search(r"(?:s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return before + space + last + of + rest


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, without full stops, also where it is a list of lines or of points behind dashes."""
    pieces = re.split(r"[\r\n]+|\s+[-\u2022*]\s+|(?<=[.!?])\s+(?=[\"'(A-Z0-9])", text)
    return [piece for raw in pieces if (piece := " ".join(raw.split()).strip(" -\u2022*.;,"))]


def tidy_caption(text: str) -> str:
    """What a caption says of the object: without the picture that it speaks of, and without its plain ground.

    `The image shows a man on a white background.` becomes `a man`.
    """
    text = _LEAD.sub("", _IN_THE_PICTURE.sub("", _GROUND.sub("", text)))
    return " ".join(re.sub(r"\s+([.,;])", r"\1", text).split()).strip(" ,;")


def as_phrase(text: str) -> str:
    """A clause that only says what somebody does as a phrase: `the man is wearing a hat`, `a man wearing a hat`."""
    if len(_FINITE.findall(text)) != 1 or not (match := _IS_DOING.match(text)):
        return text
    determiner, thing, doing = match.groups()
    phrase = f"{thing} {doing}{text[match.end() :]}"
    return noun_phrase(phrase) if determiner.lower() == "the" else f"{determiner} {phrase}"


def is_clause(phrase: str) -> bool:
    """Whether a text says something of a thing (`the man wears a hat`) where a phrase would name one (`a man`)."""
    return _FINITE.search(phrase) is not None


def is_plural(phrase: str) -> bool:
    """Whether a phrase takes no indefinite article: `blue jeans`, `outdoor furniture`, `two cups`."""
    if _has_determiner(phrase):
        return phrase.split()[0].lower() in ("two", "three", "four", "several", "some", "many", "few", "these", "those")
    words = _AFTER_HEAD.split(phrase.lower(), maxsplit=1)[0].split()
    head = words[-1] if words else ""
    ends = head.endswith("s") and not head.endswith(("ss", "us", "is"))
    return head in _BARE_HEADS or (ends and head not in _SINGULAR_IN_S)


def noun_phrase(phrase: str) -> str:
    """A phrase as it stands within a sentence: an article where it lacks one and needs it, no capital, no full stop."""
    phrase = " ".join(phrase.split()).strip(" .;,!")
    if phrase.isupper() and " " in phrase:
        phrase = phrase.lower()
    first = phrase.split()[0] if phrase else ""
    if first == "A" or re.fullmatch(r"[A-Z][a-z]+(?:[-'][a-z]+)*,?", first):
        phrase = phrase[0].lower() + phrase[1:]
    return phrase if _has_determiner(phrase) or is_plural(phrase) else article(phrase)


def _has_determiner(phrase: str) -> bool:
    return phrase.split()[0].lower() in _DETERMINERS if phrase.strip() else False


def finished(text: str) -> str:
    """Whole sentences: a capital at the beginning, one full stop at the end, single blanks."""
    text = " ".join(text.split())
    text = re.sub(r"\s+([.,;:!?])", r"\1", text)
    text = re.sub(r"([.!?])[.]+", r"\1", text).rstrip(" ,;:-")
    if text and text.rstrip("\"')\u201d")[-1:] not in (".", "!", "?"):
        text += "."
    return text[:1].upper() + text[1:]


def listed(words: list[str]) -> str:
    """`red`, `red and white`, `red, white and blue`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
