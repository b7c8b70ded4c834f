"""The keys of a recipe as its schema describes them: for faults, and for the reference that users read."""

from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class RecipeKey(NamedTuple):
    """A key of a recipe, nested ones dotted, with its default and its field: help, type and limits."""

    path: str
    default: Any
    field: FieldInfo


def describe_fields(section: type[BaseModel], prefix: str = "", defaults: BaseModel | None = None) -> list[RecipeKey]:
    """Every key of a recipe in order, those of its sections in their place; keys of listed sections are left out.

    `defaults` is a section whose values take the place of its class's own defaults.
    """
    described: list[RecipeKey] = []
    for name, field in section.model_fields.items():
        default = field.default if defaults is None else getattr(defaults, name)
        inner = section_of(field)
        if inner is None:
            described.append(RecipeKey(prefix + name, default, field))
        else:
            described += describe_fields(inner, f"{prefix}{name}.", default if isinstance(default, inner) else None)
    return described


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that stands at a key, if one does."""
    inner = field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def help_of(field: FieldInfo) -> str:
    """A key's line of help; a section without one is described by the first line of its docstring."""
    if field.description:
        return field.description
    inner = section_of(field)
    return summary(inner) if inner else ""


def summary(section: type[BaseModel]) -> str:
    """The first line of a section's docstring, without its full stop; empty where it has none of its own."""
    return (section.__doc__ or "").strip().split("\n")[0].rstrip(".")


def leaves(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation is made of."""
    parts = get_args(annotation)
    return tuple(leaf for part in parts for leaf in leaves(part)) if parts else (annotation,)
