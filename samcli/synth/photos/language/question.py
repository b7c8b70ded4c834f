"""What a language model is asked, and how its reply is read: the first JSON object in it, checked against a form."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from samcli.files import is_writable
from samcli.recipe_faults import first_fault


def _tidy(text: str) -> str:
    if not is_writable(text) or "\0" in text:
        raise ValueError("holds what is no character")
    if not (tidied := " ".join(text.split())):
        raise ValueError("is empty")
    return tidied


Text = Annotated[str, AfterValidator(_tidy)]
"""A text of one line, not empty."""


class Form(BaseModel):
    """What a reply must be: all of these keys, and no others."""

    model_config = ConfigDict(extra="forbid")


FormT = TypeVar("FormT", bound=Form)
Message = dict[str, str]


@dataclass(frozen=True)
class Question(Generic[FormT]):
    """A text, the form of the reply, and the most tokens that a reply may have."""

    text: str
    form: type[FormT]
    tokens: int
    former: tuple[str, str] | None = None  # a reply that broke the form, and what was wrong with it

    @property
    def messages(self) -> list[Message]:
        """The conversation; all is said by the user, since not every chat template knows another part."""
        asked = [{"role": "user", "content": self.text}]
        if self.former is None:
            return asked
        reply, fault = self.former
        complaint = f"That can't be used: {fault}. Reply again, with nothing but the JSON object."
        return [*asked, {"role": "assistant", "content": reply or "{}"}, {"role": "user", "content": complaint}]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the form."""
        return self.form.model_json_schema()

    def again(self, reply: str, fault: str) -> "Question[FormT]":
        """The question once more, with what was wrong with the reply."""
        return replace(self, former=(reply, fault))

    def read(self, reply: str) -> FormT:
        """The reply in its form; raises ValueError, which says what is wrong, for any other."""
        found = _first_object(re.sub(r"<think>.*?(</think>|\Z)", "", reply, flags=re.DOTALL))
        try:
            return self.form.model_validate(found)
        except ValidationError as error:
            raise ValueError(first_fault(error)) from None


def _first_object(reply: str) -> dict[str, Any]:
    """The first JSON object in a text that may say more before and after it; raises ValueError without one."""
    for found in _objects(reply):
        return found
    raise ValueError("there is no complete JSON object in it" if reply.strip() else "it is empty")


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder(strict=False)  # line breaks within texts do no harm
    for place in (match.start() for match in re.finditer(r"\{", reply)):
        try:
            yield decoder.raw_decode(reply, place)[0]
        except ValueError:
            continue
        except RecursionError:
            return


_REFUSAL = re.compile(
    r"\b(?:I|we)(?:'m| am| are|'re)?(?: (?:really|very|so))? ?(?:sorry|unable|not able|afraid)\b"
    r"|\b(?:I|we) (?:can't|cannot|can not|could not|couldn't|won't|will not|am not able to|do not|don't)\b"
    r"|\bas an? (?:AI|artificial|language)\b|\blanguage model\b|\bI must decline\b|\bmy apologies\b",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether a text says that its writer can't or won't."""
    return _REFUSAL.search(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")) is not None
