"""The stage that writes instruction and answer: captions, what is known, then a template or a language model."""

import random
from collections.abc import Sequence
from typing import Protocol

from samcli.synth.photos.describe.captions import Captions
from samcli.synth.photos.describe.facts import Facts, facts_of
from samcli.synth.photos.describe.pools import check_pools, instruction_pool
from samcli.synth.photos.describe.templates import TemplateWriter
from samcli.synth.photos.language.names import TEMPLATE
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Rejected, Setting, for_each, mark


class Writer(Protocol):
    """Who writes the answers."""

    name: str

    def __call__(self, drafts: Sequence[tuple[Record, Facts]]) -> list[Rejected | None]:
        """Fill in the records' answers; for each, why it has none, or None."""
        ...


class Describe:
    """Fills `view.caption`, `instruction`, `answer`, `scores["answer_words"]` and the notes on what made them.

    The notes: `facts`, `instructions`, `template` or `prompt`, `writer`, `captioner`. Raises UserError when it is
    built and a pool of instructions is malformed or a model can't be had.
    """

    name = "describe"

    def __init__(self, setting: Setting) -> None:
        check_pools(setting)
        self._setting = setting
        self._captions = Captions(setting) if setting.recipe.describe.captioner is not None else None
        self._writer = _writer(setting)

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """The records with their texts; those that nothing is known of, or nothing was written for, are marked so."""
        if self._captions is not None:
            self._captions(self.name, records)
        drafts: list[tuple[Record, Facts]] = []
        for_each(self.name, records, lambda record: drafts.append((record, self._draft(record))))
        for (record, _), fault in zip(drafts, self._writer(drafts), strict=True):
            if fault is not None:
                mark(record, self.name, fault)
            else:
                record.scores["answer_words"] = float(len(record.answer.split()))
        return list(records)

    def _draft(self, record: Record) -> Facts:
        """What is known, and an instruction from the pool."""
        facts = facts_of(self._setting, record)
        pool = instruction_pool(self._setting, record)
        line = random.Random(f"{record.seed}/{self.name}/instruction").choice(pool.lines)
        record.instruction = line.format(**facts.values)
        record.notes |= {"facts": "; ".join(facts.told), "instructions": pool.name, "writer": self._writer.name}
        return facts


def _writer(setting: Setting) -> Writer:
    if setting.recipe.describe.writer == TEMPLATE:
        return TemplateWriter()
    from samcli.synth.photos.describe.rewriting import LanguageWriter

    return LanguageWriter(setting)
