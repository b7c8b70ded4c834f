"""`sam eval` from end to end: samples, answers, scores, results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samcli import __version__
from samcli.console import say, warn
from samcli.data.sample import Sample, data_root, find_dataset, missing_images
from samcli.errors import UserError
from samcli.evaluation.control import shuffle
from samcli.evaluation.entries import (
    Answered,
    average,
    caption_entry,
    caption_scores,
    linking_entry,
    metrics_of,
    report_failures,
)
from samcli.evaluation.predictions import Prediction, for_samples, read_predictions
from samcli.evaluation.published import SAMPLES
from samcli.evaluation.scores import score_released, signature
from samcli.evaluation.tasks import LINKING, check_linking, datasets_of, is_of_the_world, is_published, load_samples
from samcli.files import atomic_write, read_json, sha256, write_json
from samcli.recipe import DecodingRecipe, EvalRecipe
from samcli.recipe_file import explain_differences
from samcli.run_directory import ENVIRONMENT, RESULTS, held, is_begun, open_run, record_environment

if TYPE_CHECKING:
    from samcli.model.captioner import Captioner

PREDICTIONS = "predictions"
# What results call the rule by which linking is scored: the world's own grammar reads the answers.
GRAMMAR = "world-grammar"


@dataclass(frozen=True)
class Source:
    """Where answers are from: what results call it, and, where it is known, how they were generated and by what.

    `weights` tells the model's weights from others of the same names: `Subject.weights`.
    """

    model: str
    decoding: DecodingRecipe | None = None
    world: bool = False
    weights: Mapping[str, str] = field(default_factory=dict)


def evaluate(
    recipe: EvalRecipe,
    out: Path,
    *,
    predictions: Path | None = None,
    overwrite: bool = False,
    captioner: "Captioner | None" = None,
) -> dict[str, Any]:
    """Answer and score the recipe's datasets in `out`, or go on where that stopped; return what `results.json` holds.

    With `predictions` no model runs: the answers there are scored, against their own references where a dataset isn't
    there. Raises UserError for missing or faulty data, for an `out` that holds another run, and for answers made by
    other weights; Interrupted after a signal, with all answers kept.
    """
    names = datasets_of(recipe.task, recipe.datasets)
    if predictions is not None and predictions.resolve().is_relative_to(out.resolve()):
        raise UserError(f"{predictions} lies in {out}, where this run would write; give another --out")
    with held(out):
        if predictions is not None:
            answers = _answers_given(recipe, names, predictions)
            _open(out, recipe, {"predictions": _hashes(predictions)}, overwrite)
            source = Source(predictions.resolve().name.removesuffix(".jsonl").removesuffix(".json"))
        else:
            answers, source = _answers_made(recipe, names, out, captioner, overwrite)
        for answered in answers.values():
            report_failures(answered)
        results = results_of(recipe, source, answers)
        write_json(out / RESULTS, results)
    say(f"results: {out / RESULTS}")
    return results


def export_requests(recipe: EvalRecipe, path: Path) -> int:
    """Write a line {dataset, id, instruction, images} for each sample, for a model that runs elsewhere.

    Return how many. Instructions are exact, image paths absolute. The answers come back by `predictions`.
    """
    count = 0
    with atomic_write(path) as file:
        for name in datasets_of(recipe.task, recipe.datasets):
            for sample in _asked(recipe, name):
                images = [str(image) for image in sample.images]
                request = {"dataset": name, "id": sample.id, "instruction": sample.instruction, "images": images}
                file.write(json.dumps(request, ensure_ascii=False) + "\n")
                count += 1
    return count


def results_of(recipe: EvalRecipe, source: Source, answers: Mapping[str, Answered]) -> dict[str, Any]:
    """Results in the shape that scripts rely on: scores x100, to four decimals, one model also at the top."""
    if recipe.task == LINKING:
        entries = {name: linking_entry(one, recipe.control, recipe.seed) for name, one in answers.items()}
        how = f"protocol:{GRAMMAR}|mentions:1|samcli:{__version__}|n:{'+'.join(str(e['n']) for e in entries.values())}"
    else:
        scores = {name: caption_scores(one) for name, one in answers.items()}
        entries = {name: caption_entry(one, scores[name], recipe.seed) for name, one in answers.items()}
        how = signature(*scores.values())
    for name in filter(is_published, entries):
        entries[name]["not_comparable"] = not_comparable(recipe, answers[name], source.decoding)
    found = {"datasets": entries, "average": average(entries, metrics_of(recipe.task))}
    protocol = GRAMMAR if recipe.task == LINKING else recipe.protocol
    head = {"task": recipe.task, "protocol": protocol, "signature": how}
    more = {"weights": dict(source.weights), "world": source.world}
    model = found | {key: value for key, value in more.items() if value}
    return {**head, "models": {source.model: model}, **found}


def not_comparable(recipe: EvalRecipe, answered: Answered, decoding: DecodingRecipe | None) -> list[str]:
    """Why scores on a dataset of the paper can't stand beside the published ones; empty when nothing speaks against it.

    `decoding` is how the answers were generated, None when that isn't known. Pictures and instructions can't be
    checked; where not even the published number of samples is known, that alone is a reason.
    """
    n, known = len(answered.samples), SAMPLES.get(answered.name.casefold())
    reasons = {
        "unverified data": known is None,
        f"{n} samples instead of {known}": known is not None and n != known,
        "subset": recipe.limit is not None,
        "control": recipe.control is not None,
        "references": any(len(sample.references) > 1 for sample in answered.samples),
        "decoding not known": decoding is None,
        "decoding": decoding is not None and decoding != DecodingRecipe(),
        f"{len(answered.failed)} failed": bool(answered.failed),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _answers_made(
    recipe: EvalRecipe, names: Sequence[str], out: Path, captioner: "Captioner | None", overwrite: bool
) -> tuple[dict[str, Answered], Source]:
    """Answers of the recipe's model, and where they are from; a model whose answers are all there isn't loaded."""
    from samcli.evaluation.predict import count_answered, predict  # these load torch, which scoring alone doesn't need
    from samcli.evaluation.subject import Subject

    samples = {name: _asked(recipe, name) for name in names}
    for name in names:
        _check_before_hours_are_spent(recipe, name, samples[name])
    subject = Subject(recipe, captioner)
    if subject.traits.world and any(not is_of_the_world(name) for name in names):
        warn(f"{subject.name} knows only its own drawn world: its answers about anything else mean nothing")
    decoding = recipe.decoding.over(subject.traits.decoding)
    _open(out, recipe, subject.weights | {"decoding": decoding.model_dump_json()}, overwrite)
    answers = {}
    for name, asked in samples.items():
        path = out / PREDICTIONS / f"{name}.jsonl"
        if count_answered(path, asked) < len(asked):
            answers_of = subject.answers(name, decoding)
            made = predict(answers_of, name, asked, path, recipe.batch_size)
        else:
            made = read_predictions(path, [name])[name]
        answers[name] = Answered(name, asked, made)
    return answers, Source(subject.name, decoding, subject.traits.world, subject.weights)


def _answers_given(recipe: EvalRecipe, names: Sequence[str], path: Path) -> dict[str, Answered]:
    found = read_predictions(path, names)
    return {name: _given(recipe, name, found[name]) for name in names}


def _given(recipe: EvalRecipe, name: str, predictions: list[Prediction]) -> Answered:
    """Answers made elsewhere beside the dataset's samples, or beside their own references where it isn't there."""
    if not is_of_the_world(name):
        try:
            find_dataset(name, data_root(recipe.data_root))
        except UserError as error:
            if recipe.task == LINKING or not all(one.references for one in predictions):
                raise
            warn(f"{str(error).splitlines()[0]}; scored against the references beside the predictions")
            samples = [Sample(one.id, (), "", one.references) for one in predictions]
            return Answered(name, samples[: recipe.limit], predictions[: recipe.limit])
    samples = load_samples(recipe.task, name, recipe.data_root, recipe.image_root)
    matched = for_samples(predictions, {str(sample.id): sample.references for sample in samples})
    return Answered(name, samples[: recipe.limit], matched[: recipe.limit])


def _asked(recipe: EvalRecipe, name: str) -> list[Sample]:
    """The samples that the model is asked about, shuffled if the recipe says so."""
    samples = load_samples(recipe.task, name, recipe.data_root, recipe.image_root)[: recipe.limit]
    return shuffle(samples) if recipe.control == "shuffle" else samples


def _check_before_hours_are_spent(recipe: EvalRecipe, name: str, samples: Sequence[Sample]) -> None:
    """Raise UserError for samples that can't be scored whatever the answers; warn of missing pictures."""
    if recipe.task == LINKING:
        check_linking(name, samples)
    else:
        ids = [str(sample.id) for sample in samples]
        score_released(ids, [""] * len(ids), [sample.references for sample in samples])
    if missing := missing_images(samples):
        warn(f"{name}: {len(missing)} pictures are missing, such as {missing[0]}; their samples will count as failed")


def _open(out: Path, recipe: EvalRecipe, inputs: dict[str, str], overwrite: bool) -> None:
    """Make `out` this run's directory; raise UserError when it holds another's, or one of the same names only."""
    if open_run(out, recipe, overwrite=overwrite) and is_begun(out):
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
