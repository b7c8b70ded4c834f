"""README.md of an exported set: a header that `datasets` and the hub read, counts, columns, and how it was made."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from samcli import __version__
from samcli.data.export.shards import Entry
from samcli.files import write_text
from samcli.recipe_yaml import to_yaml

CARD = "README.md"
_OF_THE_MACHINE = frozenset({"root", "api", "device", "workers", "chunk"})  # says nothing of what was made
_COLUMNS = {
    "id": "the sample's number or name",
    "images": "its pictures, in order, each the file as it was made",
    "instruction": "what is asked about them",
    "output": "the answer",
    "provenance": "how the sample was made, as JSON",
    "references": "all answers that count as right; `output` comes first",
}


def write_card(
    directory: Path, title: str, split: str, features: Any, recipe: dict[str, Any], entries: Sequence[Entry]
) -> None:
    """Write the card; `features` are those of `datasets`, `recipe` is the run's, empty if it isn't known."""
    samples = sum(entry["samples"] for entry in entries)
    columns = "\n".join(f"- `{name}`: {_COLUMNS[name]}" for name in features)
    count = f"Samples: {samples:,} ({split}). Parquet files: {len(entries)}; `shards.json` has their SHA-256."
    parts = [f"---\n{_header(split, features, samples, entries)}---", f"# {title}", count, f"## Columns\n\n{columns}"]
    if recipe:
        made = {key: value for key, value in recipe.items() if key not in _OF_THE_MACHINE}
        text = indent(to_yaml(made).rstrip(), "    ")
        parts.append(f"## How it was made\n\nBy `sam synth` {__version__}, with this recipe:\n\n{text}")
    write_text(directory / CARD, "\n\n".join(parts) + "\n")


def _header(split: str, features: Any, samples: int, entries: Sequence[Entry]) -> str:
    """The card's YAML: which files are the split, the columns' types, the counts."""
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    size = sum(entry["bytes"] for entry in entries)
    splits = SplitDict()
    splits.add(SplitInfo(split, num_bytes=size, num_examples=samples))
    info = DatasetInfo(features=features, splits=splits, dataset_size=size, download_size=size)
    files = [{"split": split, "path": f"{split}-*.parquet"}]
    data = DatasetCardData(configs=[{"config_name": "default", "data_files": files}])
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return f"{data.to_yaml()}\n"
