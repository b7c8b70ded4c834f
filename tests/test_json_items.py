import json
from pathlib import Path

import pytest

from samcli import json_items as module
from samcli.errors import UserError
from samcli.json_items import json_items

LISTS = [
    [],
    [1],
    [12345, -3.25e10, True, None, "", [], {}],
    [{"id": number, "text": 'Ü "],[" \\ \n' * number, "more": [[number], {}]} for number in range(5)],
    ["]", ",", "[", ["a,b]"]],
]


@pytest.fixture(params=[1, 2, 7, 1 << 20])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("items", LISTS)
@pytest.mark.parametrize("indent", [None, 2])
def test_items_are_those_of_the_whole(tmp_path: Path, items: list[object], indent: int | None) -> None:
    for text in (json.dumps(items, indent=indent), json.dumps(items, ensure_ascii=False, indent=indent) + " \n"):
        (tmp_path / "list.json").write_text(text, encoding="utf-8")
        assert list(json_items(tmp_path / "list.json")) == items


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("text", ["{}", '"[1]"', "3", "null"])
def test_what_is_no_list_has_no_items(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    assert list(json_items(tmp_path / "list.json")) == []


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(
    "text", ["", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1}", "[1]2", "[1],", '["a]', "[1, nul]", "[[1]", "{"]
)
def test_faults_are_told_as_for_a_whole_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(UserError, match=r"list\.json:1: not valid JSON"):
        list(json_items(tmp_path / "list.json"))


def test_files_that_are_missing_deep_or_not_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(json_items(tmp_path / "list.json"))
    for data in (b"[" * 100_000, b'["\xff"]'):
        (tmp_path / "list.json").write_bytes(data)
        with pytest.raises(UserError, match="can't be read"):
            list(json_items(tmp_path / "list.json"))


def test_items_before_a_fault_come_first(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('[{"a": 1}, {"b": }]')
    items = json_items(tmp_path / "list.json")
    assert next(items) == {"a": 1}
    with pytest.raises(UserError, match="not valid JSON"):
        next(items)
