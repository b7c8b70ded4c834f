"""What is wrong with a recipe, in words: each fault with its key, what was given and a way out of it."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from samcli.recipe_fields import describe_fields, help_of, leaves

Keys = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong with a recipe, at the key where it is wrong."""

    keys: Keys
    problem: str

    def line(self, origin: str) -> str:
        """`ORIGIN: key.path: problem`, where ORIGIN is a file or `--set`."""
        return ": ".join(part for part in (origin, dotted(self.keys), self.problem) if part)


def find_faults(schema: type[BaseModel], tree: dict[str, Any]) -> list[Fault]:
    """All that is wrong with `tree` as a recipe of `schema`."""
    faults = list(_booleans_for_numbers(schema, tree))
    known = {fault.keys for fault in faults}
    try:
        schema.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults += [Fault(item["loc"], _explained(schema, item)) for item in details if item["loc"] not in known]
    return faults


def _booleans_for_numbers(schema: type[BaseModel], tree: dict[str, Any]) -> Iterator[Fault]:
    """Faults that pydantic lets pass: it reads true as the number 1."""
    for keys, value in settings(tree):
        field = _locate(schema, keys)[1]
        types = leaves(field.annotation) if field else ()
        if isinstance(value, bool) and bool not in types and (int in types or float in types):
            wanted = "int" if int in types else "float"
            yield Fault(keys, _wrong_type(wanted, value, field))


def _explained(schema: type[BaseModel], error: ErrorDetails) -> str:
    """One fault in words, with what was given and, where there is one, a suggestion."""
    code, given, context = error["type"], error["input"], error.get("ctx", {})
    if code == "extra_forbidden":
        return _unknown_key(schema, error["loc"])
    if code in ("value_error", "assertion_error"):
        return str(context["error"])
    field = _locate(schema, error["loc"])[1]
    if code == "missing":
        return f"a value is needed here{_help(field)}"
    if code == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        near = did_you_mean(given, choices) if isinstance(given, str) else ""
        return f"expected {context['expected']} (got {shown(given)}){near}"
    if match := _TYPE_ERROR.fullmatch(code):
        return _wrong_type(match[1], given, field)
    wrong = _BOUNDS[code].format(**context) if code in _BOUNDS else error["msg"]
    return f"{wrong} (got {shown(given)}){_help(field)}"


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a section of keys",
    "model": "a section of keys",
}
_TYPE_ERROR = re.compile(rf"({'|'.join(_TYPES)})_(?:type|parsing|parsing_size|from_float)")
_BOUNDS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "too_short": "too few values, at least {min_length}",
    "too_long": "too many values, at most {max_length}",
}


def _wrong_type(expected: str, given: Any, field: FieldInfo | None) -> str:
    null = " or null" if field and type(None) in leaves(field.annotation) else ""
    hint = "; put it in quotes" if expected == "string" and isinstance(given, int | float) else ""
    if expected == "model" and given is None:
        hint = "; write keys below it, or remove it for the defaults"
    return f"expected {_TYPES[expected]}{null} (got {shown(given)}){hint}{_help(field)}"


def _unknown_key(schema: type[BaseModel], keys: Keys) -> str:
    section, key = _locate(schema, keys[:-1])[0], str(keys[-1])
    paths = [entry.path.split(".") for entry in describe_fields(schema)]
    known = sorted({tuple(path[:length]) for path in paths for length in range(1, len(path) + 1)})
    parent, dot, last = key.rpartition(".")
    if dot and tuple(key.split(".")) in known:
        return f"unknown key with a dot; write {last} indented below {parent}"
    homes = [".".join(path[:-1]) or "the top level" for path in known if path[-1] == key]
    home = f"; {key} belongs to {' or '.join(homes)}" if homes else ""
    near = did_you_mean(key, section.model_fields)
    hint = near + home or f"; known: {', '.join(section.model_fields)}; docs/recipes.md explains all"
    return f"unknown key{hint}"


def _locate(schema: type[BaseModel], keys: Keys) -> tuple[type[BaseModel], FieldInfo | None]:
    """The section that `keys` lead into, and the last field on the way; positions in lists are passed over."""
    section, field = schema, None
    for key in keys:
        if found := section.model_fields.get(str(key)):
            field = found
            types = [leaf for leaf in leaves(found.annotation) if isinstance(leaf, type)]
            inner = next((leaf for leaf in types if issubclass(leaf, BaseModel)), None)
            if inner is None:
                break
            section = inner
    return section, field


def settings(value: Any, above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every plain value in nested mappings and lists, with the keys and positions that lead to it."""
    if value and isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from settings(inner, (*above, key))
    else:
        yield above, value


def _help(field: FieldInfo | None) -> str:
    text = help_of(field) if field else ""
    return f"; help: {text}" if text else ""


def dotted(keys: Keys) -> str:
    """Keys and positions as people write them: `optim.betas[1]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def did_you_mean(word: str, choices: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """A question with the choices most like `word`, whatever its case; empty when none is like it."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = [by_lower[match] for match in difflib.get_close_matches(word.lower(), list(by_lower), most, cutoff)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def shown(value: Any) -> str:
    """A value in one short line, as YAML would have it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
