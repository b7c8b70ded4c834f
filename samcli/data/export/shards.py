"""A set as shards in a directory that appears when it is whole; an export that was killed goes on with its next shard.

NAME/shards.json       written last: name, samples, bytes and SHA-256 of each shard, and what it was made of
.NAME.part/            the directory while it is filled; shards.jsonl in it notes the shards that are whole
"""

import hashlib
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from samcli.console import Advance, progress
from samcli.data.export.cut import Fingerprint, Shard
from samcli.data.sample import Sample
from samcli.errors import Interrupted, UserError
from samcli.files import JsonLines, atomic_write, read_json, sha256, sync, write_json
from samcli.lock import locked
from samcli.signals import StopRequest, listening

MANIFEST = "shards.json"
_PUBLISHED = ("name", "samples", "bytes", "sha256")
Entry = dict[str, Any]  # what the manifest says of a shard


class Layout(Protocol):
    """How shards are called and what is in them."""

    @property
    def identity(self) -> str:
        """What a shard's bytes depend on besides its samples."""
        ...

    def name(self, number: int, count: int) -> str:
        """The file of shard `number`, from 0, of `count`."""
        ...

    def write(self, file: IO[bytes], samples: Iterable[Sample]) -> None:
        """Write the samples, with the pictures of few in memory at a time; equal samples give equal bytes."""
        ...

    def finish(self, directory: Path, entries: Sequence[Entry]) -> None:
        """Write what stands beside the shards."""
        ...


def write_shards(directory: Path, samples: Iterable[Sample], shards: Sequence[Shard], layout: Layout) -> list[Entry]:
    """Make `directory` hold the samples in these shards, and return its manifest; what is there already is kept.

    Raises UserError when the disk is full, the place is taken or the samples aren't those that were cut, and
    Interrupted after a signal.
    """
    wanted = {layout.name(number, len(shards)): shard for number, shard in enumerate(shards)}
    bench = directory.with_name(f".{directory.name}.part")
    notes = JsonLines(directory.with_name(f".{directory.name}.shards.jsonl"))
    with _telling(directory), locked(directory.with_name(f".{directory.name}.lock"), wait=False, of=directory):
        if directory.exists():
            manifest = _manifest(directory)
            if [entry["name"] for entry in manifest] == list(wanted) == list(_whole(directory, notes, wanted, layout)):
                return manifest
            shutil.rmtree(bench, ignore_errors=True)
            os.replace(directory, bench)
        bench.mkdir(parents=True, exist_ok=True)
        entries = _whole(bench, notes, wanted, layout)
        notes.rewrite(entries.values())
        _clear(bench, keep=entries)
        _write_missing(bench, samples, wanted, layout, entries, notes)
        manifest = [{key: entries[name][key] for key in _PUBLISHED} for name in wanted]
        layout.finish(bench, manifest)
        write_json(bench / MANIFEST, {"samples": _total(shards), "shards": manifest})
        os.replace(bench, directory)
        sync(directory.parent)
    return manifest


@contextmanager
def _telling(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"can't write {directory}: {error.strerror or error}; the same command goes on") from error


def _manifest(directory: Path) -> list[Entry]:
    """The shards of a finished export; raises UserError when somebody else's files are there."""
    found = read_json(directory / MANIFEST) if (directory / MANIFEST).is_file() else None
    if not isinstance(found, dict) or "shards" not in found:
        raise UserError(f"{directory} holds no export (no {MANIFEST} that lists one); move it away")
    return list(found["shards"])


def _whole(directory: Path, notes: JsonLines, wanted: dict[str, Shard], layout: Layout) -> dict[str, Entry]:
    """By name, in the order of the shards, what is noted of those that are whole and hold what is wanted."""
    noted = {entry["name"]: entry for entry in notes.read()}
    return {
        name: noted[name]
        for name, shard in wanted.items()
        if name in noted
        and noted[name]["source"] == _source(shard, layout)
        and (directory / name).is_file()
        and (directory / name).stat().st_size == noted[name]["bytes"]
    }


def _source(shard: Shard, layout: Layout) -> str:
    """A hash of all that settles a shard's bytes, but for the versions of libraries."""
    return hashlib.sha256(f"{layout.identity} {shard.fingerprint}".encode()).hexdigest()


def _clear(bench: Path, keep: Container[str]) -> None:
    """Remove what is neither kept nor wanted: shards of another cut, what a kill left half-written."""
    for path in bench.iterdir():
        if path.name not in keep:
            path.unlink()


def _write_missing(
    bench: Path,
    samples: Iterable[Sample],
    wanted: dict[str, Shard],
    layout: Layout,
    entries: dict[str, Entry],
    notes: JsonLines,
) -> None:
    """Write the shards that have no entry yet, and note each: in `notes`, for who goes on, and in `entries`."""
    rest = iter(samples)
    what = f"exporting {bench.name.removeprefix('.').removesuffix('.part')}"
    with listening() as stop, progress(what, _total(wanted.values())) as advance:
        for name, shard in wanted.items():
            share = islice(rest, shard.samples)
            if name in entries:
                advance(sum(1 for _ in share))
                continue
            so_far = f"{len(entries)} of {len(wanted)} shards"
            with atomic_write(bench / name, "wb") as file:
                layout.write(file, _drawn(share, shard, stop, so_far, advance))
            entries[name] = {
                "name": name,
                "samples": shard.samples,
                "bytes": (bench / name).stat().st_size,
                "sha256": sha256(bench / name),
                "source": _source(shard, layout),
            }
            notes.append(entries[name])


def _drawn(
    samples: Iterable[Sample], shard: Shard, stop: StopRequest, so_far: str, advance: Advance
) -> Iterator[Sample]:
    """A shard's samples, each counted once it is written; raises UserError at the end if they aren't the shard's."""
    fingerprint = Fingerprint()
    for sample in samples:
        if stop.signal_number is not None:
            raise Interrupted(
                stop.signal_number, f"stopped with {so_far} exported; the same command goes on from there"
            )
        yield sample
        with _reading(*sample.images):
            fingerprint.add(sample)
        advance(1)
    if fingerprint.hexadecimal() != shard.fingerprint:
        raise UserError("the set changed while it was exported; export it when nobody works on it")


def picture_bytes(path: Path) -> bytes:
    """A picture's file as it is; raises UserError when it can't be read."""
    with _reading(path):
        return path.read_bytes()


@contextmanager
def _reading(*images: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or ", ".join(map(str, images))
        raise UserError(f"{place}: can't be read: {error.strerror or error}; did the set change meanwhile?") from error


def _total(shards: Iterable[Shard]) -> int:
    return sum(shard.samples for shard in shards)
