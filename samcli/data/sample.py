"""Samples in the released format: `DATASET/annotations.json`, a list of {id, img_list, instruction, output}."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from samcli.data.sources import SOURCES, Source
from samcli.errors import UserError
from samcli.files import is_writable, read_json, write_json
from samcli.json_items import json_items
from samcli.names import did_you_mean, plain_name

ANNOTATIONS = "annotations.json"
_FAULTS_SHOWN = 20
_IMAGE_ROOT = "(sam train: data.image_root; of kind llava: projector.data.image_root, instruction.data.image_root)"
_ALLOW_IT = f"allow it with --image-root DIR {_IMAGE_ROOT}"


@dataclass(frozen=True)
class Sample:
    """One question about a group of images, and its answers."""

    id: int | str
    images: tuple[Path, ...]  # resolved: absolute, links followed
    instruction: str
    references: tuple[str, ...]  # the first is the record's `output`
    provenance: dict[str, Any] = field(default_factory=dict)  # what else the record had


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be written."""
    return isinstance(value, str) and is_writable(value)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "id": ("an integer or a text", lambda value: type(value) is int or (_is_text(value) and bool(value.strip()))),
    "img_list": (
        "a path or a list of at least one path",
        lambda value: bool(value) and (_is_text(value) or _is_list_of_text(value)) and all(value),
    ),
    "instruction": ("a text", _is_text),
    "output": ("a text that isn't blank", lambda value: _is_text(value) and bool(value.strip())),
    "references": ("a list of texts", _is_list_of_text),
}
_REQUIRED = ("id", "img_list", "instruction", "output")


def read_annotations(directory: Path, image_root: Path | None = None) -> list[Sample]:
    """The samples of `directory/annotations.json`, all of them sound; their images need not exist.

    Image paths are relative to `directory` and may not leave it, by `..` or by links. With `image_root`, those that
    aren't there are looked for in `image_root`, and absolute paths, `..` and links may lead to it. `img_list` may be
    one path, `references` may be missing; blank references are left out. Raises one UserError that lists the faults of
    the whole file.
    """
    return list(each_sample(directory, image_root))


def each_sample(directory: Path, image_root: Path | None = None) -> Iterator[Sample]:
    """The samples that `read_annotations` gives, one after the other, with few of them in memory at a time.

    Raises UserError as it does; where records are faulty, after the last of the sound ones.
    """
    file = directory / ANNOTATIONS
    if image_root and not image_root.is_dir():
        raise UserError(f"{image_root}: no such directory of images; check --image-root {_IMAGE_ROOT}")
    roots = [_resolved(root) for root in (directory, image_root) if root]
    numbers: dict[str, int] = {}
    faults: list[str] = []
    number = 0
    for number, record in enumerate(json_items(file), start=1):
        result = _sample(number, record, roots, numbers)
        if isinstance(result, Sample):
            yield result
        else:
            faults += [f"record {number}: {fault}" for fault in result]
    if not number:
        raise UserError(f"{file}: expected a list of {{{', '.join(_REQUIRED)}}}, found {_shown(read_json(file))}")
    if faults:
        raise UserError(_report(file, number, faults))


def write_annotations(directory: Path, samples: Iterable[Sample]) -> None:
    """Make `directory/annotations.json` hold the samples, atomically; equal samples give equal bytes.

    Images become paths relative to `directory`; raises UserError when one lies elsewhere.
    """
    root = _resolved(directory)
    records = [as_record(sample, [_relative(image, root) for image in sample.images]) for sample in samples]
    write_json(directory / ANNOTATIONS, records)


def as_record(sample: Sample, img_list: list[str]) -> dict[str, Any]:
    """The sample as the released format has it, its images called as `img_list` says."""
    record: dict[str, Any] = {
        "id": sample.id,
        "img_list": img_list,
        "instruction": sample.instruction,
        "output": sample.references[0],
    }
    if len(sample.references) > 1:
        record["references"] = list(sample.references)
    if sample.provenance:
        record["provenance"] = sample.provenance
    return record


