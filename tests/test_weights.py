"""What tells weights apart: every byte of them, read again only when a file changed."""

import os
from pathlib import Path

import pytest

from samcli.errors import UserError
from samcli.files import sha256
from samcli.model import weights
from samcli.model.weights import base_identity, weights_hash

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def model(directory: Path, middle: bytes = b"a") -> Path:
    """A file of weights larger than four MiB that differs from others in the middle alone."""
    directory.mkdir(exist_ok=True)
    (directory / "model.safetensors").write_bytes(bytes(1 << 21) + middle + bytes(1 << 21))
    return directory


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The files that are read to be hashed, where all of them count as large."""
    paths: list[Path] = []

    def watched(path: Path) -> str:
        paths.append(path)
        return sha256(path)

    monkeypatch.setattr(weights, "sha256", watched)
    monkeypatch.setattr(weights, "REMEMBERED_FROM", 0)
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    return paths


def test_every_byte_and_name_counts(tmp_path: Path) -> None:
    first, other, again = (model(tmp_path / name, name[:1].encode()) for name in ("a", "b", "a2"))
    assert weights_hash(first) == weights_hash(again) != weights_hash(other)
    (again / "model.safetensors").rename(again / "model-1.safetensors")
    assert weights_hash(first) != weights_hash(again)


def test_a_large_file_is_hashed_once(tmp_path: Path, hashed: list[Path]) -> None:
    directory = model(tmp_path / "model")
    assert weights_hash(directory) == weights_hash(directory)
    assert hashed == [directory / "model.safetensors"]


def test_a_large_file_that_changed_is_hashed_again_whatever_its_times(tmp_path: Path, hashed: list[Path]) -> None:
    directory = model(tmp_path / "model")
    before, times = weights_hash(directory), (directory / "model.safetensors").stat()
    model(directory, b"b")
    os.utime(directory / "model.safetensors", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights_hash(directory) != before


def test_a_cache_that_can_not_be_written_costs_time_alone(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "file"))
    directory = model(tmp_path / "model")
    assert weights_hash(directory) == weights_hash(directory)
    assert len(hashed) == 2


def test_small_files_leave_nothing_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    weights_hash(model(tmp_path / "model"))
    assert not (tmp_path / "cache").exists()


def test_weights_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(UserError, match=r"model\.safetensors: can't be read: Is a directory"):
        weights_hash(tmp_path)


def test_what_is_from_the_hub_is_told_by_its_commit(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    assert base_identity(model(tmp_path / "snapshots" / COMMIT)) == {"revision": COMMIT}
    assert base_identity(model(tmp_path / "model")) == {"base": weights_hash(tmp_path / "model")}
