"""What is known to be true of the pictures that a model is looked at with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.world import RECORDS, WorldLabels, label_words
from samcli.data.sample import Sample
from samcli.evaluation.tasks import shared_thing
from samcli.synth.world.scenes import WEATHERS
from samcli.synth.world.things import Thing


@dataclass(frozen=True)
class Truth:
    """Of a dataset's samples: the words that tokens are compared with, none outside the embedded world.

    `patches`: what every patch shows, where samples have records of their pictures and tokens are of patches.
    """

    words: Sequence[str]
    patches: WorldLabels | None = None

    @classmethod
    def of(cls, samples: Sequence[Sample], eye: Eye | None) -> "Truth":
        """What is known of these samples; `eye` is how the model sees patches, None for one without patches."""
        of_the_world = all(_things_in(sample) is not None for sample in samples)
        recorded = of_the_world and all(RECORDS in sample.provenance for sample in samples)
        own = [replace(sample, images=_own_pictures(sample)) for sample in samples]
        return cls(label_words() if of_the_world else (), WorldLabels(own, eye) if recorded and eye else None)

    def labels(self, samples: Sequence[Sample]) -> PatchLabels | None:
        """The labels of all pictures of some samples, whatever pictures a control shows instead of them."""
        if self.patches is None:
            return None
        return self.patches.label([path for sample in samples for path in _own_pictures(sample)])


def of_things(labels: PatchLabels) -> PatchLabels:
    """The labels of patches that show a thing; those of the ground, whose first word is the weather, have none."""
    known = label_words()
    weather = torch.tensor([known.index(word) for word in WEATHERS])
    counts = labels.counts.flatten()
    labelled = counts > 0
    first = labels.words[(counts.cumsum(0) - counts)[labelled]]
    shown = torch.zeros_like(labelled)
    shown[labelled] = ~torch.isin(first, weather.to(first.device))
    kept = shown.repeat_interleave(counts)
    return PatchLabels(labels.counts * shown.view(labels.counts.shape), labels.words[kept], labels.scores[kept])


def _own_pictures(sample: Sample) -> tuple[Path, ...]:
    """A name for each picture that a sample is about, which other samples have not."""
    return tuple(Path(str(sample.id), str(number)) for number in range(len(sample.images)))


@dataclass(frozen=True)
class Named:
    """Words that pictures of a linking sample could be named by."""

    shared: frozenset[str]  # of the thing that all pictures share
    others: tuple[frozenset[str], ...]  # for each picture, those that only its other things have

    @classmethod
    def of(cls, sample: Sample) -> "Named | None":
        """From the record of a linking sample; None for others."""
        pictures = _things_in(sample)
        if pictures is None or "shared" not in sample.provenance:
            return None
        own = frozenset(shared_thing(sample).words)
        return cls(own, tuple(frozenset(w for thing in things for w in thing.words) - own for things in pictures))


def _things_in(sample: Sample) -> list[list[Thing]] | None:
    """The world's things in each of a sample's pictures; None where its record doesn't tell."""
    try:
        return [[Thing.from_json(record) for record in records] for records in sample.provenance["things"]]
    except (KeyError, TypeError):
        return None
