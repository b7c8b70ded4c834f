"""How many answers change with what they are answered beside: none in fp32 on a CPU, some in bf16 or on a GPU."""

from collections.abc import Sequence
from typing import Any

from samcli.console import say
from samcli.evaluation.entries import Answered
from samcli.evaluation.predict import Answers

MOST = 100  # samples asked again


def check_invariance(answered: Answered, answers: Answers, batch_size: int) -> dict[str, Any]:
    """Ask samples from all over the dataset again, each alone; {samples, changed, percent, ids}."""
    places = _spread(len(answered.samples), MOST)
    changed = []
    for place in places:
        ((_, (text, error)),) = answers.to([answered.samples[place]])
        former = answered.predictions[place]
        if (text or "", error) != (former.text, former.error):
            changed.append(former.id)
    share = round(100 * len(changed) / len(places), 2)
    say(f"{answered.name}: {share} % of {len(places)} answers change when asked alone instead of {batch_size} at once")
    return {"samples": len(places), "changed": len(changed), "percent": share, "ids": changed}


def _spread(count: int, most: int) -> Sequence[int]:
    """At most so many places, evenly over all."""
    return [place * count // min(count, most) for place in range(min(count, most))]
