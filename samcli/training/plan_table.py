"""A plan as people read it: parts, steps and costs, settings, then what to know and what is missing."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from samcli.amounts import in_bytes, scaled
from samcli.training.label_plan import LabelPlan, plan_rows


def plan_table(plan: dict[str, Any]) -> RenderableType:
    """What `plan` returned, rendered for a terminal."""
    blocks: list[RenderableType] = (
        [_trained_by_stage(plan), _stages(plan["stages"])]
        if "stages" in plan
        else [_parts(plan["parameters"]), _pairs("Run", _run(plan))]
    )
    if plan.get("labels"):
        blocks.append(_pairs("Labels", plan_rows(LabelPlan(**plan["labels"])).items()))
    if "settings" in plan:
        blocks.append(_pairs("Settings", ((key, _shown(value)) for key, value in plan["settings"].items())))
    if plan.get("measured"):
        blocks.append(_pairs("Measured here in two steps, one process", _measured(plan["measured"])))
    listed = ((name.capitalize(), plan.get(name, [])) for name in ("assumed", "warnings", "missing"))
    return Group(*blocks, *(_listed(title, lines) for title, lines in listed if lines))


def _parts(parameters: dict[str, Any]) -> Table:
    numbers = (Column(name, justify="right") for name in ("trained", "frozen"))
    table = Table("Part", *numbers, title="Parameters", title_justify="left")
    for name, count in parameters["by_part"].items():
        table.add_row(_words(name), f"{count['trained']:,}", f"{count['frozen']:,}")
    table.add_section()
    table.add_row("all", *(_count(parameters[state]) for state in ("trained", "frozen")))
    return table


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"


def _run(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "steps", f"{plan['steps']:,}"
    for name, steps in plan.get("steps_by_part", {}).items():
        yield f"  {name}", f"{steps:,}"
    if "pictures" in plan:
        yield "pictures", f"{plan['pictures']:,}, drawn before training"
    if "data" in plan:
        yield "samples", f"{plan['data']['samples']:,}, of about {plan['data']['images_per_sample']} images each"
        yield "data expected", plan["data"]["expected"]
    if plan["flops_per_step"]:
        yield "FLOPs a step", _flops(plan["flops_per_step"])
        yield from ((f"  {_words(name)}", _flops(value)) for name, value in plan["flops_by_part"].items())
        yield "FLOPs of the run", _flops(plan["steps"] * plan["flops_per_step"])
    if plan["memory_bytes"]:
        yield "memory, estimated", in_bytes(plan["memory_bytes"])
        yield from ((f"  {_words(name)}", in_bytes(value)) for name, value in plan["memory_by_part"].items())


def _trained_by_stage(plan: dict[str, Any]) -> Table:
    """A LLaVA's parts: what each stage trains of them, and how large they are."""
    stages = {name: stage["parameters"] for name, stage in plan["stages"].items()}
    titles = [*(f"trained: {name}" for name in stages), "all numbers"]
    table = Table("Part", *(Column(title, justify="right") for title in titles), title="Parameters")
    table.title_justify = "left"
    nothing = {"trained": 0}
    for name, part in plan["parameters"]["by_part"].items():
        trained = [stage["by_part"].get(name, nothing)["trained"] for stage in stages.values()]
        table.add_row(_words(name), *(f"{count:,}" for count in [*trained, sum(part.values())]))
    table.add_section()
    whole = plan["parameters"]
    known = whole["trained"] is not None
    everything = whole["trained"] + whole["frozen"] if known else None
    table.add_row("all", *(_count(count) for count in [*(stage["trained"] for stage in stages.values()), everything]))
    return table


def _stages(stages: dict[str, Any]) -> Table:
    """The stages' runs, side by side."""
    runs = {name: dict(_run(stage)) for name, stage in stages.items()}
    table = Table("Run", *(Column(name, overflow="fold") for name in runs), title="Stages", title_justify="left")
    for row in dict.fromkeys(row for run in sorted(runs.values(), key=len, reverse=True) for row in run):
        table.add_row(Text(row), *(Text(run.get(row, "")) for run in runs.values()))
    return table


def _measured(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "samples checked", f"{found['samples_checked']:,}"
    yield "a step", f"{found['seconds_per_step']:.3g} s, {found['samples_per_second']:.3g} samples/s"
    if found["seconds_for_features"]:
        yield "features before it", _duration(found["seconds_for_features"])
    yield "the whole run", _duration(found["seconds_for_run"])
    yield "peak memory", in_bytes(found["peak_memory_bytes"])


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def _listed(title: str, lines: list[str]) -> Text:
    return Text.assemble((f"{title}\n", "bold"), *(f"- {line}\n" for line in lines))


def _words(name: str) -> str:
    return {"qformer": "Q-Former", "wformer": "W-Former"}.get(name, name.replace("_", " "))


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flops(value: float) -> str:
    return scaled(value, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"))
