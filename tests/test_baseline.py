"""A run held against an earlier one, and the controls of captions."""

from dataclasses import replace
from pathlib import Path

import pytest

from samcli.data.dataset import read_dataset
from samcli.data.sample import Sample, write_annotations
from samcli.errors import UserError
from samcli.evaluation.comparison_table import differences_table
from samcli.evaluation.control import BLACK, controlled, shuffle
from samcli.evaluation.run import evaluate
from samcli.evaluation.statistics import compare, holm, mean_of, resamples_for
from samcli.files import JsonLines, write_json
from samcli.recipe import EvalRecipe
from samcli.recipe_reading import ReadingRecipe

COUNT = 30


@pytest.fixture
def data(tmp_path: Path) -> Path:
    home = tmp_path / "data" / "AESOP"
    home.mkdir(parents=True)
    samples = [Sample(n, (home / f"{n}.jpg",), "What?", (f"the {n} cats sat on mat {n}",)) for n in range(COUNT)]
    write_annotations(home, samples)
    return tmp_path / "data"


def run(tmp_path: Path, data: Path, name: str, answers: list[str], baseline: Path | None = None) -> Path:
    """Score answers; returns the run's directory."""
    file = tmp_path / f"{name}.jsonl"
    JsonLines(file).rewrite({"id": number, "prediction": text} for number, text in enumerate(answers))
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(data))
    evaluate(recipe, tmp_path / name, predictions=file, baseline=baseline)
    return tmp_path / name


def test_differences_to_an_earlier_run_are_paired_and_corrected(tmp_path: Path, data: Path) -> None:
    good = [f"the {n} cats sat on mat {n}" for n in range(COUNT)]
    poor = [text if n % 3 else "something else" for n, text in enumerate(good)]
    first = run(tmp_path, data, "poor", poor)
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(data))
    file = tmp_path / "good.jsonl"
    JsonLines(file).rewrite({"id": number, "prediction": text} for number, text in enumerate(good))
    results = evaluate(recipe, tmp_path / "good", predictions=file, baseline=first)
    gaps = results["datasets"]["AESOP"]["versus"]["poor"]
    shown = differences_table(results)
    assert shown is not None
    assert shown.title == "differences to poor"
    assert gaps.keys() == {"rouge_l", "cider", "bleu_4"}
    earlier = 100 * sum(n % 3 != 0 for n in range(COUNT)) / COUNT
    assert gaps["rouge_l"]["difference"] == pytest.approx(100 - earlier, abs=0.01)
    assert gaps["rouge_l"]["ci95"][0] > 0
    assert gaps["rouge_l"]["p"] == pytest.approx(2 / 1001, abs=1e-4)
    assert gaps["rouge_l"]["p_holm"] == pytest.approx(3 * 2 / 1001, abs=2e-4)


def test_a_baseline_must_be_a_finished_run_that_answers_all_samples(tmp_path: Path, data: Path) -> None:
    answers = ["a cat"] * COUNT
    with pytest.raises(UserError, match="finished `sam eval` of one model"):
        run(tmp_path, data, "first", answers, baseline=tmp_path / "none")
    half = run(tmp_path, data, "half", answers)
    (half / "predictions").mkdir(exist_ok=True)
    JsonLines(half / "predictions" / "AESOP.jsonl").rewrite({"id": n, "prediction": "x"} for n in range(10))
    with pytest.raises(UserError, match="it answers 10 of the 30 samples"):
        run(tmp_path, data, "second", answers, baseline=half)
    write_json(half / "results.json", {"models": {}})
    with pytest.raises(UserError, match="finished `sam eval` of one model"):
        run(tmp_path, data, "third", answers, baseline=half)


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def group(number: int, count: int) -> Sample:
    return Sample(number, tuple(Path(f"{number}-{place}.png") for place in range(count)), "What?", ("x",))


def test_shuffled_questions_get_all_pictures_of_another_sample_of_their_size() -> None:
    samples = [group(0, 2), group(1, 3), group(2, 2), group(3, 2)]
    taken = [[path.name.split("-")[0] for path in sample.images] for sample in shuffle(samples)]
    assert taken == [["2", "2"], ["2", "2"], ["3", "3"], ["0", "0"]]
    with pytest.raises(UserError, match="at least two samples"):
        shuffle(samples[:1])


