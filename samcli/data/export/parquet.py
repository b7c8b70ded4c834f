"""Parquet files as `datasets` loads them: a row for each sample, its pictures' files in it as they are."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from samcli.data.export.card import write_card
from samcli.data.export.cut import Cut
from samcli.data.export.shards import Entry, picture_bytes
from samcli.data.sample import Sample

_ROW_GROUP = 32_000_000  # bytes of pictures that are in memory at a time, and that a reader has to fetch at once


class ParquetLayout:
    """Parquet files of one split; columns id, images, instruction, output, provenance (JSON), perhaps references."""

    def __init__(self, split: str, cut: Cut, recipe: dict[str, Any], title: str) -> None:
        from datasets import Features, Image, Value

        columns: dict[str, Any] = {
            "id": Value("int64" if cut.has_numbers else "string"),
            "images": [Image()],
            "instruction": Value("string"),
            "output": Value("string"),
            "provenance": Value("string"),
        }
        if cut.has_references:
            columns["references"] = [Value("string")]
        self.split, self.has_numbers, self.recipe, self.title = split, cut.has_numbers, recipe, title
        self.features = Features(columns)
        self.identity = f"parquet {self.features}"

    def name(self, number: int, count: int) -> str:
        """`train-00000-of-00070.parquet`."""
        return f"{self.split}-{number:05d}-of-{count:05d}.parquet"

    def write(self, file: IO[bytes], samples: Iterable[Sample]) -> None:
        """Write the samples in row groups of some 32 MB."""
        from pyarrow import Table
        from pyarrow.parquet import ParquetWriter

        schema = self.features.arrow_schema
        with ParquetWriter(file, schema, use_dictionary=False) as writer:  # pictures do not repeat
            rows: list[dict[str, Any]] = []
            size = 0
            for sample in samples:
                rows.append(self._row(sample))
                size += sum(len(image["bytes"]) for image in rows[-1]["images"])
                if size >= _ROW_GROUP:
                    writer.write_table(Table.from_pylist(rows, schema))
                    rows, size = [], 0
            if rows:
                writer.write_table(Table.from_pylist(rows, schema))

    def _row(self, sample: Sample) -> dict[str, Any]:
        """A sample by columns; `from_pylist` leaves out those that the schema hasn't got."""
        return {
            "id": sample.id if self.has_numbers else str(sample.id),
            "images": [{"bytes": picture_bytes(image), "path": image.name} for image in sample.images],
            "instruction": sample.instruction,
            "output": sample.references[0],
            "provenance": json.dumps(sample.provenance, ensure_ascii=False),
            "references": list(sample.references),
        }

    def finish(self, directory: Path, entries: Sequence[Entry]) -> None:
        """Write the dataset's card."""
        write_card(directory, self.title, self.split, self.features, self.recipe, entries)