def missing_images(samples: Iterable[Sample]) -> list[Path]:
    """The image files that don't exist, each once, in the order of the samples."""
    images = dict.fromkeys(image for sample in samples for image in sample.images)
    return [image for image in images if not os.path.isfile(image)]


def data_root(option: str | None) -> Path:
    """Where data sets are: the option, else $SAM_DATA, else ./data."""
    return Path(option or os.environ.get("SAM_DATA") or "data").expanduser()


def has_annotations(directory: Path) -> bool:
    """Whether a directory holds a data set in the released format."""
    return os.path.isfile(directory / ANNOTATIONS)


def find_dataset(name: str, root: Path, holds: Callable[[Path], bool] = has_annotations) -> Path:
    """The directory under `root` that holds the data set, whatever the case, `-` and `_` of its name.

    `holds` tells whether a directory of the name is complete. Raises UserError that says where was looked, what is
    expected there and, for the paper's sets, where to get it.
    """
    source = next((source for source in SOURCES if plain_name(source.name) == plain_name(name)), None)
    found = sorted(path for path in _directories(root) if plain_name(path.name) == plain_name(name))
    complete = [path for path in found if holds(path)]
    if len(complete) > 1:
        raise UserError(f"{name}: {root} holds {' and '.join(path.name for path in complete)}; rename all but one")
    if not complete:
        raise UserError(_how_to_get(name, root, source, found))
    return complete[0]


def _sample(number: int, record: Any, roots: list[Path], numbers: dict[str, int]) -> Sample | list[str]:
    """The record as a sample, or what is wrong with it; `numbers` tells which record had an id first."""
    if not isinstance(record, dict):
        return [f"expected an object with the keys {', '.join(_REQUIRED)}, found {_shown(record)}"]
    faults = _wrong_values(record)
    if "id" not in faults:
        # 1 and "1" would be one sample wherever samples are keyed by a text
        first = numbers.setdefault(str(record["id"]), number)
        if first != number:
            faults["id"] = f"expected one that no other record has, found {_shown(record['id'])} of record {first}"
    images: list[Path] = []
    if "img_list" not in faults:
        images, misplaced = _images(record["img_list"], roots)
        if misplaced:
            faults["img_list"] = "; ".join(misplaced)
    if faults:
        return [f"{key}: {fault}" for key, fault in faults.items()]
    output = record["output"]
    others = [text for text in record.get("references", []) if text.strip() and text != output]
    return Sample(record["id"], tuple(images), record["instruction"], (output, *others), _provenance(record))


def _wrong_values(record: dict[str, Any]) -> dict[str, str]:
    """For each key that is missing or has a value of the wrong type, what is wrong."""
    faults = {}
    for key, (expected, holds) in _EXPECTED.items():
        if key in record and not holds(record[key]):
            faults[key] = f"expected {expected}, found {_shown(record[key])}"
        elif key in _REQUIRED and key not in record:
            faults[key] = f"missing, expected {expected}"
    return faults


