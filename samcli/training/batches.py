"""From samples to the batches of a training: which of them a step takes, and how they become tensors."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from samcli.data.batch import Batch
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.model.captioner import Model
from samcli.model.features import Features
from samcli.model.preparation import Preparation
from samcli.training.order import EpochOrder


class Batches:
    """Batches of samples, as pixels or as features that are kept; `text` says how long texts may be."""

    def __init__(self, text: Any, model: Model, processor: Preparation, features: Features | None) -> None:
        self.text, self.model, self.processor, self.features = text, model, processor, features

    def of(self, samples: Sequence[Sample], chances: Sequence[random.Random] | None = None) -> Batch:
        """A batch on the model's device; with `chances`, one for each sample, its pictures are augmented."""
        images = [len(sample.images) for sample in samples]
        texts = self.processor.texts(
            [sample.instruction for sample in samples],
            [sample.references[0] for sample in samples],
            self.text,
            images if self.model.declares_images else None,
        )
        made = Batch(torch.tensor(images), **texts, **self._seen(samples, chances))
        return made.to(self.model.base.device)

    def _seen(self, samples: Sequence[Sample], chances: Sequence[random.Random] | None) -> dict[str, torch.Tensor]:
        if self.features is not None:
            return {"image_embeds": self.features.get([path for sample in samples for path in sample.images])}
        rngs = [None] * len(samples) if chances is None else chances
        pictures = [
            self.processor.square(_picture(path, rng))
            for sample, rng in zip(samples, rngs, strict=True)
            for path in sample.images
        ]
        return {"pixel_values": self.processor.pixels(pictures)}


def _picture(path: Path, rng: random.Random | None) -> Image.Image:
    whole = open_image(path)
    return whole if rng is None else augment(whole, rng)


@dataclass(frozen=True)
class Steps:
    """The batches of a training's steps, for `Job`: what each share of a step holds depends on its number alone."""

    samples: Sequence[Sample]
    order: EpochOrder
    batches: Batches
    augmented: Literal["none", "released"]
    seed: int

    def share(self, step: int, part: int, parts: int) -> list[Sample]:
        """The samples of the `part`-th of `parts` shares of a step."""
        return [self.samples[index] for index in self.order.step(step)][part::parts]

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """The same as tensors; each sample has chances of its own, however the step is shared out."""
        chosen = self.share(step, part, parts)
        if self.augmented == "none":
            return self.batches.of(chosen)
        places = range(part, self.order.batch_size, parts)
        return self.batches.of(chosen, [random.Random(f"augment/{self.seed}/{step}/{place}") for place in places])

    def describe(self, step: int) -> str:
        """The step's samples, for people."""
        return f"samples {[sample.id for sample in self.share(step, 0, 1)]}"


def answer_tokens(batch: Batch) -> float:
    """How many tokens a batch's loss is the mean of."""
    return float(batch.answer_mask.sum()) if batch.answer_mask is not None else 0.0


def augment(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The released training transform: a crop of half to all of the area, shape 3:4 to 4:3, and a flip."""
    width, height = picture.size
    for _ in range(10):
        area = width * height * rng.uniform(0.5, 1.0)
        shape = (3 / 4) ** rng.uniform(-1, 1)
        wide, high = round((area * shape) ** 0.5), round((area / shape) ** 0.5)
        if 0 < wide <= width and 0 < high <= height:
            left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
            picture = picture.crop((left, top, left + wide, top + high))
            break
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else picture
