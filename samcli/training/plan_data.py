"""What a training run finds on disk, and what it would miss: nothing here is an error, nothing is downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samcli.amounts import counted
from samcli.data.sample import ANNOTATIONS, Sample, data_root, missing_images
from samcli.errors import UserError
from samcli.model.find import HUB_EXAMPLE, QFORMER_FOLDER, TINY, is_released, tiny_directory, underlying
from samcli.model.hub import cached, download_command, is_hub_id
from samcli.model.llava.known_sizes import KNOWN_LLAVAS, KNOWN_LLMS, KNOWN_TOWERS
from samcli.recipe import DataRecipe, ModelRecipe
from samcli.recipe_alignment import LlavaModelRecipe
from samcli.training.inputs import WORLD_SAMPLES
from samcli.training.published_sets import MMLINK, Published, published_size
from samcli.training.samples import find_samples, is_world_set

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


@dataclass(frozen=True)
class TrainingData:
    """The number of samples and images that a run reads, where they are, and what was assumed or is missing."""

    where: str
    image_counts: Sequence[int]
    assumed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def find_training_data(
    settings: DataRecipe, samples: int | None, key: str = "data", like: Published = MMLINK
) -> TrainingData:
    """What `settings.train` names; `samples` takes the place of the number of samples found or assumed.

    `key` is where the recipe has the settings. Data that is nowhere and unknown counts as large as `like`.
    """
    if is_world_set(settings):
        count, images = samples or settings.samples or WORLD_SAMPLES, WORLD_IMAGES[settings.train]
        counts = [images[index % len(images)] for index in range(count)]
        return TrainingData(f"{settings.train}: made in the cache directory on first use", counts)
    try:
        found, directory = find_samples(settings)
    except UserError as error:
        return _not_there(settings, samples, str(error), key, like)
    counts = [len(sample.images) for sample in found[: settings.samples]]
    if samples is not None:
        counts = [counts[index % len(counts)] for index in range(samples)]
    return TrainingData(str(directory / ANNOTATIONS), counts, missing=_lacking(settings, directory, found, key))


def _not_there(settings: DataRecipe, samples: int | None, reason: str, key: str, like: Published) -> TrainingData:
    known = published_size(settings.train)
    size = known or like
    count = samples or settings.samples or size.samples
    origin = "" if samples or settings.samples else f", {size.name}'s size"
    images = "one image" if size.images == 1 else "two images"
    reason = reason.split("\n  did you mean")[0]
    where = data_root(settings.root).absolute() / settings.train / ANNOTATIONS
    stand_in = f"The embedded world's stand-in needs no files: --set {key}.train={size.stand_in}"
    return TrainingData(
        str(where),
        [size.images] * count,
        assumed=[f"{count:,} samples of {images} each{origin}, since the data is not there to be counted"],
        missing=[f"{key}: {reason}\n  {known.how_to_get if known else ''}{stand_in}"],
    )


def _lacking(settings: DataRecipe, directory: Path, samples: Sequence[Sample], key: str) -> list[str]:
    lacking = []
    if settings.samples is not None and len(samples) < settings.samples:
        wanted = f"{key}.samples asks for {settings.samples:,} (null: all of them)"
        lacking.append(f"{key}: {directory} has {counted(len(samples), 'sample')}; {wanted}")
    if absent := missing_images(samples[: settings.samples]):
        lacking.append(
            f"{key}: {counted(len(absent), 'image')} that {directory} names can't be found, first {absent[0]}"
        )
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
        return [f"weights: {_whence(settings.base, settings.revision, 'model.base', HUB_EXAMPLE)}"]
    lacking = _lacking_files(directory, {QFORMER_FOLDER: QFORMER_FOLDER})
    how = "; `make tiny` makes them" if settings.base == TINY else ""
    return [f"weights: {directory} lacks {', '.join(lacking)}{how}"] if lacking else []


def missing_patch_weights(settings: LlavaModelRecipe) -> list[str]:
    """What of a LLaVA, or of the parts that it is put together from, isn't here, and how to get it."""
    if settings.base == TINY:
        return missing_weights(ModelRecipe(base=TINY))
    if settings.base is not None:
        return _missing_model(settings.base, settings.revision, "model.base", KNOWN_LLAVAS[0])
    vision, llm = str(settings.vision), str(settings.llm)
    return [
        *_missing_model(vision, None, "model.vision", KNOWN_TOWERS[0]),
        *_missing_model(llm, None, "model.llm", KNOWN_LLMS[0]),
    ]


def _missing_model(name: str, revision: str | None, key: str, example: str) -> list[str]:
    directory = cached(name, revision)
    if directory is None:
        return [f"weights: {_whence(name, revision, key, example)}"]
    pickled = key != "model.base" and any(directory.glob("*.bin"))  # of parts those are read too
    lacking = [] if pickled else _lacking_files(directory, {})
    return [f"weights: {directory} lacks {', '.join(lacking)}"] if lacking else []


def _lacking_files(directory: Path, more: dict[str, str]) -> list[str]:
    """What a directory in the hub's format lacks, in words."""
    needed = {"config.json": "config.json", **more, "*.safetensors": "a .safetensors file"}
    return [name for pattern, name in needed.items() if not any(directory.glob(pattern))]


def _whence(name: str, revision: str | None, key: str, example: str) -> str:
    if not is_hub_id(name):
        return f"no directory {name}; give one, or a hub id such as {example}"
    at = f" at revision {revision}" if revision else ""
    return (
        f"{name} is no directory here and not in the hub's local cache{at}; training downloads it, or "
        f"`{download_command(name, revision)}` where there is a network and --set {key}=DIR here"
    )
