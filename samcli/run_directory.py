"""The directory of a run: whose it is, what may be resumed, and the record of where it was made."""

import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from samcli import __version__
from samcli.errors import UserError
from samcli.files import read_json, write_json, write_text
from samcli.recipe_file import dump_recipe, explain_differences
from samcli.recipe_yaml import read_yaml

RECIPE, ENVIRONMENT, RESULTS = "recipe.yaml", "environment.json", "results.json"
# What runs write into their directory; results come first, so that a removal cut short leaves no run that looks done.
_MADE = (
    *(RESULTS, "annotations.json", "manifest.jsonl", "part-*.jsonl", "images", "preview.html", "report.json"),
    *("predictions", "row-*", "adapter", "checkpoints", "vision", "language", "alignment", "corpus", "corpus-val"),
    *("model", "train", "report"),
)
_NOTES = ("log.jsonl", "inputs.json", RECIPE, ENVIRONMENT)  # a run that wrote these alone made nothing yet
_ALL = (*_MADE, ".*.lock", ".*.tmp", *_NOTES)
_MARK = "samcli"  # the key of environment.json by which a run's directory is known as ours
_LIBRARIES = tuple("torch transformers accelerate tokenizers safetensors numpy pillow rouge pycocoevalcap".split())


def open_run(out: Path, recipe: BaseModel, *, overwrite: bool) -> bool:
    """Make `out` the directory of this recipe's run; tell whether such a run was already there.

    A run that made nothing yet leaves `out` free for another recipe. Raises UserError when `out` holds another
    recipe's run (unless `overwrite`, which removes what runs write and nothing else), other people's files, or no
    place for a directory.
    """
    try:
        return _open(out, recipe, overwrite)
    except OSError as error:
        raise UserError(f"{out}: can't be used as the directory of a run: {error.strerror or error}") from error


def _open(out: Path, recipe: BaseModel, overwrite: bool) -> bool:
    there = out / RECIPE
    if os.path.lexists(out) and not out.is_dir():
        raise UserError(f"{out} is not a directory; give another --out")
    if there.exists():
        if overwrite:
            _remove_run(out)
        elif not (differences := explain_differences(read_yaml(there), recipe.model_dump(mode="json"))):
            return True
        else:
            _give_up(out, differences)
    elif out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise UserError(f"{out} is not empty and holds no run of sam; give a new or empty directory")
    write_text(there, dump_recipe(recipe))  # first: another shard that looks now sees its own run
    write_json(out / ENVIRONMENT, environment())
    return False


def is_begun(out: Path) -> bool:
    """Whether a run in `out` made anything yet: a result, checkpoint, prediction, part or adapter."""
    found = [path for pattern in _MADE for path in out.glob(pattern)]
    files = [path for top in found for path in (top, *top.rglob("*")) if path.is_file()]
    return any(path.name not in _NOTES and not path.name.startswith(".") for path in files)


def _give_up(out: Path, differences: list[str]) -> None:
    """Free `out` from another recipe's run that made nothing; raise UserError when it did, or isn't ours to free."""
    if not _is_ours(out):
        raise UserError(f"{out} holds a {RECIPE} that no run of sam wrote; give another --out")
    if is_begun(out):
        raise UserError(
            f"{out} holds a run of another recipe; give another --out, or --overwrite to start anew. "
            f"It differs in: {'; '.join(differences)}"
        )
    _remove_known(out)


def _remove_run(out: Path) -> None:
    """Remove what runs write; raises UserError, with nothing removed, where that could be somebody else's."""
    whole = out.resolve()
    if out.is_symlink():
        raise UserError(f"--overwrite: {out} is a link; name the directory itself, {whole}")
    if any(place.resolve().is_relative_to(whole) for place in (Path.cwd(), Path.home())):
        raise UserError(f"--overwrite: {out} is, or holds, the current or the home directory; give another --out")
    if not _is_ours(out):
        raise UserError(f"--overwrite: {out} holds a {RECIPE} that no run of sam wrote; give another --out")
    _remove_known(out)


def _remove_known(out: Path) -> None:
    """Remove what runs write, and leave the rest; of links, not what they lead to."""
    for path in [path for pattern in _ALL for path in out.glob(pattern)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_ours(out: Path) -> bool:
    if not (out / ENVIRONMENT).exists():
        return False
    record = read_json(out / ENVIRONMENT)
    return isinstance(record, dict) and _MARK in record


def record_environment(out: Path, **more: Any) -> None:
    """Write versions, hardware and whatever else identifies the run."""
    write_json(out / ENVIRONMENT, environment() | more)


def environment() -> dict[str, Any]:
    """Versions and hardware of this machine."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return {
        _MARK: __version__,
        "python": platform.python_version(),
        "versions": versions,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def _processor() -> str:
    """The processor's name, as the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
