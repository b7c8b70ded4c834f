"""Answers of a model of ours to batches of samples."""

from collections.abc import Sequence
from dataclasses import dataclass

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
from samcli.model.preparation import Preparation
from samcli.recipe import DecodingRecipe


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

    What is given as `shared` is filled with features that other models on the same base can use too.
    """

    captioner: Captioner
    dataset: str
    decoding: DecodingRecipe
    size: int  # samples answered at once
    shared: SeenBatches | None = None

    def to(self, samples: Sequence[Sample]) -> list[Answer]:
        """Answers to some samples of the dataset."""
        made: list[Answer] = []
        while len(made) < len(samples):
            piece = samples[len(made) : len(made) + self.size]
            try:
                made += self._together(piece)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(piece), error)
        return made

    def _halve(self, tried: int, error: Exception) -> None:
        if tried == 1:
            raise UserError(
                "out of memory with one sample at once; use fewer beams, --dtype bfloat16 or another device"
            ) from error
        self.size = tried // 2
        torch.cuda.empty_cache()
        warn(f"out of memory with {tried} samples at once; going on with {self.size}")

    def _together(self, samples: Sequence[Sample]) -> list[Answer]:
        seen = self._see(samples)
        readable = [sample for sample, fault in zip(samples, seen.faults, strict=True) if fault is None]
        texts = iter(self._generate(seen, [sample.instruction for sample in readable]))
        return [(None, fault) if fault is not None else (next(texts), None) for fault in seen.faults]

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

    def _generate(self, seen: Seen, instructions: list[str]) -> list[str]:
        if seen.features is None:
            return []
        declared = seen.counts if self.captioner.model.declares_images else None
        texts = self.captioner.processor.texts(instructions, None, self.captioner.text, declared)
        batch = Batch(torch.tensor(seen.counts), image_embeds=seen.features, **texts).to(self.captioner.device)
        return self.captioner.processor.decode(self.captioner.model.generate(batch, self.decoding))


def readable(sample: Sample, processor: Preparation) -> tuple[list[Image.Image], str | None]:
    """The sample's pictures, in the model's size, or none and why it can't be answered."""
    if not sample.instruction.strip():
        return [], "the instruction is empty"
    try:
        return [processor.square(open_image(path)) for path in sample.images], None
    except UserError as error:
        return [], str(error)
