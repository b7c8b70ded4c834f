"""Answers for people and for scripts: text that can't command a terminal, streamed in whole words, and JSON."""

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samcli.model.captioner import Captioner

_UNSEEN = frozenset({"Cc", "Cf", "Cs"})  # control, format and surrogate characters
_JOINERS = "\u200c\u200d"  # invisible, but letters of some scripts are written by them


def for_terminal(text: str) -> str:
    """The text without characters that command a terminal or reorder what is seen; line ends and tabs stay."""
    return "".join(
        char for char in text if char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in _UNSEEN
    )


class TextStream:
    """Receives a generation's ids one by one and passes on whole words, once later tokens can't change them.

    It has the two methods that `generate` calls; the pieces, joined, are the final text. Tokens can't be decoded each
    for itself: spaces belong to their neighbours, and a character may be spread over several.
    """

    def __init__(self, decode: Callable[[list[int]], str], receive: Callable[[str], None]) -> None:
        self.decode, self.receive = decode, receive
        self.ids: list[int] = []
        self.shown = ""

    def put(self, value: Any) -> None:
        """Take the next ids, a tensor of any shape; the first are the BOS that generation starts from."""
        self.ids += value.flatten().tolist()
        text = self.decode(self.ids)
        self._show(text[: len(text) - len(text.split()[-1])].rstrip() if text else "")

    def end(self) -> None:
        """Pass on what was held back; should late tokens have changed what was shown, the whole text on a new line."""
        text = self.decode(self.ids)
        if not text.startswith(self.shown):
            self.receive("\n")
            self.shown = ""
        self._show(text)

    def _show(self, text: str) -> None:
        if text.startswith(self.shown) and text != self.shown:
            self.receive(text[len(self.shown) :])
            self.shown = text


def answer_record(captioner: "Captioner", text: str | None, images: list[str], prompt: str) -> dict[str, Any]:
    """An answer as scripts read it; these keys are a contract."""
    return {
        "text": text,
        "model": captioner.name,
        "adapter": captioner.adapter,
        "images": images,
        "prompt": prompt,
    }
