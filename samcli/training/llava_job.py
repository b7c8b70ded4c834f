"""What trains in a LLaVA's stages, and on which batches: captions or instructions, and words for each patch."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.labels.store import LabelStore
from samcli.alignment.objectives import Pairs, draw_pairs, patch_loss, sea_loss
from samcli.alignment.words import WordTable
from samcli.data.batch import Batch
from samcli.data.sample import Sample
from samcli.model.llava.model import PatchAlignedModel
from samcli.recipe_alignment import ObjectiveRecipe
from samcli.training.batches import Steps, answer_tokens
from samcli.training.loop import Job

_MOST_SCALE = math.log(100)  # of cosines, as in CLIP: a smaller temperature follows single pairs


@dataclass(frozen=True)
class LabelledBatch:
    """Samples, and of their M images' patches the words; `ramp` is the share of its weight that `patch` has by now."""

    batch: Batch
    labels: PatchLabels | None = None
    pairs: Pairs | None = None
    ramp: float = 1.0


class AlignedTraining(nn.Module):
    """A LLaVA with the loss of its answers and what a recipe adds to it; `words` are those that labels are of."""

    def __init__(self, model: PatchAlignedModel, objective: ObjectiveRecipe, words: WordTable | None) -> None:
        super().__init__()
        self.model, self.objective, self.words = model, objective, words
        self._parts: list[dict[str, Tensor]] = []
        self.log_scale = nn.Parameter(
            torch.tensor(-math.log(objective.sea.temperature)),
            requires_grad=objective.sea.enabled and objective.sea.learn_temperature,
        )

    def forward(self, labelled: LabelledBatch) -> Tensor:
        """The weighted sum of the losses; each alone is kept for `figures`."""
        visual = self.model.visual_tokens(labelled.batch)
        loss = answers = self.model.answer_loss(visual, labelled.batch)
        parts = {"answer_loss": answers.detach()}
        if labelled.pairs is not None:
            sea = self._sea(visual, labelled.pairs)
            loss = loss + self.objective.sea.weight * sea
            parts |= {"sea_loss": sea.detach(), "sea_pairs": torch.tensor(float(len(labelled.pairs.words)))}
        if self.objective.patch.enabled and labelled.labels is not None and self.words is not None:
            patch = patch_loss(visual, labelled.labels, self.words, self.model.word_embeddings().detach())
            loss = loss + self.objective.patch.weight * labelled.ramp * patch
            parts["patch_loss"] = patch.detach()
        self._parts.append(parts)
        return loss

    def figures(self) -> dict[str, float]:
        """Means of each loss and of the number of pairs since the last call; empty without objectives."""
        found, self._parts = self._parts, []
        if not found or len(found[0]) == 1:
            return {}
        means = {name: float(torch.stack([one[name].float().cpu() for one in found]).mean()) for name in found[0]}
        return means | ({"temperature": self.temperature} if self.objective.sea.enabled else {})

    def _sea(self, visual: Tensor, pairs: Pairs) -> Tensor:
        if self.words is None:
            raise ValueError("pairs of patches and words, but no list of words")
        targets = self.words.embeddings(self.model.word_embeddings().detach(), pairs.words)
        scale = self.log_scale.clamp(max=_MOST_SCALE).exp()
        return sea_loss(visual.flatten(0, 1)[pairs.patches], targets, scale)

    @property
    def temperature(self) -> float:
        """Tau by now."""
        return float(torch.exp(-self.log_scale.detach().clamp(max=_MOST_SCALE)))


class LabelledSteps:
    """The batches of steps with labels from a store."""

    def __init__(self, steps: Steps, objective: ObjectiveRecipe, store: LabelStore | None) -> None:
        self.steps, self.objective, self.store = steps, objective, store

    def batch(self, step: int, part: int, parts: int) -> LabelledBatch:
        """A share of a step's samples, with their labels; SEA's pairs are drawn within the share."""
        batch = self.steps.batch(step, part, parts)
        if self.store is None:
            return LabelledBatch(batch)
        images = [path for sample in self.steps.share(step, part, parts) for path in sample.images]
        labels, device = self.store.get(images), batch.image_counts.device
        ramp = min(1.0, (step + 1) / (self.objective.patch.ramp_steps or 1))
        sea, pairs = self.objective.sea, None
        if sea.enabled:
            seed = random.Random(f"pairs/{self.steps.seed}/{step}/{part}").getrandbits(62)
            chance = torch.Generator().manual_seed(seed)
            pairs = draw_pairs(labels, sea.window, chance).to(device)
        return LabelledBatch(batch, labels.to(device), pairs, ramp)


def llava_job(
    name: str,
    training: AlignedTraining,
    steps: LabelledSteps,
    samples: Sequence[Sample],
    a_step: int,
) -> Job[LabelledBatch, AlignedTraining]:
    """What `fit` needs for one stage."""
    return Job(
        name,
        training,
        steps.batch,
        weight=lambda labelled: answer_tokens(labelled.batch),
        describe=steps.steps.describe,
        samples=len(samples),
        step_samples=a_step,
        section=f"{name}.optim",
        figures=training.figures,
        less_memory="model.dtype bfloat16 or fewer images",
    )
