"""Controls that catch a model which ignores its pictures: the same questions with other people's, or black ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from samcli.console import warn
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.predictions import Prediction
from samcli.evaluation.statistics import Estimate, compare, estimate, mean_of, proportion
from samcli.evaluation.tasks import LINKING, first_things, shared_thing
from samcli.recipe import Control
from samcli.synth.world.grammar import read_mentions

BLACK = Path(__file__).parents[1] / "assets" / "black.png"


LABELS: dict[Control | None, str] = {"shuffle": ", other pictures", "blank": ", black pictures", None: ""}
"""What is added to the name of a model that was asked with a control."""


def controlled(task: str, samples: Sequence[Sample], control: Control | None) -> Sequence[Sample]:
    """The samples as a control asks them; as they are without one. Raises UserError when there is one sample only."""
    if control == "blank":
        return [replace(sample, images=(BLACK,) * len(sample.images)) for sample in samples]
    if control == "shuffle":
        return shuffle_links(samples) if task == LINKING else shuffle(samples)
    return samples


def shuffle(samples: Sequence[Sample]) -> list[Sample]:
    """Each sample with all pictures of another one: of the next that has as many and none of its own, around the end.

    Where no sample is like that, of the next one whatever it has; how often that happened is told.
    """
    _check_several(samples)
    alike: dict[int, list[int]] = {}
    for place, sample in enumerate(samples):
        alike.setdefault(len(sample.images), []).append(place)
    rank = {place: index for places in alike.values() for index, place in enumerate(places)}
    taken, strange = [], 0
    for place, sample in enumerate(samples):
        ring, own = alike[len(sample.images)], set(sample.images)
        following = (samples[ring[(rank[place] + step) % len(ring)]] for step in range(1, len(ring)))
        other = next((one for one in following if own.isdisjoint(one.images)), None)
        if other is None:
            strange += 1
            other = samples[(place + 1) % len(samples)]
        taken.append(replace(sample, images=other.images))
    if strange:
        warn(
            f"control shuffle: {strange} samples have no counterpart of as many and other pictures; they get the next's"
        )
    return taken


def shuffle_links(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with their first image alone; the others come from the next sample, the last one's from the first."""
    _check_several(samples)
    followers = [*samples[1:], samples[0]]
    return [
        replace(sample, images=sample.images[:1] + follower.images[1:])
        for sample, follower in zip(samples, followers, strict=True)
    ]


def _check_several(samples: Sequence[Sample]) -> None:
    if len(samples) < 2:
        raise UserError("the control shuffle needs at least two samples: pictures come from the next one")


def control_rates(samples: Sequence[Sample], predictions: Sequence[Prediction], seed: int) -> dict[str, Estimate]:
    """How often an answer names in full a thing of the first picture, in percent with intervals.

    `former_shared`: the thing that was shared before the pictures were shuffled; `other_things`: the mean over the
    picture's other things; `former_minus_others`: the difference, paired by sample. Were the answers blind to which
    pictures belong together, the first two would be equal. Samples whose first picture has one thing are left out.
    """
    former: list[bool] = []
    others: list[float] = []
    for sample, prediction in zip(samples, predictions, strict=True):
        shared, mentions = shared_thing(sample), read_mentions(prediction.text)
        rest = [thing for thing in first_things(sample) if thing != shared]
        if rest:
            named = [any(mention.names_in_full(thing) for mention in mentions) for thing in (shared, *rest)]
            former.append(named[0])
            others.append(100 * sum(named[1:]) / len(rest))
    if not former:
        raise UserError("the control compares things of the first picture, and no first picture has more than one")
    rates = mean_of(others)
    return {
        "former_shared": proportion(sum(former), len(former)),
        "other_things": estimate(rates, seed=seed),
        "former_minus_others": compare(mean_of([100.0 * hit for hit in former]), rates, seed=seed),
    }


def rounded(estimates: dict[str, Estimate]) -> dict[str, Any]:
    """Estimates in the shape of results: {metric: value, ..., ci95: {metric: [low, high]}}, to four decimals."""
    intervals = {key: [round(end, 4) for end in found.interval] for key, found in estimates.items()}
    return {**{key: round(found.value, 4) for key, found in estimates.items()}, "ci95": intervals}
