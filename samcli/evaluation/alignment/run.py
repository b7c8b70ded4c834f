"""`sam eval --task alignment` from end to end: look at the samples, measure, compare, draw."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samcli import __version__
from samcli.alignment.lens import context_of
from samcli.alignment.measures import PICKS, TOP
from samcli.console import say, warn
from samcli.errors import UserError
from samcli.evaluation.alignment.looking import eye_of
from samcli.evaluation.alignment.measure_file import MEASURES, WITHOUT_CONTEXT, read_measures
from samcli.evaluation.alignment.measuring import measure_samples, ruler_for
from samcli.evaluation.alignment.page import write_page
from samcli.evaluation.alignment.pictures import draw_samples
from samcli.evaluation.alignment.results import (
    alignment_table,
    average_of_entries,
    evidence_of_measures,
    measures_entry,
)
from samcli.evaluation.baseline import versus
from samcli.evaluation.control import LABELS
from samcli.evaluation.own_subject import OwnSubject
from samcli.evaluation.questions import Questions, read_questions, warn_of_missing
from samcli.evaluation.run import open_evaluation
from samcli.evaluation.scores import data_hash
from samcli.evaluation.statistics import Evidence
from samcli.evaluation.subject import subject_of
from samcli.evaluation.tasks import datasets_of, is_of_the_world
from samcli.files import read_json, write_json
from samcli.model.captioner import Captioner
from samcli.recipe import EvalRecipe
from samcli.run_directory import RESULTS, held

PROTOCOL = "alignment"
REPORT, PICTURES = "report", "pictures"
Lines = Mapping[str, Sequence[Mapping[str, Any]]]  # of `read_measures`, by dataset


def evaluate_alignment(
    recipe: EvalRecipe,
    out: Path,
    *,
    baseline: Path | None = None,
    overwrite: bool = False,
    report: bool = False,
    captioner: Captioner | None = None,
) -> dict[str, Any]:
    """Measure the visual tokens of the recipe's model in `out`, or go on where that stopped; return the results.

    `measures/DATASET.jsonl` keeps what was measured sample by sample. A model with guidance is measured without it as
    well, and compared; with `baseline`, the directory of an earlier run, with that one instead. Raises UserError for a
    model that can't be looked into, missing or faulty data, and an `out` that holds another run; Interrupted after a
    signal, with all that was measured kept.
    """
    subject = _subject(recipe, captioner)
    names = datasets_of(recipe.task, recipe.datasets)
    with held(out):
        asked = {name: read_questions(recipe, name) for name in names}
        earlier = _read_baseline(baseline, recipe, asked) if baseline is not None else None
        if subject.world and any(not is_of_the_world(name) for name in asked):
            warn(f"{subject.name} knows only its own drawn world: measures on anything else mean nothing")
        open_evaluation(out, recipe, subject.weights, overwrite)
        for one in asked.values():
            warn_of_missing(one)
        lines = {
            name: measure_samples(subject.captioner, name, one.samples, _kept(out, name), recipe.batch_size)
            for name, one in asked.items()
        }
        results = _results(recipe, subject, asked, lines, earlier)
        write_json(out / RESULTS, results)
        if report:
            _report(subject.captioner, asked, out / REPORT, results)
    say(f"results: {out / RESULTS}")
    return results


def _subject(recipe: EvalRecipe, captioner: Captioner | None) -> OwnSubject:
    """The model, if its visual tokens can be seen."""
    if recipe.workers > 1 or recipe.engine != "local":
        raise UserError("alignment is measured in one process: leave out workers and engine")
    subject = subject_of(recipe, captioner)
    if not isinstance(subject, OwnSubject):
        raise UserError(
            f"{recipe.model.base}: alignment looks at visual tokens, which only models that run here in our own code "
            "show: tiny, a directory, a hub id or a .pth"
        )
    return subject


def _kept(run: Path, dataset: str) -> Path:
    return run / MEASURES / f"{dataset}.jsonl"


def _read_baseline(run: Path, recipe: EvalRecipe, asked: Mapping[str, Questions]) -> tuple[str, Lines]:
    """What an earlier run calls its model, and its measures of the same samples."""
    results = read_json(run / RESULTS) if (run / RESULTS).is_file() else {}
    if not isinstance(results, dict) or results.get("protocol") != PROTOCOL:
        raise UserError(f"--baseline {run}: expected the directory of a finished `sam eval --task alignment`")
    lines = {name: read_measures(_kept(run, name)) for name in asked}
    for name, one in asked.items():
        if [line["id"] for line in lines[name]] != [sample.id for sample in one.samples]:
            raise UserError(f"--baseline {run}: {name}: it measured other samples")
    if differences := _unlike(str(results["signature"]), _signature(recipe, asked)):
        warn(f"--baseline {run}: it was measured otherwise: {'; '.join(differences)}")
    return next(iter(results["models"])), lines


def _unlike(earlier: str, ours: str) -> list[str]:
    """In what two signatures differ but for the control, which is there to be compared with."""
    first, second = (dict(part.split(":", 1) for part in text.split("|")) for text in (earlier, ours))
    keys = dict.fromkeys(key for key in (*first, *second) if key != "control")
    return [f"{key} {first.get(key)}, here {second.get(key)}" for key in keys if first.get(key) != second.get(key)]


def _results(
    recipe: EvalRecipe,
    subject: OwnSubject,
    asked: Mapping[str, Questions],
    lines: Lines,
    earlier: tuple[str, Lines] | None,
) -> dict[str, Any]:
    """In the shape of all results: the model, and beside it the same without context where it has one."""
    name = subject.name + LABELS[recipe.control]
    context = context_of(subject.captioner.model)
    without = f"{name} without {context}"
    parts = {name: MEASURES} | ({without: WITHOUT_CONTEXT} if context is not None else {})
    own = {}
    for label, part in parts.items():
        entries = {dataset: measures_entry(found, part, recipe.seed) for dataset, found in lines.items()}
        own[label] = {"datasets": entries, "average": average_of_entries(entries)}
    baseline = None
    if earlier is not None:
        baseline = earlier[0] if earlier[0] != name else f"{earlier[0]}, earlier"
        _compare(own[name], lines, MEASURES, baseline, earlier[1], MEASURES, recipe.seed)
    elif context is not None:
        baseline = without
        _compare(own[name], lines, MEASURES, baseline, lines, WITHOUT_CONTEXT, recipe.seed)
    more = {"weights": subject.weights, "world": subject.world, "control": recipe.control}
    models = {label: found | {key: value for key, value in more.items() if value} for label, found in own.items()}
    head = {"task": recipe.task, "protocol": PROTOCOL, "signature": _signature(recipe, asked)}
    head |= {"baseline": baseline} if baseline is not None else {}
    return {**head, "models": models, **own[name]}


def _compare(
    model: Mapping[str, Any],
    ours: Lines,
    our_part: str,
    baseline: str,
    theirs: Lines,
    their_part: str,
    seed: int,
) -> None:
    """Add to the entries of a model how far each measure is from the baseline's, paired by sample.

    One that is the same for every sample, as where guidance has no second picture to act on, is no comparison: it has
    no entry, and no part in the correction of p.
    """
    first = {dataset: evidence_of_measures([found], our_part) for dataset, found in ours.items()}
    second = {dataset: evidence_of_measures([found], their_part) for dataset, found in theirs.items()}
    common = {
        dataset: {key: own for key, own in found.items() if _differ(own, second[dataset].get(key))}
        for dataset, found in first.items()
    }
    gaps = versus(common, second, seed)
    for dataset in common:
        model["datasets"][dataset]["versus"] = {baseline: gaps.get(dataset, {})}


def _differ(ours: Evidence, theirs: Evidence | None) -> bool:
    return theirs is not None and not np.array_equal(ours.addends, theirs.addends)


def _signature(recipe: EvalRecipe, asked: Mapping[str, Questions]) -> str:
    """What must be equal for two numbers to be compared."""
    samples = "+".join(str(len(one.samples)) for one in asked.values())
    data = "+".join(
        data_hash([str(sample.id) for sample in one.samples], [sample.references for sample in one.samples])
        for one in asked.values()
    )
    how = f"protocol:{PROTOCOL}|tacs:{TOP}|picks:{PICKS}|batch:{recipe.batch_size}"
    how += f"|samcli:{__version__}|n:{samples}|data:{data}"
    return how + (f"|control:{recipe.control}" if recipe.control else "")


def _report(captioner: Captioner, asked: Mapping[str, Questions], out: Path, results: Mapping[str, Any]) -> None:
    """Draw the first samples of each dataset, and write the page."""
    shown = {
        name: draw_samples(captioner, ruler_for(captioner, one.samples), one.samples, out / PICTURES / name)
        for name, one in asked.items()
    }
    write_page(out, alignment_table(results), shown, patches=eye_of(captioner) is not None)
