"""Stage 0, third step: Q-Former and projection learn to tell the frozen LLM what the frozen tower sees.

Every sample is about a single picture, alone or among others; no question links pictures.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from samcli.data.batch import Batch
from samcli.model.processor import Processor, normalise
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import TextRecipe
from samcli.synth.world.corpus import Corpus, draw_picture
from samcli.synth.world.lessons import WORDS_A_THING, slot_words
from samcli.synth.world.questions import ask
from samcli.synth.world.splits import belongs_to
from samcli.synth.world.tasks import View
from samcli.training.loop import Job
from samcli.training.order import EpochOrder
from samcli.training.small.language import encode_lists

WORD_SHARPNESS = 12.0  # of the distances between a visual token and the words, in mean squared word lengths


@dataclass(frozen=True)
class AlignmentBatch:
    """A batch of questions, and for each image the words that its visual tokens should say, (M, K)."""

    batch: Batch
    words: Tensor


class Alignment(nn.Module):
    """Two losses: the answers through the frozen LLM, and each visual token against the word of its place.

    The second is the description of the picture token by token: the nearest of the LLM's own word embeddings to a
    visual token should be the word that a list of the picture's contents has in that place.
    """

    def __init__(self, model: SemanticAlignmentModel, word_weight: float) -> None:
        super().__init__()
        self.model, self.word_weight = model, word_weight
        model.base.qformer.requires_grad_(True)
        model.base.query_tokens.requires_grad_(True)

    def forward(self, aligned: AlignmentBatch) -> Tensor:
        """The weighted sum of both losses."""
        visual = self.model.visual_tokens(aligned.batch)
        answers = self.model.answer_loss(visual, aligned.batch)
        return answers + self.word_weight * self.word_loss(visual, aligned.words)

    def word_loss(self, visual: Tensor, words: Tensor) -> Tensor:
        """Mean cross-entropy of the words, by squared distance to every word embedding."""
        table = self.model.word_embeddings().detach().float()
        scale = WORD_SHARPNESS / table.pow(2).sum(-1).mean()
        distances = torch.cdist(visual.float().flatten(0, 1), table).pow(2)
        return nn.functional.cross_entropy(-scale * distances, words.flatten())


class Lessons:
    """Questions about the corpus's pictures, with the frozen features of all of them."""

    def __init__(
        self, corpus: Corpus, features: NDArray[np.float16], processor: Processor, seed: int, split: str = "train"
    ) -> None:
        self.features, self.processor, self.seed = features, processor, seed
        self.accept = belongs_to(split)
        self.views = [view_of(seed, index, split) for index in range(len(corpus))]

    def batch(self, rng: random.Random, rows: Sequence[int]) -> AlignmentBatch:
        """The pictures `rows` dealt out to samples of one to three, a question for each sample."""
        groups: list[list[int]] = []
        rest = list(rows)
        while rest:
            count = min(len(rest), rng.choice((1, 1, 1, 2, 2, 3)))
            groups.append(rest[:count])
            rest = rest[count:]
        asked = [ask(rng, [self.views[row] for row in group], self.accept) for group in groups]
        texts = self.processor.texts([q for q, _ in asked], [a for _, a in asked], TextRecipe())
        embeds = torch.from_numpy(self.features[list(rows)].astype(np.float32))
        counts = torch.tensor([len(group) for group in groups])
        words = [encode_lists(self.processor.tokenizer, [slot_words(self.views[row])]) for row in rows]
        return AlignmentBatch(Batch(counts, image_embeds=embeds, **texts), torch.tensor(words))


def view_of(seed: int, index: int, split: str) -> View:
    """What picture `index` of the corpus shows."""
    picture = draw_picture(seed, index, split)
    return View(picture.things, picture.setting)


@torch.no_grad()
def tower_features(model: SemanticAlignmentModel, corpus: Corpus, batch: int = 250) -> NDArray[np.float16]:
    """The frozen tower's features of every picture, (N, P, V), in half precision."""
    parts = []
    for start in range(0, len(corpus), batch):
        pixels = normalise(torch.from_numpy(corpus.pixels[start : start + batch]))
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(model.encode_images(pixels).float().numpy().astype(np.float16))
    return np.concatenate(parts)


def alignment_job(
    model: SemanticAlignmentModel, lessons: Lessons, batch_size: int, seed: int, word_weight: float
) -> Job[AlignmentBatch, Alignment]:
    """What `fit` needs to train Q-Former, query tokens and projection; `batch_size` counts pictures."""
    samples = len(lessons.views)
    order = EpochOrder(samples, batch_size, seed)

    def batch(step: int, part: int, parts: int) -> AlignmentBatch:
        rows = order.step(step)[part::parts]
        return lessons.batch(random.Random(f"alignment/{seed}/{step}/{part}"), rows.tolist())

    def describe(step: int) -> str:
        return f"pictures {order.step(step).tolist()}"

    return Job(
        "alignment",
        Alignment(model, word_weight),
        batch,
        weight=lambda share: len(share.words),
        describe=describe,
        samples=samples,
        step_samples=batch_size,
    )


@torch.no_grad()
def word_accuracy(alignment: Alignment, lessons: Lessons, rows: Sequence[int]) -> dict[str, float]:
    """How many words the visual tokens say rightly, and in how many pictures all of them."""
    aligned = lessons.batch(random.Random(0), rows)
    visual = alignment.model.visual_tokens(aligned.batch).float()
    table = alignment.model.word_embeddings().float()
    hits = torch.cdist(visual.flatten(0, 1), table).argmin(-1).view_as(aligned.words) == aligned.words
    things = [len(lessons.views[row].things) for row in rows]
    in_full = [row[: count * WORDS_A_THING].view(count, -1).all(-1) for row, count in zip(hits, things, strict=True)]
    return {
        "words": float(hits.float().mean()),
        "things": float(torch.cat(in_full).float().mean()),
        "pictures": float(hits.all(1).float().mean()),
    }
