"""`sam eval` from end to end: samples, answers, scores, results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samcli.console import say, warn
from samcli.data.dataset import is_there
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.answer_file import record_of
from samcli.evaluation.api_subject import USAGE, ApiSubject
from samcli.evaluation.baseline import read_baseline
from samcli.evaluation.entries import Answered, report_failures
from samcli.evaluation.judging import check_samples
from samcli.evaluation.predictions import Prediction, for_samples, read_predictions
from samcli.evaluation.questions import Questions, check_before_hours_are_spent, questions_of, read, read_questions
from samcli.evaluation.results import Source, results_of
from samcli.evaluation.tasks import LINKING, datasets_of, is_of_the_world
from samcli.files import JsonLines, atomic_write, read_json, sha256, write_json
from samcli.recipe import DecodingRecipe, EvalRecipe
from samcli.recipe_file import explain_differences
from samcli.run_directory import ENVIRONMENT, RESULTS, held, is_begun, open_run, record_environment

if TYPE_CHECKING:
    from samcli.evaluation.answer_cache import AnswerCache
    from samcli.evaluation.predict import Engine
    from samcli.evaluation.subject import Subject
    from samcli.model.captioner import Captioner

PREDICTIONS = "predictions"
RESUMED_WITH: tuple[str, ...] = (
    *("workers", "engine", "reuse_answers"),
    *("api.requests", "api.timeout", "api.tries", "api.most_dollars", "api.dollars_in", "api.dollars_out"),
)
"""What a run may go on with other values of: how fast answers are made, not what they are."""


@dataclass(frozen=True)
class Evaluated:
    """What a run found: its answers by dataset, where they are from, and what `results.json` holds."""

    answers: Mapping[str, Answered]
    source: Source
    results: dict[str, Any]


def evaluate(recipe: EvalRecipe, out: Path, **options: Any) -> dict[str, Any]:
    """`answer_and_score`, of which only what `results.json` holds is returned."""
    return answer_and_score(recipe, out, **options).results


def answer_and_score(
    recipe: EvalRecipe,
    out: Path,
    *,
    predictions: Path | None = None,
    baseline: Path | None = None,
    invariance: bool = False,
    overwrite: bool = False,
    captioner: "Captioner | None" = None,
) -> Evaluated:
    """Answer and score the recipe's datasets in `out`, or go on where that stopped.

    With `predictions` no model runs: the answers there are scored, against their own references where a dataset isn't
    there. With `baseline`, the directory of an earlier run, results say how far the two are apart; with `invariance`,
    how many answers change when samples are asked alone. Raises UserError for missing or faulty data, for an `out` that
    holds another run, and for answers made by other weights; Interrupted after a signal, with all answers kept.
    """
    names = datasets_of(recipe.task, recipe.datasets)
    if predictions is not None and recipe.control is not None:
        raise UserError("--control asks a model otherwise; answers that are there can't be asked: leave out --control")
    if predictions is not None and predictions.resolve().is_relative_to(out.resolve()):
        raise UserError(f"{predictions} lies in {out}, where this run would write; give another --out")
    with held(out):
        if predictions is not None:
            answers = _answers_given(recipe, names, predictions)
            earlier = read_baseline(baseline, answers) if baseline is not None else None
            open_evaluation(out, recipe, {"predictions": _hashes(predictions)}, overwrite)
            source = Source(predictions.resolve().name.removesuffix(".jsonl").removesuffix(".json"))
            for name, answered in answers.items():
                keep(out / PREDICTIONS / f"{name}.jsonl", answered)
        else:
            asked = {name: read_questions(recipe, name) for name in names}
            earlier = read_baseline(baseline, asked) if baseline is not None else None
            answers, source = _answers_made(recipe, asked, out, captioner, overwrite=overwrite, invariance=invariance)
        for answered in answers.values():
            report_failures(answered)
        results = results_of(recipe, source, answers, earlier)
        write_json(out / RESULTS, results)
    say(f"results: {out / RESULTS}")
    return Evaluated(answers, source, results)


def keep(path: Path, answered: Answered) -> None:
    """Write answers that were made elsewhere as a run of ours keeps its own."""
    lines = [
        record_of(answered.name, sample, (made.text if made.error is None else None, made.error), made.seconds)
        for sample, made in zip(answered.samples, answered.predictions, strict=True)
    ]
    JsonLines(path).rewrite(lines)


def export_requests(recipe: EvalRecipe, path: Path) -> int:
    """Write a line {dataset, id, instruction, images} for each sample, for a model that runs elsewhere.

    Return how many. Instructions are exact, image paths absolute. The answers come back by `predictions`.
    """
    count = 0
    with atomic_write(path) as file:
        for name in datasets_of(recipe.task, recipe.datasets):
            for sample in read_questions(recipe, name).samples:
                images = [str(image) for image in sample.images]
                request = {"dataset": name, "id": sample.id, "instruction": sample.instruction, "images": images}
                file.write(json.dumps(request, ensure_ascii=False) + "\n")
                count += 1
    return count


def _answers_made(
    recipe: EvalRecipe,
    asked: Mapping[str, Questions],
    out: Path,
    captioner: "Captioner | None",
    *,
    overwrite: bool,
    invariance: bool,
) -> tuple[dict[str, Answered], Source]:
    """Answers of the recipe's model, and where they are from; a model whose answers are all there isn't loaded."""
    from samcli.evaluation.invariance import check_invariance  # these load torch, which scoring alone doesn't need
    from samcli.evaluation.predict import predict
    from samcli.evaluation.subject import subject_of

    for questions in asked.values():
        check_before_hours_are_spent(recipe, questions)
    subject = subject_of(recipe, captioner)
    if subject.world and any(not is_of_the_world(name) for name in asked):
        warn(f"{subject.name} knows only its own drawn world: its answers about anything else mean nothing")
    decoding = recipe.decoding.over(subject.decoding)
    settings = json.dumps(dict(subject.numbers), sort_keys=True)
    inputs = subject.weights | {"decoding": decoding.model_dump_json(), "settings": settings}
    open_evaluation(out, recipe, inputs, overwrite)
    cache = _cache(recipe, subject, decoding)
    answers = {}
    checked = {}
    for name, questions in asked.items():
        path = out / PREDICTIONS / f"{name}.jsonl"
        engine = _engine(recipe, subject, name, decoding, out, alone=captioner is not None)
        together = not isinstance(subject, ApiSubject)
        size = recipe.batch_size * subject.batches_together
        made = predict(engine, name, questions.samples, path, size, cache, together=together)
        answers[name] = _answered(questions, made)
        if invariance and not isinstance(subject, ApiSubject):
            checked[name] = check_invariance(answers[name], subject.answers(name, decoding), recipe.batch_size)
    return answers, Source(subject.name, decoding, subject.world, subject.weights, checked)


def _cache(recipe: EvalRecipe, subject: "Subject | ApiSubject", decoding: DecodingRecipe) -> "AnswerCache | None":
    """Answers of the same model to the same questions; none where the recipe doesn't want them."""
    from samcli.evaluation.answer_cache import AnswerCache

    if not recipe.reuse_answers:
        return None
    settings = {"weights": subject.weights, "decoding": decoding.model_dump(mode="json"), **subject.numbers}
    return AnswerCache({"model": subject.name, **settings})


