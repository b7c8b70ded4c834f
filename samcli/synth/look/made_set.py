"""A run's directory as something to look at, by what its recipe says it was made from."""

from collections.abc import Mapping
from pathlib import Path

from samcli.errors import UserError
from samcli.recipe import SynthRecipe
from samcli.recipe_file import kind_of, load_recipe
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.run_directory import RECIPE
from samcli.synth.ledger import MANIFEST, Entry, Ledger
from samcli.synth.look.photo_set import PhotoSet
from samcli.synth.look.seen import MadeSet
from samcli.synth.look.world_set import WorldSet


def open_set(directory: Path) -> MadeSet:
    """The set that is made, or being made, in a directory; raises UserError when its recipe can't be read."""
    path = directory / RECIPE
    if kind_of(path) == "mmlink":
        return PhotoSet(directory, load_recipe(MmlinkRecipe, path))
    return WorldSet(directory, load_recipe(SynthRecipe, path))


def entries_of(directory: Path) -> Mapping[int, Entry]:
    """All finished samples of a run, complete or not; raises UserError when there are none."""
    entries = Ledger(directory)
    if not entries:
        raise UserError(f"{directory}: no samples of `sam synth` there ({MANIFEST} is missing); make them first")
    return entries
