"""A language model that is asked in forms: replies are kept, checked, and asked for once more where they broke one."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from samcli.errors import UserError
from samcli.synth.photos.language.question import Form, FormT, Question, Text, is_refusal
from samcli.synth.photos.stage import Failed, Rejected
from samcli.text_store import TextStore

BROKEN = "the language model broke the schema"
REFUSED = "the language model refused"
UNREACHED = "the language model could not be reached"
_TOLD = 200  # characters of a reply that are shown
_FEW_TOKENS = 32

Reply = str | Rejected
"""A text, maybe empty; or why there is none: Failed where another try may bring one."""


class Backend(Protocol):
    """What replies come from."""

    identity: dict[str, Any]  # all that a reply depends on beside the question

    def replies(self, questions: Sequence[Question[Any]]) -> Iterator[tuple[int, Reply]]:
        """The place of each question and its reply, in the order in which they come."""
        ...


class Ready(Form):
    """What a language model replies that is asked whether it is there."""

    ready: Text


class LanguageModel:
    """Answers questions in the form that each asks for."""

    def __init__(self, name: str, backend: Backend, store: TextStore) -> None:
        self.name, self._backend, self._store = name, backend, store

    def ask(self, questions: Sequence[Question[FormT]]) -> list[FormT | Rejected]:
        """For each question its reply, or why there is none.

        Reasons are `BROKEN` (after a second try, which is told the fault), `REFUSED` and, as Failed, `UNREACHED`.
        Raises UserError for what no further question would change, such as a key that isn't accepted.
        """
        read = [_read(*pair) for pair in zip(questions, self._replies(questions), strict=True)]
        broken = {place: one for place, one in enumerate(read) if isinstance(one, Question)}
        second = zip(broken.values(), self._replies(list(broken.values())), strict=True)
        final = dict(zip(broken, (_read(*pair) for pair in second), strict=True))
        return [_settled(final.get(place, one)) for place, one in enumerate(read)]

    def check(self) -> None:
        """Ask whether it is there; any reply will do, and none is kept. Raises UserError where none comes."""
        for _, reply in self._backend.replies([Question("Are you ready?", Ready, _FEW_TOKENS)]):
            if isinstance(reply, Failed):
                told = f"{self.name}: {reply.reason} ({reply.detail})"
                raise UserError(f"{told}; mend that, then the same command goes on")

    def _replies(self, questions: Sequence[Question[FormT]]) -> list[Reply]:
        """Kept replies, and those to what was never asked before; each is kept as soon as it comes."""
        keys = [self._key(question) for question in questions]
        known = {key: self._kept(key) for key in dict.fromkeys(keys)}
        new = [key for key, reply in known.items() if reply is None]
        asked = [questions[keys.index(key)] for key in new]
        for place, reply in self._backend.replies(asked) if asked else ():
            known[new[place]] = reply
            self._keep(new[place], reply)
        return [known[key] or "" for key in keys]

    def _key(self, question: Question[FormT]) -> str:
        asked = [self._backend.identity, question.messages, question.schema, question.tokens]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def _kept(self, key: str) -> Reply | None:
        if (kept := self._store.get(key)) is None:
            return None
        record = json.loads(kept)
        return Rejected(REFUSED, record["refusal"]) if "refusal" in record else str(record["text"])

    def _keep(self, key: str, reply: Reply) -> None:
        if not isinstance(reply, Failed):
            record = {"refusal": reply.detail} if isinstance(reply, Rejected) else {"text": reply}
            self._store.put(key, json.dumps(record))


def _read(question: Question[FormT], reply: Reply) -> FormT | Rejected | Question[FormT]:
    """What a reply says, or why there is none, or the question to ask once more."""
    if isinstance(reply, Rejected):
        return reply
    try:
        return question.read(reply)
    except ValueError as error:
        return Rejected(REFUSED, reply[:_TOLD]) if is_refusal(reply) else question.again(reply, str(error))


def _settled(read: FormT | Rejected | Question[FormT]) -> FormT | Rejected:
    if isinstance(read, Question):
        reply, fault = read.former or ("", "")
        return Rejected(BROKEN, f"{fault}: {reply[:_TOLD]!r}")
    return read
