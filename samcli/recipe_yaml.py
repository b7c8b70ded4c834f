"""The plain part of YAML that recipes are written in: read safely, with file and line of each fault, and written."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from samcli.errors import UserError

LARGEST_FILE = 1 << 20  # bytes
DEEPEST_NESTING = 20  # levels


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; raises UserError with file and line for anything but plain, small YAML."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}; check its name and permissions") from error
    if len(data) > LARGEST_FILE:
        raise UserError(f"{path}: larger than 1 MiB, so it is no recipe; check the name")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from error
    value = parse_yaml(text, lambda line: f"{path}:{line}")
    if not isinstance(value, dict):
        held = "is empty" if value is None else "holds a list" if isinstance(value, list) else "holds one value"
        raise UserError(f"{path}:1: a recipe is a mapping, lines of `key: value`; this file {held}")
    return value


def to_yaml(values: Any) -> str:
    """YAML text of plain values, keys in their order, that read_yaml reads back equal."""
    return yaml.dump(values, Dumper=_RecipeDumper, sort_keys=False, allow_unicode=True, width=120)


class _RecipeLoader(yaml.SafeLoader):
    """The plain part of YAML: no tags, no anchors, no repeated keys; keys are text.

    Scalars are read as in YAML 1.2: `2e-5` is a number; `010`, `1:30` and `off` are text, which a field makes its own.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            raise _Refusal("anchors (&) and aliases (*) are not allowed in recipes; put such text in quotes", event)
        if tag := event.tag:
            which = "Python tags" if "python/" in tag else f"tags ({tag.replace('tag:yaml.org,2002:', '!!')})"
            raise _Refusal(f"{which} are not allowed in recipes; write plain values", event)
        if self.depth == DEEPEST_NESTING:
            raise _Refusal(f"nested more than {DEEPEST_NESTING} levels deep", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                raise _Refusal("a key must be plain text", key_node)
            if key in mapping:
                raise _Refusal(f"key {key} is already in line {lines[key]}; remove one of the two", key_node)
            lines[key] = key_node.start_mark.line + 1
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


class _RecipeDumper(yaml.SafeDumper):
    """Lists of plain values in one line; text in quotes where _RecipeLoader would read a number or lose a character."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')

    def represent_list(self, values: Any) -> yaml.SequenceNode:
        plain = not any(isinstance(value, dict | list) for value in values)
        return self.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=plain)


_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?\Z")
_SCALARS = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})\Z"), list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
)
_RecipeLoader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _SCALARS:
    _RecipeLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
    _RecipeDumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_RecipeDumper.add_representer(str, _RecipeDumper.represent_text)
_RecipeDumper.add_representer(list, _RecipeDumper.represent_list)


class _Refusal(yaml.MarkedYAMLError):
    """YAML that recipes don't use, at an event or node."""

    def __init__(self, problem: str, where: Any) -> None:
        super().__init__(problem=problem, problem_mark=where.start_mark)


def parse_yaml(text: str, place: Callable[[int], str]) -> Any:
    """The value of YAML text; `place` names a 1-based line in the UserError that is raised for a fault."""
    if "\t" in text:
        line = text.count("\n", 0, text.index("\t")) + 1
        raise UserError(f"{place(line)}: tabs are not allowed in recipes; use spaces")
    try:
        return _RecipeLoader(text).get_single_data()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(f"{place(line)}: not text: it has the character {error.character:#x}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, (error.context, error.problem)))
        problem = said if isinstance(error, _Refusal) else f"not valid YAML, {said}"
        raise UserError(f"{place(mark.line + 1 if mark else 1)}: {problem}") from error
