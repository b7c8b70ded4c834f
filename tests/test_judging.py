"""Captions, questions and grounding of the world: how answers are judged, and what results and tables make of it."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.ablation_results import CAPTIONS, Dataset, _averages
from samcli.evaluation.entries import Answered, entry_of, evidence, metrics_of, sample_scores
from samcli.evaluation.judging import RULES, check_samples, judge_caption, judge_exactly, judge_grounding
from samcli.evaluation.predictions import Prediction
from samcli.evaluation.report.page import write_report
from samcli.evaluation.result_tables import METRICS, evaluation_table
from samcli.evaluation.results import Source, results_of
from samcli.evaluation.statistics import estimate
from samcli.evaluation.tasks import datasets_of, known_datasets
from samcli.recipe import AblateRecipe, EvalRecipe
from samcli.synth.world.cells import Cells

SOFA, LAMP = "a plain red sofa with blue legs and a vase", "a striped green lamp with red legs and a cup"
CHAIR = "a plain red chair with blue legs and a vase"
PLACE = "A clear park by day"
BOX = "In rows 1 to 2, 1 to 4 from the left."


def answered(reference: str, *texts: str) -> Answered:
    samples = [Sample(number, (), "asked", (reference,)) for number in range(len(texts))]
    return Answered("d", samples, [Prediction(str(number), text) for number, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (f"{PLACE}: {SOFA}; and {LAMP}.", 1.0),
        (f"{LAMP} beside {SOFA}", 1.0),
        (f"{PLACE}: {SOFA}.", 0.5),
        (f"{PLACE}: {SOFA}; and {CHAIR}.", 0.5),
        (f"{SOFA}; {LAMP}; and {CHAIR}", 2 / 3),  # what isn't there costs
        (f"{PLACE}: a red sofa; and a green lamp.", 0.0),
        ("", 0.0),
    ],
)
def test_captions_are_judged_by_the_things_that_they_name(answer: str, share: float) -> None:
    sample = Sample(0, (), "", (f"{PLACE}: {SOFA}; and {LAMP}.",))
    assert judge_caption(answer, sample) == {"things_in_full": pytest.approx(share)}


@pytest.mark.parametrize(
    ("answer", "right"),
    [("It is red.", True), (" it  is Red ", True), ("It is red. ", True), ("It is redder.", False), ("", False)],
)
def test_answers_are_equal_but_for_capitals_blanks_and_the_full_stop(answer: str, right: bool) -> None:
    assert judge_exactly(answer, Sample(0, (), "", ("It is red.",))) == {"exact": right}
    assert judge_exactly(answer, Sample(0, (), "", ("It is blue.", "It is red."))) == {"exact": right}


@pytest.mark.parametrize(
    ("answer", "overlap"),
    [
        (BOX, 1.0),
        ("In rows 1 to 2, 1 to 2 from the left.", 0.5),
        ("In rows 2 to 3, 1 to 4 from the left.", 1 / 3),
        ("In rows 7 to 8, 1 to 4 from the left.", 0.0),
        ("On the left.", 0.0),
    ],
)
def test_boxes_are_judged_by_their_overlap(answer: str, overlap: float) -> None:
    found = judge_grounding(answer, Sample(0, (), "", (BOX,)))
    assert found == {"iou_50": overlap >= 0.5, "iou": pytest.approx(overlap)}


def test_entries_by_hand() -> None:
    entry = entry_of("questions", answered("Yes.", "yes", "No.", "No.", "no idea"))
    assert (entry["n"], entry["exact"]) == (4, 25)
    assert entry["ci95"]["exact"] == pytest.approx([4.5587, 69.9358], abs=1e-3)  # Wilson's
    entry = entry_of("grounding", answered(BOX, BOX, "In rows 1 to 2, 1 to 2 from the left.", "?", "?"))
    assert (entry["iou_50"], entry["iou"]) == (50, 37.5)
    assert entry["ci95"]["iou_50"] == pytest.approx([15.0039, 84.9961], abs=1e-3)
    low, high = entry["ci95"]["iou"]
    assert 0 <= low < 37.5 < high <= 100
    entry = entry_of("captioning", answered(f"{PLACE}: {SOFA}.", f"{PLACE}: {SOFA}.", f"{PLACE}: {CHAIR}."))
    assert entry["things_in_full"] == 50
    assert entry["rouge_l"] > 90


@pytest.mark.parametrize(
    ("task", "reference", "texts"),
    [
        ("captioning", f"{PLACE}: {SOFA}.", (f"{PLACE}: {SOFA}.", f"{PLACE}: {CHAIR}.", "nothing at all here")),
        ("questions", "Yes.", ("yes", "No.", "Yes.")),
        ("grounding", BOX, (BOX, "In rows 2 to 3, 1 to 4 from the left.", "?")),
        ("storytelling", "a dog runs in the park", ("a dog runs in the park", "a dog runs", "a cat")),
    ],
)
def test_entries_evidence_and_samples_agree(task: str, reference: str, texts: tuple[str, ...]) -> None:
    run = answered(reference, *texts)
    entry, found, rows = entry_of(task, run), evidence(task, [run]), sample_scores(task, run)
    assert tuple(found) == metrics_of(task)
    assert set(found) == set(entry["ci95"])
    for place, metric in enumerate(metrics_of(task)):
        assert estimate(found[metric]).value == pytest.approx(entry[metric], abs=1e-3)
        if metric != "bleu_4":  # of the whole, no mean of samples
            assert sum(row[place] for row in rows) / len(rows) == pytest.approx(entry[metric], abs=1e-3)


@pytest.mark.parametrize(("task", "reference"), [("questions", "Yes."), ("grounding", BOX), ("captioning", SOFA)])
def test_results_tables_and_page_have_the_metrics_of_the_task(task: str, reference: str, tmp_path: Path) -> None:
    recipe = EvalRecipe.model_validate({"task": task})
    name = known_datasets(task)[0]
    one = answered(reference, reference, "something else")
    results = results_of(recipe, Source("tiny", world=True), {name: Answered(name, one.samples, one.predictions)})
    assert set(metrics_of(task)) <= results["datasets"][name].keys()
    assert set(results["average"]) == set(metrics_of(task))
    assert results["protocol"] == ("released" if task == "captioning" else RULES[task].name)
    assert RULES[task].settings in results["signature"]
    columns = list(evaluation_table(results).columns)
    assert columns[4:-1] == [METRICS[metric] for metric in METRICS if metric in metrics_of(task)]
    page = write_report(tmp_path, results, {"tiny": {name: one}}).read_text()
    told = json.loads(page.split('id="data"', 1)[1].split(">", 1)[1].split("</script>", 1)[0])
    assert [metric["key"] for metric in told["metrics"]] == list(metrics_of(task))
    first, second = (sample["said"][0]["scores"] for sample in told["datasets"][0]["samples"])
    assert len(first) == len(second) == len(metrics_of(task))
    assert first[-1] == 100
    assert second[-1] == 0


def test_every_metric_has_a_name_in_tables() -> None:
    assert {metric for rule in RULES.values() for metric in rule.metrics} <= METRICS.keys()


@pytest.mark.parametrize(
    ("task", "reference", "reason"),
    [
        ("grounding", "On the left.", "names no box"),
        ("captioning", "A dog runs.", "names no thing"),
        ("questions", " ", "has no reference"),
        ("linking", "A red sofa.", "doesn't say which thing"),
    ],
)
def test_sets_that_cannot_be_judged_are_refused(task: str, reference: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"mine: sample 4 .*{reason}.*; {task} can be scored on world-"):
        check_samples(task, "mine", [Sample(4, (), "", (reference,))])


def test_captions_of_several_tasks_are_averaged_without_what_one_alone_has() -> None:
    names = {"captioning": "world-captions", "storytelling": "world-stories", "questions": "world-questions"}
    averages = _averages([Dataset(task, name, ()) for task, name in names.items()])
    assert {name: [one.name for one in members] for name, members in averages.items()} == {
        CAPTIONS: ["world-captions", "world-stories"]
    }


def test_tasks_have_their_world_sets() -> None:
    assert datasets_of("captioning", ()) == ["world-captions"]
    assert datasets_of("questions", ["World-Questions"]) == ["world-questions"]
    with pytest.raises(UserError, match="world-grounding belongs to grounding"):
        datasets_of("questions", ["world-grounding"])
    with pytest.raises(UserError, match="world-instructions is to train on: no task asks it"):
        datasets_of("questions", ["world-instructions"])
    AblateRecipe(tasks=("captioning", "questions", "grounding"))
    with pytest.raises(ValidationError, match="grounding is judged by a rule of its own"):
        EvalRecipe(task="grounding", protocol="coco")


def test_boxes_of_one_cell_can_be_answered() -> None:
    cell = Cells(3, 3, 6, 6)
    assert judge_grounding(f"In {cell.phrase}.", Sample(0, (), "", (f"In {cell.phrase}.",)))["iou"] == 1
