"""What the documents tell people to type is understood by the command line, and what they point to exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from samcli import cli
from samcli.errors import UserError
from samcli.recipe import AblateRecipe, BaseRecipe, EvalRecipe, SamRecipe, SynthRecipe
from samcli.recipe_alignment import LlavaRecipe
from samcli.recipe_file import find_recipe, load_recipe, parse_overrides, recipe_names
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.recipe_tables import CasesRecipe, SurveyRecipe, TableRecipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "examples/README.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
KINDS: dict[str, tuple[type[BaseModel], ...]] = {
    "synth": (SynthRecipe, MmlinkRecipe),
    "train": (SamRecipe, LlavaRecipe, BaseRecipe),
    "label": (LlavaRecipe,),
    "eval": (EvalRecipe, TableRecipe, CasesRecipe, SurveyRecipe),
    "ablate": (AblateRecipe,),
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def in_shell(line: str) -> Iterator[list[str]]:
    """The words behind each `sam` of a line that is typed in a shell, comments left out."""
    words = shlex.split(line, comments=True)
    while "sam" in words:
        words = words[words.index("sam") + 1 :]
        ends = [index for index, word in enumerate(words) if word in ("|", "&&", ">", ";", "sam")]
        yield words[: ends[0]] if ends else words


def in_page(text: str) -> Iterator[list[str]]:
    """The commands of a Markdown page; a command that prose only names is left out."""
    for language, block in FENCE.findall(text):
        if language in ("bash", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                yield from in_shell(line)
    for quoted in re.findall(r"`(sam [^`\n]+)`", FENCE.sub("", text)):
        words = shlex.split(quoted)[1:]
        if len(words) > 1 or words[0].startswith("-"):
            yield words


def in_recipe(text: str) -> Iterator[list[str]]:
    """The commands in a recipe's comments, where two spaces end a command."""
    for line in re.findall(r"^#  +(\S.*)$", text, re.MULTILINE):
        yield from in_shell(re.split(r"  +| #", line)[0])


def commands() -> dict[str, list[str]]:
    """Every command with the place where it stands."""
    found = {page: list(in_page(page.read_text(encoding="utf-8"))) for page in PAGES}
    for recipe in [*map(find_recipe, recipe_names()), *(ROOT / "examples").glob("*.yaml")]:
        found[recipe] = list(in_recipe(recipe.read_text(encoding="utf-8")))
    return {
        f"{page.relative_to(ROOT)}: sam {shlex.join(words)}": words for page, lists in found.items() for words in lists
    }


COMMANDS = commands()


def parse(words: list[str]) -> None:
    """Read a command as the command line would, and run nothing; raises AssertionError or UserError for a wrong one."""
    if words[0].isupper() or words[0].endswith("-completion"):  # COMMAND; what would write to the shell's settings
        return
    given: dict[str, Any] = {}
    group: Any = typer.main.get_command(cli.app)
    for command in group.commands.values():
        command.callback = lambda **options: given.update(options)
    with pytest.raises(SystemExit) as ended:
        group.main(words, "sam")
    assert ended.value.code == 0
    recipe = given.get("recipe")
    if words[0] in KINDS and not (recipe and recipe.isupper()):
        of_training = [text for text in given["settings"] or [] if words[0] == "ablate" and cli._is_of_training(text)]
        settings = parse_overrides([text for text in given["settings"] or [] if text not in of_training])
        # Without a recipe it is that of the run in --out, of any kind that has these keys.
        kinds = [kind for kind in KINDS[words[0]] if all(key.split(".")[0] in kind.model_fields for key, _ in settings)]
        found = load_recipe(tuple(kinds), find_recipe(recipe) if recipe else None, settings)
        if isinstance(found, AblateRecipe):
            load_recipe(KINDS["train"], find_recipe(found.base), parse_overrides(of_training))


@pytest.fixture(autouse=True)
def no_lasting_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options such as --quiet act as soon as they are read."""
    monkeypatch.setattr(cli, "be_quiet", lambda: None)
    monkeypatch.setattr(cli, "_debug", False)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
def test_command_is_understood(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize(
    "line",
    [
        "sam train full --no-such-option",
        "sam trane full",
        "sam train",
        "sam train nosuch",
        "sam train full --set optim.lr=1",
        "sam ablate table3 --set optim.lr=1",
        "sam train tiny/eval",
        "sam --nothing",
        "sam eval --limit ten",
    ],
)
def test_a_wrong_command_is_noticed(line: str) -> None:
    (words,) = in_shell(line)
    with pytest.raises((UserError, AssertionError)):
        parse(words)


def test_commands_are_found_wherever_they_stand() -> None:
    page = "`sam eval` and `sam eval --limit 3`\n```bash\nx && sam synth --out a | tee b  # sam\n```\n"
    assert list(in_page(page)) == [["synth", "--out", "a"], ["eval", "--limit", "3"]]
    head = "#   torchrun -n 4 sam train full --out a   four GPUs\n# with sam in prose\nkind: sam\n"
    assert list(in_recipe(head)) == [["train", "full", "--out", "a"]]
    assert sum(place.startswith("README.md") for place in COMMANDS) > 15
    assert {words[0] for words in COMMANDS.values()} >= {"synth", "train", "eval", "ablate", "caption"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = [page.parent / link.split("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    named = [ROOT / name for name in re.findall(r"\b(?:docs|examples|recipes|benchmarks|tests)/[\w./-]*\w", text)]
    assert [str(path) for path in [*linked, *named] if not path.exists()] == []


def test_readme_points_to_the_other_pages() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / link).resolve() for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)}
    assert set(PAGES[1:]) <= linked
    assert {find_recipe(name).resolve() for name in recipe_names()} <= linked


def test_messages_that_readme_explains_are_those_that_are_printed() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## When something goes wrong")[1].split("\n## ")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "samcli").rglob("*.py"))
    parts = [part.strip() for message in messages for part in message.split("…")]
    assert len(messages) > 8
    assert [part for part in parts if part not in sources] == []
