"""How a recipe is found, overridden, loaded, written and compared."""

import copy
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from samcli.errors import UserError
from samcli.names import did_you_mean
from samcli.recipe_faults import Fault, dotted, find_faults, settings, shown
from samcli.recipe_yaml import parse_yaml, read_yaml, to_yaml

Recipe = TypeVar("Recipe", bound=BaseModel)
Override = tuple[str, Any]
_COMMANDS = {"sam": "train", "llava": "train", "base": "train", "synth": "synth", "mmlink": "synth", "ablate": "ablate"}
_COMMANDS |= dict.fromkeys(("eval", "table", "cases", "survey"), "eval")


def recipe_names() -> list[str]:
    """Names of the shipped recipes, sorted, without suffix: `full`, `tiny/sam`."""
    directory = _shipped_recipes()
    return sorted(path.relative_to(directory).with_suffix("").as_posix() for path in directory.rglob("*.yaml"))


def find_recipe(name_or_path: str) -> Path:
    """Path of an existing file, else of the shipped recipe of that name, with or without `recipes/` and `.yaml`.

    Raises UserError with the nearest names and the whole list when there is neither.
    """
    if os.path.exists(name_or_path) and not os.path.isdir(name_or_path):
        return Path(name_or_path)
    name = name_or_path.removeprefix("./").removeprefix("recipes/").removesuffix(".yaml")
    names = recipe_names()
    if name in names:
        return _shipped_recipes() / f"{name}.yaml"
    near = did_you_mean(name, names, most=3, cutoff=0.5)
    raise UserError(
        f"{name_or_path}: no such recipe file, and no shipped recipe has that name{near}; "
        f"shipped: {', '.join(names) or 'none found'}"
    )


def _shipped_recipes() -> Path:
    package = Path(__file__).parent
    in_wheel = package / "recipes"
    return in_wheel if in_wheel.is_dir() else package.parent / "recipes"


def parse_overrides(texts: Iterable[str]) -> list[Override]:
    """Key paths and values of `--set a.b=c`; values are YAML scalars or flow lists. Raises UserError for a bad one."""
    return [_parse_override(text) for text in texts]


def _parse_override(text: str) -> Override:
    path, equals, value_text = (part.strip() for part in text.partition("="))
    if not equals or not all(path.split(".")):
        raise UserError(f"--set {text}: expected KEY=VALUE, for example --set optim.batch_size=8")
    if not value_text:
        raise UserError(f"--set {text}: no value after the equals sign; write null to unset {path}, '\"\"' for no text")
    value = parse_yaml(value_text, lambda line: f"--set {text}")
    if isinstance(value, dict):
        raise UserError(f"--set {text}: a mapping can't be set; set each key by its own --set, or put text in quotes")
    return path, value


def load_recipe(
    schema: type[Recipe] | tuple[type[Recipe], ...],
    path: Path | None,
    overrides: Sequence[Override] = (),
    origin: str = "command line",
) -> Recipe:
    """The recipe in `path` with `overrides` over it, complete and valid; `kind` chooses among several schemas.

    Without a path, the defaults with `overrides` over them; `origin` is what faults of those are said to be of. A file
    without `kind` is of the first one. Raises one UserError that lists all faults, a line each.
    """
    in_file = read_yaml(path) if path else {}
    given, faults = _overridden(in_file, [*_let_go(in_file, overrides), *overrides])
    chosen = (
        schema
        if isinstance(schema, type)
        else _schema_of_kind(schema, given, origin if "kind" in dict(overrides) else str(path))
    )
    faults += find_faults(chosen, given)
    if faults:
        from_file = find_faults(chosen, in_file)
        raise UserError("\n".join(fault.line(str(path) if fault in from_file else origin) for fault in faults))
    return chosen.model_validate(given)


def load_with_flags(
    schema: type[Recipe] | tuple[type[Recipe], ...],
    path: Path | None,
    settings: Iterable[str],
    flags: dict[str, Any],
) -> Recipe:
    """`load_recipe` with `--set` settings over the file, and over those the flags that were given, by dotted keys."""
    if path is not None:
        _check_kind((schema,) if isinstance(schema, type) else schema, path)
    given = [(key, value) for key, value in flags.items() if value is not None]
    return _with_files_beside(load_recipe(schema, path, [*parse_overrides(settings), *given]), path)


