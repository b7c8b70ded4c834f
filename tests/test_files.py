"""Files: what can't be read or written is one message for people, and what people are told isn't broken into lines."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import SafetensorError

from samcli.console import say, warn
from samcli.errors import UserError
from samcli.files import JsonLines, atomic_directory, contents_hash, save_tensors, write_json, write_text


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "x"),
        lambda path: write_json(path, 1),
        lambda path: save_tensors(path, lambda name: None),
        lambda path: JsonLines(path).append({}),
    ],
)
def test_a_path_below_a_file_is_told(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a.json", tmp_path / "file" / "deep" / "a.json"):
        with pytest.raises(UserError, match=r"can't write .*a\.json: "):
            write(path)


@pytest.mark.parametrize("act", [JsonLines.read, JsonLines.trim, lambda lines: lines.append({})])
def test_lines_in_a_directory_are_told(tmp_path: Path, act: Callable[[JsonLines], object]) -> None:
    with pytest.raises(UserError, match="Is a directory"):
        act(JsonLines(tmp_path))


def test_lines_that_are_not_there_are_none(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "none.jsonl")
    lines.trim()
    assert lines.read() == []
    assert not lines.path.exists()


@pytest.mark.parametrize("line", [b"{", b"\xff", b"9" * 5000, b"[" * 100_000])
def test_lines_that_are_no_json_are_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(line + b"\n")
    with pytest.raises(UserError, match=r"a\.jsonl: a line is not valid JSON"):
        JsonLines(tmp_path / "a.jsonl").read()


def test_paths_in_messages_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/data/" + "/".join(f"a directory {number} of many" for number in range(20))
    say(f"wrote {path}")
    warn(f"missing {path}")
    assert capsys.readouterr().err.splitlines() == [f"wrote {path}", f"warning: missing {path}"]


def fill(directory: Path, text: str) -> None:
    (directory / "inner").mkdir()
    for path in (directory / "a", directory / "inner" / "b"):
        path.write_text(text)


def held(directory: Path) -> dict[str, str]:
    """What a directory and everything beside it hold, by path."""
    return {
        str(path.relative_to(directory.parent)): path.read_text()
        for path in sorted(directory.parent.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), SafetensorError("No space left"), Exception("No space left")]
)
def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path: Path, error: Exception) -> None:
    directory = tmp_path / "model"
    for text in ("first", "second"):
        with atomic_directory(directory) as staging:
            fill(staging, text)
        assert held(directory) == {"model/a": text, "model/inner/b": text}

    def fail() -> None:
        with atomic_directory(directory) as staging:
            fill(staging, "third")
            raise error

    with pytest.raises(UserError, match=r"can't write .*model: No space left; what was there before is unchanged"):
        fail()
    assert held(directory) == {"model/a": "second", "model/inner/b": "second"}


def test_a_fault_of_ours_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(TypeError), atomic_directory(tmp_path / "model"):
        raise TypeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_puts_back_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    directory, calls, replace = tmp_path / "model", iter(range(1, 9)), os.replace
    with atomic_directory(directory) as staging:
        fill(staging, "first")

    def fail(source: Path, target: Path) -> None:
        if next(calls) == failing:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match="Input/output error"), atomic_directory(directory) as staging:
        fill(staging, "second")
    assert held(directory) == {"model/a": "first", "model/inner/b": "first"}


def test_what_a_kill_between_the_renames_left_is_put_back(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "model") as staging:
        fill(staging, "first")
    (tmp_path / "model").rename(tmp_path / ".model.old.tmp")
    with pytest.raises(TypeError), atomic_directory(tmp_path / "model"):
        raise TypeError
    assert held(tmp_path / "model") == {"model/a": "first", "model/inner/b": "first"}


def test_contents_are_told_apart_whatever_the_names(tmp_path: Path) -> None:
    first, same, other = (tmp_path / name for name in "abc")
    for path, text in ((first, "x"), (same, "x"), (other, "y")):
        path.write_text(text)
    assert contents_hash([first, other]) == contents_hash([same, other]) != contents_hash([other, first])
    os.mkfifo(tmp_path / "pipe")
    for unreadable in (tmp_path, tmp_path / "none", tmp_path / ("a" * 300), tmp_path / "pipe"):
        assert contents_hash([first, unreadable]) != contents_hash([first]) != contents_hash([unreadable, first])