def test_shuffled_questions_never_get_pictures_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Several samples may be about one pair, as in Birds-to-Words."""
    samples = [replace(group(number // 5, 2), id=number) for number in range(20)]
    for sample, other in zip(samples, shuffle(samples), strict=True):
        assert not set(sample.images) & set(other.images)
    assert capsys.readouterr().err == ""
    shuffle([group(0, 2), group(0, 2), group(1, 3)])
    assert "3 samples have no counterpart" in capsys.readouterr().err


def test_a_huge_difference_survives_a_large_table() -> None:
    comparisons = 100
    resamples = resamples_for(comparisons)
    first, second = mean_of([90.0] * 50), mean_of([10.0] * 50)
    gap = compare(first, second, resamples)
    assert holm([gap.p, *[1.0] * (comparisons - 1)])[0] < 0.05


def test_a_baseline_of_another_split_is_refused(tmp_path: Path, data: Path) -> None:
    first = run(tmp_path, data, "first", ["a cat"] * COUNT)
    home = data / "AESOP"
    samples = [Sample(n, (home / f"{n}.jpg",), "What?", (f"other text {n}",)) for n in range(COUNT)]
    write_annotations(home, samples)
    with pytest.raises(
        UserError, match="30 of its samples have other references, such as '0': it was asked about another"
    ):
        run(tmp_path, data, "second", ["a cat"] * COUNT, baseline=first)


def test_answers_that_are_there_cannot_be_asked_otherwise(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "answers.jsonl"
    JsonLines(file).rewrite({"id": n, "prediction": "x"} for n in range(COUNT))
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(data), control="blank")
    with pytest.raises(UserError, match="leave out --control"):
        evaluate(recipe, tmp_path / "run", predictions=file)


def test_answers_to_other_references_or_samples_are_refused_or_counted(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.jsonl"
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(data))
    JsonLines(file).rewrite({"id": n, "prediction": "x", "references": ["other"]} for n in range(COUNT))
    with pytest.raises(UserError, match="30 of 30 references beside the predictions differ"):
        evaluate(recipe, tmp_path / "run", predictions=file)
    JsonLines(file).rewrite({"id": n, "prediction": "x" if n else ""} for n in range(COUNT - 1))
    entry = evaluate(recipe, tmp_path / "run", predictions=file)["datasets"]["AESOP"]
    assert (entry["failed"], entry["failed_by"], entry["empty"]) == (1, {"no prediction": 1}, 1)


def test_answers_to_samples_that_were_left_out_are_counted_not_shifted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    core = tmp_path / "data" / "AESOP" / "core" / "core.json"
    records = [
        {
            "sample_id": n,
            "task_instruction_id": 0,
            "task_instance": {"context": "", "images_path": ["0.jpg"]},
            "response": f"house number {n}" if n != 3 else " ",
        }
        for n in reversed(range(9))
    ]
    write_json(core, {"metadata": {"task_instruction": ["What?"]}, "data": records})
    file = tmp_path / "answers.jsonl"
    JsonLines(file).rewrite({"id": n, "prediction": f"house number {n}"} for n in range(9))
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",), data_root=str(tmp_path / "data"))
    entry = evaluate(recipe, tmp_path / "run", predictions=file)["datasets"]["AESOP"]
    assert entry["n"] == 8
    assert entry["rouge_l"] == pytest.approx(100, abs=0.01)
    assert "1 predictions are for samples that were left out" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_told_beside_those_that_are(tmp_path: Path) -> None:
    write_json(tmp_path / "Spot-the-Diff" / "data" / "annotations" / "test.json", [])
    with pytest.raises(UserError, match="has no split 'val'; there is test"):
        read_dataset("spot-the-diff", str(tmp_path), ReadingRecipe(split="val"))


def test_black_pictures_are_as_many_as_there_were() -> None:
    (sample,) = controlled("storytelling", [group(0, 3)], "blank")
    assert sample.images == (BLACK,) * 3
    assert BLACK.is_file()
