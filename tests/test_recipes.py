"""The shipped recipes: all valid, `full` with the paper's settings, each line explained; and the page on all keys."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError

from samcli.errors import UserError
from samcli.recipe import DecodingChanges, DecodingRecipe, RowRecipe, SamRecipe
from samcli.recipe_alignment import LlavaRecipe
from samcli.recipe_faults import settings
from samcli.recipe_fields import describe_fields, leaves
from samcli.recipe_file import find_recipe, load_recipe, recipe_names
from samcli.recipe_reference import KINDS, UNITS, reference, type_in_words, unit_of
from samcli.training.optim import total_steps
from samcli.training.published_sets import published_size

DESCRIBED: tuple[type[BaseModel], ...] = (*KINDS, RowRecipe)
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


LLAVA_1_5 = {
    "projector.optim.learning_rate": 1e-3,
    "projector.optim.batch_size": 256,
    "projector.optim.epochs": 1,
    "instruction.optim.learning_rate": 2e-5,
    "instruction.optim.batch_size": 128,
    "instruction.optim.epochs": 1,
    "model.vision": "openai/clip-vit-large-patch14-336",
    "model.llm": "lmsys/vicuna-7b-v1.5",
    "model.feature_layer": -2,
}


def full() -> SamRecipe:
    return load_recipe(SamRecipe, find_recipe("full"))


def value(recipe: BaseModel, key: str) -> object:
    found: Any = recipe
    for name in key.split("."):
        found = getattr(found, name)
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


@pytest.mark.parametrize(
    ("name", "schema"), [("full", SamRecipe), ("sea", LlavaRecipe), ("patch-aligned", LlavaRecipe)]
)
def test_recipes_at_full_size_spell_out_every_setting_and_explain_each(name: str, schema: type[BaseModel]) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    spelt = {".".join(key for key in keys if isinstance(key, str)) for keys, _ in settings(yaml.safe_load(text))}
    others = ("linear.", "vpgc.", "mmicl.")  # SAM's rivals, which are off
    assert spelt == {key.path for key in describe_fields(schema) if not key.path.startswith(others)}
    lines = [line for line in text.splitlines() if re.match(r"\s*\w+: *[^\s#]", line)]
    assert [line for line in lines if "#" not in line and not line.startswith("kind: ")] == []


@pytest.mark.parametrize("name", ["sea", "patch-aligned"])
def test_llavas_at_full_size_are_trained_as_llava_1_5_was(name: str) -> None:
    recipe = load_recipe(LlavaRecipe, find_recipe(name))
    assert {key: value(recipe, key) for key in LLAVA_1_5} == LLAVA_1_5
    for stage in (recipe.projector, recipe.instruction):
        data = published_size(stage.data.train)
        assert data is not None
        assert stage.optim.warmup_steps == math.ceil(0.03 * total_steps(stage.optim, data.samples))


def test_each_method_of_alignment_has_its_own_objective_and_labels() -> None:
    sea, patch = (load_recipe(LlavaRecipe, find_recipe(name)).objective for name in ("sea", "patch-aligned"))
    assert (sea.sea.enabled, sea.patch.enabled, sea.labels.source) == (True, False, "clip")
    assert (sea.sea.window, sea.labels.top, sea.labels.clip_sign) == (2, 10, "flipped")
    assert (patch.sea.enabled, patch.patch.enabled, patch.labels.source) == (False, True, "regions")


@pytest.mark.parametrize("name", ["sea", "patch-aligned"])
def test_llavas_say_of_each_setting_of_a_stage_where_it_comes_from(name: str) -> None:
    text = find_recipe(name).read_text(encoding="utf-8")
    stages = text.split("projector:  ")[1].split("keep_aligned:")[0]
    lines = [line for line in stages.splitlines() if re.match(r"\s+\w+: *[^\s#]", line)]
    origin = r"# (paper|LLaVA-1\.5|ours|of a world set alone|of no effect)"
    assert [line for line in lines if not re.search(origin, line)] == []


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


# --- lengths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", [DecodingRecipe, DecodingChanges])
def test_a_shortest_answer_longer_than_the_longest_is_refused(section: type[BaseModel]) -> None:
    with pytest.raises(ValidationError, match="min_length 9 must not be above max_length 8"):
        section(min_length=9, max_length=8)
    section(min_length=8, max_length=8)


def test_changes_that_do_not_suit_the_models_own_way_are_refused() -> None:
    with pytest.raises(UserError, match="min_length 65 must not be above max_length 64"):
        DecodingChanges(min_length=65).over(DecodingRecipe(max_length=64))
    assert DecodingChanges(min_length=65).over(DecodingRecipe()).min_length == 65


# --- the page on all keys --------------------------------------------------------------------------------------------


def test_the_page_on_recipes_is_made_from_the_schema() -> None:
    page = Path(__file__).parents[1] / "docs" / "recipes.md"
    assert page.read_text(encoding="utf-8") == reference(), "python -m samcli.recipe_reference > docs/recipes.md"


@pytest.mark.parametrize("schema", DESCRIBED)
def test_every_number_has_a_unit_and_nothing_else_has(schema: type[BaseModel]) -> None:
    for key in describe_fields(schema):
        is_number = bool({int, float} & set(leaves(key.field.annotation)))
        assert (unit_of(key.path) is not None) == is_number, key.path


def test_every_unit_is_of_a_key_that_exists() -> None:
    keys = {key.path.rpartition(".")[2] for schema in DESCRIBED for key in describe_fields(schema)}
    assert {name for names in UNITS.values() for name in names.split()} <= keys


@pytest.mark.parametrize("schema", KINDS)
def test_every_key_has_a_default(schema: type[BaseModel]) -> None:
    assert [key.path for key in describe_fields(schema) if key.field.is_required()] == []


def test_rows_must_say_who_they_are_and_their_help_says_so() -> None:
    needed = [key for key in describe_fields(RowRecipe) if key.field.is_required()]
    assert [key.path for key in needed] == ["row", "name"]
    assert all("must be given" in (key.field.description or "") for key in needed)


def test_a_sections_own_defaults_are_described() -> None:
    class Outer(BaseModel):
        decoding: DecodingRecipe = DecodingRecipe(beams=2)

    assert {key.path: key.default for key in describe_fields(Outer)}["decoding.beams"] == 2


def test_types_and_limits_in_words() -> None:
    class Shapes(BaseModel):
        share: float = Field(0.0, ge=0, le=1)
        most: int | None = Field(None, lt=5)
        pair: tuple[int, int] = (1, 2)
        names: tuple[str, ...] = ()
        free: dict[str, Any] = {}
        on: bool = False

    assert {name: type_in_words(field) for name, field in Shapes.model_fields.items()} == {
        "share": "number at least 0, at most 1",
        "most": "whole number below 5 or `null`",
        "pair": "list of 2: whole number",
        "names": "list of: text",
        "free": "keys and values",
        "on": "`true` or `false`",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": 1e-40, "beams": 1}, "temperature 1e-40 must be 0, or at least 0.001"),
        ({"temperature": 0.7, "beams": 3}, "with one beam alone, not with 3; set beams to 1 or temperature to 0"),
        ({"beams": 1, "top_p": 0.5}, "top_p 0.5 is of tokens that are drawn by chance; set temperature above 0"),
        ({"min_length": 9, "max_length": 8}, "min_length 9 must not be above max_length 8"),
    ],
)
def test_ways_of_decoding_that_go_together_with_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DecodingRecipe.model_validate(given)
    with pytest.raises((ValidationError, UserError), match=said):
        DecodingChanges.model_validate(given).over(DecodingRecipe())


def test_what_changes_no_answer_changes_no_record_of_how_it_was_made() -> None:
    greedy = DecodingRecipe(beams=1)
    idle = DecodingChanges(seed=4, rules="transformers", length_penalty=2)
    assert idle.over(greedy) == greedy
    drawn = DecodingChanges(seed=4, temperature=0.7, top_p=0.9).over(greedy)
    assert drawn.in_words() == "beams 1, temperature 0.7, top_p 0.9, seed 4"
    assert DecodingChanges(rules="transformers").over(DecodingRecipe()).in_words() == "rules transformers"
    assert DecodingRecipe().in_words() == "as released"
