"""`sam label --dry-run`: what labels a recipe needs, what they take on disk, and what is missing; nothing is made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.eye_of_model import local_eye_of
from samcli.alignment.labels.make import (
    build_labeller,
    check_source,
    images_of,
    label_identity,
    label_words,
    place_of,
)
from samcli.alignment.labels.storage import label_storage, likely_storage, most_words
from samcli.alignment.labels.store import LabelStore
from samcli.amounts import counted, in_bytes
from samcli.data.sample import Sample, missing_images
from samcli.errors import UserError
from samcli.model.hub import cached, download_command
from samcli.model.llava.config import local_config
from samcli.recipe import DataRecipe
from samcli.recipe_alignment import LabelsRecipe, LlavaModelRecipe, LlavaRecipe
from samcli.synth.world.sets import is_made
from samcli.training.inputs import WORLD_SAMPLES, training_samples
from samcli.training.plan_data import WORLD_IMAGES
from samcli.training.published_sets import published_size
from samcli.training.samples import find_samples, is_world_set

ASSUMED_GRID = 24  # LLaVA-1.5's, where the model's description isn't here
_MODELS = {"clip": ("clip",), "regions": ("clip", "detector", "segmenter")}


@dataclass
class LabelPlan:
    """What is known of labels before they are made; None stands for what isn't."""

    source: str
    grid: int
    images: int | None
    words: int | None
    words_of_a_patch: int
    most_bytes: int | None
    likely_bytes: int | None
    place: Path | None = None
    made: int = 0
    made_bytes: int = 0
    assumed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def plan_labels(recipe: LlavaRecipe) -> LabelPlan:
    """The plan of the labels of a recipe's projector stage. Nothing is downloaded, drawn or written.

    Raises UserError when the recipe asks for none, or for what can't be.
    """
    settings, data = recipe.objective.labels, recipe.projector.data
    check_source(settings, data.train)
    assumed: list[str] = []
    missing = _missing_models(settings)
    eye = local_eye_of(recipe.model)
    grid = eye.grid if eye is not None else _expected_grid(recipe.model, assumed)
    found = _samples_there(data, missing)
    images = len(images_of(found[0])) if found is not None else _expected_images(data, assumed)
    plan = LabelPlan(
        settings.source,
        grid,
        images,
        _known_words(settings, found[0] if found is not None else None),
        most_words(settings),
        None if images is None else label_storage(settings, images, grid**2),
        None if images is None else likely_storage(settings, images, grid**2),
        assumed=assumed,
        missing=missing,
    )
    if found is not None and eye is not None and not missing:
        _look_for_made(plan, recipe, found, eye)
    return plan


def _look_for_made(plan: LabelPlan, recipe: LlavaRecipe, found: tuple[list[Sample], Path], eye: Eye) -> None:
    """Note where the labels will be, and how many of them are there."""
    samples, directory = found
    labeller = build_labeller(recipe.objective.labels, samples, eye, recipe.model.device)
    identity = label_identity(labeller, directory, eye)
    plan.place = place_of(recipe.objective.labels, identity)
    store = LabelStore.find(plan.place, directory, identity)
    if store is not None:
        images = images_of(samples)
        plan.made, plan.made_bytes = len(images) - len(store.missing(images)), store.bytes


def _samples_there(data: DataRecipe, missing: list[str]) -> tuple[list[Sample], Path] | None:
    """The samples and their directory, if they are there with their pictures; else `missing` gets a line."""
    if is_world_set(data):
        made = is_made(data.train, "train", data.samples or WORLD_SAMPLES, data.seed)
        return training_samples(data, "projector.data") if made else None
    try:
        samples, directory = find_samples(data)
    except UserError as error:
        missing.append(f"data: {str(error).splitlines()[0]}")
        return None
    chosen = samples[: data.samples]
    if absent := missing_images(chosen):
        missing.append(
            f"data: {counted(len(absent), 'image')} that {directory} names can't be found, first {absent[0]}"
        )
    return chosen, directory


def _expected_grid(model: LlavaModelRecipe, assumed: list[str]) -> int:
    """Patches along a side of a model whose image processor isn't here."""
    config = local_config(model)
    if config is not None:
        vision: Any = config.vision_config
        return int(vision.image_size // vision.patch_size)
    assumed.append(f"a grid of {ASSUMED_GRID} x {ASSUMED_GRID}, LLaVA-1.5's: the model's config.json isn't here")
    return ASSUMED_GRID


def _expected_images(data: DataRecipe, assumed: list[str]) -> int | None:
    """How many pictures there will be, by what is known of data that isn't there."""
    if is_world_set(data):
        assumed.append(f"{data.train} is drawn first, into the cache directory")
        counts = WORLD_IMAGES[data.train]
        return round((data.samples or WORLD_SAMPLES) * sum(counts) / len(counts))
    known = published_size(data.train)
    if data.samples is None and known is not None:
        assumed.append(f"the {known.samples * known.images:,} pictures of {known.name}, since it is not there")
        return known.samples * known.images
    if data.samples is not None:
        assumed.append("one picture a sample, since the data is not there to be counted")
    return data.samples


def _known_words(settings: LabelsRecipe, samples: list[Sample] | None) -> int | None:
    if settings.source == "world":
        from samcli.alignment.labels.world import label_words as words_of_the_world

        return len(words_of_the_world())
    if settings.words == "captions" and samples is None:
        return None
    return len(label_words(settings, samples or []))


def _missing_models(settings: LabelsRecipe) -> list[str]:
    names = {key: getattr(settings, key) for key in _MODELS.get(settings.source, ())}
    return [
        f"labels.{key}: {name} is no directory here and not in the hub's local cache; labelling downloads it, or "
        f"`{download_command(name)}` where there is a network and --set objective.labels.{key}=DIR here"
        for key, name in names.items()
        if cached(name) is None
    ]


def plan_text(plan: LabelPlan) -> str:
    """A plan as lines of text."""
    lines = [f"{name:<22}{value}" for name, value in plan_rows(plan).items()]
    for title in ("assumed", "missing"):
        lines += [f"{title}:", *(f"- {line}" for line in getattr(plan, title))] if getattr(plan, title) else []
    return "\n".join(lines)


def plan_rows(plan: LabelPlan) -> dict[str, str]:
    """What is known of labels, in words."""
    rows = {
        "source": plan.source,
        "pictures": _count(plan.images),
        "patches of a picture": f"{plan.grid} x {plan.grid}",
        "words in the list": _count(plan.words),
        "words of a patch": f"at most {plan.words_of_a_patch}",
        "on disk": f"at most {_size(plan.most_bytes)}, about {_size(plan.likely_bytes)}",
        "made already": f"{counted(plan.made, 'picture')}, {_size(plan.made_bytes)}",
    }
    return rows if plan.place is None else rows | {"place": str(plan.place)}


def _count(number: int | None) -> str:
    return "unknown until the data is there" if number is None else f"{number:,}"


def _size(size: int | None) -> str:
    return "unknown" if size is None else in_bytes(size)
