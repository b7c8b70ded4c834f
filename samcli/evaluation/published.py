"""The figures that the paper prints, to stand beside ours; and those of works on token-level alignment."""

import copy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from samcli.data.sources import CHANGES, GROUPS, SOURCES, STORIES

PAPER = "arXiv 2408.12867"

DATASETS: dict[str, tuple[str, ...]] = {
    task: tuple(source.name for source in SOURCES if source.task == task) for task in (GROUPS, STORIES, CHANGES)
}
DEMON_CORE = 500
"""Samples of each dataset of DEMON-Core, on which the paper's figures were made where the dataset is in it."""

SAMPLES = dict.fromkeys(("aesop", "vist", *DATASETS[CHANGES]), DEMON_CORE)
_TABLES = {
    GROUPS: "table2a_group_captioning",
    STORIES: "table2b_storytelling",
    CHANGES: "table4_change_captioning",
}

PublishedScores = dict[str, float]


def published_rows(name: str) -> dict[str, PublishedScores]:
    """Scores x100 of each model of Tables 2 and 4, in the paper's order: {model: {rouge_l, cider, bleu_4}}.

    `name` is a dataset of the paper, or a task, which gives the averages over its datasets (all that Table 4 prints).
    The case doesn't matter. Empty when the paper has no figures of that name.
    """
    wanted = name.casefold()
    for task, datasets in DATASETS.items():
        if wanted == task or wanted in datasets:
            table = _figures()[_TABLES[task]]
            column = "average" if wanted == task else wanted
            return {model: dict(scores[column]) for model, scores in table.items() if column in scores}
    return {}


def published_ablation() -> dict[str, dict[str, Any]]:
    """Table 3: {row: {name, TASK: {rouge_l, cider, bleu_4}}}, averages over the datasets of each task, x100."""
    return {row: dict(scores) for row, scores in _figures()["table3_ablation"].items()}


def published_datasets() -> list[dict[str, Any]]:
    """Table 1: name, samples, and whether it is made automatically and of distinct contexts, as the paper says."""
    return [dict(row) for row in _figures()["table1_datasets"]]


def published_alignment() -> dict[str, Any]:
    """What works on token-level alignment print of benchmarks that aren't run here.

    `sea`: {setup of LLaVA-1.5: {base, sea: {benchmark: score}}}, `sea_prime`: {LLM: {benchmark: score}} (SEA, arXiv
    2408.11813); `patch_gains`: {ability: percent} (the abstract of arXiv 2505.17316).
    """
    return copy.deepcopy(_figures()["alignment"])


@cache
def _figures() -> Any:
    return yaml.safe_load(files("samcli.evaluation").joinpath("published.yaml").read_text(encoding="utf-8"))
