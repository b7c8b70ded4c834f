"""What a training shows of itself on samples that it doesn't learn from: their loss, and some answers to look at."""

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from PIL import Image

from samcli.answers import for_terminal
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.files import write_text
from samcli.model.generate import Asking
from samcli.recipe import DecodingRecipe
from samcli.training.batches import Batches

PAGE = "samples.html"
_THUMBNAIL = 220  # pixels
_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #20242c }}
article {{ border-top: 1px solid #d8dae0; padding: 1rem 0 }}
img {{ height: 9rem; border-radius: 4px; margin: 0 .4rem .4rem 0 }}
dl {{ display: grid; grid-template-columns: 7rem 1fr; margin: .4rem 0 0 }}
dt {{ color: #6e747e }} dd {{ margin: 0 }}
</style>
<h1>{title}</h1>
<p>{note}</p>
"""


@dataclass
class Validation:
    """Samples for the loss, the first `shown` of which are answered too, and how."""

    samples: Sequence[Sample]
    shown: int
    at_once: int
    batches: Batches
    decoding: DecodingRecipe
    out: Path

    @torch.no_grad()
    def __call__(self, step: int, accelerator: Accelerator) -> dict[str, float]:
        """{"validation_loss"} over all answer tokens, in whatever share of processes; the page is written beside."""
        model = self.batches.model
        model.eval()
        loss = self._loss(accelerator)
        answers = self._answers()
        if accelerator.is_main_process:
            write_text(self.out / PAGE, self._page(step, loss, answers))
        model.train()
        return {"validation_loss": loss}

    def _loss(self, accelerator: Accelerator) -> float:
        """The mean over answer tokens; each process takes its share of the samples."""
        total, tokens = 0.0, 0.0
        processes = accelerator.num_processes
        mine = self.samples[accelerator.process_index :: processes]
        longest = math.ceil(len(self.samples) / processes)
        for start in range(0, longest, self.at_once):  # as many passes in every process: a shared model waits for all
            some = mine[start : start + self.at_once]
            batch = self.batches.of(some or self.samples[:1])
            weight = float(batch.answer_mask.sum()) if some and batch.answer_mask is not None else 0.0
            total += float(self.batches.model(batch)) * weight
            tokens += weight
        sums = torch.tensor([total, tokens], dtype=torch.float64)
        if accelerator.num_processes > 1:
            sums = accelerator.reduce(sums.to(accelerator.device, torch.float32), "sum").double()
        return float(sums[0] / sums[1])

    def _answers(self) -> list[str]:
        chosen = self.samples[: self.shown]
        answers: list[str] = []
        for start in range(0, len(chosen), self.at_once):
            batch = self.batches.of(chosen[start : start + self.at_once])
            made = sorted(self.batches.model.answers(batch, Asking(self.decoding)), key=lambda one: one.row)
            answers += [one.fault or self.batches.processor.decode([one.ids])[0] for one in made]
        return answers

    def _page(self, step: int, loss: float, answers: Sequence[str]) -> str:
        title = f"Validation samples at step {step}"
        head = _HEAD.format(title=title, note=f"Loss over {len(self.samples)} samples: {loss:.4f}")
        return head + "\n".join(map(_article, self.samples, answers)) + "\n</html>\n"


def _article(sample: Sample, answer: str) -> str:
    pictures = "".join(f'<img alt="" src="{_embedded(path)}">' for path in sample.images)
    rows = {"asked": sample.instruction, "answered": answer, "wanted": sample.references[0]}
    listed = "".join(f"<dt>{name}</dt><dd>{html.escape(for_terminal(text))}</dd>" for name, text in rows.items())
    return f"<article>{pictures}<dl>{listed}</dl></article>"


def _embedded(path: Path) -> str:
    """A small copy of the picture inside the page, so that it can be moved and opened anywhere."""
    picture = open_image(path)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
