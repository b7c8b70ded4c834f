"""Scores of captions by a protocol: ROUGE-L, CIDEr and corpus BLEU-4, x100, with what they are made of.

A protocol says how texts are cleaned up or tokenised, and what ROUGE-L is. CIDEr (document frequencies from the
references at hand) and BLEU-4 are pycocoevalcap's, on words split at white space.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from samcli.errors import UserError
from samcli.evaluation import coco_protocol, ptb, released_protocol
from samcli.evaluation.bleu import IntArray, bleu_counts
from samcli.recipe import Protocol

_NAMED = 5
_HASH = 12  # hexadecimal digits of it in a signature


@dataclass(frozen=True)
class Rules:
    """What makes a protocol."""

    clean: Callable[[Sequence[str]], list[str]]  # of all texts at once: a tokeniser starts once
    rouge_l: Callable[[str, Sequence[str]], float]  # of a clean text and clean references, 0..1
    has_words: Callable[[str], bool]
    signature: Callable[[], str]


PROTOCOLS: dict[Protocol, Rules] = {
    "released": Rules(
        released_protocol.clean_up_all,
        released_protocol.rouge_l,
        released_protocol.has_words,
        released_protocol.signature,
    ),
    "coco": Rules(ptb.tokenise, coco_protocol.rouge_l, coco_protocol.has_words, coco_protocol.signature),
}


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

    `bleu_counts` is (samples, 10), see `bleu.bleu_counts`; `references` is the largest number for one sample, `data` a
    hash of ids and references.
    """

    protocol: Protocol
    rouge_l: float
    cider: float
    bleu_4: float
    samples: tuple[SampleScores, ...]
    bleu_counts: IntArray
    references: int
    data: str


def score(
    protocol: Protocol, ids: Sequence[str], predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> Scores:
    """The scores of one dataset; the three sequences are parallel, and an empty prediction scores 0.

    The release knows one reference a sample. With several, ROUGE-L takes the best, CIDEr the mean, BLEU-4 the largest
    count of each n-gram and the closest length. Raises UserError that names the samples when ids repeat or references
    are empty after the clean-up.
    """
    if not len(ids) == len(predictions) == len(references):
        raise ValueError(f"{len(ids)} ids, {len(predictions)} predictions, {len(references)} lists of references")
    rules = PROTOCOLS[protocol]
    answers, truths = _clean(rules, predictions, references)
    _check(rules, ids, truths)
    rouge = [rules.rouge_l(answer, texts) for answer, texts in zip(answers, truths, strict=True)]
    cider_score, cider, bleu_score, bleu = _cider_and_bleu(answers, truths)
    return Scores(
        protocol=protocol,
        rouge_l=float(np.mean(rouge)) * 100,
        cider=cider_score * 100,
        bleu_4=bleu_score * 100,
        samples=tuple(map(SampleScores, ids, rouge, cider, bleu)),
        bleu_counts=bleu_counts(answers, truths),
        references=max(map(len, truths)),
        data=data_hash(ids, references),
    )


def check_references(protocol: Protocol, ids: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Raise UserError for what no answers could be scored against, before any are made."""
    rules = PROTOCOLS[protocol]
    _check(rules, ids, _clean(rules, [""] * len(ids), references)[1])


def signature(*scores: Scores) -> str:
    """What must be equal for two numbers to be compared, in one line in the manner of sacreBLEU."""
    protocol = scores[0].protocol
    counts = "-".join(map(str, sorted({dataset.references for dataset in scores})))
    samples = "+".join(str(len(dataset.samples)) for dataset in scores)
    data = "+".join(dataset.data for dataset in scores)
    return (
        f"protocol:{protocol}|{PROTOCOLS[protocol].signature()}|pycocoevalcap:{version('pycocoevalcap')}"
        f"|df:scored-references|refs:{counts}|n:{samples}|data:{data}"
    )


def _clean(
    rules: Rules, predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Predictions and references as they are compared."""
    clean = rules.clean([*predictions, *(text for texts in references for text in texts)])
    rest = iter(clean[len(predictions) :])
    return clean[: len(predictions)], [[next(rest) for _ in texts] for texts in references]


def _check(rules: Rules, ids: Sequence[str], truths: Sequence[Sequence[str]]) -> None:
    if not ids:
        raise UserError("there are no samples to score")
    if repeated := [name for name, count in Counter(ids).items() if count > 1]:
        raise UserError(f"sample ids must be unique; these repeat: {_names(repeated)}")
    empty = [name for name, texts in zip(ids, truths, strict=True) if not texts or not all(map(rules.has_words, texts))]
    if empty:
        raise UserError(f"samples without a reference to score against (empty after the clean-up): {_names(empty)}")


def _names(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(map(repr, ids[:_NAMED])) + more


def data_hash(ids: Sequence[str], references: Sequence[Sequence[str]]) -> str:
    """A short hash of what is scored against."""
    pairs = [[name, list(texts)] for name, texts in zip(ids, references, strict=True)]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:_HASH]


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
