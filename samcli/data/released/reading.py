"""What all readers of released layouts share: finding pictures, choosing instructions, counting what is left out."""

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

import yaml

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.files import is_writable
from samcli.recipe_reading import ReadingRecipe

_EXTENSIONS = (".jpg", ".png", ".jpeg", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class Place:
    """Where a dataset lies, and where else its pictures may be."""

    directory: Path
    image_root: Path | None = None

    def first(self, *names: str) -> Path | None:
        """The first of the files or directories that is there, by names relative to the directory."""
        return next((self.directory / name for name in names if (self.directory / name).exists()), None)


@dataclass
class Collected:
    """Samples of a release, and what was left out of it, by reason.

    A sample's id is that of its record where no two samples share one, else the number of the sample in the release,
    counted from 0 with what was left out: answers that name ids keep fitting when some samples can't be asked.
    """

    name: str
    reading: ReadingRecipe
    asks: str = ""  # which of our instructions, a key of instructions.yaml; demon has its own
    samples: list[Sample] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    _keys: list[int | str] = field(default_factory=list)  # of the samples
    _places: list[int] = field(default_factory=list)  # of the samples, in the release
    _next: int = 0

    def add(self, source: str, images: Sequence[Path], context: str, texts: Sequence[str], **more: Any) -> None:
        """Add what the policy makes of a record's alternative `texts`: one sample, or one for each; blanks don't count.

        `context` follows the instruction; `more` is kept with the sample.
        """
        if not all(map(is_writable, (*texts, context))):
            self.drop(source, "text with half a character, which is no Unicode")
            return
        kept = [text.strip() for text in texts if text.strip()]
        if not kept:
            self.drop(source, "no reference that isn't blank")
        for references in by_policy(kept, self.reading.references):
            number, question = choose_instruction(self.asks, f"{self.reading.instructions} {self.name} {source}")
            about = {"source_id": source, "instruction": number, **more}
            self.put(source, Sample(source, tuple(images), question + context, references, about))

    def put(self, key: int | str, sample: Sample) -> None:
        """Add a sample as it is, of the record with this key."""
        self.samples.append(sample)
        self._keys.append(key)
        self._places.append(self._next)
        self._next += 1

    def drop(self, source: str, reason: str) -> None:
        """Count a record that can't be a sample."""
        self.dropped.setdefault(reason, []).append(source)
        self._next += 1

    def numbered(self) -> list[Sample]:
        """The samples with their ids."""
        unique = len(set(map(str, self._keys))) == len(self._keys)
        ids = self._keys if unique else self._places
        return [replace(sample, id=one) for sample, one in zip(self.samples, ids, strict=True)]


def by_policy(texts: Sequence[str], policy: str) -> list[tuple[str, ...]]:
    """The references of each sample that is made of a record's alternative texts; none of no texts."""
    if not texts:
        return []
    if policy == "each":
        return [(text,) for text in texts]
    return [tuple(texts)] if policy == "all" else [(". ".join(texts),)]


def choose_instruction(asks: str, seed: str) -> tuple[int, str]:
    """One of our instructions of a kind, and its number, always the same for the same seed."""
    known = instructions()[asks]
    number = random.Random(seed).randrange(len(known))
    return number, known[number]


@cache
def instructions() -> dict[str, list[str]]:
    """Our own instructions for releases that have none, by what they ask."""
    found: dict[str, list[str]] = yaml.safe_load(files("samcli.data").joinpath("instructions.yaml").read_text("utf-8"))
    return found


def images_in_a_row(count: int) -> str:
    """How the released prompts name pictures: `{image#1}{image#2}`, left as they are."""
    return "".join(f"{{image#{number}}}" for number in range(1, count + 1))


class Pictures:
    """Finds the pictures of a release by the names that its texts give them, whatever their extension.

    They are looked for in `folders` below the dataset's directory; then in the image root's directory of the dataset's
    name and in the image root itself, in `folders` below them and right there.
    """

    def __init__(self, place: Place, folders: Sequence[str]) -> None:
        root = place.image_root
        others = [root / place.directory.name, root] if root is not None else []
        self._roots = [Path(os.path.realpath(home)) for home in (place.directory, *others)]
        self._folders = [place.directory / folder for folder in folders]
        self._folders += [home / folder for home in others for folder in (*folders, ".")]

    def find(self, *names: str) -> Path:
        """The picture of the first of these names that is there; where none is, the place where it is expected.

        Raises UserError for names that lead out of the directories.
        """
        for name in names:
            for folder in self._folders:
                if found := _picture(folder / PurePath(name).parent, PurePath(name).name):
                    return self._inside(found, name)
        suffix = "" if PurePath(names[0]).suffix.lower() in _EXTENSIONS else _EXTENSIONS[0]
        return self._inside(self._folders[0] / f"{names[0]}{suffix}", names[0])

    def _inside(self, path: Path, name: str) -> Path:
        whole = Path(os.path.realpath(path))
        if ".." in PurePath(name).parts or not any(whole.is_relative_to(root) for root in self._roots):
            raise UserError(f"{name!r} leads to {whole}, out of {self._roots[0]}; allow it with --image-root")
        return whole


def _picture(folder: Path, name: str) -> Path | None:
    """The file of that name, else one of that name and a picture's extension, else of its stem and another one."""
    there = _listing(folder)
    if name in there:
        return folder / name
    stem = PurePath(name).stem if PurePath(name).suffix.lower() in _EXTENSIONS else name
    for extension in _EXTENSIONS:
        for spelling in (extension, extension.upper()):
            if stem + spelling in there:
                return folder / (stem + spelling)
    return None


@cache
def _listing(folder: Path) -> frozenset[str]:
    """The names in a directory, read once: a release has tens of thousands of pictures in one."""
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def read_release(path: Path) -> Any:
    """A JSON file of a release, with or without a byte order mark; raises UserError that says what is wrong with it."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error


def records_of(path: Path, records: Any, **keys: type) -> list[dict[str, Any]]:
    """The records, each an object with the keys, of their types; raises UserError that names the first that isn't."""
    if not isinstance(records, list):
        raise UserError(f"{path}: expected a list of records with the keys {', '.join(keys)}")
    for number, record in enumerate(records, 1):
        wrong = [
            key for key, kind in keys.items() if not isinstance(record, dict) or not isinstance(record.get(key), kind)
        ]
        if wrong:
            kinds = ", ".join(f"{key} ({keys[key].__name__})" for key in wrong)
            raise UserError(f"{path}: record {number}: missing, or of another type: {kinds}")
    return records


def texts_of(value: Any) -> list[str]:
    """The texts of a list; what isn't a text counts as blank."""
    return [text if isinstance(text, str) else "" for text in value]
