"""Labels from the embedded world itself, which knows what every patch shows.

A patch of a thing has the words of that thing, all of them: its category and every attribute. A patch of the ground has
the words of weather, scene and light. All are true, so all have the score 1.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.synth.world.pictures import Picture, patch_owners
from samcli.synth.world.pipelines import RECORDED
from samcli.synth.world.scenes import LIGHTS, SCENES, WEATHERS
from samcli.synth.world.sets import SETS, VERSION
from samcli.synth.world.things import CATEGORIES, Thing

RECORDS = "pictures"  # in a sample's provenance: the record of each of its pictures
_HAVE_THEM = f"{', '.join(RECORDED)} have them; for others set objective.labels.source to clip or regions"


def label_words() -> tuple[str, ...]:
    """All words that label patches of the world, each once: single words, as texts of the world have them."""
    words: dict[str, None] = {}
    for category in CATEGORIES.values():
        words |= dict.fromkeys(
            [_category_word(category.noun), *(w for own in category.attributes.values() for w in own)]
        )
    return tuple(words | dict.fromkeys((*WEATHERS, *SCENES, *LIGHTS)))


def words_of(thing: Thing) -> tuple[str, ...]:
    """The words that are true of a thing, each once: its category and its attributes."""
    return tuple(dict.fromkeys([_category_word(CATEGORIES[thing.category].noun), *thing.words]))


def _category_word(noun: str) -> str:
    """`furniture` of `piece of furniture`."""
    return noun.split()[-1]


class WorldLabels:
    """The truth about the pictures of samples of the world, drawn at the size at which a model sees them."""

    def __init__(self, samples: Sequence[Sample], eye: Eye) -> None:
        self.words = label_words()
        self.identity: dict[str, Any] = {"kind": "world", "version": VERSION}
        self._eye = eye
        self._index = {word: index for index, word in enumerate(self.words)}
        self._records = {image: record for sample in samples for image, record in _records_of(sample)}

    def prepare(self, directory: Path) -> None:
        """Nothing serves all pictures."""

    def label(self, images: Iterable[Path]) -> PatchLabels:
        """The labels of these image files. Raises KeyError for one of no sample, UserError for a faulty record."""
        return PatchLabels.joined([self._label(self._picture(image)) for image in images])

    def _picture(self, image: Path) -> Picture:
        try:
            return Picture.from_json(self._records[image])
        except ValueError as error:
            raise UserError(f"{image}: {error}; make the set anew with `sam synth`") from error

    def _label(self, picture: Picture) -> PatchLabels:
        """The labels of one picture, (1, P)."""
        owners = torch.from_numpy(patch_owners(picture, self._eye.side, self._eye.patch)).flatten()
        names = [*(words_of(thing) for thing in picture.things), picture.setting.words]  # -1, the ground, is the last
        words = [self._index[word] for owner in owners.tolist() for word in names[owner]]
        counts = torch.tensor([len(own) for own in names])[owners]
        return PatchLabels(counts[None], torch.tensor(words, dtype=torch.int64), torch.ones(len(words)))


def check_recorded(dataset: str) -> None:
    """Raise UserError for a set of the embedded world whose samples have no records of their pictures."""
    if dataset in SETS and dataset not in RECORDED:
        raise UserError(f"objective.labels.source: world: samples of {dataset} have no records; {_HAVE_THEM}")


def _records_of(sample: Sample) -> list[tuple[Path, Any]]:
    records = sample.provenance.get(RECORDS)
    if not isinstance(records, list) or len(records) != len(sample.images):
        raise UserError(
            f"objective.labels.source: world: sample {sample.id!r} has no records of its pictures (provenance: "
            f"{RECORDS}), so that nobody knows what their patches show; {_HAVE_THEM}"
        )
    return list(zip(sample.images, records, strict=True))
