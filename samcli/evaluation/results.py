"""What `results.json` of an evaluation holds: scores, how they were made, and why they may not be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samcli import __version__
from samcli.evaluation.baseline import versus
from samcli.evaluation.control import LABELS
from samcli.evaluation.entries import Answered, average, caption_scores, entry_of, evidence, metrics_of
from samcli.evaluation.judging import RULES, is_captioned
from samcli.evaluation.published import SAMPLES
from samcli.evaluation.scores import data_hash, signature
from samcli.evaluation.statistics import Evidence
from samcli.evaluation.tasks import is_published
from samcli.recipe import DecodingRecipe, EvalRecipe


@dataclass(frozen=True)
class Source:
    """Where answers are from: what results call it, and, where it is known, how they were generated and by what.

    `weights` tells the model's weights from others of the same names: `Subject.weights`. `invariance` says, by
    dataset, how many answers change when samples are asked alone.
    """

    model: str
    decoding: DecodingRecipe | None = None
    world: bool = False
    weights: Mapping[str, str] = field(default_factory=dict)
    invariance: Mapping[str, Any] = field(default_factory=dict)


def results_of(
    recipe: EvalRecipe,
    source: Source,
    answers: Mapping[str, Answered],
    earlier: tuple[str, Mapping[str, Answered]] | None = None,
) -> dict[str, Any]:
    """Results in the shape that scripts rely on: scores x100, to four decimals, one model also at the top.

    With an `earlier` run, its model's name and its answers to the same samples, each dataset's entry says under
    `versus` how far ours are from them.
    """
    entries = {
        name: entry_of(recipe.task, one, recipe.protocol, recipe.control, recipe.seed) for name, one in answers.items()
    }
    for name, answered in answers.items():
        if answered.data:
            entries[name]["data"] = dict(answered.data)
        if name in source.invariance:
            entries[name]["invariance"] = source.invariance[name]
        if is_published(name):
            entries[name]["not_comparable"] = not_comparable(recipe, answered, source.decoding)
    if earlier is not None:
        ours, theirs = (_evidence(recipe, found) for found in (answers, earlier[1]))
        for name, gaps in versus(ours, theirs, recipe.seed).items():
            entries[name]["versus"] = {earlier[0]: gaps}
    found = {"datasets": entries, "average": average(entries, metrics_of(recipe.task))}
    protocol = recipe.protocol if is_captioned(recipe.task) else RULES[recipe.task].name
    how = _signature(recipe, answers)
    how += f"|control:{recipe.control}" if recipe.control else ""
    head = {"task": recipe.task, "protocol": protocol, "signature": how}
    head |= {"baseline": earlier[0]} if earlier is not None else {}
    decoding = source.decoding.in_words() if source.decoding is not None else None
    more = {
        "weights": dict(source.weights),
        "world": source.world,
        "control": recipe.control,
        "decoding": decoding,
    }
    model = found | {key: value for key, value in more.items() if value}
    return {**head, "models": {source.model + LABELS[recipe.control]: model}, **found}


def _signature(recipe: EvalRecipe, answers: Mapping[str, Answered]) -> str:
    """What must be equal for two numbers to be compared."""
    own = f"{RULES[recipe.task].settings}|samcli:{__version__}" if recipe.task in RULES else None
    if is_captioned(recipe.task):
        scores = [caption_scores(answered, recipe.protocol) for answered in answers.values()]
        return "|".join(filter(None, [signature(*scores), own]))
    samples = "+".join(str(len(answered.samples)) for answered in answers.values())
    data = "+".join(
        data_hash([str(one.id) for one in answered.samples], [one.references for one in answered.samples])
        for answered in answers.values()
    )
    return f"protocol:{RULES[recipe.task].name}|{own}|n:{samples}|data:{data}"


def _evidence(recipe: EvalRecipe, answers: Mapping[str, Answered]) -> dict[str, dict[str, Evidence]]:
    """What each score of each dataset is made of."""
    return {name: evidence(recipe.task, [one], recipe.protocol) for name, one in answers.items()}


def not_comparable(recipe: EvalRecipe, answered: Answered, decoding: DecodingRecipe | None) -> list[str]:
    """Why scores on a dataset of the paper can't stand beside the published ones; empty when nothing speaks against it.

    `decoding` is how the answers were generated, None when that isn't known. Pictures and instructions can't be
    checked; where not even the published number of samples is known, that alone is a reason.
    """
    n, known = len(answered.samples), SAMPLES.get(answered.name.casefold())
    reasons = {
        "unverified data": known is None,
        f"{n} samples instead of {known}": known is not None and n != known,
        "subset": recipe.limit is not None,
        "control": recipe.control is not None,
        "references": any(len(sample.references) > 1 for sample in answered.samples),
        "decoding not known": decoding is None,
        "decoding": decoding is not None and decoding != DecodingRecipe(),
        f"{len(answered.failed)} failed": bool(answered.failed),
    }
    return [*(reason for reason, holds in reasons.items() if holds), *answered.unlike]
