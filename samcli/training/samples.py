"""The training data that a recipe names, as it lies on disk."""

from pathlib import Path

from samcli.data.sample import ANNOTATIONS, Sample, data_root, find_dataset, read_annotations
from samcli.recipe import DataRecipe
from samcli.synth.world.sets import SETS, no_such_set


def is_world_set(settings: DataRecipe) -> bool:
    """Whether the data is a set of the embedded world, which is made when it isn't there."""
    return settings.train in SETS


def find_samples(settings: DataRecipe) -> tuple[list[Sample], Path]:
    """All samples of the data that `settings.train` names, a directory or a dataset's name, and their directory.

    Raises UserError when it isn't there (where it was looked for) or is faulty.
    """
    directory = Path(settings.train).expanduser()
    if not (directory / ANNOTATIONS).exists():
        if settings.train.startswith("world-"):
            raise no_such_set(settings.train)
        directory = find_dataset(settings.train, data_root(settings.root))
    return read_samples(directory, settings), directory


def read_samples(directory: Path, settings: DataRecipe) -> list[Sample]:
    """All samples of a data set; their images may lie below `settings.image_root` too."""
    return read_annotations(directory, Path(settings.image_root).expanduser() if settings.image_root else None)
