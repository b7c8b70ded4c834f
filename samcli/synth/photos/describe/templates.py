"""Answers by template, drawn by the sample's seed: the writer that needs no model."""

import random
import re
from collections.abc import Sequence

from samcli.synth.photos.describe.facts import Facts
from samcli.synth.photos.describe.pools import NOUNS
from samcli.synth.photos.describe.wording import finished
from samcli.synth.photos.language.names import TEMPLATE
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Rejected
from samcli.synth.photos.texts import Pool, read_pool

_DESCRIBED = ("phrase", "plural", "sentences", "worn", "worn-sentences", "colours", "icon")
PLACES = {
    **dict.fromkeys(_DESCRIBED, (*NOUNS, "description")),
    "author": (*NOUNS, "author"),
    "genre": (*NOUNS, "genre"),
    "author-and-genre": (*NOUNS, "author", "genre"),
}
_ASKS_WHETHER = re.compile(r"(?:can|could|is|are|do|does|did|has|have|will|would)\b", re.IGNORECASE)


class TemplateWriter:
    """Keeps the instruction that was drawn, and puts the facts into one of the templates for their shape."""

    name = TEMPLATE

    def __init__(self) -> None:
        self._pools = {shape: read_pool("answers", shape, places) for shape, places in PLACES.items()}

    def __call__(self, drafts: Sequence[tuple[Record, Facts]]) -> list[Rejected | None]:
        """Fill in the answers; none of them can fail."""
        for record, facts in drafts:
            pool = self._pools[facts.shape]
            number = random.Random(f"{record.seed}/describe/answer").choice(_fitting(pool, record.instruction, facts))
            record.answer = finished(pool.lines[number].format(**facts.values))
            record.notes["template"] = f"{pool.name}#{number + 1}"
        return [None] * len(drafts)


def _fitting(pool: Pool, instruction: str, facts: Facts) -> list[int]:
    """The numbers of the templates that answer the instruction; where the noun is said anyway, those without it."""
    asks_whether = _ASKS_WHETHER.match(instruction) is not None
    fitting = [n for n, line in enumerate(pool.lines) if asks_whether or not line.startswith("Yes")]
    says_noun = re.search(rf"\b{re.escape(facts.values['noun'])}\b", facts.values.get("description", ""))
    return [n for n in fitting if says_noun and "{noun}" not in pool.lines[n]] or fitting
