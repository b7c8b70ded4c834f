"""DEMON (DCDmllm/Cheetah): DATASET/core/core.json beside images/, the form that the paper's test sets have."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samcli.data.released.reading import Collected, Pictures, Place, read_release, records_of
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.files import is_writable
from samcli.recipe_reading import ReadingRecipe

_FILES = ("core/core.json", "full/full.json", "core.json", "full.json")


def find(place: Place, reading: ReadingRecipe) -> Path | None:
    """Its file, if it is there."""
    return place.first(*_FILES)


def read(path: Path, place: Place, reading: ReadingRecipe, name: str) -> Collected:
    """A sample for each record. The instruction is the record's template followed by its context, and nothing between.

    Marks such as `{image#1}` stay, as the released code of the paper leaves them. Alternative texts are merged in these
    files already.
    """
    found = Collected(name, reading)
    home = path.parent.relative_to(place.directory)
    pictures = Pictures(place, (f"{home}/images", f"{home}", "images"))
    templates = _templates(path)
    records = records_of(path, read_release(path)["data"], task_instance=dict, response=str)
    for number, record in enumerate(records):
        instance = record["task_instance"]
        names = instance.get("images_path")
        if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            raise UserError(f"{path}: record {number + 1}: task_instance.images_path must be a list of paths")
        source = str(record.get("sample_id", number))
        if not all(map(is_writable, (record["response"], str(instance.get("context"))))):
            found.drop(source, "text with half a character, which is no Unicode")
            continue
        if not record["response"].strip():
            found.drop(source, "no reference that isn't blank")
            continue
        chosen = record.get("task_instruction_id")
        if type(chosen) is not int or not 0 <= chosen < len(templates):
            raise UserError(f"{path}: record {number + 1}: task_instruction_id must be a number below {len(templates)}")
        images = tuple(pictures.find(one) for one in names)
        about = {"source_id": source, "instruction": chosen}
        instruction = templates[chosen] + _context(instance)
        named: Any = record.get("sample_id")
        key: int | str = named if type(named) in (int, str) else number
        found.put(key, Sample(key, images, instruction, (record["response"],), about))
    return found


def _templates(path: Path) -> list[str]:
    whole = read_release(path)
    head = whole.get("metadata") if isinstance(whole, Mapping) else None
    templates = head.get("task_instruction") if isinstance(head, Mapping) else None
    if not isinstance(templates, list) or "data" not in whole:
        raise UserError(f"{path}: expected an object with metadata.task_instruction and data, as DEMON publishes it")
    return [str(template) for template in templates]


def _context(instance: Mapping[str, Any]) -> str:
    """The context, and the choices where there are any, as DEMON's own runner puts them."""
    context = str(instance.get("context") or "")
    choices = instance.get("choice_list")
    return f"{context}Choice list:{choices}. Your answer is:" if choices else context
