"""A dataset from disk, in whichever of the layouts it lies there: which one, what it holds and what was left out."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samcli.console import say_once
from samcli.data.released import (
    aesop,
    birds_to_words,
    clevr_change,
    demon,
    iedit,
    imagecode,
    nico,
    spot_the_diff,
    vist,
)
from samcli.data.released.reading import Collected, Place
from samcli.data.sample import ANNOTATIONS, Sample, data_root, find_dataset, missing_images, read_annotations
from samcli.errors import UserError
from samcli.files import sha256
from samcli.names import plain_name
from samcli.recipe_reading import Layout, ReadingRecipe

Finder = Callable[[Place, ReadingRecipe], Path | None]
Reader = Callable[[Path, Place, ReadingRecipe], Collected]  # the first is what the finder found


@dataclass(frozen=True)
class Release:
    """How a dataset's own release is recognised and read."""

    find: Finder
    read: Reader
    settings: tuple[str, ...] = ()  # of the reading, those that matter to this release alone


def _nico(name: str) -> Release:
    return Release(nico.find, lambda _, place, reading: nico.read(place, reading, name), ("stand_ins", "group"))


_COMMON = ("split", "references", "instructions")  # settings of the reading that matter to every release


RELEASES: dict[str, Release] = {
    "aesop": Release(aesop.find, aesop.read),
    "vist": Release(vist.find, vist.read, ("text",)),
    "iedit": Release(iedit.find, iedit.read),
    "spot-the-diff": Release(spot_the_diff.find, spot_the_diff.read),
    "birds-to-words": Release(birds_to_words.find, birds_to_words.read),
    "clevr-change": Release(clevr_change.find, clevr_change.read, ("change",)),
    "imagecode": Release(imagecode.find, imagecode.read),
    "animal": _nico("Animal"),
    "vehicle": _nico("Vehicle"),
}
"""The releases that can be read; of Conceptual's and DM800K's no copy could be seen."""
UNSEEN = ("conceptual", "dm800k")


@dataclass(frozen=True)
class DatasetOnDisk:
    """The samples of a dataset, and how they were read; `file` holds their texts."""

    name: str
    samples: list[Sample]
    layout: Layout
    file: Path
    dropped: dict[str, list[str]]

    def record(self, reading: ReadingRecipe) -> dict[str, Any]:
        """What results say of how it was read: layout, file and its hash, settings, counts of what was left out."""
        found: dict[str, Any] = {"layout": self.layout, "file": self.file.name}
        if self.file.is_file():
            found["file_sha256"] = sha256(self.file)
        release = _release(self.name)
        if self.layout == "release" and release is not None:
            found |= reading.model_dump(mode="json", include={*_COMMON, *release.settings})
        if self.dropped:
            found["left_out"] = {reason: len(ids) for reason, ids in self.dropped.items()}
        return found

    def unlike_the_paper(self, reading: ReadingRecipe) -> list[str]:
        """What was read otherwise than the paper had it, as far as the layout tells."""
        if self.layout != "release":
            return []
        ours = self.record(reading)
        reasons = {
            "our instructions": True,
            f"split {ours['split']}": ours["split"] != "test",
            f"references {ours['references']}": ours["references"] != "merged",
            "tokenised text": ours.get("text") == "tokenised",
            "pairs without change": ours.get("change", "change") != "change",
            "references are stand-ins": bool(ours.get("stand_ins")),
        }
        return [reason for reason, holds in reasons.items() if holds]


def read_dataset(
    name: str,
    root: str | None = None,
    reading: ReadingRecipe | None = None,
    image_root: str | None = None,
    directory: Path | None = None,
) -> DatasetOnDisk:
    """The dataset of that name below `root` (else $SAM_DATA, else ./data), in the layout that the reading says.

    With `directory`, it is known where it lies. Raises UserError when it isn't there, in no known or not in the asked
    layout, when its files are faulty or don't have what the reading asks, and when nothing of it is left.
    """
    reading = reading or ReadingRecipe()
    pictures = Path(image_root).expanduser() if image_root else None
    if pictures is not None and not pictures.is_dir():
        raise UserError(f"{pictures}: no such directory of images; check --image-root")

    place = Place(directory, pictures) if directory else _find(name, data_root(root), pictures, reading)
    found = _read(name, place, reading)
    if reading.missing == "drop":
        found = _without_missing(found)
    if found.layout != "annotations" or found.dropped:
        say_once(f"{name}: {_told(found)}")
    if not found.samples:
        raise UserError(f"{name}: nothing in {found.file} can be asked: {_told(found)}")
    return found


