"""Samples as a model sees them: their pictures, and the visual tokens that it makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from samcli.alignment.labels.eye import Eye
from samcli.alignment.lens import Seen, context_of, look, without_context
from samcli.data.batch import Batch
from samcli.data.sample import Sample
from samcli.evaluation.own_answers import readable
from samcli.memory import enough_memory
from samcli.model.captioner import Captioner
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.llava.processor import PatchProcessor


@dataclass(frozen=True)
class Looked:
    """What a model makes of some samples together; those whose pictures can't be read are left out."""

    faults: tuple[str | None, ...]  # one for each sample that was given, None: readable
    samples: tuple[Sample, ...]
    pictures: tuple[list[Image.Image], ...]  # of each sample, in the model's size
    seen: Seen | None  # None when nothing was readable
    alone: Seen | None  # without guidance or linear context; None for a model without

    @property
    def counts(self) -> list[int]:
        """Images of each sample."""
        return [len(group) for group in self.pictures]


def look_at(captioner: Captioner, samples: Sequence[Sample]) -> Looked:
    """Look at some samples in one batch. Raises UserError when they need more memory than there is."""
    found = [readable(sample, captioner.processor) for sample in samples]
    faults = tuple(fault for _, fault in found)
    groups = tuple(pictures for pictures, fault in found if fault is None)
    sound = tuple(sample for sample, fault in zip(samples, faults, strict=True) if fault is None)
    if not sound:
        return Looked(faults, (), (), None, None)
    counts = [len(group) for group in groups]
    declared = counts if captioner.model.declares_images else None
    texts = captioner.processor.texts([sample.instruction for sample in sound], None, captioner.text, declared)
    pixels = captioner.processor.pixels([picture for group in groups for picture in group])
    with enough_memory(f"looking at {len(sound)} samples at once", "use a smaller --batch-size or another device"):
        embeds = captioner.model.encode_images(pixels.to(captioner.device))
        batch = Batch(torch.tensor(counts), image_embeds=embeds, **texts).to(captioner.device)
        seen, alone = look(captioner.model, batch), None
        if context_of(captioner.model) is not None:
            with without_context(captioner.model):
                alone = look(captioner.model, batch)
    return Looked(faults, sound, groups, seen, alone)


def eye_of(captioner: Captioner) -> Eye | None:
    """How the model sees patches; None for one whose visual tokens are no patches."""
    model, processor = captioner.model, captioner.processor
    if not isinstance(model, PatchAlignedModel) or not isinstance(processor, PatchProcessor):
        return None
    framing = processor.framing
    return Eye(framing.side, framing.side // model.grid, framing.crop)
