"""`sam eval`: answers are kept, resumed and scored; what fails is counted; linking is judged strictly."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.data.batch import Batch
from samcli.data.sample import Sample, read_annotations, write_annotations
from samcli.errors import Interrupted, UserError
from samcli.evaluation import tasks
from samcli.evaluation.control import control_rates, shuffle_links
from samcli.evaluation.entries import Answered, entry_of
from samcli.evaluation.judging import judge_linking
from samcli.evaluation.own_answers import TOGETHER, OwnAnswers
from samcli.evaluation.own_subject import OwnSubject as Subject
from samcli.evaluation.predict import Here, in_order, predict
from samcli.evaluation.predictions import Prediction
from samcli.evaluation.result_tables import evaluation_table
from samcli.evaluation.results import not_comparable
from samcli.evaluation.run import evaluate, export_requests
from samcli.model.adapter import save_adapter
from samcli.model.captioner import Captioner
from samcli.model.generate import Asking, Generated
from samcli.model.load import load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import WORLD, write_traits
from samcli.model.weights import weights_hash
from samcli.recipe import DecodingChanges, DecodingRecipe, EvalRecipe
from samcli.recipe_file import dump_recipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from samcli.synth.world.things import Thing
from tests.small_models import WORDS, save_small, small_sizes

GOLDENS = Path(__file__).parent / "goldens" / "scores-a"
CHANGES = DecodingChanges(beams=1, max_length=8, repetition_penalty=1.0)
GREEDY = CHANGES.over(DecodingRecipe())

SOFA = Thing("furniture", ("sofa", "red", "plain", "blue", "vase"))
CHAIR = Thing("furniture", ("chair", "green", "striped", "white", "cup"))
LAMP = Thing("furniture", ("lamp", "black", "dotted", "red", "ball"))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    sizes = small_sizes(vision_width=32, qformer_width=32, llm_width=32, llm_mlp=64)
    directory = save_small(tmp_path_factory.mktemp("base"), sizes)
    (directory / "sam.json").unlink()  # so it stands for any InstructBLIP, not for one of the world
    return directory


@pytest.fixture(scope="session")
def captioner(base: Path) -> Captioner:
    return load_model(str(base), device="cpu")


def make_dataset(
    directory: Path, count: int, images: int = 2, provenance: dict[str, Any] | None = None
) -> list[Sample]:
    samples = []
    for number in range(count):
        paths = [directory / f"images/{number}-{place}.png" for place in range(images)]
        for place, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), (number * 25, place * 90, 128)).save(path)
        reference = f"a {WORDS[number % 4]} dog on sofa number {number}"
        samples.append(Sample(number, tuple(paths), f"what is shared {number}", (reference,), provenance or {}))
    write_annotations(directory, samples)
    return read_annotations(directory)


def let_it_be_right(captioner: Captioner, directory: Path) -> None:
    """Make what the model answers to every other sample its reference, so that scores aren't all 0."""
    samples = read_annotations(directory)
    answers = captioner.answer([s.images for s in samples], [s.instruction for s in samples], GREEDY)
    right = [
        f"{answer} x y z" if s.id in (0, 2, 4) else s.references[0] for s, answer in zip(samples, answers, strict=True)
    ]
    write_annotations(directory, [replace(s, references=(text,)) for s, text in zip(samples, right, strict=True)])


def linked(*things: Thing) -> dict[str, Any]:
    return {"shared": SOFA.to_json(), "things": [[thing.to_json() for thing in things], [SOFA.to_json()]]}


def without_seconds(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) | {"seconds": 0} for line in path.read_text().splitlines()]


def answer_all(captioner: Captioner, samples: list[Sample], path: Path) -> list[Prediction]:
    return predict(Here(lambda: OwnAnswers(captioner, "d", GREEDY, 4)), "d", samples, path, 4)


