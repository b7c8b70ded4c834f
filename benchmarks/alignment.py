"""What the objectives for patch tokens cost: seconds of a training step, with each of them and without.

    python benchmarks/alignment.py [--rounds 5] [--batch 64] [--json]

The small LLaVA's first stage on drawn captions. All kinds of step take turns in one process on the same batches; in
the clock are the batch (labels read, pairs drawn), the losses and their gradients. Figures are medians, of seconds and
of ratios to the caption loss alone in the same round.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Sequence

import torch

from samcli.alignment.labels.eye_of_model import eye_of
from samcli.alignment.labels.make import make_labels
from samcli.alignment.words import WordTable
from samcli.model.features import FeaturesInMemory
from samcli.model.llava.load import load_patch_base
from samcli.model.llava.model import PatchAlignedModel
from samcli.recipe_alignment import LlavaRecipe, ObjectiveRecipe
from samcli.recipe_file import find_recipe, load_recipe
from samcli.training.batches import Batches, Steps
from samcli.training.llava_job import AlignedTraining, LabelledSteps
from samcli.training.llava_run import find_inputs
from samcli.training.order import EpochOrder
from samcli.training.precision import autocast

KINDS = {"caption loss": (), "+ SEA": ("sea",), "+ patch-aligned": ("patch",), "+ both": ("sea", "patch")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="times that each kind takes its turn")
    parser.add_argument("--batch", type=int, default=64, help="samples of a step")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds = measure(arguments.rounds, arguments.batch)
    medians = {kind: statistics.median(found) for kind, found in seconds.items()}
    plain = seconds["caption loss"]
    ratios = {
        kind: statistics.median(own / base for own, base in zip(found, plain, strict=True))
        for kind, found in seconds.items()
    }
    if arguments.json:
        print(json.dumps({"seconds": medians, "ratios": ratios}, indent=2))
        return
    for kind, value in medians.items():
        print(f"{kind:<16} {value:6.2f} s a step  {ratios[kind]:5.3f} times the caption loss alone")


def measure(rounds: int, batch: int) -> dict[str, list[float]]:
    """Seconds of every step, by kind; a first round warms up and isn't counted."""
    count = batch * (rounds + 1)
    recipe = load_recipe(LlavaRecipe, find_recipe("tiny/llava"), [("projector.data.samples", count)])
    base = load_patch_base(recipe.model, recipe.seed)
    model = PatchAlignedModel(base.model)
    inputs = find_inputs(recipe.projector.data, "projector.data")
    store = make_labels(recipe.objective.labels, inputs.samples, inputs.directory, eye_of(recipe.model))
    words = WordTable(store.words, copy.deepcopy(base.processor.tokenizer))
    features = FeaturesInMemory(base.processor)
    features.prepare(model, inputs.pictures)
    batches = Batches(recipe.text, model, base.processor, features)
    plain = Steps(inputs.samples, EpochOrder(count, batch, recipe.seed), batches, "none", recipe.seed)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for step in range(rounds + 1):
        for kind, names in KINDS.items():
            objective = switched_on(recipe.objective, names)
            steps = LabelledSteps(plain, objective, store if names else None)
            training = AlignedTraining(model, objective, words if names else None)
            began = time.perf_counter()
            with autocast(recipe.projector.optim.precision, torch.device("cpu")):
                loss = training(steps.batch(step, 0, 1))
            loss.backward()
            if step:
                seconds[kind].append(time.perf_counter() - began)
            training.zero_grad()
    return seconds


def switched_on(objective: ObjectiveRecipe, names: Sequence[str]) -> ObjectiveRecipe:
    """The objectives of these names and no others."""
    parts = {"sea": objective.sea, "patch": objective.patch}
    return objective.model_copy(
        update={name: part.model_copy(update={"enabled": name in names}) for name, part in parts.items()}
    )


if __name__ == "__main__":
    main()
