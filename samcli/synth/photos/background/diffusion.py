"""Backgrounds painted by an inpainting model of diffusers (the paper's section 3: the scene is a line of text)."""

import inspect
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from samcli.console import say_once
from samcli.errors import UserError
from samcli.memory import enough_memory, is_out_of_memory
from samcli.model.hub import STAGE, fetch, is_hub_id
from samcli.model.load import resolve_device
from samcli.model.weights import commit_of
from samcli.synth.photos.background.painting import Painted, Task, drift
from samcli.synth.photos.background.scenes import pool_file, read_pool
from samcli.synth.photos.canvas import on_ground
from samcli.synth.photos.language.names import LIST
from samcli.synth.photos.stage import Rejected, Setting

PROMPT = "{scene}, an empty and deserted place, wide view, photograph"
UNWANTED = (
    "second {noun}, another {noun}, duplicate, person, people, crowd, face, hands, animal, "
    "text, watermark, logo, frame, collage, blurry, deformed"
)
STRENGTH = 1.0  # the canvas's grey is nothing to start from
KEPT = 230  # alpha from which a pixel isn't repainted; paler ones are mixed with the canvas's grey
MULTIPLE = 8  # pixels that one number of a latent stands for
AT_ONCE = 8  # pictures on a GPU; on a CPU one at a time, so that bytes don't depend on which others are painted


class Diffusion:
    """A painter with an inpainting model, any that diffusers' AutoPipelineForInpainting knows.

    On a CPU the same seed gives the same bytes; on a GPU bytes may depend on the kind of GPU and on the other pictures.
    """

    def __init__(self, setting: Setting) -> None:
        recipe = setting.recipe
        if recipe.size % MULTIPLE:
            raise UserError(f"size: {recipe.size} pixels; inpainting models need a multiple of {MULTIPLE}")
        if recipe.background.writer == LIST:
            read_pool(pool_file(setting))  # one that can't be read is told before the model is loaded
        self.setting, self.device = setting, resolve_device(recipe.device)
        self.pipeline, revision = _load(setting, self.device)
        named = f"{recipe.background.model}@{revision}" if revision else recipe.background.model
        self.described = f"{named}, {recipe.dtype}, {self.device.type}"
        self.at_once = 1 if self.device.type == "cpu" else AT_ONCE
        self.takes = frozenset(inspect.signature(type(self.pipeline).__call__).parameters)

    def __call__(self, tasks: Sequence[Task]) -> list[Painted | Rejected]:
        """A painting for each task; where a GPU's memory doesn't suffice, fewer are painted at once from then on."""
        done: list[Painted | Rejected] = []
        while len(done) < len(tasks):
            batch = tasks[len(done) : len(done) + self.at_once]
            try:
                done += self._paint(batch)
                continue
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self._paint_fewer(len(batch))  # out here, where the error no longer holds what filled the memory
        return done

    def _paint_fewer(self, count: int) -> None:
        """Halve the number of pictures that are painted at once, `count` being too many."""
        size = self.setting.recipe.size
        if count == 1:
            raise UserError(
                f"out of memory painting a picture of {size} x {size} pixels; use dtype float16 or bfloat16, "
                "a smaller size, another background.model or another device"
            )
        self.at_once = count // 2
        say_once("inpainting: out of GPU memory; fewer pictures are painted at once from now on")
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _paint(self, tasks: Sequence[Task]) -> list[Painted | Rejected]:
        """Paintings, all in one call of the model."""
        background = self.setting.recipe.background
        canvases = [on_ground(task.objects) for task in tasks]
        wishes: dict[str, Any] = {
            "prompt": [PROMPT.format(scene=task.view.scene) for task in tasks],
            "negative_prompt": [UNWANTED.format(noun=self.setting.noun(task.record)) for task in tasks],
            "image": canvases,
            "mask_image": [to_repaint(task.objects) for task in tasks],
            "height": self.setting.recipe.size,
            "width": self.setting.recipe.size,
            "strength": STRENGTH,
            "num_inference_steps": background.steps,
            "guidance_scale": background.guidance_scale,
            "generator": [_generator(task) for task in tasks],
            "output_type": "np",
        }
        with np.errstate(invalid="ignore"):  # the safety filter is shown even what isn't numbers
            made = self.pipeline(**{name: value for name, value in wishes.items() if name in self.takes})
        flags = getattr(made, "nsfw_content_detected", None) or [False] * len(tasks)
        for task in tasks:
            task.record.notes["inpaint"] = self.described
        return [_judged(*each) for each in zip(tasks, canvases, made.images, flags, strict=True)]


def to_repaint(objects: Image.Image) -> Image.Image:
    """The mask (L) that inpainting models want: white is painted anew, black, where the objects are, is kept."""
    return objects.getchannel("A").point(lambda alpha: 0 if alpha >= KEPT else 255)


def _generator(task: Task) -> torch.Generator:
    """A picture's own source of noise, on the CPU, so that every device starts from the same noise."""
    return torch.Generator("cpu").manual_seed(random.Random(task.seed).getrandbits(63))


def _judged(task: Task, canvas: Image.Image, pixels: NDArray[Any], flagged: bool) -> Painted | Rejected:
    """What the model returned, (side, side, 3) from 0 to 1, with its drift, or why it can't be used."""
    if flagged:
        return Rejected("the inpainting model's safety filter struck", task.view.scene or "")
    if not np.isfinite(pixels).all():
        return Rejected("the inpainting model returned no picture", "pixels that aren't numbers; try dtype float32")
    made = Image.fromarray((pixels * 255).round().clip(0, 255).astype(np.uint8), "RGB")
    return Painted(task.objects, made, drift(canvas, made, task.objects.getchannel("A")))


def _load(setting: Setting, device: torch.device) -> tuple[Any, str | None]:
    """The recipe's inpainting pipeline on the device, and its commit if it is from the hub.

    Weights are read from safetensors alone, and no code is fetched. Raises UserError when it can't be had.
    """
    try:
        from diffusers import AutoPipelineForInpainting
    except ImportError as error:
        raise UserError("inpainting needs diffusers: pip install 'samcli[inpaint]'") from error
    recipe = setting.recipe
    name = recipe.background.model
    source, revision = _place(name, recipe.background.revision)
    load: Any = AutoPipelineForInpainting.from_pretrained
    numbers = getattr(torch, recipe.dtype)
    try:
        with enough_memory(f"loading {name}", "use dtype float16 or bfloat16, or another device"):
            pipeline = load(source, revision=revision, dtype=numbers, use_safetensors=True).to(device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"background.model: {name} can't be loaded as an inpainting model: {reason}") from error
    pipeline.set_progress_bar_config(disable=True)
    if device.type != "cpu" and hasattr(getattr(pipeline, "vae", None), "enable_slicing"):
        pipeline.vae.enable_slicing()
    return pipeline, revision


def _place(name: str, revision: str | None) -> tuple[str, str | None]:
    """A directory, or a hub id and its commit; raises UserError when it is neither here nor to be had."""
    directory = Path(name).expanduser()
    if directory.is_dir():
        return str(directory), None
    if not is_hub_id(name):
        raise UserError(f"background.model: {name} is neither a directory nor a hub id (OWNER/NAME)")
    described = fetch(name, STAGE, ("model_index.json",), revision)  # diffusers alone would try for a minute
    return name, commit_of(described) or revision
