"""The batches of stage 1: which samples a step takes, and how they become tensors."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from samcli.data.batch import Batch
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.model.features import Features
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import SamRecipe
from samcli.training.lengths import Lengths
from samcli.training.loop import Job
from samcli.training.order import EpochOrder


class Batches:
    """Batches of samples, as pixels or as features that are kept."""

    def __init__(
        self,
        recipe: SamRecipe,
        model: SemanticAlignmentModel,
        processor: Processor,
        features: Features | None,
    ) -> None:
        self.recipe, self.model, self.processor, self.features = recipe, model, processor, features

    def of(self, samples: Sequence[Sample], chances: Sequence[random.Random] | None = None) -> Batch:
        """A batch on the model's device; with `chances`, one for each sample, its pictures are augmented."""
        images = [len(sample.images) for sample in samples]
        texts = self.processor.texts(
            [sample.instruction for sample in samples],
            [sample.references[0] for sample in samples],
            self.recipe.text,
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


def sam_job(
    recipe: SamRecipe,
    model: SemanticAlignmentModel,
    processor: Processor,
    samples: Sequence[Sample],
    features: Features | None,
    a_step: int,
) -> Job[Batch, SemanticAlignmentModel]:
    """What `fit` needs: `a_step` samples at a time in a seeded order, as pixels or as features that are kept."""
    seed, window = recipe.seed, recipe.data.group_by_length
    lengths = (
        Lengths.of(processor, samples, declared=model.declares_images).sequence(recipe.text, model.queries)
        if window
        else None
    )
    order = EpochOrder(len(samples), a_step, seed, lengths, window)
    batches = Batches(recipe, model, processor, features)

    def chosen(step: int) -> list[Sample]:
        return [samples[index] for index in order.step(step)]

    def batch(step: int, part: int, parts: int) -> Batch:
        mine = chosen(step)[part::parts]
        if recipe.data.augment == "none":
            return batches.of(mine)
        # each sample has chances of its own, however the step is shared out
        places = range(part, a_step, parts)
        return batches.of(mine, [random.Random(f"augment/{seed}/{step}/{place}") for place in places])

    def describe(step: int) -> str:
        return f"samples {[sample.id for sample in chosen(step)]}"

    return Job(
        "sam",
        model,
        batch,
        weight=lambda share: float(share.answer_mask.sum()) if share.answer_mask is not None else 0.0,
        describe=describe,
        samples=len(samples),
        step_samples=a_step,
    )


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
