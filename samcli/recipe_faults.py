"""What is wrong with a recipe, in words: each fault with its key, what was given and a way out of it."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from samcli.names import did_you_mean
from samcli.recipe_fields import describe_fields, help_of, leaves

Keys = tuple[str | int, ...]
_COMBINATION = ("value_error", "assertion_error")  # what pydantic calls the complaints of our own checks


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
    errors = _errors_beyond(faults, schema, tree)
    faults += [Fault(error["loc"], _explained(schema, error)) for error in errors]
    return faults + _combinations(schema, tree, faults)


def _errors_beyond(found: list[Fault], schema: type[BaseModel], tree: dict[str, Any]) -> list[ErrorDetails]:
    """What pydantic complains about at other keys than those of the faults already found."""
    known = {fault.keys for fault in found}
    try:
        schema.model_validate(tree)
    except ValidationError as error:
        return [item for item in error.errors(include_url=False) if item["loc"] not in known]
    return []


def _combinations(schema: type[BaseModel], tree: dict[str, Any], found: list[Fault]) -> list[Fault]:
    """Impossible combinations in sections where pydantic looks for none, since single keys are `found` faulty.

    Those keys have their defaults here, so a combination that names one of them is passed over: it may be none of the
    user's.
    """
    sound = copy.deepcopy(tree)
    for fault in found:
        _remove(sound, fault.keys)
    errors = [error for error in _errors_beyond(found, schema, sound) if error["type"] in _COMBINATION]
    faults = [Fault(error["loc"], _explained(schema, error)) for error in errors]
    return [fault for fault in faults if not any(_names(fault, other.keys) for other in found)]


def _remove(tree: dict[str, Any], keys: Keys) -> None:
    """Take out of nested mappings what `keys` lead to; of a list on the way, all."""
    section: Any = tree
    for place, key in enumerate(keys):
        inner = section.get(key)
        if place == len(keys) - 1 or not isinstance(inner, dict):
            section.pop(key, None)
            return
        section = inner


def _names(fault: Fault, keys: Keys) -> bool:
    """Whether a section's fault names the key in it that leads to `keys`."""
    depth = len(fault.keys)
    below = keys[:depth] == fault.keys and len(keys) > depth
    return below and re.search(rf"\b{re.escape(str(keys[depth]))}\b", fault.problem) is not None


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
    if code in _COMBINATION:
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


def first_fault(error: ValidationError) -> str:
    """The first thing that is wrong in a record which programs write, in pydantic's words after its key."""
    fault = error.errors()[0]
    return f"{dotted(fault['loc']) or 'it'}: {fault['msg']}"


def dotted(keys: Keys) -> str:
    """Keys and positions as people write them: `optim.betas[1]`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def shown(value: Any) -> str:
    """A value in one short line, as YAML would have it."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
