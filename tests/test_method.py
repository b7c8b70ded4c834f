"""docs/method.md: every file, function and recipe key that it names exists, and no difference is left out."""

import importlib
import re
from pathlib import Path

import pytest

from samcli.recipe import EvalRecipe, SamRecipe
from samcli.recipe_fields import describe_fields

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`]+)`", TEXT)))
FILES = [name for name in QUOTED if re.fullmatch(r"\w+(/\w+)+\.(py|yaml)(:[\w.]+)?", name)]
KEYS = [name for name in QUOTED if re.fullmatch(r"[a-z]+\.[a-z_]+", name) and name not in ("file.py", "section.key")]
KNOWN_KEYS = {key.path for schema in (SamRecipe, EvalRecipe) for key in describe_fields(schema)}


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_exist(name: str) -> None:
    file, _, path = name.partition(":")
    assert (ROOT / file).is_file()
    found: object = importlib.import_module(file.removesuffix(".py").replace("/", ".")) if path else None
    for attribute in filter(None, path.split(".")):
        found = getattr(found, attribute)


@pytest.mark.parametrize("key", KEYS)
def test_recipe_keys_exist(key: str) -> None:
    assert key in KNOWN_KEYS


def test_all_differences_have_a_setting_or_a_reason() -> None:
    rows = dict(re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE))
    assert [int(number) for number in rows] == list(range(1, 27))
    for number, setting in rows.items():
        has_key = any(f"`{key}`" in setting for key in KNOWN_KEYS)
        assert has_key or setting.startswith("No setting: "), f"difference {number}"


def test_every_guidance_setting_is_in_the_document() -> None:
    assert {key for key in KNOWN_KEYS if key.startswith("guidance.")} <= set(KEYS)


def test_much_is_named() -> None:
    assert len(FILES) > 30
    assert len(KEYS) > 20
