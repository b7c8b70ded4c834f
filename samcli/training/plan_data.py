"""What a training run finds on disk, and what it would miss: nothing here is an error, nothing is downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samcli.data.sample import ANNOTATIONS, Sample, data_root, missing_images
from samcli.errors import UserError
from samcli.model.find import HUB_EXAMPLE, QFORMER_FOLDER, TINY, is_released, tiny_directory, underlying
from samcli.model.hub import cached, download_command, is_hub_id
from samcli.recipe import DataRecipe, ModelRecipe
from samcli.training.inputs import WORLD_SAMPLES
from samcli.training.samples import find_samples, is_world_set

MMLINK_SAMPLES = 69_000
"""Of the paper's training set (section 3), all of them pairs."""
WORLD_IMAGES = {
    "world-mmlink": (2,),
    "world-links": (2, 3, 4, 5),
    "world-groups": (5,),
    "world-stories": (3, 4, 5),
    "world-changes": (2,),
    "world-captions": (1,),
    "world-questions": (1,),
    "world-grounding": (1,),
    "world-instructions": (*(1,) * 90, *(2,) * 27, *(3,) * 7, *(4,) * 7, *(5,) * 19),
}
"""Numbers of images that samples of a world set have, each place of a list as often as the others."""
_ON_REQUEST = "MmLINK isn't published; its authors are to be asked (github.com/McCartney01/SAM). "
_STAND_IN = "The embedded world's stand-in needs no files: --set data.train=world-mmlink"


@dataclass(frozen=True)
class TrainingData:
    """The number of samples and images that a run reads, where they are, and what was assumed or is missing."""

    where: str
    image_counts: Sequence[int]
    assumed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_training_data(settings: DataRecipe, samples: int | None) -> TrainingData:
    """What `settings.train` names; `samples` takes the place of the number of samples found or assumed."""
    if is_world_set(settings):
        count, images = samples or settings.samples or WORLD_SAMPLES, WORLD_IMAGES[settings.train]
        counts = [images[index % len(images)] for index in range(count)]
        return TrainingData(f"{settings.train}: made in the cache directory on first use", counts)
    try:
        found, directory = find_samples(settings)
    except UserError as error:
        return _not_there(settings, samples, str(error))
    counts = [len(sample.images) for sample in found[: settings.samples]]
    if samples is not None:
        counts = [counts[index % len(counts)] for index in range(samples)]
    return TrainingData(str(directory / ANNOTATIONS), counts, missing=_lacking(settings, directory, found))


def _not_there(settings: DataRecipe, samples: int | None, reason: str) -> TrainingData:
    count = samples or settings.samples or MMLINK_SAMPLES
    origin = "" if samples or settings.samples else ", MmLINK's size"
    of_the_paper = settings.train.casefold() == "mmlink"
    reason = reason.split("\n  did you mean")[0]
    where = data_root(settings.root).absolute() / settings.train / ANNOTATIONS
    return TrainingData(
        str(where),
        [2] * count,
        assumed=[f"{count:,} samples of two images each{origin}, since the data is not there to be counted"],
        missing=[f"data: {reason}\n  {_ON_REQUEST if of_the_paper else ''}{_STAND_IN}"],
    )


def _lacking(settings: DataRecipe, directory: Path, samples: Sequence[Sample]) -> list[str]:
    lacking = []
    if settings.samples is not None and len(samples) < settings.samples:
        wanted = f"data.samples asks for {settings.samples:,} (null: all of them)"
        lacking.append(f"data: {directory} has {len(samples):,} samples; {wanted}")
    if absent := missing_images(samples[: settings.samples]):
        lacking.append(f"data: {len(absent):,} images that {directory} names are not there, first {absent[0]}")
    return lacking


def local_base(settings: ModelRecipe) -> Path | None:
    """The base's directory here or in the hub's local cache; None when it is in neither. Nothing is downloaded."""
    if is_released(settings.base):
        return local_base(underlying(settings))
    return cached(str(tiny_directory()) if settings.base == TINY else settings.base, settings.revision)


def missing_weights(settings: ModelRecipe) -> list[str]:
    """What of the base isn't here, and how to get it."""
    if is_released(settings.base):
        there = Path(settings.base).expanduser().is_file()
        return [*([] if there else [f"weights: no file {settings.base}"]), *missing_weights(underlying(settings))]
    directory = local_base(settings)
    if directory is None:
        return [f"weights: {_whence(settings)}"]
    needed = {"config.json": "config.json", QFORMER_FOLDER: QFORMER_FOLDER, "*.safetensors": "a .safetensors file"}
    lacking = [name for pattern, name in needed.items() if not any(directory.glob(pattern))]
    how = "; `make tiny` makes them" if settings.base == TINY else ""
    return [f"weights: {directory} lacks {', '.join(lacking)}{how}"] if lacking else []


def _whence(settings: ModelRecipe) -> str:
    base, revision = settings.base, settings.revision
    if not is_hub_id(base):
        return f"no directory {base}; give one, or a hub id such as {HUB_EXAMPLE}"
    at = f" at revision {revision}" if revision else ""
    return (
        f"{base} is no directory here and not in the hub's local cache{at}; training downloads it, or "
        f"`{download_command(base, revision)}` where there is a network and --set model.base=DIR here"
    )
