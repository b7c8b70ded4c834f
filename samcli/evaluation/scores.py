"""The released scoring protocol: the numbers of the paper's tables come from it, so its quirks are kept.

Both sides are cleaned up, then scored by ROUGE-L (the F measure of the `rouge` package: sets of words, sentences split
at full stops), CIDEr (document frequencies from the references at hand) and corpus BLEU-4 (both by pycocoevalcap, words
split at white space), each x100.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from samcli.errors import UserError
from samcli.evaluation.bleu import IntArray, bleu_counts

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_NUMBER_WITH_COMMA = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
# The released code passes the flag re.UNICODE where re.sub expects a count, and the flag's value is 32.
_FULL_STOPS_DROPPED = 32
_NAMED = 5


@dataclass(frozen=True)
class SampleScores:
    """One sample's scores as the released eval_score.json has them: CIDEr in 0..10, the others in 0..1."""

    id: str
    rouge_l: float
    cider: float
    bleu_4: float


@dataclass(frozen=True)
class Scores:
    """A dataset's scores, x100 and not rounded, with what they are made of.

    `bleu_counts` is (samples, 10), see `bleu.bleu_counts`; `references` is the largest number for one sample.
    """

    rouge_l: float
    cider: float
    bleu_4: float
    samples: tuple[SampleScores, ...]
    bleu_counts: IntArray
    references: int


def score_released(ids: Sequence[str], predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """The scores of one dataset; the three sequences are parallel, and an empty prediction scores 0.

    The release knows one reference a sample. With several, ROUGE-L takes the best, CIDEr the mean, BLEU-4 the largest
    count of each n-gram and the closest length; no published number was made so. Raises UserError that names the
    samples when ids repeat or references are empty after the clean-up.
    """
    if not len(ids) == len(predictions) == len(references):
        raise ValueError(f"{len(ids)} ids, {len(predictions)} predictions, {len(references)} lists of references")
    answers = [clean_up(text) for text in predictions]
    truths = [[clean_up(text) for text in texts] for texts in references]
    _check(ids, truths)
    rouge = [rouge_l(answer, texts) for answer, texts in zip(answers, truths, strict=True)]
    cider_score, cider, bleu_score, bleu = _cider_and_bleu(answers, truths)
    return Scores(
        rouge_l=float(np.mean(rouge)) * 100,
        cider=cider_score * 100,
        bleu_4=bleu_score * 100,
        samples=tuple(map(SampleScores, ids, rouge, cider, bleu)),
        bleu_counts=bleu_counts(answers, truths),
        references=max(map(len, truths)),
    )


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

    if not _has_sentence(prediction):
        return 0.0
    scorer = Rouge(metrics=["rouge-l"], stats=["f"])
    with _deep_recursion(len(prediction) + max(map(len, references))):
        return max(float(scorer.get_scores(prediction, text)[0]["rouge-l"]["f"]) for text in references)


def signature(*scores: Scores) -> str:
    """What must be equal for two numbers to be compared, in one line in the manner of sacreBLEU."""
    samples = "+".join(str(len(dataset.samples)) for dataset in scores)
    references = "-".join(map(str, sorted({dataset.references for dataset in scores})))
    packages = "|".join(f"{name}:{version(name)}" for name in ("rouge", "pycocoevalcap"))
    return (
        f"protocol:released|clean:released-{_FULL_STOPS_DROPPED}-stops|case:lower|tok:blanks|{packages}"
        f"|df:scored-references|refs:{references}|n:{samples}"
    )


def _check(ids: Sequence[str], truths: Sequence[Sequence[str]]) -> None:
    if not ids:
        raise UserError("there are no samples to score")
    if repeated := [name for name, count in Counter(ids).items() if count > 1]:
        raise UserError(f"sample ids must be unique; these repeat: {_names(repeated)}")
    empty = [name for name, texts in zip(ids, truths, strict=True) if not texts or not all(map(_has_sentence, texts))]
    if empty:
        raise UserError(f"samples without a reference to score against (empty after the clean-up): {_names(empty)}")


def _names(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(map(repr, ids[:_NAMED])) + more


def _has_sentence(text: str) -> bool:
    """Whether the rouge package finds anything between the full stops; it raises where it doesn't."""
    return any(text.split("."))


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


def _cider_and_bleu(
    answers: Sequence[str], truths: Sequence[Sequence[str]]
) -> tuple[float, list[float], float, list[float]]:
    """CIDEr and BLEU-4 of the whole and of each sample; samples are keyed by place, so none can hide another."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider

    found = {place: [text] for place, text in enumerate(answers)}
    wanted = {place: list(texts) for place, texts in enumerate(truths)}
    cider, cider_samples = Cider().compute_score(wanted, found)
    bleu, bleu_samples = Bleu(4).compute_score(wanted, found, verbose=0)
    return float(cider), [float(score) for score in cider_samples], float(bleu[3]), list(map(float, bleu_samples[3]))
