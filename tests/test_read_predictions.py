"""Predictions made elsewhere: all three shapes are read, every fault is named, nothing is dropped in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from samcli.errors import UserError
from samcli.evaluation.predictions import Prediction, for_samples, read_predictions

GOLDENS = Path(__file__).parent / "goldens" / "scores-a"


def write(path: Path, records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records))
    return path


def write_lines(path: Path, *records: Any, end: str = "\n") -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records) + end)
    return path


def released(name: int | str, text: str = "a cat") -> dict[str, Any]:
    return {"sample_id": name, "pred_response": text, "gt_response": "a dog"}


def ours(dataset: str | None, name: str, **more: Any) -> dict[str, Any]:
    return {"dataset": dataset, "id": name, "prediction": "a cat", "references": ["a", "b"], **more}


def test_released_file_scores_the_one_dataset_named() -> None:
    found = read_predictions(GOLDENS / "AESOP" / "pred.json", ["aesop"])
    assert list(found) == ["aesop"]
    assert len(found["aesop"]) == 80
    assert found["aesop"][0] == Prediction(
        "0", "Mike's cat looks at a lake, at sunset!", ("Mike's cat waits for a lake, at sunset!",)
    )


def test_directory_has_a_file_for_each_dataset_whatever_the_case(tmp_path: Path) -> None:
    found = read_predictions(GOLDENS, ["vist", "aesop"])
    assert {name: len(predictions) for name, predictions in found.items()} == {"vist": 80, "aesop": 80}
    write_lines(tmp_path / "World-Groups.jsonl", ours("world-groups", "x"))
    assert read_predictions(tmp_path, ["world-groups"])["world-groups"][0].id == "x"


def test_json_lines_name_their_datasets(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "p.jsonl",
        ours("AESOP", "1", seconds=0.5),
        ours("vist", "1", prediction=None, error="out of memory"),
        ours("other", "1"),
    )
    found = read_predictions(path, ["aesop", "VIST"])
    assert found == {
        "aesop": [Prediction("1", "a cat", ("a", "b"), "AESOP", 0.5)],
        "VIST": [Prediction("1", "", ("a", "b"), "vist", error="out of memory")],
    }


def test_last_line_counts_without_its_end_and_is_left_out_when_torn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_lines(tmp_path / "whole.jsonl", ours("d", "1"), ours("d", "2"), end="")
    assert len(read_predictions(whole, ["d"])["d"]) == 2
    assert capsys.readouterr().err == ""
    torn = tmp_path / "torn.jsonl"
    torn.write_text(whole.read_text()[:-9])
    assert [one.id for one in read_predictions(torn, ["d"])["d"]] == ["1"]
    assert "last line is incomplete" in " ".join(capsys.readouterr().err.split())


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    records = [
        released(1),
        {"sample_id": 2},
        released(True, None),  # type: ignore[arg-type]
        "text",
        ours("d", "5", prediction=None),
        ours("d", "6", seconds=float("nan"), references="one"),
        ours("d", "7", seconds=-1),
        released(8, "\ud800"),
    ]
    with pytest.raises(UserError) as caught:
        read_predictions(write(tmp_path / "p.json", records), ["d"])
    assert str(caught.value).splitlines()[1:] == [
        "  p.json, record 2: `pred_response` is missing",
        "  p.json, record 3: `sample_id` must be a whole number or text",
        "  p.json, record 3: `pred_response` must be text",
        "  p.json, record 4: 'text' is not an object",
        "  p.json, record 5: `prediction` is null, and no `error` says why",
        "  p.json, record 6: `references` must be a list of texts",
        "  p.json, record 6: `seconds` must be a number from 0, or null",
        "  p.json, record 7: `seconds` must be a number from 0, or null",
        "  p.json, record 8: holds half of a surrogate pair, which is no character",
    ]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"record 10: .*\n  \.\.\. and 20 more$"):
        read_predictions(write(tmp_path / "p.json", [1] * 30), ["d"])


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", [released(1), released("1"), released(2)])
    with pytest.raises(UserError, match=r"p\.json has 2 predictions for sample '1'"):
        read_predictions(path, ["d"])


def test_several_datasets_need_their_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without a dataset; name the one that they are for"):
        read_predictions(write(tmp_path / "p.json", [released(1)]), ["aesop", "vist"])


def test_datasets_without_predictions_are_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.jsonl", ours("aesop", "1"))
    with pytest.raises(UserError, match="no predictions for vist; it has 'aesop'"):
        read_predictions(path, ["aesop", "vist"])
    with pytest.raises(UserError, match="no predictions for vist; it is empty"):
        read_predictions(write(tmp_path / "p.json", []), ["vist"])
    with pytest.raises(UserError, match=r"neither dm800k/pred\.json nor dm800k\.jsonl"):
        read_predictions(GOLDENS, ["aesop", "dm800k"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", b"{}", "must hold a JSON list"),
        ("p.json", b"[" * 100_000, "can't be read as JSON"),
        ("p.json", b"[1" + b"0" * 5000 + b"]", "can't be read as JSON"),
        ("p.json", b"\xff\xfe", "can't be read"),
        ("p.json", b"nonsense", "not valid JSON"),
        ("p.jsonl", b"{\n\xff\xff\n" + b"[" * 100_000 + b"\n", r"(?s)line 1: .*line 2: .*line 3: "),
    ],
)
def test_files_that_are_no_json_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_predictions(tmp_path / name, ["d"])


@pytest.mark.parametrize("name", ["none.json", "none.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"{name}: .*[Nn]o such file"):
        read_predictions(tmp_path / name, ["d"])


def test_missing_predictions_count_as_failed() -> None:
    made = [Prediction("2", "b", ("two",)), Prediction("1", "a")]
    found = for_samples(made, {"1": ["one"], "2": ["two"], "3": ["three"]})
    assert [(one.id, one.text, one.references) for one in found] == [
        ("1", "a", ("one",)),
        ("2", "b", ("two",)),
        ("3", "", ("three",)),
    ]
    assert [one.error for one in found] == [None, None, "there is no prediction for this sample"]


def test_predictions_for_other_samples_are_refused() -> None:
    with pytest.raises(UserError, match="2 predictions are for samples that the dataset doesn't have, such as 'x'"):
        for_samples([Prediction("x", "a"), Prediction("y", "a"), Prediction("1", "a")], {"1": ["one"]})


def test_references_that_differ_from_the_dataset_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    samples = {str(number): [f"text {number}"] for number in range(20)}
    given = [Prediction(name, "a", ("other",) if name == "1" else tuple(texts)) for name, texts in samples.items()]
    assert for_samples(given, samples)[1].references == ("text 1",)
    assert "1 of 20 references" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(UserError, match="1 of 1 references beside the predictions differ"):
        for_samples([given[1]], samples)
