"""Instruction and answer written by a language model from the facts (the paper's refinement step, Fig. 2)."""

from collections.abc import Sequence

from samcli.synth.photos.describe.facts import Facts
from samcli.synth.photos.describe.pools import NOUNS
from samcli.synth.photos.describe.wording import finished
from samcli.synth.photos.language.load import language_model
from samcli.synth.photos.language.question import Form, Question, Text
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Rejected, Setting
from samcli.synth.photos.texts import read_prompt

PROMPTS = {"scenes": "refine", "grid": "refine-grid", "covers": "refine-covers"}
_PLACES = (*NOUNS, "facts", "instruction")


class Written(Form):
    """What the language model returns."""

    instruction: Text
    answer: Text


class LanguageWriter:
    """The recipe's language model, which is given the facts and an instruction of the pool as an example."""

    def __init__(self, setting: Setting) -> None:
        recipe = setting.recipe.describe
        self._setting = setting
        self._model = language_model(recipe.writer, recipe.writer_revision, setting)
        self._prompts = {form: read_prompt(name, _PLACES) for form, name in PROMPTS.items()}
        self._tokens = 2 * recipe.answer_tokens  # an instruction and an answer, in JSON
        self.name = "@".join(filter(None, [recipe.writer, recipe.writer_revision]))

    def __call__(self, drafts: Sequence[tuple[Record, Facts]]) -> list[Rejected | None]:
        """Fill in instructions and answers; for each record, why it has none, or None."""
        replies = self._model.ask([self._question(*draft) for draft in drafts])
        for (record, _), reply in zip(drafts, replies, strict=True):
            if isinstance(reply, Written):
                record.instruction, record.answer = reply.instruction, finished(reply.answer)
        return [reply if isinstance(reply, Rejected) else None for reply in replies]

    def _question(self, record: Record, facts: Facts) -> Question[Written]:
        prompt = self._prompts[self._setting.kind(record).form]
        record.notes["prompt"] = prompt.name
        nouns = {name: facts.values[name] for name in NOUNS}
        lines = "\n".join(f"- {line}" for line in facts.told)
        return Question(prompt.text.format(**nouns, facts=lines, instruction=record.instruction), Written, self._tokens)