@pytest.mark.parametrize("kept", [0, 3, 4, 9, 10])
def test_a_stopped_prediction_goes_on_to_the_same_answers(kept: int, captioner: Captioner, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path, 10)
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    predictions = answer_all(captioner, samples, whole)
    lines = whole.read_text().splitlines(keepends=True)
    torn.write_text("".join(lines[:kept]) + "".join(lines[kept:])[:30])
    assert [one.text for one in answer_all(captioner, samples, torn)] == [one.text for one in predictions]
    assert without_seconds(torn) == without_seconds(whole)
    assert len({one.text for one in predictions}) > 1


def test_a_prediction_stopped_while_several_batches_are_asked_goes_on_to_the_same_answers(
    captioner: Captioner, tmp_path: Path
) -> None:
    samples = make_dataset(tmp_path, 10)

    def ask(path: Path) -> list[Prediction]:
        return predict(Here(lambda: OwnAnswers(captioner, "d", GREEDY, 2)), "d", samples, path, 2 * TOGETHER)

    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    made = ask(whole)
    assert [one.text for one in made] == [one.text for one in answer_all(captioner, samples, tmp_path / "p.jsonl")]
    torn.write_text("".join(whole.read_text().splitlines(keepends=True)[:3]))
    ask(torn)
    assert without_seconds(torn) == without_seconds(whole)


def test_answers_equal_the_captioners_own(captioner: Captioner, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path, 4)
    made = answer_all(captioner, samples, tmp_path / "p.jsonl")
    direct = captioner.answer([s.images for s in samples], [s.instruction for s in samples], GREEDY)
    assert [one.text for one in made] == direct


def test_shared_features_change_nothing(captioner: Captioner, tmp_path: Path) -> None:
    samples, seen = make_dataset(tmp_path, 6), {}  # type: ignore[var-annotated]
    plain = answer_all(captioner, samples, tmp_path / "plain.jsonl")
    for name in ("first.jsonl", "second.jsonl"):
        cached = predict(Here(lambda: OwnAnswers(captioner, "d", GREEDY, 4, seen)), "d", samples, tmp_path / name, 4)
        assert [one.text for one in cached] == [one.text for one in plain]
        for image in (tmp_path / "images").iterdir():  # the second time they aren't needed
            image.unlink()
            image.write_bytes(b"gone")
    assert list(seen) == [("d", (0, 1, 2, 3)), ("d", (4, 5))]


def test_a_sample_that_fails_leaves_its_neighbours_their_answers(captioner: Captioner, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path, 5)
    samples[1].images[1].write_text("<html>")
    samples[2].images[0].unlink()
    samples[4] = Sample(4, samples[4].images, "  ", ("a dog",))
    made = answer_all(captioner, samples, tmp_path / "p.jsonl")
    faults = [one.error or "" for one in made]
    assert [bool(fault) for fault in faults] == [False, True, True, False, True]
    assert "1-1.png: looks like HTML" in faults[1]
    assert "no such image file" in faults[2]
    assert "instruction is empty" in faults[4]
    assert [one.text for one in made if one.error] == ["", "", ""]
    pair = captioner.answer(
        [samples[0].images, samples[3].images], [samples[0].instruction, samples[3].instruction], GREEDY
    )
    assert [made[0].text, made[3].text] == pair


def test_answers_to_other_samples_are_refused(captioner: Captioner, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path, 3)
    answer_all(captioner, samples, tmp_path / "p.jsonl")
    with pytest.raises(UserError, match=r"p\.jsonl holds something else than answers to these samples"):
        answer_all(captioner, samples[1:], tmp_path / "p.jsonl")
    with pytest.raises(UserError, match=r"p\.jsonl holds something else than answers to these samples"):
        answer_all(captioner, samples[:2], tmp_path / "p.jsonl")


def change_instructions(directory: Path) -> None:
    samples = read_annotations(directory)
    write_annotations(directory, [replace(sample, instruction="what is red") for sample in samples])


def change_a_picture(directory: Path) -> None:
    Image.new("RGB", (40, 40), "white").save(directory / "images" / "2-1.png")


