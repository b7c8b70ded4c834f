"""Answers of a model of ours to batches of samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from PIL import Image
from torch import Tensor

from samcli.console import warn
from samcli.data.batch import Batch
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.answer_file import Answer
from samcli.memory import is_out_of_memory
from samcli.model.captioner import Captioner
from samcli.model.decoding.step import forget_kept
from samcli.model.generate import Asking
from samcli.model.preparation import Preparation
from samcli.recipe import DecodingRecipe

TOGETHER = 4
"""Batches that are asked together, so that a sample which is done leaves its place to another."""


@dataclass(frozen=True)
class Seen:
    """What the vision tower made of some samples: features (M, P, V) of the readable ones, reasons for the others."""

    faults: tuple[str | None, ...]  # one for each sample, None: readable
    counts: tuple[int, ...]  # images of each readable sample
    features: Tensor | None  # None when nothing was readable


SeenBatches = dict[tuple[str, tuple[int | str, ...]], Seen]
"""Features by dataset and the samples' ids: the tower is frozen, so models on one base can share them."""


@dataclass
class OwnAnswers:
    """Of a model of ours; when the accelerator's memory is too small, batches are halved.

    Several batches are asked together, of which `size` samples are under way at a time: where one is done, one of the
    next batch begins. What is given as `shared` is filled with features that other models on the same base can use too.
    """

    captioner: Captioner
    dataset: str
    decoding: DecodingRecipe
    size: int  # samples under way at a time
    shared: SeenBatches | None = None

    def to(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Answer]]:
        """Answers to some samples of the dataset, each with its place among them, as they are done."""
        left = dict(enumerate(samples))
        while left:
            piece = dict(islice(left.items(), self.size * TOGETHER))
            tried = min(self.size, len(piece))
            try:
                for place, answer in self._together(piece):
                    del left[place]
                    yield place, answer
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(tried, error)

    def _halve(self, tried: int, error: Exception) -> None:
        if tried == 1:
            raise UserError(
                "out of memory with one sample at once; use fewer beams, --dtype bfloat16 or another device"
            ) from error
        self.size = tried // 2
        forget_kept()
        torch.cuda.empty_cache()
        warn(f"out of memory with {tried} samples at once; going on with {self.size}")

    def _together(self, samples: dict[int, Sample]) -> Iterator[tuple[int, Answer]]:
        asked: list[int] = []
        seen = []
        waiting = iter(samples)
        while places := list(islice(waiting, self.size)):
            seen.append(self._see([samples[place] for place in places]))
            for place, fault in zip(places, seen[-1].faults, strict=True):
                if fault is None:
                    asked.append(place)
                else:
                    yield place, (None, fault)
        features = [one.features for one in seen if one.features is not None]
        if not features:
            return
        counts = tuple(count for one in seen for count in one.counts)
        for number, answer in self._generate([samples[place] for place in asked], counts, torch.cat(features)):
            yield asked[number], answer

    def _see(self, samples: Sequence[Sample]) -> Seen:
        batch = (self.dataset, tuple(sample.id for sample in samples))
        if self.shared is not None and batch in self.shared:
            return self.shared[batch]
        found = [readable(sample, self.captioner.processor) for sample in samples]
        groups = [pictures for pictures, _ in found if pictures]
        seen = Seen(tuple(fault for _, fault in found), tuple(map(len, groups)), self._features(groups))
        if self.shared is not None:
            self.shared[batch] = seen
        return seen

    def _features(self, groups: list[list[Image.Image]]) -> Tensor | None:
        if not groups:
            return None
        pixels = self.captioner.processor.pixels([picture for group in groups for picture in group])
        return self.captioner.model.encode_images(pixels.to(self.captioner.device)).cpu()

    def _generate(
        self, samples: Sequence[Sample], counts: tuple[int, ...], features: Tensor
    ) -> Iterator[tuple[int, Answer]]:
        declared = counts if self.captioner.model.declares_images else None
        instructions = [sample.instruction for sample in samples]
        texts = self.captioner.processor.texts(instructions, None, self.captioner.text, declared)
        batch = Batch(torch.tensor(counts), image_embeds=features, **texts).to(self.captioner.device)
        keys = [str(sample.id) for sample in samples]
        return self.captioner.texts(batch, Asking(self.decoding, keys=keys, at_once=self.size, within_memory=True))


def readable(sample: Sample, processor: Preparation) -> tuple[list[Image.Image], str | None]:
    """The sample's pictures, in the model's size, or none and why it can't be answered."""
    if not sample.instruction.strip():
        return [], "the instruction is empty"
    try:
        return [processor.square(open_image(path)) for path in sample.images], None
    except UserError as error:
        return [], str(error)
