"""The reference of all recipe keys, as Markdown: `python -m samcli.recipe_reference > docs/recipes.md`."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from samcli.recipe import AblateRecipe, BaseRecipe, EvalRecipe, SamRecipe, SynthRecipe
from samcli.recipe_alignment import LlavaRecipe
from samcli.recipe_fields import RecipeKey, describe_fields, help_of, leaves, section_of, summary
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.recipe_tables import CasesRecipe, SurveyRecipe, TableRecipe

KINDS: tuple[type[BaseModel], ...] = (
    SamRecipe,
    BaseRecipe,
    LlavaRecipe,
    SynthRecipe,
    MmlinkRecipe,
    EvalRecipe,
    TableRecipe,
    CasesRecipe,
    SurveyRecipe,
    AblateRecipe,
)
UNITS = {
    "samples": "samples batch_size limit shown chunk",
    "tokens": "qformer_tokens prompt_tokens answer_tokens max_length min_length no_repeat_ngram",
    "steps": "steps warmup_steps every_steps log_every ramp_steps",
    "minutes": "every_minutes",
    "seconds": "timeout",
    "requests": "requests",
    "dollars": "most_dollars",
    "dollars a million tokens": "dollars_in dollars_out",
    "epochs": "epochs",
    "passes": "accumulate",
    "batches": "group_by_length",
    "GB": "features_gb gb",
    "pixels": "image_size patch_size size picture_side gap erode feather",
    "CIELAB units": "tolerance",
    "shares of the canvas": "main other least_side",
    "share": "top_p covered mask_area mask_holes mask_main_part drift least_spread",
    "bits of 64": "view_distance scene_distance distractor_distance duplicate_distance",
    "words": "answer_words top tags",
    "objects": "instances extra_objects",
    "scenes": "pool",
    "GPUs": "segment inpaint describe check",
    "channels": "vision_width qformer_width llm_width llm_mlp",
    "layers": "vision_layers qformer_layers llm_layers layers",
    "heads": "vision_heads qformer_heads llm_heads",
    "layer": "from_layer to_layer layer feature_layer",
    "visual tokens": "queries",
    "pictures": "pictures held_out group",
    "processes": "workers",
    "beams": "beams",
    "checkpoints": "keep",
    "tries": "attempts tries",
    "seeds": "seeds",
    "patches": "window",
    "times": "least_count",
    "none": "seed ids instructions learning_rate min_learning_rate warmup_learning_rate weight_decay betas clip_norm "
    "least_score weight temperature repetition_penalty length_penalty word_weight rank box_threshold text_threshold "
    "mask_threshold guidance_scale mask_score identity identity_margin picture_similarity scene_match",
}
"""The unit of each number, by the last part of its key; `none` has those that are plain numbers."""

_HEAD = """\
# Recipes

A recipe is a YAML file that says what a run is. It names only what differs from the defaults below, and its `kind`:

```yaml
kind: sam
model:
  base: tiny
optim:
  batch_size: 48
```

`sam train FILE` takes a file, or the name of a shipped recipe (`full`, `tiny/sam`). `--set optim.batch_size=8` changes
one key for one run. `null` unsets a key whose type allows it. Every run writes its complete recipe to `recipe.yaml` in
its `--out`. An unknown key, a wrong type and an impossible combination are errors, all of a file told at once.

This page is made from the code: `python -m samcli.recipe_reference > docs/recipes.md`.
"""


def reference() -> str:
    """All kinds of recipes with all their keys: type, default, unit and help, as a Markdown page."""
    return "\n".join([_HEAD, *(_kind(schema) for schema in KINDS)])


def unit_of(key: str) -> str | None:
    """The unit of a numeric key, `none` for a plain number; None for a key that is no number."""
    name = key.rpartition(".")[2]
    return next((unit for unit, names in UNITS.items() if name in names.split()), None)


def type_in_words(field: FieldInfo) -> str:
    """The values that a key takes, with their limits."""
    annotation: Any = Annotated[field.annotation, field]
    return _words(TypeAdapter(annotation).json_schema())


def _kind(schema: type[BaseModel]) -> str:
    """One kind of recipe: its own keys first, then those of its sections, equal sections once."""
    kind = schema.model_fields["kind"].default
    keys = describe_fields(schema)
    tables: dict[str, list[str]] = {}
    for name in dict.fromkeys(_section(key) for key in keys):
        rows = [_row(key) for key in keys if _section(key) == name]
        tables.setdefault(_table(rows if name else [*rows, *_section_rows(schema)]), []).append(name)
    parts = [f"## {kind}", f"{summary(schema)}."]
    for table, names in tables.items():
        parts += [table] if names == [""] else [f"### {kind}: {', '.join(f'`{name}`' for name in names)}", table]
    for name, field in schema.model_fields.items():
        for inner in (leaf for leaf in leaves(field.annotation) if section_of(field) is None and _is_section(leaf)):
            rows = [(f"`{key.path}`", *_row(key)[1:]) for key in describe_fields(inner)]
            parts += [f"### {kind}: each of `{name}`", _table(rows)]
    return "\n\n".join(parts) + "\n"


def _is_section(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, BaseModel)


def _section(key: RecipeKey) -> str:
    return key.path.rpartition(".")[0]


def _section_rows(schema: type[BaseModel]) -> list[tuple[str, ...]]:
    sections = ((name, field) for name, field in schema.model_fields.items() if section_of(field))
    return [(f"`{name}`", "section", "", "", help_of(field)) for name, field in sections]


def _row(key: RecipeKey) -> tuple[str, ...]:
    name, unit = key.path.rpartition(".")[2], unit_of(key.path) or ""
    default = "must be given" if key.field.is_required() else f"`{_written(key.default)}`"
    return f"`{name}`", type_in_words(key.field), default, unit.replace("none", ""), help_of(key.field)


def _written(value: Any) -> str:
    """A default as one would write it in a recipe."""
    return value if isinstance(value, str) else json.dumps(value)


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [("Key", "Value", "Default", "Unit", "Help"), ("---",) * 5, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _words(schema: dict[str, Any]) -> str:
    """A JSON schema of plain values in words."""
    if "anyOf" in schema:
        return " or ".join(_words(option) for option in schema["anyOf"])
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " or ".join(f"`{choice}`" for choice in choices)
    if schema.get("type") != "array":
        return _TYPES.get(schema.get("type", ""), "section") + _limits(schema)
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {_words(schema['prefixItems'][0])}"
    return f"list of: {_words(schema['items'])}"


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "string": "text",
    "null": "`null`",
    "object": "keys and values",
}
_LIMITS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}


def _limits(schema: dict[str, Any]) -> str:
    limits = [f" {word} {schema[name]:g}" for name, word in _LIMITS.items() if name in schema]
    return ",".join(limits)


if __name__ == "__main__":
    sys.stdout.write(reference())
