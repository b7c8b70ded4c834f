"""Datasets beside one another, as Table 1 of the paper: how large they are, and how unlike the pictures of a sample."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samcli.console import progress, warn
from samcli.data.dataset import read_dataset
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.published import published_datasets
from samcli.evaluation.tables import Cell, Measure, Table
from samcli.evaluation.tasks import is_of_the_world, world_directory
from samcli.files import write_json
from samcli.model.captioner import Captioner
from samcli.model.load import load_model
from samcli.names import plain_name
from samcli.recipe_tables import SurveyRecipe
from samcli.run_directory import RESULTS, held, open_run

_AT_ONCE = 20  # pictures


@dataclass(frozen=True)
class Distances:
    """Mean cosine distances of pictures: of one sample, and of different samples, x100."""

    within: float
    between: float


def survey(recipe: SurveyRecipe, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Count and measure the datasets that are there; return what `out/results.json` holds.

    Raises UserError when none of them is there.
    """
    found: dict[str, list[Sample]] = {}
    missing = []
    for name in recipe.datasets:
        try:
            directory = world_directory(name)
            found[name] = read_dataset(name, recipe.data_root, recipe.reading, recipe.image_root, directory).samples
        except UserError as error:
            missing.append(str(error).splitlines()[0])
            warn(f"left out: {error}")
    if not found:
        raise UserError("none of the datasets is there; --data-root names the directory that they are in")
    captioner = _model(recipe)
    with held(out):
        open_run(out, recipe, overwrite=overwrite, may_change=("datasets",))
        datasets = {name: _entry(recipe, name, samples, captioner) for name, samples in found.items()}
        features = f"{recipe.model.base}, vision tower, mean of patches" if captioner is not None else None
        about = {"split": recipe.reading.split, "features": features, "left_out": missing}
        results = {"datasets": datasets, **about}
        write_json(out / RESULTS, results)
    return results


def _model(recipe: SurveyRecipe) -> Captioner | None:
    """The model whose vision tower measures; None where it isn't there, since counts need none."""
    model = recipe.model
    try:
        return load_model(model.base, "none", device=model.device, dtype=model.dtype, revision=model.revision)
    except UserError as error:
        warn(f"no distances are measured: {error}")
        return None


def _entry(recipe: SurveyRecipe, name: str, samples: Sequence[Sample], captioner: Captioner | None) -> dict[str, Any]:
    images = [len(sample.images) for sample in samples]
    entry: dict[str, Any] = {
        "samples": len(samples),
        "images": sum(images) / len(images),
        "fewest_images": min(images),
        "most_images": max(images),
    }
    if captioner is None:
        return entry
    chosen = random.Random(recipe.seed).sample(list(samples), min(recipe.samples, len(samples)))
    readable, unreadable = _features(name, chosen, captioner)
    if len(readable) > 1:
        measured = distances(readable)
        entry |= {"measured_on": len(readable), "within": measured.within, "between": measured.between}
    if unreadable:
        entry["unreadable"] = unreadable
    return entry


def _features(name: str, samples: Sequence[Sample], captioner: Captioner) -> tuple[list[Tensor], int]:
    """For each sample with several readable pictures their features (N, V), of length 1; and how many can't be read."""
    found, unreadable = [], 0
    with progress(name, len(samples)) as advance:
        for sample in samples:
            try:
                pictures = [captioner.processor.square(open_image(path)) for path in sample.images]
            except UserError:
                unreadable += 1
            else:
                if len(pictures) > 1:
                    found.append(_tower(captioner, pictures))
            advance(1)
    return found, unreadable


@torch.inference_mode()
def _tower(captioner: Captioner, pictures: Sequence[Any]) -> Tensor:
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        pixels = captioner.processor.pixels(list(pictures[start : start + _AT_ONCE])).to(captioner.device)
        parts.append(captioner.model.encode_images(pixels).float().mean(dim=1).cpu())
    return torch.nn.functional.normalize(torch.cat(parts), dim=-1)


def distances(groups: Sequence[Tensor]) -> Distances:
    """Mean cosine distance over pairs of pictures of one sample, then over samples; and over those of different ones.

    `groups` are features (N, V) of length 1, N above 1, of at least two samples.
    """
    within = []
    for features in groups:
        count = len(features)
        similar = features @ features.T
        within.append(1 - float((similar.sum() - similar.diagonal().sum()) / (count * (count - 1))))
    sums = torch.stack([features.sum(dim=0) for features in groups])
    whole = sums.sum(dim=0)
    pairs = sum(len(features) for features in groups) ** 2 - sum(len(features) ** 2 for features in groups)
    between = 1 - float((whole @ whole - (sums * sums).sum()) / pairs)
    return Distances(round(100 * sum(within) / len(within), 2), round(100 * between, 2))


def survey_table(results: Mapping[str, Any]) -> Table:
    """The survey as Table 1 has it, with what the paper prints of the same dataset."""
    published = {plain_name(row["name"]): row for row in published_datasets()}
    rows: list[list[Cell]] = []
    for name, entry in results["datasets"].items():
        paper = published.get(plain_name(name), {})
        images = (
            f"{entry['images']:.3g}"
            if entry["fewest_images"] == entry["most_images"]
            else (f"{entry['images']:.2f} ({entry['fewest_images']} to {entry['most_images']})")
        )
        within, between = entry.get("within"), entry.get("between")
        unlike = None if within is None else Measure(within / between) if between else None
        claims = [_yes(paper.get(key)) for key in ("automated", "distinct_contexts")]
        rows.append([name, entry["samples"], paper.get("samples"), images, *claims, within, between, unlike])
    columns = [
        "dataset",
        "samples here",
        "in the paper",
        "images a sample",
        "automated (paper)",
        "contexts differ (paper)",
    ]
    columns += ["distance within x100", "between x100", "within / between"]
    measured = (
        f"distances: mean cosine distance of {results['features']}; within: of the pictures of one sample, between: of "
        "different samples; 1 in the last column: pictures of one sample are as unlike as any two"
    )
    notes = [
        f"samples here: of the split {results['split']}; the paper counts all splits together",
        *([measured] if results["features"] else []),
        *(f"left out: {line}" for line in results["left_out"]),
    ]
    if any(is_of_the_world(name) for name in results["datasets"]):
        notes.append("world-: sets of the embedded world, which the paper doesn't have")
    return Table("Datasets, as Table 1 of the paper", columns, rows, notes)


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"
