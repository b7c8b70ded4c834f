"""What a training run finds on disk, and what it would miss: nothing here is an error, nothing is downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from samcli.data.sample import ANNOTATIONS, Sample, data_root, find_dataset, missing_images, read_annotations
from samcli.errors import UserError
from samcli.model.load import TINY, tiny_directory
from samcli.recipe import DataRecipe, ModelRecipe
from samcli.training.sam_run import WORLD_SAMPLES

MMLINK_SAMPLES = 69_000
"""Of the paper's training set (section 3), all of them pairs."""
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
    if settings.train.startswith("world-"):
        count = samples or settings.samples or WORLD_SAMPLES
        return TrainingData(f"{settings.train}: made in the cache directory on first use", [2] * count)
    try:
        directory = _directory(settings)
        found = read_annotations(directory)
    except UserError as error:
        return _not_there(settings, samples, str(error))
    counts = [len(sample.images) for sample in found[: settings.samples]]
    if samples is not None:
        counts = [counts[index % len(counts)] for index in range(samples)]
    return TrainingData(str(directory / ANNOTATIONS), counts, missing=_lacking(settings, directory, found))


def _directory(settings: DataRecipe) -> Path:
    if (Path(settings.train) / ANNOTATIONS).exists():
        return Path(settings.train)
    return find_dataset(settings.train, data_root(settings.root))


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
        lacking.append(f"data: {directory} has {len(samples):,} samples; data.samples asks for {settings.samples:,}")
    if absent := missing_images(samples[: settings.samples]):
        lacking.append(f"data: {len(absent):,} images that {directory} names are not there, first {absent[0]}")
    return lacking


def missing_weights(settings: ModelRecipe) -> list[str]:
    """Where the base's weights are expected, when they aren't there; hub ids are looked up in the local cache alone."""
    directory = tiny_directory() if settings.base == TINY else Path(settings.base).expanduser()
    if not directory.is_dir():
        try:
            directory = Path(snapshot_download(settings.base, revision=settings.revision, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            fetch = f"hf download {settings.base} --local-dir DIR"
            return [
                f"weights: {settings.base} is not in the local cache; training downloads it, or "
                f"`{fetch}` where there is a network and --set model.base=DIR here"
            ]
    if any(directory.glob("*.safetensors")):
        return []
    return [f"weights: {directory} has no .safetensors file"]
