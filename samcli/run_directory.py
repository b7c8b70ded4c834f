"""The directory of a run: whose it is, what may be resumed, and the record of where it was made."""

import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from samcli import __version__
from samcli.errors import UserError
from samcli.files import read_json, write_json, write_text
from samcli.lock import locked
from samcli.recipe_file import changed_settings, dump_recipe
from samcli.recipe_yaml import read_yaml

RECIPE, ENVIRONMENT, RESULTS = "recipe.yaml", "environment.json", "results.json"
RECORD = "record.json"  # what a training is of: base, method, data
_SET: tuple[str, ...] = ("annotations.json", "manifest.jsonl", "part-*.jsonl", "images", "preview.html", "preview")
_SET += ("report.json", "funnel.*", "show-*.png", "export", ".part-*.lock", ".merge.lock")
_WRITTEN = ("scenes-written.txt", ".scenes.lock", "api-usage.sqlite")  # by language models, or on their account
# What each kind of run writes into its directory, beside its notes; results come first, so that a removal cut short
# leaves no run that looks done. One row of an ablation with one seed is a run without a kind.
_MADE: dict[str | None, tuple[str, ...]] = {
    "synth": _SET,
    "mmlink": (*_SET, "accepted.json", "masks", "sources.csv", *_WRITTEN),
    "base": (RESULTS, "model", "vision", "language", "alignment", "corpus", "corpus-val"),
    "sam": (RESULTS, "adapter", "checkpoints", "samples.html"),
    "llava": (RESULTS, "model", "projector", "instruction"),
    "eval": (RESULTS, "predictions", "measures", "report", "api-usage.json"),
    "table": (RESULTS, "models", "report"),
    "cases": (RESULTS, "models", "figures"),
    "survey": (RESULTS,),
    "ablate": (RESULTS, "row-*", "figures"),
    None: (RESULTS, "predictions", "measures*", "train"),
}
_FIRST_NOTES = (RECIPE, ENVIRONMENT, "inputs.json")  # of what a run is to be
# A run that wrote these alone made nothing yet.
_NOTES = ("log.jsonl", "sources.csv", "api-usage.sqlite", RECORD, *_FIRST_NOTES)
_LOCK = ".run.lock"
_MARK = "samcli"  # the key of environment.json by which a run's directory is known as ours
_LIBRARIES = tuple("torch transformers accelerate tokenizers safetensors numpy peft pillow rouge pycocoevalcap".split())
_LIBRARIES += ("scipy", "ImageHash", "diffusers")


class AnotherRun(UserError):
    """A directory holds the run of another recipe."""


@contextmanager
def held(out: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep other processes out of a run's directory while the block runs; `shared`: but for those that share it too.

    A directory that is made for it and stays empty is removed; when the block fails, one that holds nothing but notes
    of what the run was to be as well. Raises UserError when another process is at work there, or `out` can't be a run's
    directory.
    """
    check_place(out)
    is_new = not out.exists()
    with locked(out / _LOCK, wait=False, shared=shared):
        notes: tuple[str, ...] = _FIRST_NOTES
        try:
            yield
            notes = ()
        finally:
            if is_new and not shared:
                _remove_if_only(out, (*notes, _LOCK))


def _remove_if_only(out: Path, names: Sequence[str]) -> None:
    """Remove a directory that holds nothing else."""
    with suppress(OSError):
        if set(os.listdir(out)) <= set(names):
            for name in names:
                (out / name).unlink(missing_ok=True)
            out.rmdir()


def open_run(out: Path, recipe: BaseModel, *, overwrite: bool, may_change: Iterable[str] = ()) -> bool:
    """Make `out` the directory of this recipe's run; tell whether such a run was already there.

    Settings in `may_change`, by dotted keys, may differ from those that the run was begun with; the new ones are noted.
    A run that made nothing yet leaves `out` free for another recipe. Raises UserError when `out` holds another
    recipe's run (unless `overwrite`, which removes what that run wrote and nothing else), other people's files, or no
    place for a directory.
    """
    check_place(out)
    try:
        return _open(out, recipe, overwrite, may_change)
    except OSError as error:
        raise _unusable(out, error) from error


def check_place(out: Path) -> None:
    """Raise UserError where no run's directory can be: a file, or somebody's directory of other things."""
    try:
        if os.path.lexists(out) and not out.is_dir():
            raise UserError(f"{out} is not a directory; give another --out")
        strangers = out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir())
        if strangers and not (out / RECIPE).exists():
            raise UserError(f"{out} is not empty and holds no run of sam; give a new or empty directory")
    except OSError as error:
        raise _unusable(out, error) from error


def _unusable(out: Path, error: OSError) -> UserError:
    return UserError(f"{out}: can't be used as the directory of a run: {error.strerror or error}")


def _open(out: Path, recipe: BaseModel, overwrite: bool, may_change: Iterable[str]) -> bool:
    there = out / RECIPE
    if overwrite and there.exists():
        _remove_run(out)
    elif goes_on(out, recipe, may_change):
        if read_yaml(there) != recipe.model_dump(mode="json"):
            write_text(there, dump_recipe(recipe))
        return True
    elif there.exists():
        _remove_known(out)
    write_text(there, dump_recipe(recipe))  # first: another shard that looks now sees its own run
    write_json(out / ENVIRONMENT, environment())
    return False


def goes_on(out: Path, recipe: BaseModel, may_change: Iterable[str] = ()) -> bool:
    """Whether the recipe would go on with a run that is in `out`; raises UserError when what is there is in its way."""
    if not (out / RECIPE).exists():
        return False
    former = read_yaml(out / RECIPE)
    differences = changed_settings(former, recipe, may_change)
    if not differences:
        return True
    if not _is_ours(out):
        raise UserError(f"{out} holds a {RECIPE} that no run of sam wrote; give another --out")
    if not is_begun(out):
        return False
    kind = former.get("kind")
    if kind not in (None, recipe.model_dump(mode="json").get("kind")):
        raise UserError(f"{out} holds a run of kind {kind}; give another --out, or --overwrite to start anew")
    raise AnotherRun(
        f"{out} holds a run of another recipe; give another --out, or --overwrite to start anew. "
        f"It differs in: {'; '.join(differences)}"
    )


def is_begun(out: Path) -> bool:
    """Whether the run in `out` made anything yet: a result, checkpoint, prediction, part or adapter."""
    found = [path for pattern in _made(out) for path in out.glob(pattern)]
    files = [path for top in found for path in (top, *top.rglob("*")) if path.is_file()]
    return any(path.name not in _NOTES and not path.name.startswith(".") for path in files)


def _made(out: Path) -> tuple[str, ...]:
    """What a run of the kind that is in `out` writes, as patterns; of a kind that isn't known, nothing."""
    kind = read_yaml(out / RECIPE).get("kind")
    return next((made for known, made in _MADE.items() if known == kind), ())


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
    for path in [path for pattern in (*_made(out), ".*.tmp", *_NOTES) for path in out.glob(pattern)]:
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
