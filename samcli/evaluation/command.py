"""`sam eval` and `sam ablate` behind the command line: run, then render the results in the form that was asked for."""

import hashlib
import io
import json
import re
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, get_args

from rich.console import Console

from samcli.console import say
from samcli.errors import UserError
from samcli.evaluation.comparison_table import comparison_table, differences_table, published_for_page
from samcli.evaluation.result_tables import ablation_table, evaluation_table, measures_table
from samcli.evaluation.run import RESUMED_WITH, answer_and_score
from samcli.evaluation.run import export_requests as write_requests
from samcli.evaluation.tables import Format, Table, in_blocks
from samcli.evaluation.tasks import ALIGNMENT
from samcli.recipe import AblateRecipe, EvalRecipe
from samcli.recipe_tables import CasesRecipe, SurveyRecipe, TableRecipe

Form = Literal["table", Format, "json"]
REPORT = "report"
_UNBOUNDED = 1000  # columns
FORMS: tuple[Form, ...] = get_args(Form)


FLAGS_OF_MANY = {"model.device": "device", "model.dtype": "dtype"}
"""Flags of `sam eval` that are called otherwise in a recipe of several models."""


def flags_of(recipe_kind: str, fields: Collection[str], flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, by the keys of a recipe of that kind; raises UserError for one that it lacks."""
    given = {FLAGS_OF_MANY.get(key, key): value for key, value in flags.items() if value is not None}
    if strange := [key for key in given if key not in fields]:
        raise UserError(
            f"a recipe of kind {recipe_kind} has no {strange[0]}: it says itself what is asked of which model"
        )
    return given


def run_many(
    recipe: TableRecipe | CasesRecipe | SurveyRecipe, out: Path, *, overwrite: bool, report: bool, form: str
) -> str:
    """A table of several models, a case study or a survey of datasets; return it as text."""
    chosen = check_form(form)
    if isinstance(recipe, SurveyRecipe):
        from samcli.evaluation.survey import survey, survey_table

        results = survey(recipe, out, overwrite=overwrite)
        return render(results, survey_table(results), chosen)
    if isinstance(recipe, CasesRecipe):
        from samcli.evaluation.cases import cases_table, study

        results = study(recipe, out, overwrite=overwrite)
        return render(results, cases_table(results), chosen)
    from samcli.evaluation.report.page import write_report
    from samcli.evaluation.table_run import run_table

    found = run_table(recipe, out, overwrite=overwrite)
    results = found.results
    if report:
        write_report(out / REPORT, results, found.answers, published_for_page(results))
    return _with_differences(results, comparison_table(results), chosen)


def _with_differences(results: dict[str, Any], table: Table, form: Form) -> str:
    """A table as text, and below it the differences to a baseline where there is one."""
    text = render(results, table, form)
    gaps = differences_table(results)
    return text if gaps is None or form == "json" else f"{text}\n{render(results, gaps, form)}"


def run_evaluation(
    recipe: EvalRecipe,
    out: Path,
    *,
    predictions: Path | None,
    baseline: Path | None,
    invariance: bool,
    export_requests: Path | None,
    overwrite: bool,
    report: bool,
    form: str,
) -> str:
    """Evaluate, or only write the requests; return the results as text."""
    chosen = check_form(form)
    if export_requests is not None:
        say(f"{write_requests(recipe, export_requests)} requests written to {export_requests}")
        return ""
    if recipe.task == ALIGNMENT:
        of_answers = {"--predictions": predictions, "--check-invariance": invariance or None}
        if given := [name for name, value in of_answers.items() if value is not None]:
            raise UserError(f"alignment asks for no answers: leave out {given[0]}")
        return _run_alignment(recipe, out, baseline=baseline, overwrite=overwrite, report=report, form=chosen)
    found = answer_and_score(
        recipe, out, predictions=predictions, baseline=baseline, invariance=invariance, overwrite=overwrite
    )
    results = found.results
    if report:
        from samcli.evaluation.report.page import write_report

        write_report(out / REPORT, results, {found.source.model: found.answers}, published_for_page(results))
    return _with_differences(results, evaluation_table(results), chosen)


def _run_alignment(
    recipe: EvalRecipe, out: Path, *, baseline: Path | None, overwrite: bool, report: bool, form: Form
) -> str:
    """Measure visual tokens; return the results as text."""
    from samcli.evaluation.alignment.results import alignment_table
    from samcli.evaluation.alignment.run import evaluate_alignment

    results = evaluate_alignment(recipe, out, baseline=baseline, overwrite=overwrite, report=report)
    return render(results, alignment_table(results), form)


def default_out(recipe: EvalRecipe, predictions: Path | None) -> Path:
    """A directory for each recipe and file of answers: task, model and adapter in its name, and a hash of all of it."""
    base = recipe.model.base if recipe.adapter is None or "base" in recipe.model.model_fields_set else None
    subject = str(predictions) if predictions is not None else " ".join(filter(None, [base, recipe.adapter]))
    settings = recipe.model_dump(mode="json")
    for key in RESUMED_WITH:  # what the same run may go on with
        *sections, last = key.split(".")
        part = settings
        for section in sections:
            part = part[section]
        part.pop(last)
    whole = hashlib.sha256(f"{json.dumps(settings)} {subject}".encode()).hexdigest()
    words = re.findall(r"[A-Za-z0-9.]+", subject)[-4:]
    return Path("runs") / "-".join(["eval", recipe.task, *words, whole[:8]])


def run_ablation(
    recipe: AblateRecipe,
    out: Path,
    *,
    only: str | None,
    settings: dict[str, Any],
    flags: dict[str, Any],
    overwrite: bool,
    form: str,
    dry_run: bool,
) -> str:
    """Run the ablation, or list what would be run; return the results as text.

    `settings` change the training recipe, by dotted keys, where rows don't say otherwise; `flags` whatever they say.
    """
    from samcli.evaluation import ablation_plan
    from samcli.evaluation.ablate import ablate, refusals  # loads torch, which scoring alone doesn't need

    chosen = check_form(form)
    recipe = ablation_plan.overridden(recipe, settings, flags)
    rows = parse_rows(only)
    if dry_run:
        plan = ablation_plan.dry_run(recipe, out, only=rows)
        plan["refused"] = [] if overwrite else refusals(recipe, out, only=rows)
        return json.dumps(plan, indent=2) if form == "json" else _plan_text(plan)
    results = ablate(recipe, out, only=rows, overwrite=overwrite)
    if rows is not None:
        results["rows"] = [row for row in results["rows"] if row["row"] in rows]
    if chosen == "json":
        return json.dumps(results, indent=2)
    scores, tokens = ablation_table(results), measures_table(results)
    # tasks have metrics of their own: what people read has a table for each, what programs read has one of all
    tables = [*([scores] if chosen == "csv" else in_blocks(scores)), *([tokens] if tokens is not None else [])]
    return "\n".join(render(results, table, chosen) for table in tables)


def check_form(form: str) -> Form:
    """The form, if it is known; raises UserError otherwise, before hours are spent."""
    for known in FORMS:
        if known == form:
            return known
    raise UserError(f"--format {form}: expected one of {', '.join(FORMS)}")


def parse_rows(text: str | None) -> list[str] | None:
    """`2,4b` as ["2", "4b"]; raises UserError where there is nothing between two commas."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UserError(f"--only {text}: expected rows with commas between, such as 2,4b")
    return parts


def render(results: dict[str, Any], table: Table, form: Form) -> str:
    """The results themselves as JSON, or their table in the other forms."""
    if form == "json":
        return json.dumps(results, indent=2)
    if form != "table":
        return table.render(form)
    text = io.StringIO()
    # a file has no width: there the table takes what it needs
    width = max(100, shutil.get_terminal_size().columns) if sys.stdout.isatty() else _UNBOUNDED
    Console(file=text, width=width, highlight=False).print(table.to_rich())
    return text.getvalue()


def _count(numbers: int | None) -> str:
    return "an unknown number of" if numbers is None else f"{numbers:,}"


def _plan_text(plan: dict[str, Any]) -> str:
    runs = [
        f"row {run['row']} ({run['name']}), seed {run['seed']}: trains {_count(run['trained'])} parameters; "
        f"{run['state']}, {run['folder']}"
        for run in plan["runs"]
    ]
    missing = [f"missing: {entry}" for entry in plan["missing"]]
    refused = [f"refused: {entry}" for entry in plan["refused"]]
    return "\n".join([*runs, f"datasets: {', '.join(map(str, plan['datasets']))}", *missing, *refused])