def _find(name: str, root: Path, pictures: Path | None, reading: ReadingRecipe) -> Place:
    """Where the dataset lies; raises UserError when it isn't there, or hasn't got the split that is asked for."""

    def there(split: str) -> Path:
        wanted = reading.model_copy(update={"split": split})
        return find_dataset(name, root, lambda directory: bool(_layouts(name, Place(directory, pictures), wanted)))

    try:
        return Place(there(reading.split), pictures)
    except UserError:
        splits = []
        for split in ("train", "val", "test"):
            with suppress(UserError):
                there(split)
                splits.append(split)
        if splits and reading.split not in splits:
            told = f"{name}: its release in {root} has no split {reading.split!r}; there is {', '.join(splits)}"
            raise UserError(told) from None
        raise


def is_there(name: str, root: str | None = None, reading: ReadingRecipe | None = None) -> UserError | None:
    """None when a directory of that name holds the dataset in some layout; else what says where it was looked for."""
    try:
        _find(name, data_root(root), None, reading or ReadingRecipe())
    except UserError as error:
        return error
    return None


def _layouts(name: str, place: Place, reading: ReadingRecipe) -> dict[Layout, Path]:
    """The layouts in which the dataset is there, the preferred one first, with the file that tells it."""
    release = _release(name)
    found: dict[Layout, Path | None] = {
        "annotations": place.first(ANNOTATIONS),
        "demon": demon.find(place, reading),
        "release": release.find(place, reading) if release else None,
    }
    return {layout: path for layout, path in found.items() if path is not None}


def _release(name: str) -> Release | None:
    return next((release for known, release in RELEASES.items() if plain_name(known) == plain_name(name)), None)


def _read(name: str, place: Place, reading: ReadingRecipe) -> DatasetOnDisk:
    there = _layouts(name, place, reading)
    layout = next(iter(there)) if reading.layout == "auto" else reading.layout
    if layout not in there:
        unseen = plain_name(name) in map(plain_name, UNSEEN) and layout == "release"
        why = "; no copy of its release could be seen, so there is no reader of it" if unseen else ""
        raise UserError(
            f"{place.directory} isn't in the layout {layout!r} (reading.layout), but in {', '.join(there)}{why}"
        )
    _check_settings(place, layout, reading)
    if layout == "annotations":
        samples = read_annotations(place.directory, place.image_root)
        return DatasetOnDisk(name, samples, layout, there[layout], {})
    release = _release(name)
    if layout == "demon" or release is None:
        collected = demon.read(there[layout], place, reading, place.directory.name)
    else:
        collected = release.read(there[layout], place, reading)
    return DatasetOnDisk(name, collected.numbered(), layout, there[layout], collected.dropped)


def _check_settings(place: Place, layout: Layout, reading: ReadingRecipe) -> None:
    """Raise UserError for settings that a layout can't honour: nobody shall believe to have scored another split."""
    if layout == "release":
        return
    usual = ReadingRecipe()
    of_releases = ("split", "references", "text", "change", "instructions")
    if changed := [key for key in of_releases if getattr(reading, key) != getattr(usual, key)]:
        key = changed[0]
        raise UserError(
            f"{place.directory} is read in the layout {layout!r}, where reading.{key} has no effect: leave it out or "
            "give the dataset's own files (reading.layout=release)"
        )


def _without_missing(dataset: DatasetOnDisk) -> DatasetOnDisk:
    """Only the samples whose pictures are all there; the others are counted."""
    missing = set(missing_images(dataset.samples))
    gone = [str(sample.id) for sample in dataset.samples if missing.intersection(sample.images)]
    kept = [sample for sample in dataset.samples if not missing.intersection(sample.images)]
    dropped = dataset.dropped | ({"pictures that aren't there": gone} if gone else {})
    return replace(dataset, samples=kept, dropped=dropped)


def _told(dataset: DatasetOnDisk) -> str:
    left = ", ".join(f"{len(ids)} ({reason}, such as {ids[0]!r})" for reason, ids in dataset.dropped.items())
    return f"{len(dataset.samples)} samples, layout {dataset.layout}" + (f"; left out: {left}" if left else "")
