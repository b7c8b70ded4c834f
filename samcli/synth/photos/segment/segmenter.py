"""What all segmenters have in common, and which one a recipe asks for."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.segment.masks import Segmented
from samcli.synth.photos.stage import Rejected

GPU_BATCH = 8  # photographs
Opened = tuple[Image.Image, Image.Image | None]  # a photograph, RGB, and its alpha channel, L, if it has one
Identity = dict[str, str | float]


class Segmenter(Protocol):
    """Cuts objects out of photographs."""

    batch: int  # photographs that it takes at a time

    def identity(self, noun: str) -> Identity:
        """All that the masks of objects called `noun` depend on, besides the photographs."""
        ...

    def __call__(self, photos: Sequence[Opened], noun: str) -> list[Segmented | Rejected]:
        """A mask for each of the photographs, which are of one size, or why there is none."""
        ...


def build_segmenter(recipe: MmlinkRecipe) -> Segmenter:
    """The recipe's segmenter with its models loaded; raises UserError where they are not to be had."""
    if recipe.segment.kind == "grounded":
        from samcli.synth.photos.segment.grounded import Grounded

        return Grounded(recipe)
    if recipe.segment.kind == "sam3":
        from samcli.synth.photos.segment.sam3 import Sam3

        return Sam3(recipe)
    from samcli.synth.photos.segment.plain import Plain

    return Plain(recipe.segment.tolerance)


def attempted(cut: Callable[..., Segmented], *arguments: Any, **more: Any) -> Segmented | Rejected:
    """What `cut` gives, or the Rejected that it raises: one photograph doesn't spoil the others."""
    try:
        return cut(*arguments, **more)
    except Rejected as error:
        return error


def batch_on(device: str) -> int:
    """How many photographs a model takes at a time: on a CPU one, so that its numbers don't depend on the others."""
    from samcli.model.load import resolve_device

    return GPU_BATCH if resolve_device(device).type == "cuda" else 1


def needs_torchvision(what: str, instead: str) -> None:
    """Raise UserError where torchvision, with which transformers prepares pictures for newer models, isn't there."""
    if find_spec("torchvision") is None:
        raise UserError(f"{what} wants torchvision: pip install torchvision, or use {instead}")


def on_model(inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A processor's tensors on a model's device, those of numbers with a fraction in its dtype."""
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        for name, value in inputs.items()
    }


def weights_of(name: str, directory: Path) -> str:
    """What tells a model's weights from others: hub id and commit, or for a directory the hash of its files."""
    from samcli.model.weights import commit_of, weights_hash

    commit = commit_of(directory)
    return weights_hash(directory) if commit is None else f"{name}@{commit}"
