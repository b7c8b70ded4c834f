"""Labels of a training's pictures: those that are missing are made, the others are there from an earlier run."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.labeller import Labeller
from samcli.alignment.labels.storage import likely_storage, stored_bytes
from samcli.alignment.labels.store import SHARD, LabelStore, identity_of
from samcli.alignment.labels.wordlist import words_of_file, words_of_texts
from samcli.amounts import counted, in_bytes
from samcli.console import Advance, progress, say
from samcli.data.sample import ANNOTATIONS, Sample
from samcli.errors import Interrupted, UserError
from samcli.files import cache_root, sha256
from samcli.lock import locked
from samcli.recipe_alignment import LabelsRecipe
from samcli.signals import StopRequest, listening


def make_labels(
    settings: LabelsRecipe,
    samples: Sequence[Sample],
    data: Path,
    eye: Eye,
    *,
    device: str = "auto",
) -> LabelStore:
    """The labels of all pictures of some samples; those that aren't there are made, by one process at a time.

    Args:
        settings: where labels come from, and what they may take on disk.
        samples: of the data set in the directory `data`.
        data: that directory; labels know pictures by their paths relative to it.
        eye: how the model that trains looks at a picture.
        device: where the models that label run: `auto`, `cpu`, `cuda`, `cuda:N`, `mps`.

    Raises:
        UserError: a source can't label these samples, a model isn't to be had, `settings.directory` holds anything
            else, or labels don't fit on the disk or into `settings.gb`. What was made by then is kept.
        Interrupted: a signal asked to stop. The files that were finished are kept, and the next call goes on.
    """
    labeller = build_labeller(settings, samples, eye, device)
    identity = label_identity(labeller, data, eye)
    directory = place_of(settings, identity)
    images = images_of(samples)
    store = LabelStore.find(directory, data, identity)
    if store is None or store.missing(images):
        with locked(directory / ".lock", wait=True):
            store = LabelStore.begin(directory, data, identity, labeller.words)
            _fill(store, labeller, images, settings)
    return store


def check_source(settings: LabelsRecipe, dataset: str) -> None:
    """Raise UserError for no source, and for one that can't label the data set of that name, before it is looked at."""
    if settings.source == "none":
        raise UserError("objective.labels.source is none; set it to world, clip or regions")
    if settings.source == "world":
        from samcli.alignment.labels.world import check_recorded

        check_recorded(dataset)


def build_labeller(settings: LabelsRecipe, samples: Sequence[Sample], eye: Eye, device: str) -> Labeller:
    """The source that the settings name. Raises UserError for `none`, and when it can't label these samples."""
    if settings.source == "world":
        from samcli.alignment.labels.world import WorldLabels

        return WorldLabels(samples, eye)
    if settings.source == "clip":
        from samcli.alignment.labels.clip import ClipLabels

        return ClipLabels(settings, label_words(settings, samples), eye, device)
    if settings.source == "regions":
        from samcli.alignment.labels.regions import RegionLabels

        return RegionLabels(settings, label_words(settings, samples), eye, device)
    raise UserError("objective.labels.source is none; set it to world, clip or regions")


def label_words(settings: LabelsRecipe, samples: Sequence[Sample]) -> tuple[str, ...]:
    """The list that `clip` and `regions` choose from: of the samples' answers, or of a file."""
    if settings.words != "captions":
        return words_of_file(Path(settings.words).expanduser())
    return words_of_texts((sample.references[0] for sample in samples), settings.least_count)


def label_identity(labeller: Labeller, data: Path, eye: Eye) -> dict[str, Any]:
    """All that labels depend on, as `labels.json` holds it."""
    seen = {"picture": {"side": eye.side, "patch": eye.patch, "crop": eye.crop}, "data": sha256(data / ANNOTATIONS)}
    return identity_of(labeller.identity, eye.grid, labeller.words, seen)


def place_of(settings: LabelsRecipe, identity: dict[str, Any]) -> Path:
    """Where labels of an identity are kept: in the settings' directory, else in the cache."""
    if settings.directory is not None:
        return Path(settings.directory).expanduser()
    return cache_root() / "labels" / hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def images_of(samples: Sequence[Sample]) -> list[Path]:
    """The pictures of the samples, each once."""
    return list(dict.fromkeys(image for sample in samples for image in sample.images))


def _fill(store: LabelStore, labeller: Labeller, images: Sequence[Path], settings: LabelsRecipe) -> None:
    """Label those of the images that have no labels, file by file; a file that was begun is lost to a signal."""
    missing = store.missing(images)
    if not missing:
        return
    _check_room(store, likely_storage(settings, len(missing), store.grid**2), settings.gb)
    labeller.prepare(store.directory)
    done = len(images) - len(missing)
    there = f"; {done:,} are there" if done else ""
    say(f"labels of {counted(len(images), 'picture')} go to {store.directory}{there}")
    with listening() as stop, progress("labels", len(images), done) as advance:
        for start in range(0, len(missing), SHARD):
            lot = missing[start : start + SHARD]
            kept = f"{done + start:,} of {counted(len(images), 'picture')} are labelled, kept in {store.directory}"
            labels = labeller.label(_until_stopped(lot, advance, stop, kept))
            _check_room(store, stored_bytes(len(lot), store.grid**2, len(labels.words)), settings.gb)
            store.add(lot, labels)


def _until_stopped(images: Sequence[Path], advance: Advance, stop: StopRequest, kept: str) -> Iterator[Path]:
    """The pictures; each moves the bar on when the next one is asked for, which raises Interrupted after a signal."""
    for image in images:
        if stop.signal_number is not None:
            raise Interrupted(stop.signal_number, f"stopped: {kept}; the same command goes on")
        yield image
        advance(1)


def _check_room(store: LabelStore, more: int, most: float | None) -> None:
    """Raise UserError when `more` bytes don't fit into `most` GB with what is there, or onto the disk."""
    taken, free = store.bytes + more, shutil.disk_usage(store.directory).free
    wanted = f"labels of {store.directory} take {in_bytes(taken)} or more"
    if most is not None and taken > most * 1e9:
        raise UserError(
            f"{wanted}, and labels.gb allows {in_bytes(most * 1e9)}; raise it, or lower labels.top or labels.tags"
        )
    if more > free:
        raise UserError(f"{wanted}, {in_bytes(more)} of it still to come, where {in_bytes(free)} are free; make room")
