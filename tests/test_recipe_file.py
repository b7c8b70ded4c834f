"""Recipes: found by name, read safely, overridden, validated with every fault at once, and written back."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from samcli import recipe, recipe_file
from samcli.errors import UserError
from samcli.recipe import BaseRecipe, SamRecipe
from samcli.recipe_fields import help_of
from samcli.recipe_file import (
    dump_recipe,
    explain_differences,
    find_recipe,
    load_recipe,
    parse_overrides,
    recipe_names,
)
from samcli.recipe_section import Section
from samcli.recipe_yaml import read_yaml

KINDS: tuple[type[SamRecipe] | type[BaseRecipe], ...] = (SamRecipe, BaseRecipe)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field("x", description="what it is called")
    weight: Annotated[float, Field(lt=1, le=2)] = 0.5


class Varied(BaseModel):
    """Shapes of fields that the real recipes have few of."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    needed: int = Field(description="how many, pieces")
    parts: list[Part] = []
    by_name: dict[str, Part] = {}
    free: dict[str, Any] = {}
    rate: float = 1.0
    tags: Annotated[list[str], Field(min_length=1)] = ["a"]
    level: Literal[1, 2] = 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "r.yaml"


def sam(file: Path, text: str, *overrides: str) -> SamRecipe:
    file.write_text(text, encoding="utf-8")
    return load_recipe(SamRecipe, file, parse_overrides(overrides))


def faults(
    file: Path, text: str, *overrides: str, schema: type[BaseModel] | tuple[type[BaseModel], ...] = SamRecipe
) -> list[str]:
    """Lines of the error that the recipe raises, with the file's path shortened to FILE."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_recipe(schema, file, parse_overrides(overrides))
    return str(caught.value).replace(str(file), "FILE").splitlines()


def refusal(file: Path, content: str | bytes) -> str:
    """What read_yaml says about a file, with its path shortened to FILE."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as caught:
        read_yaml(file)
    return str(caught.value).replace(str(file), "FILE")


