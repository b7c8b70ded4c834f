"""What all segmenters have in common, and which one a recipe asks for."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from PIL import Image

from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.segment.masks import Segmented
from samcli.synth.photos.stage import Rejected

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
