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
from samcli.files import write_json, write_text
from samcli.recipe_file import dump_recipe, explain_differences
from samcli.recipe_yaml import read_yaml

RECIPE, ENVIRONMENT = "recipe.yaml", "environment.json"
_LIBRARIES = tuple("torch transformers accelerate tokenizers safetensors numpy pillow rouge pycocoevalcap".split())


def open_run(out: Path, recipe: BaseModel, *, overwrite: bool) -> bool:
    """Make `out` the directory of this recipe's run; tell whether such a run was already there.

    Raises UserError when it holds another recipe's run (unless `overwrite`, which removes it) or other people's files.
    """
    there = out / RECIPE
    if overwrite and there.exists():
        shutil.rmtree(out)
    if there.exists():
        differences = explain_differences(read_yaml(there), recipe.model_dump(mode="json"))
        if differences:
            raise UserError(
                f"{out} holds a run of another recipe; give another --out, or --overwrite to start anew. "
                f"It differs in: {'; '.join(differences)}"
            )
        return True
    if out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise UserError(f"{out} is not empty and holds no run of sam; give a new or empty directory")
    write_text(there, dump_recipe(recipe))
    return False


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
        "samcli": __version__,
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