# --- finding ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["wheel", "repository"])
def shipped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that ships `full` and `tiny/sam`, either inside itself or beside itself."""
    package = tmp_path / "place" / "samcli"
    directory = package / "recipes" if request.param == "wheel" else package.parent / "recipes"
    (directory / "tiny").mkdir(parents=True)
    package.mkdir(exist_ok=True)
    for name in ("full", "tiny/sam"):
        (directory / f"{name}.yaml").write_text("seed: 1\n")
    (directory / "README.md").write_text("no recipe")
    monkeypatch.setattr(recipe_file, "__file__", str(package / "recipe_file.py"))
    monkeypatch.chdir(tmp_path)
    return directory


def test_names_of_shipped_recipes_have_no_suffix(shipped: Path) -> None:
    assert recipe_names() == ["full", "tiny/sam"]


@pytest.mark.parametrize("name", ["tiny/sam", "tiny/sam.yaml", "recipes/tiny/sam", "./recipes/tiny/sam.yaml"])
def test_shipped_recipe_is_found_by_any_of_its_names(shipped: Path, name: str) -> None:
    assert find_recipe(name) == shipped / "tiny" / "sam.yaml"


def test_existing_file_comes_before_a_shipped_name(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "full").write_text("seed: 2\n")
    assert find_recipe("full") == Path("full")


def test_directory_of_a_shipped_name_does_not_hide_the_recipe(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    assert find_recipe("full") == shipped / "full.yaml"


def test_unknown_name_gets_the_nearest_and_the_list(shipped: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_recipe("sam")
    assert str(caught.value) == (
        "sam: no such recipe file, and no shipped recipe has that name; did you mean tiny/sam?; shipped: full, tiny/sam"
    )


@pytest.mark.parametrize("name", ["", ".", "/", "a\0b", "x" * 5000])
def test_impossible_names_are_user_errors(shipped: Path, name: str) -> None:
    with pytest.raises(UserError, match="no such recipe file"):
        find_recipe(name)


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "FILE:1: a recipe is a mapping, lines of `key: value`; this file is empty"),
        ("# nothing\n", "FILE:1: a recipe is a mapping, lines of `key: value`; this file is empty"),
        ("- a\n", "FILE:1: a recipe is a mapping, lines of `key: value`; this file holds a list"),
        ("text\n", "FILE:1: a recipe is a mapping, lines of `key: value`; this file holds one value"),
        ("seed: 1\noptim: {}\nseed: 2\n", "FILE:3: key seed is already in line 1; remove one of the two"),
        ("optim:\n  steps: 1\n  steps: 2\n", "FILE:3: key steps is already in line 2; remove one of the two"),
        (
            "a: 1\nb: &b [1]\n",
            "FILE:2: anchors (&) and aliases (*) are not allowed in recipes; put such text in quotes",
        ),
        ("a: 1\nb: *b\n", "FILE:2: anchors (&) and aliases (*) are not allowed in recipes; put such text in quotes"),
        ("a: !!str 1\n", "FILE:1: tags (!!str) are not allowed in recipes; write plain values"),
        ("a: !mine 1\n", "FILE:1: tags (!mine) are not allowed in recipes; write plain values"),
        ("a:\n\tb: 1\n", "FILE:2: tabs are not allowed in recipes; use spaces"),
        ("a: 1\r\nb: [1,\t2]\r\n", "FILE:2: tabs are not allowed in recipes; use spaces"),
        (b"a: 1\nb: caf\xe9\n", "FILE:2: not UTF-8 text; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "FILE:1: not UTF-8 text; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16-le"), "FILE:1: not text: it has the character 0x0"),
        ("a: 1\nb: \x07\n", "FILE:2: not text: it has the character 0x7"),
        ("? [a, b]\n: 1\n", "FILE:1: a key must be plain text"),
        ("a: " + "[" * 100_000, "FILE:1: nested more than 20 levels deep"),
        (
            "a: 1\nb: [1\nc: 2\n",
            "FILE:3: not valid YAML, while parsing a flow sequence, expected ',' or ']', but got ':'",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "FILE:2: not valid YAML, expected a single document in the stream, but found another docu",
        ),
    ],
)
def test_unfit_yaml_is_refused_with_file_and_line(file: Path, content: str | bytes, message: str) -> None:
    assert refusal(file, content).startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        "a: !!python/object/apply:os.system ['true']\n",
        "a: !!python/name:os.system\n",
        "!!python/name:os.system a: 1\n",
        "!!python/object:builtins.dict {a: 1}\n",
    ],
)
def test_python_tags_are_refused(file: Path, content: str) -> None:
    assert refusal(file, content) == "FILE:1: Python tags are not allowed in recipes; write plain values"


def test_large_files_are_refused_and_the_largest_allowed_is_read(file: Path) -> None:
    line = "a: 1 #"
    assert "larger than 1 MiB" in refusal(file, line.ljust((1 << 20) + 1, "x"))
    file.write_text(line.ljust(1 << 20, "x"))
    assert read_yaml(file) == {"a": 1}


def test_missing_file_and_directory_are_user_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.yaml: can't be read: No such file"):
        read_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(UserError, match="can't be read: Is a directory"):
        read_yaml(tmp_path)


def test_byte_order_mark_is_no_part_of_the_first_key(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfseed: 1\n")
    assert read_yaml(file) == {"seed": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-5", 2e-5),
        ("2E+5", 2e5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-3", -3),
        ("8_000", 8000),
        ("~", None),
        ("", None),
        ("null", None),
        ("true", True),
        ("off", "off"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("7e12345", "7e12345"),
        ("'2e-5'", "2e-5"),
        ("<<", "<<"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_are_read_as_in_yaml_1_2(file: Path, text: str, value: Any) -> None:
    file.write_text(f"a: {text}\n")
    read = read_yaml(file)["a"]
    assert read == value
    assert type(read) is type(value)


# --- overrides -------------------------------------------------------------------------------------------------------


def test_overrides_are_yaml_scalars_and_flow_lists() -> None:
    texts = ["optim.betas=[0.9,0.95]", "a=null", "b=true", "optim.learning_rate=2e-5", "c='5'", "d=x=y", "e=/a/b:c"]
    assert parse_overrides(texts) == [
        ("optim.betas", [0.9, 0.95]),
        ("a", None),
        ("b", True),
        ("optim.learning_rate", 2e-5),
        ("c", "5"),
        ("d", "x=y"),
        ("e", "/a/b:c"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed", "expected KEY=VALUE, for example --set optim.batch_size=8"),
        ("=3", "expected KEY=VALUE, for example --set optim.batch_size=8"),
        ("a..b=3", "expected KEY=VALUE, for example --set optim.batch_size=8"),
        ("data.root=", "no value after the equals sign; write null to unset data.root, '\"\"' for no text"),
        ("optim={steps: 1}", "a mapping can't be set; set each key by its own --set, or put text in quotes"),
        ("a=b: c", "a mapping can't be set; set each key by its own --set, or put text in quotes"),
        ("a=*b", "anchors (&) and aliases (*) are not allowed in recipes; put such text in quotes"),
        ("a=!!python/name:os.system", "Python tags are not allowed in recipes; write plain values"),
        ("a=[1", "not valid YAML, while parsing a flow sequence, expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_bad_override_names_itself(text: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_overrides(["seed=1", text])
    assert str(caught.value) == f"--set {text}: {problem}"


def test_overrides_win_over_the_file_and_the_last_over_the_first(file: Path) -> None:
    read = sam(file, "seed: 1\noptim: {batch_size: 4, steps: 9}\n", "optim.batch_size=8", "seed=2", "seed=3")
    assert (read.seed, read.optim.batch_size, read.optim.steps) == (3, 8, 9)


def test_override_makes_the_sections_that_the_file_lacks_or_leaves_empty(file: Path) -> None:
    read = sam(file, "guidance:\n", "guidance.context=others", "optim.betas=[0.9, 0.95]")
    assert (read.guidance.context, read.optim.betas) == ("others", (0.9, 0.95))


# --- validation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("optm: {}", "optm: unknown key; did you mean optim?"),
        ("optim: {batchsize: 2}", "optim.batchsize: unknown key; did you mean batch_size?"),
        ("optim: {from_layer: 2}", "optim.from_layer: unknown key; from_layer belongs to guidance"),
        ("batch_size: 2", "batch_size: unknown key; batch_size belongs to optim"),
        ("optim: {seed: 2}", "optim.seed: unknown key; seed belongs to data or the top level"),
        ("optim: {guidance: {}}", "optim.guidance: unknown key; guidance belongs to the top level"),
        (
            "checkpoint: {zzz: 2}",
            "checkpoint.zzz: unknown key; known: every_steps, every_minutes, keep, keep_best; docs/recipes.md explains "
            "all",
        ),
        ("optim.steps: 2", "optim.steps: unknown key with a dot; write steps indented below optim"),
        (
            "<<: {seed: 1}",
            "<<: unknown key; known: kind, seed, model, guidance, linear, vpgc, mmicl, text, data, optim, checkpoint, "
            "validation, log_every, trackers; docs/recipes.md explains all",
        ),
    ],
)
def test_unknown_key_gets_a_suggestion_and_its_place(file: Path, text: str, line: str) -> None:
    assert faults(file, text) == [f"FILE: {line}"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 12abc", 'seed: expected a whole number (got "12abc"); help: '),
        ("seed: 1.5", "seed: expected a whole number (got 1.5); help: "),
        ("seed: true", "seed: expected a whole number (got true); help: "),
        ("optim: {steps: x}", 'optim.steps: expected a whole number or null (got "x"); help: optimiser steps'),
        ("optim: {learning_rate: fast}", 'optim.learning_rate: expected a number (got "fast"); help: '),
        ("optim: {learning_rate: true}", "optim.learning_rate: expected a number (got true); help: "),
        ("optim: {clip_norm: true}", "optim.clip_norm: expected a number or null (got true); help: "),
        ("optim: {clip_norm: false}", "optim.clip_norm: expected a number or null (got false); help: "),
        ("optim: {betas: [0.9, true]}", "optim.betas[1]: expected a number (got true); help: "),
        ("optim: {betas: 0.9}", "optim.betas: expected a list (got 0.9); help: "),
        ("optim: {betas: [0.9]}", "optim.betas[1]: a value is needed here; help: "),
        ("optim: {betas: [0.9, 0.9, 0.9]}", "optim.betas: too many values, at most 2 (got [0.9, 0.9, 0.9]); help: "),
        ("optim: {decay_biases: 7}", "optim.decay_biases: expected true or false (got 7); help: "),
        ("model: {base: 12}", "model.base: expected text (got 12); put it in quotes; help: "),
        ("model: {revision: 1234567}", "model.revision: expected text or null (got 1234567); put it in quotes; help: "),
        ("optim: 3", "optim: expected a section of keys (got 3)"),
        ("optim:", "optim: expected a section of keys (got null); write keys below it, or remove it for the defaults"),
        (f"seed: {'x' * 100}", f'seed: expected a whole number (got "{"x" * 56}...); help: '),
    ],
)
def test_wrong_type_is_told_in_words_with_the_help(file: Path, text: str, line: str) -> None:
    (message,) = faults(file, text)
    assert message.startswith(f"FILE: {line}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("optim: {batch_size: 0}", "optim.batch_size: must be above 0 (got 0); help: "),
        ("optim: {warmup_steps: -1}", "optim.warmup_steps: must be at least 0 (got -1); help: "),
        ("optim: {betas: [0.9, 1.5]}", "optim.betas[1]: must be at most 1 (got 1.5); help: "),
    ],
)
def test_out_of_range_names_the_bound(file: Path, text: str, line: str) -> None:
    (message,) = faults(file, text)
    assert message.startswith(f"FILE: {line}")


def test_wrong_choice_lists_the_choices(file: Path) -> None:
    assert faults(file, "optim: {precision: BF16}\nguidance: {context: 3}\n") == [
        "FILE: guidance.context: expected 'all' or 'others' (got 3)",
        "FILE: optim.precision: expected 'fp32' or 'bf16' (got \"BF16\"); did you mean bf16?",
    ]


def test_impossible_combination_is_told_at_its_section(file: Path) -> None:
    (message,) = faults(file, "guidance: {from_layer: 11, to_layer: 3}\n")
    assert message.startswith("FILE: guidance: from_layer (l = 11) must not be above to_layer (k = 3)")


def test_all_faults_are_told_at_once_each_with_where_it_comes_from(file: Path) -> None:
    text = "seed: x\noptm: {}\nguidance: {context: al}\noptim: {learning_rate: -1, clip_norm: true}\ntext: 3\n"
    lines = faults(file, text, "optim.batch_size=ten", "log_evry=3", "guidance.to_layer=0", "text.answer_tokens=1")
    assert sorted(line.split(";")[0] for line in lines) == [
        "FILE: guidance.context: expected 'all' or 'others' (got \"al\")",
        "FILE: optim.clip_norm: expected a number or null (got true)",
        "FILE: optim.learning_rate: must be above 0 (got -1)",
        "FILE: optm: unknown key",
        'FILE: seed: expected a whole number (got "x")',
        "FILE: text: expected a section of keys (got 3)",
        "command line: guidance.to_layer: must be at least 1 (got 0)",
        "command line: log_evry: unknown key",
        'command line: optim.batch_size: expected a whole number (got "ten")',
        "command line: text.answer_tokens: text is not a section (got 3)",
    ]


def test_an_impossible_combination_is_told_beside_other_faults_of_its_section(file: Path) -> None:
    text = (
        "guidance: {from_layer: 12, to_layer: 3, contxt: all}\noptim: {batch_size: 7, accumulate: 2, betas: [2, 0.9]}\n"
        "data: {features: ram, augment: released, samples: few}\n"
    )
    assert sorted(line.partition(";")[0] for line in faults(file, text, "log_evry=3")) == [
        'FILE: data.samples: expected a whole number or null (got "few")',
        "FILE: data: features: ram needs augment: none, since augmented pictures differ each time",
        "FILE: guidance.contxt: unknown key",
        "FILE: guidance: from_layer (l = 12) must not be above to_layer (k = 3): "
        "guidance enters the W-Former before its semantics return",
        "FILE: optim.betas[0]: must be at most 1 (got 2)",
        "FILE: optim: batch_size 7 must be a multiple of accumulate 2",
        "command line: log_evry: unknown key",
    ]


def test_no_combination_is_told_of_a_default_in_the_place_of_a_faulty_key(file: Path) -> None:
    (message,) = faults(file, "guidance: {from_layer: x, to_layer: 3}\n")
    assert message.startswith("FILE: guidance.from_layer: expected a whole number")


def test_combination_broken_by_an_override_is_the_overrides_fault(file: Path) -> None:
    (message,) = faults(file, "guidance: {from_layer: 11}\n", "guidance.to_layer=3")
    assert message.startswith("command line: guidance: from_layer (l = 11) must not be above")


def test_combination_broken_in_the_file_is_not_the_overrides_fault(file: Path) -> None:
    (message,) = faults(file, "guidance: {from_layer: 11, to_layer: 3}\n", "guidance.context=others")
    assert message.startswith("FILE: guidance: from_layer (l = 11) must not be above")


def test_override_below_a_plain_value_is_refused(file: Path) -> None:
    assert faults(file, "seed: 3\n", "seed.x=1") == ["command line: seed.x: seed is not a section (got 3)"]


def test_override_can_mend_the_file(file: Path) -> None:
    assert sam(file, "seed: x\n", "seed=4").seed == 4


def test_other_shapes_of_fields_are_explained_too(file: Path) -> None:
    text = (
        "parts: [{nam: a}, {weight: 1}, {name: true}]\nby_name: {one: {weight: true}}\nfree: {rate: true}\n"
        "rate: nan\ntags: []\nlevel: 3\n"
    )
    assert sorted(faults(file, text, schema=Varied)) == [
        "FILE: by_name.one.weight: expected a number (got true)",
        "FILE: level: expected 1 or 2 (got 3)",
        "FILE: needed: a value is needed here; help: how many, pieces",
        "FILE: parts[0].nam: unknown key; did you mean name?",
        "FILE: parts[1].weight: must be below 1 (got 1)",
        "FILE: parts[2].name: expected text (got true); put it in quotes; help: what it is called",
        'FILE: rate: must be a finite number (got "nan")',
        "FILE: tags: too few values, at least 1 (got [])",
    ]


@pytest.mark.parametrize("text", ["2e-5", "'2e-5'", "2.0e-05", "0.00002"])
def test_learning_rate_is_a_number_however_it_is_written(file: Path, text: str) -> None:
    for rate in (
        sam(file, f"optim: {{learning_rate: {text}}}\n").optim.learning_rate,
        sam(file, "seed: 0\n", f"optim.learning_rate={text}").optim.learning_rate,
    ):
        assert rate == 2e-5
        assert type(rate) is float


def test_words_for_switches_and_whole_numbers_in_other_spellings_are_read(file: Path) -> None:
    read = sam(file, "seed: 010\ndata: {features: off, samples: 2e4}\noptim: {steps: 8_000}\n")
    assert (read.seed, read.data.features, read.data.samples, read.optim.steps) == (10, "off", 20_000, 8000)


# --- kinds -----------------------------------------------------------------------------------------------------------


def test_kind_chooses_the_schema_and_the_first_is_the_default(file: Path) -> None:
    file.write_text("seed: 1\n")
    assert isinstance(load_recipe(KINDS, file), SamRecipe)
    assert isinstance(load_recipe(KINDS, file, [("kind", "base")]), BaseRecipe)
    file.write_text("kind: base\nvision: {steps: 3}\n")
    read = load_recipe(KINDS, file)
    assert isinstance(read, BaseRecipe)
    assert read.vision.steps == 3


def test_unknown_kind_lists_the_kinds(file: Path) -> None:
    message = 'kind: expected one of sam, base (got "bse"); did you mean base?'
    assert faults(file, "kind: bse\n", schema=KINDS) == [f"FILE: {message}"]
    assert faults(file, "kind: sam\n", "kind=bse", schema=KINDS) == [f"command line: {message}"]
    assert faults(file, "kind: [sam]\n", schema=KINDS) == [
        'FILE: kind: expected one of sam, base (got ["sam"]); did you mean sam?'
    ]


def test_suggestions_come_from_the_chosen_kind(file: Path) -> None:
    assert faults(file, "kind: base\nbatch_size: 2\n", schema=KINDS) == [
        "FILE: batch_size: unknown key; batch_size belongs to alignment or language or vision"
    ]


# --- writing and comparing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "2e-5",
        "12",
        "1e5",
        "off",
        "null",
        "~",
        "",
        "a: b",
        "# x",
        "*x",
        "010",
        "x\ty\nz",
        "\0é猫🙂",
        "\na\x85\u2028",
    ],
)
def test_dumped_recipe_reads_back_equal_whatever_its_texts(file: Path, value: str) -> None:
    before = SamRecipe.model_validate({"model": {"base": value}, "optim": {"learning_rate": 3e-7, "betas": [0.5, 1]}})
    file.write_text(dump_recipe(before), encoding="utf-8")
    assert load_recipe(KINDS, file) == before


def test_dump_keeps_the_order_of_fields_and_needs_no_anchors(file: Path) -> None:
    text = dump_recipe(BaseRecipe())
    assert [line.split(":")[0] for line in text.splitlines() if line[0] != " "] == list(BaseRecipe.model_fields)
    assert "  betas: [0.9, 0.999]\n" in text
    assert yaml.safe_load(text)["vision"]["learning_rate"] == 2e-5
    file.write_text(text)
    assert load_recipe(KINDS, file) == BaseRecipe()


def test_dump_of_nested_lists_reads_back_equal(file: Path) -> None:
    before = Varied(needed=1, parts=[Part(name="a"), Part(name="1e3")], by_name={"on": Part()}, free={"x": [[1], []]})
    file.write_text(dump_recipe(before))
    assert load_recipe(Varied, file) == before


def test_differences_name_each_setting_with_both_values() -> None:
    old = {"seed": 0, "optim": {"batch_size": 20, "betas": [0.9, 0.999]}, "gone": {"a": "x"}}
    new = {"seed": 0, "optim": {"batch_size": 40, "betas": (0.9, 0.95)}, "made": None}
    assert explain_differences(old, new) == [
        "optim.batch_size: 20 -> 40",
        "optim.betas[1]: 0.999 -> 0.95",
        'gone.a: "x" -> absent',
        "made: absent -> null",
    ]


def test_no_differences_between_a_recipe_and_its_file(file: Path) -> None:
    file.write_text(dump_recipe(SamRecipe()))
    assert explain_differences(read_yaml(file), SamRecipe().model_dump()) == []


# --- the recipes' own fields -----------------------------------------------------------------------------------------


def test_every_setting_of_every_section_has_a_line_of_help() -> None:
    sections = [value for value in vars(recipe).values() if inspect.isclass(value) and issubclass(value, Section)]
    fields = {
        f"{section.__name__}.{name}": field for section in sections for name, field in section.model_fields.items()
    }
    assert len(sections) > 5
    assert [name for name, field in fields.items() if not help_of(field)] == []


def test_a_section_is_explained_by_what_it_says_of_itself(file: Path) -> None:
    assert faults(file, "data: 3\n") == [
        "FILE: data: expected a section of keys (got 3); help: Where training samples come from"
    ]


def test_an_unknown_key_like_no_other_is_answered_with_all_and_where_they_are_explained(file: Path) -> None:
    (message,) = faults(file, "zzz: 3\n")
    assert message.startswith("FILE: zzz: unknown key; known: kind, seed, ")
    assert message.endswith("; docs/recipes.md explains all")


def test_a_pinned_revision_goes_with_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: {base: a/b, revision: abc}\n")

    def revision(*overrides: tuple[str, Any]) -> str | None:
        return load_recipe(SamRecipe, path, overrides).model.revision

    assert revision() == revision(("seed", 1)) == "abc"
    assert revision(("model.base", "c/d")) is None
    assert revision(("model.base", "c/d"), ("model.revision", "xyz")) == "xyz"
