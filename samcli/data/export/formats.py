"""The formats that a finished set can be exported to, and the export itself."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from samcli.data.export.cut import MOST_BYTES, MOST_SAMPLES, Cut, cut
from samcli.data.export.parquet import ParquetLayout
from samcli.data.export.shards import Layout, write_shards
from samcli.data.export.webdataset import WebDatasetLayout
from samcli.data.sample import each_sample
from samcli.errors import UserError
from samcli.names import did_you_mean
from samcli.recipe_yaml import read_yaml
from samcli.run_directory import RECIPE

EXPORT = "export"
FORMATS = ("parquet", "webdataset")
_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # as `datasets` calls them


def check_formats(formats: Iterable[str]) -> None:
    """Raise UserError for a format that isn't known, or whose library isn't installed."""
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"--export {name}: expected {' or '.join(FORMATS)}{did_you_mean(name, FORMATS)}")
        if name == "parquet" and find_spec("datasets") is None:
            raise UserError("--export parquet needs the package datasets: pip install 'samcli[export]'")


def export_set(directory: Path, name: str, most_samples: int = MOST_SAMPLES, most_bytes: int = MOST_BYTES) -> Path:
    """Export the set in `directory` to `directory/export/NAME` and return that path; whole shards aren't made anew.

    Shards hold at most `most_samples` samples and `most_bytes` bytes of pictures. The same set gives the same bytes,
    with the same versions of the libraries. Raises UserError when the format can't be had, the set is faulty, pictures
    are missing, or the disk is full; Interrupted after a signal, and the next call goes on.
    """
    check_formats([name])
    recipe = read_yaml(directory / RECIPE) if (directory / RECIPE).exists() else {}
    found = cut(each_sample(directory), most_samples, most_bytes)
    target = directory / EXPORT / name
    write_shards(target, each_sample(directory), found.shards, _layout(name, found, recipe, directory))
    return target


def _layout(name: str, found: Cut, recipe: dict[str, Any], directory: Path) -> Layout:
    split = _SPLITS.get(str(recipe.get("split")), "train")
    if name == "webdataset":
        return WebDatasetLayout(split)
    return ParquetLayout(split, found, recipe, str(recipe.get("dataset", directory.resolve().name)))
