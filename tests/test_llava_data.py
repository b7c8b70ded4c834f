"""LLaVA's conversations become a data set that trainings read."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.data.sample import read_annotations

SCRIPT = Path(__file__).parents[1] / "examples" / "llava_data.py"


def said(*texts: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]


RECORDS: list[dict[str, Any]] = [
    {
        "id": "7",
        "image": "coco/7.jpg",
        "conversations": said("What is it?\n<image>", "A red cat.", "Where?", "On the sofa."),
    },
    {"id": "7", "image": "coco/7.jpg", "conversations": said("<image>\nIs it blue?", "No.")},
    {"id": "8", "conversations": said("Hello", "Good day.")},
    {"id": "9", "image": "coco/9.jpg", "conversations": said("<image>\nWhat?", "A dog.")},
    {"id": "10", "image": "coco/7.jpg", "conversations": said("<image>\nWhat?", "A cat.", "And?")},
    {"id": "11", "image": "coco/7.jpg", "conversations": said("<image>", "A cat.")},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "chat.json").write_text(json.dumps(RECORDS))
    (tmp_path / "coco").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "coco" / "7.jpg")
    return tmp_path


def convert(data: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["llava_data.py", str(data / "chat.json"), "--out", str(data), *options])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_first_turns_about_pictures_that_are_there(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(data, monkeypatch)
    first, second = read_annotations(data)
    assert (first.id, first.images, first.provenance) == (0, (data / "coco" / "7.jpg",), {"source": "7"})
    assert (first.instruction, first.references) == ("What is it?", ("A red cat.",))
    assert (second.id, second.instruction) == (1, "Is it blue?")
    told = capsys.readouterr().out
    assert "left out: 1 conversations without a picture" in told
    assert "left out: 1 conversations whose picture isn't there" in told
    assert "left out: 2 conversations in which nobody takes turns" in told
    assert f"2 samples: {data / 'annotations.json'}" in told


def test_later_turns_are_asked_behind_the_former_as_vicuna_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(data, monkeypatch, "--turns", "all")
    first, second, third = read_annotations(data)
    assert [sample.id for sample in (first, second, third)] == ["0-0", "0-1", "1-0"]
    assert second.references == ("On the sofa.",)
    assert second.instruction == "What is it? ASSISTANT: A red cat.</s>USER: Where?"


def test_nothing_to_train_on_is_said(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "coco" / "7.jpg").unlink()
    with pytest.raises(SystemExit, match="2"):
        convert(data, monkeypatch)
    assert "--out is the directory that holds the pictures" in capsys.readouterr().err
    assert not (data / "annotations.json").exists()
