"""Tasks of the embedded world whose answers are judged one by one, each by a rule of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.tasks import CAPTIONING, GROUNDING, LINKING, QUESTIONS, WORLD_SETS, first_things, shared_thing
from samcli.synth.world.cells import GRID, read_cells
from samcli.synth.world.grammar import read_mentions

Verdict = Mapping[str, float]
"""By metric, from 0 to 1; a metric of a rule's `hits` is 0 or 1, false or true."""
_LEAST_OVERLAP = 0.5  # of a box that counts as found, as is usual for referring expressions


@dataclass(frozen=True)
class Rule:
    """How an answer to a sample is judged.

    `hits` are metrics that are true or false of an answer, `grades` those that are more or less so. `settings` stand in
    signatures. `ready` tells whether a sample holds what the rule goes by, and `lacks` what it doesn't when it isn't.
    With `beside_captions` answers are scored as captions too.
    """

    name: str
    settings: str
    judge: Callable[[str, Sample], Verdict]
    ready: Callable[[Sample], bool]
    lacks: str
    hits: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    beside_captions: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, as results name them."""
        return self.hits + self.grades


def judge_linking(answer: str, sample: Sample) -> Verdict:
    """Whether an answer names the shared thing, in full and in part (kind and colour).

    Strictly: it must name exactly one thing, so listing everything in sight earns nothing.
    """
    shared, mentions = shared_thing(sample), read_mentions(answer)
    alone = len(mentions) == 1
    return {
        "named_in_full": alone and mentions[0].names_in_full(shared),
        "named_in_part": alone and mentions[0].names_in_part(shared),
    }


def judge_caption(answer: str, sample: Sample) -> Verdict:
    """The share of the reference's things that the answer names in full, of all that either names."""
    wanted, named = read_mentions(sample.references[0]), read_mentions(answer)
    both = sum(mention in named for mention in wanted)
    return {"things_in_full": both / max(len(wanted), len(named))}


def judge_exactly(answer: str, sample: Sample) -> Verdict:
    """Whether an answer is a reference, but for capitals, blanks and a full stop at the end."""
    return {"exact": _plain(answer) in map(_plain, sample.references)}


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().removesuffix(".").rstrip()


def judge_grounding(answer: str, sample: Sample) -> Verdict:
    """How far the box that an answer names overlaps with the reference's, both in cells; 0 when it names none."""
    wanted, named = read_cells(sample.references[0]), read_cells(answer)
    overlap = wanted.overlap(named) if wanted is not None and named is not None else 0.0
    return {"iou_50": overlap >= _LEAST_OVERLAP, "iou": overlap}


def _says_what_is_shared(sample: Sample) -> bool:
    try:
        shared_thing(sample)
        first_things(sample)
    except (KeyError, TypeError, IndexError):
        return False
    return True


def _has_reference(sample: Sample) -> bool:
    return any(text.strip() for text in sample.references)


RULES: Mapping[str, Rule] = {
    LINKING: Rule(
        "world-grammar",
        "mentions:1",
        judge_linking,
        _says_what_is_shared,
        "doesn't say which thing its pictures share (provenance: shared, things)",
        hits=("named_in_full", "named_in_part"),
    ),
    CAPTIONING: Rule(
        "world-grammar",
        "things:in-full",
        judge_caption,
        lambda sample: _has_reference(sample) and bool(read_mentions(sample.references[0])),
        "has a reference that names no thing of the embedded world in full",
        grades=("things_in_full",),
        beside_captions=True,
    ),
    QUESTIONS: Rule(
        "equal-text",
        "case:0|stop:0",
        judge_exactly,
        _has_reference,
        "has no reference",
        hits=("exact",),
    ),
    GROUNDING: Rule(
        "cell-box",
        f"grid:{GRID}",
        judge_grounding,
        lambda sample: _has_reference(sample) and read_cells(sample.references[0]) is not None,
        f"has a reference that names no box of a grid of {GRID} by {GRID} cells",
        hits=("iou_50",),
        grades=("iou",),
    ),
}
"""By task. All other tasks are scored as captions alone, by a protocol."""


def is_captioned(task: str) -> bool:
    """Whether answers of a task are scored as captions, by a protocol."""
    return task not in RULES or RULES[task].beside_captions


def check_samples(task: str, name: str, samples: Sequence[Sample]) -> None:
    """Raise UserError, before any are asked, for samples of a dataset that the task's rule can't judge."""
    if (rule := RULES.get(task)) is None:
        return
    for sample in samples:
        if not rule.ready(sample):
            where = f"{WORLD_SETS[task]} and sets like it"
            raise UserError(f"{name}: sample {sample.id!r} {rule.lacks}; {task} can be scored on {where}")
