"""What the package says of itself to those who install it: dependencies, each with a reason, and types."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# By what name a module that is called otherwise is installed, or what brings it along.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "imagehash": "ImageHash",
    "pyarrow": "datasets",
    "pydantic_core": "pydantic",
    "ray": "ray[data]",
    "yaml": "pyyaml",
}


def imported() -> Iterator[str]:
    """The top module of every import in the package, but for what runs in LAVIS's environment."""
    for path in {*(ROOT / "samcli").rglob("*.py")} - {ROOT / "samcli" / "lavis" / "worker.py"}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared() -> set[str]:
    return {re.split(r"[<>=]", requirement)[0] for requirement in PROJECT["dependencies"]}


def extras() -> set[str]:
    """What users may install beside."""
    chosen = {name: needed for name, needed in PROJECT["optional-dependencies"].items() if name != "dev"}
    return {re.split(r"[<>=]", requirement)[0] for needed in chosen.values() for requirement in needed}


def test_what_is_imported_is_declared() -> None:
    others = set(imported()) - sys.stdlib_module_names - {"samcli"}
    assert {DISTRIBUTIONS.get(name, name) for name in others} <= declared() | extras()


def named(reasons: str) -> set[str]:
    """What the list explains: `- one: why`, `- one, another (extras): why`."""
    heads = re.findall(r"^- ([^:]+?)(?: \([^)]*\))?: ", reasons, re.MULTILINE)
    return {name.strip() for head in heads for name in head.split(",")}


def test_every_dependency_is_pinned_and_has_its_reason() -> None:
    pins = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    reasons = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("### Dependencies")[1]
    assert {name.lower() for name in pins} >= {name.lower() for name in declared()}
    assert declared() | extras() <= named(reasons)


def test_type_checkers_of_others_read_the_types() -> None:
    assert (ROOT / "samcli" / "py.typed").exists()
