"""Settings of labels, as tests change them."""

from pathlib import Path

from samcli.recipe_alignment import LabelsRecipe


def at(settings: LabelsRecipe, directory: Path) -> LabelsRecipe:
    """The same labels, kept in a directory."""
    return settings.model_copy(update={"directory": str(directory)})
