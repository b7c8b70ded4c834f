"""The case study: a few samples with their pictures and the answers of all models side by side, as a picture each."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samcli.answers import for_terminal
from samcli.console import say, warn
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.run import answer_and_score
from samcli.evaluation.tables import Cell, Table
from samcli.evaluation.tasks import task_of
from samcli.figures import save_picture, style
from samcli.files import write_json
from samcli.names import folder_name
from samcli.recipe_tables import CasesRecipe
from samcli.run_directory import RESULTS, held, open_run

_WIDTH = 9.0  # inches
_LETTERS = 100  # in a line
_LINE = 0.19  # inches
_SHOWN = 900  # letters of a text


@dataclass(frozen=True)
class Case:
    """A sample and what was said of it: by each model, a text or why there is none."""

    dataset: str
    sample: Sample
    answers: Mapping[str, str]


def study(recipe: CasesRecipe, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Ask all models about the chosen samples, draw a picture of each, and return what `out/results.json` holds.

    Raises UserError for datasets and ids that aren't there, and when no model can be asked.
    """
    if not recipe.samples or not recipe.models:
        raise UserError("a case study needs `samples` (ids by dataset) and `models`")
    with held(out):
        open_run(out, recipe, overwrite=overwrite, may_change=("workers", "engine", "reuse_answers"))
        chosen = recipe.samples.items()
        cases = [case for name, ids in chosen for case in _cases(recipe, out, name, ids, overwrite=overwrite)]
        for case in cases:
            draw_case(case, out / "figures" / _file(case))
        results = {"cases": [_record(case) for case in cases]}
        write_json(out / RESULTS, results)
    say(f"pictures: {out / 'figures'}")
    return results


def _cases(recipe: CasesRecipe, out: Path, name: str, ids: Sequence[int | str], *, overwrite: bool) -> list[Case]:
    task: Any = task_of(name)
    if task is None:
        raise UserError(f"samples: {name} is none of the datasets that are known by name")
    answers: dict[str, dict[str, str]] = {}
    samples: Sequence[Sample] = ()
    for entry in recipe.models:
        asked = recipe.evaluation(entry, entry.adapters[0] if entry.adapters else None, task, (name,))
        asked = asked.model_copy(update={"ids": tuple(ids)})
        folder = out / "models" / f"{folder_name(entry.name)}-{folder_name(name)}"
        given = Path(entry.predictions) if entry.predictions else None
        try:
            (answered,) = answer_and_score(asked, folder, predictions=given, overwrite=overwrite).answers.values()
        except UserError as error:
            warn(f"left out: {entry.name}: {str(error).splitlines()[0]}")
            continue
        samples = answered.samples
        answers[entry.name] = {
            str(sample.id): made.text or (f"(no answer: {made.error})" if made.error else "(empty)")
            for sample, made in zip(samples, answered.predictions, strict=True)
        }
    if not answers:
        raise UserError(f"{name}: no model of the recipe could be asked")
    return [Case(name, sample, {model: said[str(sample.id)] for model, said in answers.items()}) for sample in samples]


def _file(case: Case) -> str:
    identity = str(case.sample.id)
    return f"{case.dataset}-{identity if identity.isalnum() else folder_name(identity)}"


def _record(case: Case) -> dict[str, Any]:
    sample = case.sample
    asked = {"dataset": case.dataset, "id": sample.id, "instruction": sample.instruction}
    return {**asked, "references": list(sample.references), "answers": dict(case.answers)}


def draw_case(case: Case, path: Path) -> list[Path]:
    """Write `path.png` and `path.svg`: the pictures in a row, then what was asked, answered and wanted."""
    from matplotlib.figure import Figure

    texts = {"asked": case.sample.instruction, **case.answers, "reference": " / ".join(case.sample.references)}
    blocks = {name: _lines(text) for name, text in texts.items()}
    count = len(case.sample.images)
    pictures = min(2.2, _WIDTH / count)
    written = sum(map(len, blocks.values())) * _LINE + 0.12 * len(blocks) + 0.2
    height = pictures + written
    figure = Figure(figsize=(_WIDTH, height))
    for place, image in enumerate(case.sample.images):
        left = place * pictures / _WIDTH
        axes = figure.add_axes((left + 0.004, written / height, pictures / _WIDTH - 0.008, pictures / height))
        axes.set_axis_off()
        try:
            axes.imshow(open_image(image))
        except UserError:
            axes.text(0.5, 0.5, "can't be read", ha="center", va="center", fontsize=8)
    top = written - 0.1
    for name, lines in blocks.items():
        bold = "bold" if name not in ("asked", "reference") else "normal"
        colour = "#6e747e" if name in ("asked", "reference") else "#20242c"
        figure.text(0.005, top / height, name, fontsize=8, fontweight=bold, va="top", color=colour, parse_math=False)
        for line in lines:
            figure.text(0.16, top / height, line, fontsize=8, va="top", color=colour, parse_math=False)
            top -= _LINE
        top -= 0.12
    with style(8):
        return save_picture(figure, path)


def _lines(text: str) -> list[str]:
    """A text in lines that fit, cut where it is very long; what a model says commands nothing."""
    plain = " ".join(for_terminal(text).split())
    short = plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]} …"
    return textwrap.wrap(short, _LETTERS) or ["(nothing)"]


def cases_table(results: Mapping[str, Any]) -> Table:
    """The answers as a table, one row a model, below one another for each sample."""
    rows: list[list[Cell]] = []
    for case in results["cases"]:
        label = f"{case['dataset']} {case['id']}"
        rows += [[label, model, text] for model, text in case["answers"].items()]
        rows.append([label, "reference", " / ".join(case["references"])])
    return Table("case study", ["sample", "model", "answer"], rows)