def _engine(
    recipe: EvalRecipe,
    subject: "Subject | ApiSubject",
    dataset: str,
    decoding: DecodingRecipe,
    out: Path,
    *,
    alone: bool,
) -> "Engine":
    """Where the recipe has its answers made; a model that is here already answers here."""
    from samcli.evaluation.predict import Here

    if isinstance(subject, ApiSubject):
        return subject.engine(decoding, out / USAGE)
    if recipe.engine == "ray":
        from samcli.evaluation.ray_engine import OnRay

        return OnRay(recipe, decoding)
    if recipe.workers > 1 and not alone:
        from samcli.evaluation.workers import Processes

        return Processes(recipe, decoding)
    return Here(lambda: subject.answers(dataset, decoding))


def _answers_given(recipe: EvalRecipe, names: Sequence[str], path: Path) -> dict[str, Answered]:
    found = read_predictions(path, names)
    return {name: _given(recipe, name, found[name]) for name in names}


def _given(recipe: EvalRecipe, name: str, predictions: list[Prediction]) -> Answered:
    """Answers made elsewhere beside the dataset's samples, or beside their own references where it isn't there."""
    if not is_of_the_world(name) and (fault := is_there(name, recipe.data_root, recipe.reading)):
        if recipe.task == LINKING or not all(one.references for one in predictions):
            raise fault
        warn(f"{str(fault).splitlines()[0]}; scored against the references beside the predictions")
        samples = [Sample(one.id, (), "", one.references) for one in predictions]
        check_samples(recipe.task, name, samples)
        return Answered(name, samples[: recipe.limit], predictions[: recipe.limit])
    whole = read(recipe, name)
    gone = {one for ids in whole.dropped.values() for one in ids} - {str(sample.id) for sample in whole.samples}
    if unasked := [one for one in predictions if one.id in gone]:
        warn(f"{name}: {len(unasked)} predictions are for samples that were left out, and aren't scored")
        predictions = [one for one in predictions if one.id not in gone]
    matched = for_samples(predictions, {str(sample.id): sample.references for sample in whole.samples})
    of_sample = {one.id: one for one in matched}
    questions = questions_of(recipe, name, whole)
    return _answered(questions, [of_sample[str(sample.id)] for sample in questions.samples])


def _answered(questions: Questions, predictions: Sequence[Prediction]) -> Answered:
    return Answered(questions.name, questions.samples, predictions, questions.data, questions.unlike)


def open_evaluation(out: Path, recipe: EvalRecipe, inputs: dict[str, str], overwrite: bool) -> None:
    """Make `out` this run's directory; raise UserError when it holds another's, or one of the same names only."""
    if open_run(out, recipe, overwrite=overwrite, may_change=RESUMED_WITH) and is_begun(out):
        former = read_json(out / ENVIRONMENT).get("inputs", {})
        if changed := explain_differences(former, inputs):
            raise UserError(
                f"{out} holds a run of the same recipe on other files; give another --out, or --overwrite to start "
                f"anew. It differs in: {'; '.join(changed)}"
            )
    else:
        record_environment(out, inputs=inputs)


def _hashes(predictions: Path) -> str:
    files = [*predictions.glob("*/pred.json"), *predictions.glob("*.jsonl")] if predictions.is_dir() else [predictions]
    return " ".join(sha256(path)[:16] for path in sorted(files))
