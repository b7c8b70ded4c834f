"""The shipped recipes: all of them valid, and `full` with the paper's settings, each line explained."""

import re

import pytest
import yaml

from samcli.recipe import AblateRecipe, BaseRecipe, EvalRecipe, SamRecipe, Section, SynthRecipe, describe_fields
from samcli.recipe_faults import settings
from samcli.recipe_file import find_recipe, load_recipe, recipe_names

KINDS: tuple[type[Section], ...] = (SamRecipe, BaseRecipe, SynthRecipe, EvalRecipe, AblateRecipe)
PAPER = {
    "model.base": "Salesforce/instructblip-vicuna-7b",
    "optim.optimizer": "adamw",
    "optim.betas": (0.9, 0.999),
    "optim.learning_rate": 2e-5,
    "optim.weight_decay": 0.05,
    "optim.schedule": "cosine",
    "optim.warmup_steps": 240,
    "optim.batch_size": 20,
    "guidance.enabled": True,
    "guidance.from_layer": 12,
    "guidance.to_layer": 12,
    "data.train": "MmLINK",
    "data.samples": None,
}
RELEASE = {
    "guidance.context": "all",
    "guidance.weights": "softmax-images",
    "text.qformer_tokens": 128,
    "text.prompt_tokens": 128,
    "text.answer_tokens": 256,
}


def full() -> SamRecipe:
    return load_recipe(SamRecipe, find_recipe("full"))


def value(recipe: SamRecipe, key: str) -> object:
    section, name = key.split(".")
    found: object = getattr(getattr(recipe, section), name)
    return found


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = load_recipe(KINDS, find_recipe(name))
    assert recipe.model_dump()["kind"] in {schema.model_fields["kind"].default for schema in KINDS}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_name_their_command(name: str) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    head = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert re.search(rf"sam \w+ {re.escape(name)}\b", head)


@pytest.mark.parametrize(("key", "wanted"), [*PAPER.items(), *RELEASE.items()])
def test_full_has_the_papers_and_the_releases_values(key: str, wanted: object) -> None:
    assert value(full(), key) == wanted


def test_full_spells_out_every_setting_and_explains_each() -> None:
    text = find_recipe("full").read_text(encoding="utf-8")
    spelt = {".".join(key for key in keys if isinstance(key, str)) for keys, _ in settings(yaml.safe_load(text))}
    assert spelt == {key for key, _, _ in describe_fields(SamRecipe)}
    lines = [line for line in text.splitlines() if re.match(r"\s*\w+: *[^\s#]", line)]
    assert [line for line in lines if "#" not in line and line != "kind: sam"] == []


def test_full_says_of_each_training_setting_where_it_comes_from() -> None:
    text = find_recipe("full").read_text(encoding="utf-8")
    optim = text.split("optim:\n")[1].split("checkpoint:")[0]
    settings = [line for line in optim.splitlines() if re.match(r"\s+\w+: ", line)]
    assert all(re.search(r"# (paper|ours|release)", line) for line in settings)
    for key, origin in (
        ("epochs", "ours"),
        ("min_learning_rate", "ours"),
        ("decay_biases", "ours"),
        ("batch_is", "ours"),
    ):
        assert re.search(rf"\b{key}: .*# {origin}", optim)
    assert re.search(r"augment: none\s+# ours", text)
