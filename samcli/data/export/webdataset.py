"""WebDataset: tar files whose neighbouring members, alike up to the first dot of their names, are one sample.

KEY.0.png, KEY.1.png   the pictures, byte by byte
KEY.json               the sample in the released format; `img_list` names the members
"""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote

from samcli.data.export.shards import Entry, picture_bytes
from samcli.data.sample import Sample, as_record


class WebDatasetLayout:
    """Tar files of one split."""

    identity = "webdataset"

    def __init__(self, split: str) -> None:
        self.split = split

    def name(self, number: int, count: int) -> str:
        """`train-000000.tar`."""
        return f"{self.split}-{number:06d}.tar"

    def write(self, file: IO[bytes], samples: Iterable[Sample]) -> None:
        """Write the samples as members without times and owners, so that equal samples give equal bytes."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for sample in samples:
                key = _key(sample)
                names = [f"{key}.{place}{image.suffix.lower()}" for place, image in enumerate(sample.images)]
                for name, image in zip(names, sample.images, strict=True):
                    _add(archive, name, picture_bytes(image))
                _add(archive, f"{key}.json", json.dumps(as_record(sample, names), ensure_ascii=False).encode())

    def finish(self, directory: Path, entries: Sequence[Entry]) -> None:
        """Nothing stands beside the shards but their manifest."""


def _key(sample: Sample) -> str:
    """The id without dots, slashes and what else a member's name can't have; no two ids share one."""
    return quote(str(sample.id), safe="").replace(".", "%2E")


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