def _with_files_beside(recipe: Recipe, path: Path | None) -> Recipe:
    """The recipe; files that it names and that lie beside its own file are found there: a base recipe, answers."""
    if path is None:
        return recipe

    def beside(name: str | None) -> str | None:
        there = name is not None and not os.path.exists(name) and (path.parent / name).exists()
        return str(path.parent / name) if there and name is not None else name

    changed: dict[str, Any] = {}
    if isinstance(getattr(recipe, "base", None), str):
        changed["base"] = beside(recipe.base)  # type: ignore[attr-defined]
    if hasattr(recipe, "models"):
        changed["models"] = tuple(
            one.model_copy(update={"predictions": beside(one.predictions)}) for one in recipe.models
        )
    return recipe.model_copy(update=changed) if changed else recipe


def kind_of(path: Path) -> str | None:
    """What a recipe file says it is for."""
    kind = read_yaml(path).get("kind")
    return kind if isinstance(kind, str) else None


def _check_kind(schemas: tuple[type[Recipe], ...], path: Path) -> None:
    """Raise UserError for a file that doesn't say what it is, or is for another command."""
    kinds = [schema.model_fields["kind"].default for schema in schemas if "kind" in schema.model_fields]
    kind = read_yaml(path).get("kind")
    if kinds and kind is None:
        raise UserError(f"{path}: kind: missing; a recipe says what it is for, here kind: {' or kind: '.join(kinds)}")
    command = _COMMANDS.get(kind) if isinstance(kind, str) else None
    if kinds and command is not None and kind not in kinds:
        raise UserError(f"{path} is a recipe of kind {kind}: sam {command} takes it")


def _let_go(in_file: dict[str, Any], overrides: Sequence[Override]) -> list[Override]:
    """What of a file goes with a value that is overridden: a revision is one of the file's own base."""
    section = in_file.get("model")
    pinned = isinstance(section, dict) and section.get("revision") is not None
    return [("model.revision", None)] if pinned and "model.base" in dict(overrides) else []


def dump_recipe(recipe: BaseModel) -> str:
    """YAML text with every setting of `recipe`, in the order of its fields; load_recipe reads back an equal recipe."""
    return to_yaml(recipe.model_dump(mode="json"))


def explain_differences(old: dict[str, Any], new: dict[str, Any], besides: Iterable[str] = ()) -> list[str]:
    """A line for each setting that differs: `optim.batch_size: 20 -> 40`; none for those below the keys `besides`."""
    before, after = ({keys: json.dumps(value) for keys, value in settings(tree)} for tree in (old, new))
    pairs = ((keys, before.get(keys, "absent"), after.get(keys, "absent")) for keys in before | after)
    free = [tuple(key.split(".")) for key in besides]
    differing = ((keys, was, now) for keys, was, now in pairs if was != now)
    return [
        f"{dotted(keys)}: {was} -> {now}"
        for keys, was, now in differing
        if not any(keys[: len(key)] == key for key in free)
    ]


def changed_settings(former: dict[str, Any], recipe: BaseModel, besides: Iterable[str] = ()) -> list[str]:
    """A line for each setting in which a run's `former` recipe differs from `recipe`; see `explain_differences`.

    A key that the former one lacks, since that version of sam didn't know it, counts as its default.
    """
    with suppress(ValidationError):
        former = type(recipe).model_validate(former).model_dump(mode="json")
    return explain_differences(former, recipe.model_dump(mode="json"), besides)


def _overridden(tree: dict[str, Any], overrides: Sequence[Override]) -> tuple[dict[str, Any], list[Fault]]:
    """A copy of `tree` with the overrides in it, and a fault for each that has a value, not a section, in its way."""
    changed, faults = copy.deepcopy(tree), []
    for path, value in overrides:
        *parents, last = path.split(".")
        section: Any = changed
        for parent in parents:
            if section.get(parent) is None:
                section[parent] = {}
            section = section[parent]
            if not isinstance(section, dict):
                faults.append(Fault((path,), f"{parent} is not a section (got {shown(section)})"))
                break
        else:
            section[last] = value
    return changed, faults


def _schema_of_kind(schemas: tuple[type[Recipe], ...], tree: dict[str, Any], origin: str) -> type[Recipe]:
    kinds = [schema.model_fields["kind"].default for schema in schemas]
    kind = tree.get("kind", kinds[0])
    if kind in kinds:
        return schemas[kinds.index(kind)]
    near = did_you_mean(str(kind), kinds)
    raise UserError(f"{origin}: kind: expected one of {', '.join(kinds)} (got {shown(kind)}){near}")
