"""Answers by template, drawn by the sample's seed: the writer that needs no model."""

import random
import re
from collections.abc import Sequence

from samcli.synth.photos.describe.facts import Facts
from samcli.synth.photos.describe.pools import NOUNS
from samcli.synth.photos.describe.wording import finished
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Rejected
from samcli.synth.photos.texts import read_pool

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

    name = "template"

    def __init__(self) -> None:
        self._pools = {shape: read_pool("answers", shape, places) for shape, places in PLACES.items()}

    def __call__(self, drafts: Sequence[tuple[Record, Facts]]) -> list[Rejected | None]:
        """Fill in the answers; none of them can fail."""
        for record, facts in drafts:
            pool = self._pools[facts.shape]
            asked_whether = _ASKS_WHETHER.match(record.instruction) is not None
            fitting = [n for n, line in enumerate(pool.lines) if asked_whether or not line.startswith("Yes")]
            number = random.Random(f"{record.seed}/describe/answer").choice(fitting)
            record.answer = finished(pool.lines[number].format(**facts.values))
            record.notes["template"] = f"{pool.name}#{number + 1}"
        return [None] * len(drafts)
