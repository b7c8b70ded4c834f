import json
from pathlib import Path
from typing import Any

import pytest

from samcli.errors import UserError
from samcli.synth.ledger import Entry, Ledger, is_complete, part_file
from samcli.synth.writer import merge


def entry(index: int, attempts: int = 1, *, made: bool = True) -> Entry:
    manifest: dict[str, Any] = {"id": index, "status": "made" if made else "failed", "attempts": attempts}
    annotation = {"id": index, "output": f"größer [{{,\n{attempts}"} if made else None
    return Entry(manifest | {"rejections": [], "images": {}}, annotation)


def note(out: Path, shard: tuple[int, int], *entries: Entry) -> None:
    part_file(out, shard).extend(each.to_json() for each in entries)


def test_entries_come_by_id_whatever_the_order_of_parts(tmp_path: Path) -> None:
    note(tmp_path, (0, 2), entry(4), entry(0))
    note(tmp_path, (1, 2), entry(3), entry(1))
    ledger = Ledger(tmp_path)
    assert list(ledger) == [0, 1, 3, 4]
    assert ledger[3] == entry(3)
    assert [each.id for each in ledger.values()] == [0, 1, 3, 4]
    assert (2 in ledger, len(ledger)) == (False, 4)
    with pytest.raises(KeyError):
        ledger[2]


def test_the_later_attempt_counts_wherever_it_is_noted(tmp_path: Path) -> None:
    note(tmp_path, (0, 2), entry(0, 3), entry(1, 1, made=False))
    note(tmp_path, (1, 2), entry(0, 2), entry(1, 5))
    ledger = Ledger(tmp_path)
    assert (ledger[0].manifest["attempts"], ledger[1]) == (3, entry(1, 5))


def test_what_is_merged_reads_the_same_and_is_read_on_while_it_is_merged_again(tmp_path: Path) -> None:
    note(tmp_path, (0, 1), entry(2), entry(0, made=False), entry(1))
    merge(tmp_path, Ledger(tmp_path))
    assert is_complete(tmp_path)
    ledger = Ledger(tmp_path)
    assert dict(ledger) == {0: entry(0, made=False), 1: entry(1), 2: entry(2)}
    note(tmp_path, (0, 1), entry(0, 2))
    newer = Ledger(tmp_path)
    merge(tmp_path, newer)
    assert (ledger[0], newer[0]) == (entry(0, made=False), entry(0, 2))
    assert [record["id"] for record in json.loads((tmp_path / "annotations.json").read_text())] == [0, 1, 2]
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 3


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    note(tmp_path, (0, 1), entry(0))
    with (tmp_path / "part-0-of-1.jsonl").open("a") as file:
        file.write('{"manifest": {"id": 1')
    assert list(Ledger(tmp_path)) == [0]


@pytest.mark.parametrize("line", ["[]\n", '{"id": 1}\n', '{"manifest": {"id": "x", "attempts": 1}}\n', "{]\n"])
def test_a_line_that_is_none_of_ours_is_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "part-0-of-1.jsonl").write_text(line)
    with pytest.raises(UserError, match=r"part-0-of-1.jsonl: a line is .*remove the file"):
        Ledger(tmp_path)


def test_a_manifest_without_annotations_is_told(tmp_path: Path) -> None:
    note(tmp_path, (0, 1), entry(0))
    merge(tmp_path, Ledger(tmp_path))
    (tmp_path / "annotations.json").unlink()
    with pytest.raises(UserError, match=r"annotations.json: no such file, though manifest.jsonl is there"):
        Ledger(tmp_path)


def test_a_sample_that_is_made_again_counts_as_it_is_now(tmp_path: Path) -> None:
    note(tmp_path, (0, 1), entry(0), entry(1))
    merge(tmp_path, Ledger(tmp_path))
    note(tmp_path, (0, 1), entry(1, made=False))
    assert Ledger(tmp_path)[1] == entry(1, made=False)


def test_a_long_torn_line_is_trimmed_and_nothing_else(tmp_path: Path) -> None:
    part = part_file(tmp_path, (0, 1))
    part.trim()
    note(tmp_path, (0, 1), entry(0), entry(1))
    whole = part.path.read_bytes()
    for torn in (b"", b"{", b"x" * 200_000):
        part.path.write_bytes(whole + torn)
        part.trim()
        assert part.path.read_bytes() == whole
    part.path.write_bytes(b"y" * 100_000)
    part.trim()
    assert part.path.read_bytes() == b""
