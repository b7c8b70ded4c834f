"""The released scoring protocol: the numbers of the paper's tables come from it, so its quirks are kept.

Both sides are cleaned up; ROUGE-L is the F measure of the `rouge` package (sets of words, sentences split at full
stops).
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_NUMBER_WITH_COMMA = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
# The released code passes the flag re.UNICODE where re.sub expects a count, and the flag's value is 32.
_FULL_STOPS_DROPPED = 32


def clean_up_all(texts: Sequence[str]) -> list[str]:
    """`clean_up` of each text."""
    return [clean_up(text) for text in texts]


def clean_up(text: str) -> str:
    """The text as the released scorer compares it: lower case, 21 marks and most full stops gone, fault for fault.

    A mark vanishes everywhere in a text if it touches a blank anywhere in it, and so do all marks if the text has a
    number like 1,200; otherwise the mark becomes a blank. Only the first 32 full stops go, none before a digit.
    """
    text = text.replace("\n", " ").replace("\t", " ").strip()
    all_vanish = _NUMBER_WITH_COMMA.search(text) is not None
    text = text.translate(
        {ord(mark): "" if all_vanish or f"{mark} " in text or f" {mark}" in text else " " for mark in _MARKS}
    )
    text = _FULL_STOP.sub("", text, count=_FULL_STOPS_DROPPED)
    return text.strip("'").strip().lower()


def rouge_l(prediction: str, references: Sequence[str]) -> float:
    """The best ROUGE-L F over the references, 0..1, of cleaned texts; 0 when the prediction has no words."""
    from rouge import Rouge

    if not has_words(prediction):
        return 0.0
    scorer = Rouge(metrics=["rouge-l"], stats=["f"])
    with _deep_recursion(len(prediction) + max(map(len, references))):
        return max(float(scorer.get_scores(prediction, text)[0]["rouge-l"]["f"]) for text in references)


def has_words(text: str) -> bool:
    """Whether the rouge package finds anything between the full stops; it raises where it doesn't."""
    return any(text.split("."))


def signature() -> str:
    """What a number depends on beside the data."""
    return f"clean:released-{_FULL_STOPS_DROPPED}-stops|case:lower|tok:blanks|rouge:{version('rouge')}"


@contextmanager
def _deep_recursion(depth: int) -> Iterator[None]:
    """Allow `depth` more nested calls: the rouge package walks back through two texts word by word, recursively.

    Calls from Python to Python need no C stack since Python 3.11, so a higher limit can't overflow it.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
