"""Stage 0, first step: the vision tower learns what each patch of a picture shows."""

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.instructblip.modeling_instructblip import InstructBlipVisionModel

from samcli.model.processor import normalise
from samcli.synth.world.corpus import Corpus, label_groups
from samcli.training.loop import Job
from samcli.training.order import EpochOrder

PatchBatch = tuple[Tensor, Tensor]


class PatchReading(nn.Module):
    """The vision tower with a linear answer sheet: each patch tells all about the thing, or ground, that it shows."""

    def __init__(self, tower: InstructBlipVisionModel) -> None:
        super().__init__()
        self.tower = tower
        self.sizes = [len(answers) for answers in label_groups().values()]
        self.answers = nn.Linear(tower.config.hidden_size, sum(self.sizes))

    def forward(self, batch: PatchBatch) -> Tensor:
        """Mean cross-entropy over the questions; bytes (N, H, W, 3), labels (N, patches, questions), -1: none."""
        pixels, labels = batch
        sheets = self.read(pixels).float().split(self.sizes, dim=-1)
        losses = [
            nn.functional.cross_entropy(sheet.flatten(0, 1), labels[..., question].flatten(), ignore_index=-1)
            for question, sheet in enumerate(sheets)
            if bool((labels[..., question] >= 0).any())
        ]
        return torch.stack(losses).mean()

    def read(self, pixels: Tensor) -> Tensor:
        """The answer sheets of all patches, (N, patches, sum of answers)."""
        features = self.tower(pixel_values=normalise(pixels)).last_hidden_state[:, 1:]
        sheets: Tensor = self.answers(features)
        return sheets


def patch_labels(corpus: Corpus, rows: np.ndarray) -> Tensor:
    """The right answers for every patch of these pictures, (N, patches, questions).

    Where and when the picture is (the last row of its labels) is asked of every patch.
    """
    labels = torch.from_numpy(corpus.labels[rows].astype(np.int64))
    owners = torch.from_numpy(corpus.owners[rows].astype(np.int64)).flatten(1)
    last = labels.shape[1] - 1
    owners = torch.where(owners < 0, last, owners)
    asked = labels.gather(1, owners[..., None].expand(-1, -1, labels.shape[2]))
    setting = [list(label_groups()).index(name) for name in ("weather", "scene", "light")]
    asked[..., setting] = labels[:, last:, setting]
    return asked


def vision_job(
    tower: InstructBlipVisionModel, corpus: Corpus, batch_size: int, seed: int
) -> Job[PatchBatch, PatchReading]:
    """What `fit` needs to train the tower."""
    tower.requires_grad_(True).train()
    order = EpochOrder(len(corpus), batch_size, seed)

    def rows_of(step: int) -> np.ndarray:
        return np.sort(order.step(step))

    def batch(step: int, part: int, parts: int) -> PatchBatch:
        rows = rows_of(step)[part::parts]
        return torch.from_numpy(corpus.pixels[rows]), patch_labels(corpus, rows)

    return Job(
        "vision",
        PatchReading(tower),
        batch,
        weight=lambda share: len(share[0]),
        describe=lambda step: f"pictures {rows_of(step).tolist()}",
        samples=len(corpus),
        step_samples=batch_size,
    )


@torch.no_grad()
def patch_accuracy(reading: PatchReading, corpus: Corpus, count: int) -> dict[str, float]:
    """The share of right answers of each question, and of patches of things whose every answer is right (`all`)."""
    right: dict[str, list[Tensor]] = {name: [] for name in (*label_groups(), "all")}
    for start in range(0, count, 100):
        rows = np.arange(start, min(start + 100, count))
        labels = patch_labels(corpus, rows)
        sheets = reading.read(torch.from_numpy(corpus.pixels[rows])).split(reading.sizes, dim=-1)
        hits = torch.stack([sheet.argmax(-1) for sheet in sheets], dim=-1) == labels
        for question, name in enumerate(label_groups()):
            right[name].append(hits[..., question][labels[..., question] >= 0])
        thing = labels[..., 0] > 0
        right["all"].append((hits | (labels < 0)).all(dim=-1)[thing])
    return {name: float(torch.cat(parts).float().mean()) for name, parts in right.items()}
