"""Files: what can't be read or written is one message for people, and what people are told isn't broken into lines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from samcli.console import say, warn
from samcli.errors import UserError
from samcli.files import JsonLines, save_tensors, write_json, write_text


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