@pytest.mark.parametrize("change", [change_instructions, change_a_picture])
def test_answers_to_what_is_no_longer_asked_are_refused(
    base: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    make_dataset(tmp_path / "mine", 3)
    recipe, out = eval_recipe(base, tmp_path, "storytelling", "mine"), tmp_path / "run"
    results = evaluate(recipe, out)
    copied = shutil.copytree(tmp_path / "mine", tmp_path / "copy" / "mine")  # elsewhere, later, but the same
    elsewhere = eval_recipe(base, copied.parent, "storytelling", "mine")
    shutil.copytree(out, tmp_path / "run-elsewhere")
    (tmp_path / "run-elsewhere" / "recipe.yaml").write_text(dump_recipe(elsewhere))
    assert evaluate(elsewhere, tmp_path / "run-elsewhere") == results
    change(tmp_path / "mine")
    with pytest.raises(UserError, match=r"mine\.jsonl holds something else.*--overwrite starts anew"):
        evaluate(recipe, out)
    assert evaluate(recipe, out, overwrite=True)["datasets"]["mine"]["n"] == 3


@pytest.mark.parametrize("line", ["[1]", "null", "7", '"text"', '{"id": 9}'])
def test_a_file_of_something_else_is_refused(captioner: Captioner, tmp_path: Path, line: str) -> None:
    samples = make_dataset(tmp_path, 2)
    (tmp_path / "p.jsonl").write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"p\.jsonl holds something else than answers"):
        answer_all(captioner, samples, tmp_path / "p.jsonl")


def patched(monkeypatch: pytest.MonkeyPatch, captioner: Captioner, before: Callable[[int, int], None]) -> None:
    """Call `before(number of the call, samples under way at a time)` at each generation."""
    answers, calls = captioner.model.answers, [0]

    def patched_answers(batch: Batch, asking: Asking) -> Iterator[Generated]:
        calls[0] += 1
        before(calls[0], min(len(batch.image_counts), asking.at_once or sys.maxsize))
        return answers(batch, asking)

    monkeypatch.setattr(captioner.model, "answers", patched_answers)


