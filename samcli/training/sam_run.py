"""Stage 1, the paper's training: guidance and projection learn from pairs of pictures, everything else is frozen."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image

from samcli.console import say, warn
from samcli.data.batch import Batch
from samcli.data.image import open_image
from samcli.data.sample import ANNOTATIONS, Sample, missing_images
from samcli.errors import UserError
from samcli.files import read_json, sha256, write_json
from samcli.memory import enough_memory
from samcli.model.adapter import method_record, save_adapter
from samcli.model.features import FeatureCache
from samcli.model.guidance_checks import guidance_warnings
from samcli.model.load import LESS_MEMORY, Base, load_base
from samcli.model.processor import Processor
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DataRecipe, MethodRecipe, SamRecipe
from samcli.recipe_file import explain_differences
from samcli.run_directory import RESULTS
from samcli.synth.world.sets import world_set
from samcli.training.loop import Job, Plan, fit, new_accelerator
from samcli.training.optim import step_samples
from samcli.training.order import epoch_order
from samcli.training.samples import find_samples, is_world_set, read_samples

WORLD_SAMPLES = 20_000
INPUTS = "inputs.json"


@dataclass
class Shared:
    """What several runs on one base have in common, computed once: the base and its vision features."""

    base: Base
    features: FeatureCache


def train_sam(
    recipe: SamRecipe, out: Path, *, shared: Shared | None = None, accelerator: Accelerator | None = None
) -> Any:
    """Train, or go on training, and write `out/adapter` and `out/results.json`; return the last log record.

    Raises UserError for missing data or weights, and for data or weights that changed since the run began; Interrupted
    after a signal with everything saved.
    """
    accelerator = accelerator or new_accelerator(recipe.model.device)
    with accelerator.main_process_first():  # one process makes or fetches what isn't there yet
        samples, directory = training_samples(recipe.data)
        base = shared.base if shared else load_base(recipe.model, accelerator.device)
        record = _record(recipe, base, directory, len(samples))
    _check(recipe, samples, record, out, accelerator)
    features = shared.features if shared else FeatureCache(base.processor)
    torch.manual_seed(recipe.seed)  # decides the first numbers of what is added to the base
    with lent(base, recipe.method) as model:
        model.check_instruction_length(recipe.text.qformer_tokens)
        with enough_memory(f"with {base.name} in {recipe.model.dtype} on {accelerator.device}", LESS_MEMORY):
            model.place(accelerator.device)
            if recipe.data.features != "off":
                features.prepare(model, [path for sample in samples for path in sample.images])
        a_step = step_samples(recipe.optim, accelerator.num_processes)
        cached = features if recipe.data.features != "off" else None
        job = sam_job(recipe, model, base.processor, samples, cached, a_step)
        last = fit(job, Plan(recipe.optim, recipe.checkpoint, recipe.log_every), out, accelerator)
        if accelerator.is_main_process:
            save_adapter(out / "adapter", model, record | {"scores": last})
            write_json(out / RESULTS, last)
            say(f"adapter written to {out / 'adapter'}")
    accelerator.wait_for_everyone()
    return last


@contextmanager
def lent(base: Base, method: MethodRecipe) -> Iterator[SemanticAlignmentModel]:
    """A model on the base, which gets its own projection and layers back afterwards.

    Raises UserError for layers that the base lacks.
    """
    projection = {name: value.clone() for name, value in base.model.language_projection.state_dict().items()}
    try:
        model = SemanticAlignmentModel(base.model, method)
    except ValueError as error:
        raise UserError(f"{base.name}: {error}") from error
    try:
        yield model
    finally:
        model.release()
        base.model.language_projection.load_state_dict(projection)


def _check(
    recipe: SamRecipe, samples: Sequence[Sample], record: dict[str, Any], out: Path, accelerator: Accelerator
) -> None:
    """Say, before hours are spent, what can't work, and refuse to go on with other data or weights."""
    missing = missing_images(samples)
    if missing:
        raise UserError(f"{len(missing)} training pictures are missing, such as {missing[0]}")
    for warning in guidance_warnings(recipe.guidance, [len(sample.images) for sample in samples]):
        warn(warning)
    inputs = {"base": record["base"]["hash"], "data": record["data"]["annotations_sha256"]}
    kept = out / INPUTS
    if kept.exists():
        if changed := explain_differences(read_json(kept), inputs):
            raise UserError(
                f"{out} was begun with other files of the same names ({'; '.join(changed)}); --overwrite starts anew"
            )
    elif accelerator.is_main_process:
        write_json(kept, inputs)


def training_samples(settings: DataRecipe) -> tuple[list[Sample], Path]:
    """The training samples and their directory; a world set is made on first use.

    Raises UserError when they aren't there, can't be read, or are fewer than asked for.
    """
    if is_world_set(settings):
        count = settings.samples or WORLD_SAMPLES
        directory = world_set(settings.train, "train", count, settings.seed, workers=settings.workers)
        samples = read_samples(directory, settings)
    else:
        samples, directory = find_samples(settings)
    if settings.samples is not None and len(samples) < settings.samples:
        raise UserError(
            f"{directory} has {len(samples)} samples; data.samples asks for {settings.samples} (null: all of them)"
        )
    return samples[: settings.samples], directory


def sam_job(
    recipe: SamRecipe,
    model: SemanticAlignmentModel,
    processor: Processor,
    samples: Sequence[Sample],
    features: FeatureCache | None,
    a_step: int,
) -> Job[Batch, SemanticAlignmentModel]:
    """What `fit` needs: `a_step` samples at a time in a seeded order, as pixels or as cached features."""
    seed = recipe.seed

    def chosen(step: int) -> list[Sample]:
        return [samples[index] for index in epoch_order(len(samples), a_step, step, seed)]

    def picture(path: Path, rng: random.Random) -> Image.Image:
        whole = open_image(path)
        return augment(whole, rng) if recipe.data.augment == "released" else whole

    def batch(step: int, part: int, parts: int) -> Batch:
        mine = chosen(step)[part::parts]
        instructions = [sample.instruction for sample in mine]
        answers = [sample.references[0] for sample in mine]
        images = [len(sample.images) for sample in mine]
        texts = processor.texts(instructions, answers, recipe.text, images if model.declares_images else None)
        counts = torch.tensor(images)
        paths = [path for sample in mine for path in sample.images]
        if features is not None:
            made = Batch(counts, image_embeds=features.get(paths), **texts)
        else:
            # each sample has chances of its own, however the step is shared out
            chances = [random.Random(f"augment/{seed}/{step}/{place}") for place in range(part, a_step, parts)]
            pictures = [
                processor.square(picture(path, rng))
                for sample, rng in zip(mine, chances, strict=True)
                for path in sample.images
            ]
            made = Batch(counts, pixel_values=processor.pixels(pictures), **texts)
        return made.to(model.base.device)

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


def _record(recipe: SamRecipe, base: Base, directory: Path, samples: int) -> dict[str, Any]:
    """What `adapter.json` says of the run."""
    data = {"name": recipe.data.train, "samples": samples, "annotations_sha256": sha256(directory / ANNOTATIONS)}
    return {
        "base": {"id": base.name, "revision": base.revision, "hash": base.weights_hash},
        **method_record(recipe.method),
        "recipe": recipe.model_dump(mode="json"),
        "data": data,
    }