def _provenance(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says beyond the format's own keys; what stands under `provenance` moves up beside the rest."""
    more = {key: value for key, value in record.items() if key not in _EXPECTED}
    inner = more.get("provenance")
    return {key: more[key] for key in more if key != "provenance"} | inner if isinstance(inner, dict) else more


def _images(names: str | list[str], roots: list[Path]) -> tuple[list[Path], list[str]]:
    """The resolved paths of a sample's images, and what is wrong with the others."""
    paths, faults = [], []
    for name in [names] if isinstance(names, str) else names:
        try:
            paths.append(locate(name, roots, "the data set's directory"))
        except ValueError as error:
            faults.append(f"{_shown(name)}: {error}")
    return paths, faults


def locate(name: str, roots: Sequence[Path], home: str) -> Path:
    """The resolved path of an image that a file names: below the first of the resolved roots, or below the others.

    The first root is where the file lies, `home` in words; the others are what the user allowed with --image-root.
    Absolute paths, `..` and links may lead to the others only. Raises ValueError that says what is wrong with the name.
    """
    climbs = ".." in PurePath(name).parts
    if climbs or PurePath(name).is_absolute() or "://" in name:
        path = _resolved(roots[0] / name)
        if any(path.is_relative_to(root) for root in roots[1:]):
            return path
        if climbs:
            raise ValueError(f"'..' isn't allowed; name a file below {home}, or {_ALLOW_IT}")
        raise ValueError(f"expected a path relative to {home}; copy the file there, or {_ALLOW_IT}")
    places = [root / name for root in roots]
    path = _resolved(next((place for place in places[:-1] if os.path.exists(place)), places[-1]))
    if not any(path.is_relative_to(root) for root in roots):
        raise ValueError(f"leads to {path}, outside {home}; {_ALLOW_IT}")
    return path


def _resolved(path: Path) -> Path:
    """The absolute path with links followed; unlike Path.resolve, it leaves a circle of links to who opens it."""
    return Path(os.path.realpath(path))


def _relative(image: Path, root: Path) -> str:
    path = _resolved(image)
    if not path.is_relative_to(root):
        raise UserError(f"{image} isn't below {root}, so its {ANNOTATIONS} can't name it; copy it there first")
    return path.relative_to(root).as_posix()


def _shown(value: Any) -> str:
    """A value as JSON, cut to a length that a message can hold."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _report(file: Path, records: int, faults: list[str]) -> str:
    lines = [f"{file}: number of faults: {len(faults)}, of records: {records}", *faults[:_FAULTS_SHOWN]]
    if len(faults) > _FAULTS_SHOWN:
        lines.append(f"and {len(faults) - _FAULTS_SHOWN} more")
    return "\n  ".join(lines)


def _directories(root: Path) -> list[Path]:
    try:
        return [path for path in root.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{root}: can't be read as a directory of data sets: {error.strerror or error}") from error


def _how_to_get(name: str, root: Path, source: Source | None, found: list[Path]) -> str:
    directory = found[0].name if found else source.directory if source else name
    by_name = f"{name} is a directory: give its name, {Path(name).name}, and --data-root {Path(name).parent}"
    if Path(name).is_absolute():
        nothing = f"{name}: there is no data set, a directory with {ANNOTATIONS} in it"
        return by_name if has_annotations(Path(name)) else nothing
    what = f"{found[0]} has no readable {ANNOTATIONS}" if found else f"no directory {directory} in {root.resolve()}"
    lines = [
        f"{name}: {what}" + ("" if root.is_dir() else " (which doesn't exist)"),
        f"expected: {root / directory / ANNOTATIONS}, a JSON list of "
        '{"id": 0, "img_list": ["images/0.jpg", ...], "instruction": "...", "output": "..."}, '
        f"image paths relative to {directory}/"
        + (
            "; sam eval also takes core/core.json as DEMON has it, and most datasets as they were released"
            * bool(source)
        ),
        "name another place: $SAM_DATA, --data-root DIR (sam eval, sam ablate, sam label), or for sam train --set "
        "data.root=DIR (of kind llava: projector.data.root, instruction.data.root)",
    ]
    if has_annotations(Path(name)):
        lines.append(by_name)
    if source:
        count = f"{source.images} images" if source.images else "one or more images"
        lines.append(f"{source.directory} ({source.task}, {count} a sample) is published by {source.publisher}")
        lines += [f"to be had, then brought into that layout: {source.access}", f"licence: {source.licence}"]
    elif near := did_you_mean(name, [source.name for source in SOURCES]):
        lines.append(near.removeprefix("; "))
    return "\n  ".join(lines)