@pytest.mark.parametrize(("call", "kept"), [(2, 5), (3, 9)])
def test_a_signal_stops_at_the_next_answer(
    call: int, kept: int, captioner: Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, path = make_dataset(tmp_path, 10), tmp_path / "p.jsonl"
    patched(monkeypatch, captioner, lambda number, _: os.kill(os.getpid(), signal.SIGTERM) if number == call else None)
    with pytest.raises(Interrupted, match=f"stopped after {kept} of 10 answers") as stopped:
        answer_all(captioner, samples, path)
    assert stopped.value.exit_code == 143
    assert len(path.read_text().splitlines()) == kept


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_batches_are_halved_when_memory_runs_out(
    captioner: Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def too_large_for(most: int) -> Callable[[int, int], None]:
        def check(_: int, size: int) -> None:
            if size > most:
                raise error

        return check

    samples = make_dataset(tmp_path, 6)
    expected = predict(Here(lambda: OwnAnswers(captioner, "d", GREEDY, 1)), "d", samples, tmp_path / "one.jsonl", 1)
    with monkeypatch.context() as patch:
        patched(patch, captioner, too_large_for(1))
        made = answer_all(captioner, samples, tmp_path / "p.jsonl")
    assert [one.text for one in made] == [one.text for one in expected]
    patched(monkeypatch, captioner, too_large_for(0))
    with pytest.raises(UserError, match="out of memory with one sample"):
        answer_all(captioner, samples, tmp_path / "q.jsonl")


def test_answers_before_memory_ran_out_stay(
    captioner: Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_dataset(tmp_path, 9)
    expected = in_order(OwnAnswers(captioner, "d", GREEDY, 1).to(samples))
    answers, sizes = captioner.model.answers, []

    def run_out(batch: Batch, asking: Asking) -> Iterator[Generated]:
        sizes.append((len(batch.image_counts), asking.at_once))
        for number, one in enumerate(answers(batch, asking)):
            if len(sizes) == 1 and number == 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield one

    monkeypatch.setattr(captioner.model, "answers", run_out)
    found = list(OwnAnswers(captioner, "d", GREEDY, 2).to(samples))
    assert sizes == [(8, 2), (4, 1), (1, 1)], "what was answered isn't asked again"
    assert in_order(found) == expected


def eval_recipe(base: Path, root: Path, task: str, *datasets: str, **more: Any) -> EvalRecipe:
    fields = {"task": task, "datasets": datasets, "model": {"base": str(base), "device": "cpu"}, "batch_size": 4}
    return EvalRecipe.model_validate(fields | {"decoding": CHANGES, "data_root": str(root)} | more)


def test_results_have_the_shape_that_scripts_rely_on(
    base: Path, captioner: Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in (("AESOP", 6), ("my-stories", 5)):
        make_dataset(tmp_path / "data" / name, count)
        let_it_be_right(captioner, tmp_path / "data" / name)
    (tmp_path / "data" / "AESOP" / "images" / "2-0.png").unlink()
    recipe, out = eval_recipe(base, tmp_path / "data", "storytelling", "aesop", "my-stories"), tmp_path / "run"
    results = evaluate(recipe, out)
    assert list(results) == ["task", "protocol", "signature", "models", "datasets", "average"]
    scores = {"datasets": results["datasets"], "average": results["average"]}
    decoding = "beams 1, max_length 8, repetition_penalty 1.0"
    model = {**scores, "weights": {"base": weights_hash(base)}, "decoding": decoding}
    assert results["models"] == {str(base): model}
    entry = results["datasets"]["AESOP"]
    assert (entry["n"], entry["failed"], entry["failed_ids"]) == (6, 1, ["2"])
    assert entry["not_comparable"] == ["6 samples instead of 500", "decoding", "1 failed"]
    for metric in ("rouge_l", "cider", "bleu_4"):
        low, high = entry["ci95"][metric]
        assert low <= entry[metric] <= high
        assert low < high
        mean = (entry[metric] + results["datasets"]["my-stories"][metric]) / 2
        assert results["average"][metric] == pytest.approx(mean, abs=1e-3)
    assert json.loads((out / "results.json").read_text()) == results
    made = {path.name for path in out.glob("[!.]*")}
    assert made == {"recipe.yaml", "environment.json", "predictions", "results.json"}
    assert len(evaluation_table(results).rows) == 13  # two datasets, their average, and ten published rows of AESOP
    monkeypatch.setattr("samcli.evaluation.own_subject.load_model", None)  # finished: no model is needed
    assert evaluate(recipe, out) == results


def answered(name: str, count: int, *, references: int = 1, failed: int = 0) -> Answered:
    samples = [Sample(number, (), "", ("a dog",) * references) for number in range(count)]
    predictions = [Prediction(str(n), "a dog", error="gone" if n < failed else None) for n in range(count)]
    return Answered(name, samples, predictions)


def test_comparable_is_what_nothing_speaks_against() -> None:
    recipe, released = EvalRecipe(task="storytelling"), DecodingRecipe()
    for name in ("AESOP", "VIST", "IEdit", "Spot-the-Diff", "Birds-to-Words", "CLEVR-Change"):
        assert not_comparable(recipe, answered(name, 500), released) == []
        assert not_comparable(recipe, answered(name, 7015), released) == ["7015 samples instead of 500"]
    for name in ("DM800K", "Conceptual", "Animal", "Vehicle"):
        assert not_comparable(recipe, answered(name, 500), released) == ["unverified data"]


@pytest.mark.parametrize(
    ("changes", "decoding", "how", "reason"),
    [
        ({}, GREEDY, {}, "decoding"),
        ({}, None, {}, "decoding not known"),
        ({"limit": 500}, DecodingRecipe(), {}, "subset"),
        ({"control": "shuffle"}, DecodingRecipe(), {}, "control"),
        ({}, DecodingRecipe(), {"references": 2}, "references"),
        ({}, DecodingRecipe(), {"failed": 3}, "3 failed"),
    ],
)
def test_what_is_not_comparable_says_why(
    changes: dict[str, Any], decoding: DecodingRecipe | None, how: dict[str, int], reason: str
) -> None:
    recipe = EvalRecipe.model_validate({"task": "storytelling"} | changes)
    assert not_comparable(recipe, answered("AESOP", 500, **how), decoding) == [reason]


def test_a_model_of_the_world_is_known_by_what_it_is(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    write_traits(copy, WORLD)
    make_dataset(tmp_path / "AESOP", 3)
    results = evaluate(eval_recipe(copy, tmp_path, "storytelling", "aesop", decoding={}), tmp_path / "run")
    assert "knows only its own drawn world" in capsys.readouterr().err
    assert {row[-1] for row in evaluation_table(results).rows} == {"this run"}
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert json.loads(environment["inputs"]["decoding"]) == WORLD.decoding.model_dump()
    answers = [one["prediction"] for one in without_seconds(tmp_path / "run" / "predictions" / "AESOP.jsonl")]
    samples = read_annotations(tmp_path / "AESOP")
    own = load_model(str(copy), device="cpu").answer([s.images for s in samples], [s.instruction for s in samples])
    assert answers == own


def test_a_call_that_failed_does_not_claim_the_directory(base: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "mine", 3)
    broken, out = Path(shutil.copytree(base, tmp_path / "broken")), tmp_path / "run"
    out.mkdir()
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="can't load"):
        evaluate(eval_recipe(broken, tmp_path, "storytelling", "mine"), out)
    assert (out / "recipe.yaml").exists()
    shutil.copy(base / "model.safetensors", broken)  # other weights under the same name, then another recipe
    assert evaluate(eval_recipe(broken, tmp_path, "storytelling", "mine"), out)
    with pytest.raises(UserError, match="another recipe"):
        evaluate(eval_recipe(base, tmp_path, "storytelling", "mine"), out)


def test_a_directory_belongs_to_one_recipe_and_its_weights(base: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "mine", 4)
    recipe, out = eval_recipe(base, tmp_path, "storytelling", "mine"), tmp_path / "run"
    results = evaluate(recipe, out)
    other = eval_recipe(base, tmp_path, "storytelling", "mine", limit=2)
    with pytest.raises(UserError, match="limit: null -> 2"):
        evaluate(other, out)
    environment = out / "environment.json"
    environment.write_text(environment.read_text().replace('"base": "', '"base": "0'))
    with pytest.raises(UserError, match="same recipe on other files"):
        evaluate(recipe, out)
    assert evaluate(recipe, out, overwrite=True) == results


def on_hub(cache: Path, base: Path, commit: str) -> None:
    """Make a base the newest revision of somebody/small in the hub's local cache."""
    repository = cache / "models--somebody--small"
    shutil.copytree(base, repository / "snapshots" / commit)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")


def test_a_base_on_the_hub_that_moved_on_is_noticed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    first, second = "1" * 40, "2" * 40
    on_hub(tmp_path / "hub", base, first)
    make_dataset(tmp_path / "mine", 3)
    recipe, out = eval_recipe(Path("somebody/small"), tmp_path, "storytelling", "mine"), tmp_path / "run"
    results = evaluate(recipe, out)
    assert results["models"]["somebody/small"]["weights"] == {"revision": first}
    assert json.loads((out / "environment.json").read_text())["inputs"]["revision"] == first
    on_hub(tmp_path / "hub", base, second)
    with pytest.raises(UserError, match=f'same recipe on other files.*revision: "{first}" -> "{second}"'):
        evaluate(recipe, out)
    pinned = recipe.model_copy(update={"model": recipe.model.model_copy(update={"revision": first})})
    assert evaluate(pinned, tmp_path / "pinned")["models"]["somebody/small"]["weights"] == {"revision": first}


def test_a_model_that_is_given_is_known_as_the_one_that_is_named(base: Path, tmp_path: Path) -> None:
    named = EvalRecipe.model_validate({"model": {"base": str(base), "device": "cpu"}})
    given = load_model(str(base), device="cpu")
    assert Subject(named).weights == Subject(named, given).weights == {"base": weights_hash(base)}
    settings = GuidanceRecipe(from_layer=1, to_layer=2)
    record = {"base": {"id": str(base), "revision": None, "hash": ""}, "guidance": settings.model_dump(mode="json")}
    save_adapter(
        tmp_path / "adapter", SemanticAlignmentModel(given.model.base, MethodRecipe(guidance=settings)), record
    )
    named = named.model_copy(update={"adapter": str(tmp_path / "adapter")})
    given = load_model(str(base), str(tmp_path / "adapter"), device="cpu")
    assert Subject(named).weights == Subject(named, given).weights
    assert Subject(named).weights.keys() == {"base", "adapter"}


def test_names_are_found_whatever_the_case_or_suggested() -> None:
    assert tasks.datasets_of("storytelling", ["aesop", "VIST", "AESOP"]) == ["AESOP", "VIST"]
    assert tasks.datasets_of("change-captioning", ["spot_the_diff"]) == ["Spot-the-Diff"]
    assert tasks.datasets_of("linking", []) == ["world-mmlink"]
    with pytest.raises(UserError, match="did you mean world-mmlink"):
        tasks.datasets_of("linking", ["world-mmlnk"])
    with pytest.raises(UserError, match="AESOP belongs to storytelling, not to linking"):
        tasks.datasets_of("linking", ["aesop"])


def test_missing_data_is_explained(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)AESOP: no directory AESOP in .*expected: .*to be had"):
        evaluate(eval_recipe(base, tmp_path, "storytelling", "aesop"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("answer", "in_full", "in_part"),
    [
        (f"Both show a {SOFA.phrase}.", True, True),
        ("It is a red sofa.", False, True),
        ("It is a striped red sofa with blue legs and a vase.", False, True),
        ("It is a green sofa.", False, False),
        (f"a {SOFA.phrase}; and a {CHAIR.phrase}", False, False),  # lists earn nothing
        ("", False, False),
    ],
)
def test_linking_is_judged_strictly(answer: str, in_full: bool, in_part: bool) -> None:
    sample = Sample(0, (), "", ("x",), linked(SOFA, CHAIR))
    assert judge_linking(answer, sample) == {"named_in_full": in_full, "named_in_part": in_part}


def test_linking_scores_by_hand() -> None:
    samples = [Sample(number, (), "", ("x",), linked(SOFA, CHAIR, LAMP)) for number in range(4)]
    texts = [f"a {SOFA.phrase}", "a red sofa", f"a {CHAIR.phrase}", ""]
    predictions = [Prediction(str(number), text) for number, text in enumerate(texts)]
    predictions[3] = Prediction("3", "", error="unreadable")
    entry = entry_of("linking", Answered("d", samples, predictions))
    assert (entry["n"], entry["failed"], entry["named_in_full"], entry["named_in_part"]) == (4, 1, 25, 50)
    assert entry["ci95"]["named_in_part"] == pytest.approx([15.0039, 84.9961], abs=1e-3)
    rates = control_rates(samples, predictions, 0)
    assert rates["former_shared"].value == 25
    assert rates["other_things"].value == pytest.approx(12.5)  # one of two others, in one of four samples
    assert rates["former_minus_others"].value == pytest.approx(12.5)


def test_linking_is_told_by_the_number_of_images() -> None:
    groups = ((Path("a"),) * 2, (Path("a"),) * 3, (Path("a"),) * 2)
    samples = [Sample(number, images, "", ("x",), linked(SOFA, CHAIR)) for number, images in enumerate(groups)]
    texts = [f"a {SOFA.phrase}", "a red sofa", ""]
    answered = Answered("d", samples, [Prediction(str(number), text) for number, text in enumerate(texts)])
    assert entry_of("linking", answered)["by_images"] == {
        "2": {"n": 2, "named_in_full": 50, "named_in_part": 50},
        "3": {"n": 1, "named_in_full": 0, "named_in_part": 100},
    }
    same = Answered("d", samples[::2], answered.predictions[::2])
    assert "by_images" not in entry_of("linking", same)


def test_the_control_takes_later_pictures_from_the_next_sample(base: Path, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path / "links", 3, provenance=linked(SOFA, CHAIR))
    names = [[image.name for image in sample.images] for sample in shuffle_links(samples)]
    assert names == [["0-0.png", "1-1.png"], ["1-0.png", "2-1.png"], ["2-0.png", "0-1.png"]]
    with pytest.raises(UserError, match="at least two samples"):
        shuffle_links(samples[:1])
    results = evaluate(eval_recipe(base, tmp_path, "linking", "links", control="shuffle"), tmp_path / "run")
    entry = results["datasets"]["links"]
    assert {"former_shared", "other_things", "former_minus_others"} < entry.keys()
    assert entry["ci95"].keys() == entry.keys() - {"n", "failed", "failed_ids", "ci95", "data"}


def test_linking_needs_to_know_what_is_shared(base: Path, tmp_path: Path) -> None:
    make_dataset(tmp_path / "links", 2)
    with pytest.raises(UserError, match="links: sample 0 doesn't say which thing its pictures share"):
        evaluate(eval_recipe(base, tmp_path, "linking", "links"), tmp_path / "run")


def test_given_predictions_score_as_the_release_does_without_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = EvalRecipe(task="storytelling", datasets=("AESOP", "VIST"), data_root=str(tmp_path))
    results = evaluate(recipe, tmp_path / "run", predictions=GOLDENS)
    for name in ("AESOP", "VIST"):
        golden = json.loads((GOLDENS / name / "eval.json").read_text())
        entry = results["datasets"][name]
        assert [round(entry[key], 2) for key in ("rouge_l", "cider", "bleu_4")] == list(golden.values())
        assert entry["n"] == 80
    assert list(results["models"]) == ["scores-a"]
    assert "scored against the references beside the predictions" in " ".join(capsys.readouterr().err.split())


def test_given_predictions_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run" / "AESOP" / "pred.json"
    path.parent.mkdir(parents=True)
    path.write_bytes((GOLDENS / "AESOP" / "pred.json").read_bytes())
    recipe = EvalRecipe(task="storytelling", datasets=("AESOP",))
    with pytest.raises(UserError, match="give another --out"):
        evaluate(recipe, tmp_path / "run", predictions=tmp_path / "run", overwrite=True)
    assert path.exists()


def test_given_predictions_are_matched_to_the_data_that_is_there(tmp_path: Path) -> None:
    samples = make_dataset(tmp_path / "data" / "mine", 3)
    given: list[dict[str, Any]] = [
        {"id": sample.id, "prediction": sample.references[0], "references": []} for sample in samples[:2]
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in given))
    recipe = EvalRecipe(task="storytelling", datasets=("mine",), data_root=str(tmp_path / "data"))
    entry = evaluate(recipe, tmp_path / "run", predictions=path)["datasets"]["mine"]
    assert (entry["n"], entry["failed_ids"]) == (3, ["2"])
    assert entry["rouge_l"] == pytest.approx(200 / 3, abs=1e-3)


def test_requests_are_exact(base: Path, tmp_path: Path) -> None:
    samples = make_dataset(tmp_path / "mine", 3)
    assert export_requests(eval_recipe(base, tmp_path, "storytelling", "mine"), tmp_path / "r.jsonl") == 3
    first = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])
    images = [str(image) for image in samples[0].images]
    assert first == {"dataset": "mine", "id": 0, "instruction": "what is shared 0", "images": images}
