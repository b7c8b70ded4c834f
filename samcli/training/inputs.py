"""What a training reads, found and checked before hours are spent on it."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from samcli.amounts import counted
from samcli.console import progress, warn
from samcli.data.image import open_image
from samcli.data.sample import Sample, missing_images
from samcli.errors import UserError
from samcli.files import read_json, sha256
from samcli.recipe import DataRecipe, ValidationRecipe
from samcli.recipe_file import explain_differences
from samcli.synth.world.sets import SETS, world_set
from samcli.training.samples import find_samples, is_world_set, read_samples

WORLD_SAMPLES = 20_000
INPUTS = "inputs.json"
_NAMED = 5


@dataclass(frozen=True)
class Inputs:
    """The samples of a run, where they are, and those that it is looked at with."""

    samples: Sequence[Sample]
    directory: Path
    validation: Sequence[Sample] = ()

    @property
    def pictures(self) -> list[Path]:
        """All that the vision tower will see."""
        return [path for sample in (*self.samples, *self.validation) for path in sample.images]


def training_samples(settings: DataRecipe, key: str = "data") -> tuple[list[Sample], Path]:
    """The training samples and their directory; a world set is made on first use.

    `key` is where the recipe has the settings. Raises UserError when samples aren't there, can't be read, or are fewer
    than asked for.
    """
    if is_world_set(settings):
        count = settings.samples or WORLD_SAMPLES
        directory = world_set(settings.train, "train", count, settings.seed, workers=settings.workers)
        samples = read_samples(directory, settings)
    else:
        samples, directory = find_samples(settings)
    if settings.samples is not None and len(samples) < settings.samples:
        wanted = f"{key}.samples asks for {settings.samples:,} (null: all of them)"
        raise UserError(f"{directory} has {counted(len(samples), 'sample')}; {wanted}")
    return samples[: settings.samples], directory


def validation_samples(settings: ValidationRecipe, data: DataRecipe) -> list[Sample]:
    """Samples that are never trained on: of a world set its validation split, else what the recipe names.

    Empty where it names none. Raises UserError when they aren't there or faulty.
    """
    if settings.data is None:
        return []
    elsewhere = data.model_copy(update={"train": settings.data, "samples": None})
    if settings.data in SETS:
        samples = read_samples(world_set(settings.data, "val", settings.samples, workers=data.workers), elsewhere)
    else:
        samples, _ = find_samples(elsewhere)
        if data.train == settings.data:
            warn(f"validation.data is {settings.data}, which the run learns from: its loss says nothing about others")
    check_samples(samples[: settings.samples])
    return samples[: settings.samples]


def check_samples(samples: Sequence[Sample]) -> None:
    """Raise one UserError for samples whose pictures aren't there or that ask nothing."""
    if not samples:
        raise UserError("the training data has no samples")
    if missing := missing_images(samples):
        raise UserError(f"{counted(len(missing), 'training picture')} can't be found, such as {missing[0]}")
    if silent := [sample.id for sample in samples if not sample.instruction.strip()]:
        raise UserError(f"no instruction in {counted(len(silent), 'training sample')}, such as {silent[0]!r}")
    if bare := [sample.id for sample in samples if not sample.images]:
        raise UserError(f"no pictures in {counted(len(bare), 'training sample')}, such as {bare[0]!r}")


def read_pictures(samples: Sequence[Sample], *, decode: bool) -> str:
    """Read every picture once, and `decode` it if asked; return a hash of what all of them hold.

    Raises one UserError that names those that can't be read.
    """
    paths = list(dict.fromkeys(path for sample in samples for path in sample.images))
    faults: list[str] = []
    whole = hashlib.sha256()
    with (
        ThreadPoolExecutor(thread_name_prefix="check") as threads,
        progress("checking pictures", len(paths)) as advance,
    ):
        for contents, fault in threads.map(partial(_read, decode=decode), paths):
            whole.update(contents.encode())
            faults += [fault] if fault else []
            advance(1)
    if faults:
        more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        unread = counted(len(faults), "training picture")
        raise UserError(f"{unread} can't be read: {'; '.join(faults[:_NAMED])}{more}")
    return whole.hexdigest()


def _read(path: Path, *, decode: bool) -> tuple[str, str | None]:
    """What tells a picture's contents from others', and why it can't be read, if so."""
    try:
        if decode:
            open_image(path)
        return sha256(path), None
    except (UserError, OSError) as error:
        return "", str(error)


def check_same_inputs(out: Path, inputs: dict[str, Any], *, accept_changes: bool) -> None:
    """Refuse to go on with other data or weights than the run was begun with; with `accept_changes`, tell of them.

    What was not noted when it began counts as the same.
    """
    former = read_json(out / INPUTS) if (out / INPUTS).exists() else {}
    changed = explain_differences(former, {key: value for key, value in inputs.items() if key in former})
    if changed and not accept_changes:
        raise UserError(
            f"{out} was begun with other files of the same names ({'; '.join(changed)}); sam train --accept-changes "
            "goes on with them, --overwrite starts anew"
        )
    if changed:
        warn(f"{out} goes on with other files than it was begun with: {'; '.join(changed)}")
