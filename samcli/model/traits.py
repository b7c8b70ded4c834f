"""What a base model is like, whatever it is called: `sam.json` beside its `config.json`."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from samcli.errors import UserError
from samcli.files import read_json, write_json
from samcli.recipe import DecodingRecipe
from samcli.recipe_faults import first_fault
from samcli.recipe_section import Section

FILE = "sam.json"


class Traits(Section):
    """What a base says of itself; an InstructBLIP without the file decodes as released."""

    world: bool = False  # it knows the embedded world alone
    feature_deviation: float = 1.0  # of what a LLaVA's projector reads
    template: Literal["plain", "vicuna"] = "vicuna"  # of a LLaVA's prompts
    decoding: DecodingRecipe = DecodingRecipe()


RELEASED = Traits()
# The world's right answers repeat words (a man with black hair in a black coat), which the released penalty of 1.5
# would turn into wrong ones.
PATCHES = Traits(decoding=DecodingRecipe(beams=1, repetition_penalty=1.0))  # of a LLaVA without the file: greedy
WORLD = Traits(world=True, decoding=DecodingRecipe(beams=1, max_length=64, repetition_penalty=1.0))


def write_traits(directory: Path, traits: Traits) -> None:
    """Write `sam.json` into a model's directory, atomically."""
    write_json(directory / FILE, traits.model_dump(mode="json"))


def read_traits(directory: Path) -> Traits | None:
    """What a model's directory says of it; None where it has no `sam.json`. Raises UserError for a faulty one."""
    path = directory / FILE
    if not path.exists():
        return None
    try:
        return Traits.model_validate(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from error
