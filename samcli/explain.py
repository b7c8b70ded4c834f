"""`sam caption --explain`: the adaptive weights of a group's patches (section 4.3, Eq. 1), drawn over its pictures.

The weights follow from the pictures and the adapter alone: the prompt has no part in them.
"""

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from samcli.answers import for_terminal
from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.explain_drawing import Scale, Weights, Words, contact_sheet, fitted, overlay, with_legend
from samcli.files import atomic_write

if TYPE_CHECKING:
    from samcli.model.captioner import Captioner
    from samcli.recipe_method import GuidanceRecipe

SHEET = "contact_sheet.png"
_MAP_SIDE = 640  # pixels of the longer side


def check_explainable(captioner: "Captioner") -> None:
    """Raise UserError when the model has no weights to show: no guidance, or fixed weights."""
    from samcli.model.captioner import q_former_model

    guidance = q_former_model(captioner, "--explain").guidance
    if guidance is None and captioner.adapter is not None:
        raise UserError(f"--explain: adapter {captioner.adapter} was trained without guidance, so it weighs no patches")
    if guidance is None:
        raise UserError(f"--explain shows the adapter's weights, and {captioner.name} has none: give --adapter")
    if guidance.settings.weights == "mean":
        raise UserError(f"--explain: adapter {captioner.adapter} weighs all patches alike (guidance.weights: mean)")


def check_maps(images: Sequence[Path], directory: Path) -> None:
    """Raise UserError for a lone picture, and when `directory` is no place for the pictures' maps."""
    if len(images) < 2:
        raise UserError("--explain shows how pictures are weighed against one another: give two or more")
    if directory.exists() and not directory.is_dir():
        raise UserError(f"--explain {directory} is a file; name a directory")
    taken = {os.path.realpath(path) for path in images}
    for target in _targets(images, directory):
        if os.path.realpath(target) in taken:
            raise UserError(f"--explain would write {target} over a picture that was given; name another directory")


def explain(
    captioner: "Captioner",
    images: Sequence[Path],
    prompt: str,
    directory: Path,
    answer: str | None = None,
) -> list[Path]:
    """Write `IMAGE_weights.png` for each picture and, last, a contact sheet; return their paths.

    Without `answer`, which stands on the sheet, it is generated. Raises UserError as the checks above do.
    """
    check_explainable(captioner)
    check_maps(images, directory)
    targets = _targets(images, directory)
    answer = captioner.caption(images, prompt) if answer is None else answer
    weights, middle = patch_weights(captioner, images)
    scale = Scale.of(weights, middle)
    pictures = [fitted(open_image(path), _MAP_SIDE) for path in images]
    maps = [overlay(picture, grid, scale) for picture, grid in zip(pictures, weights, strict=True)]
    names = [for_terminal(path.name) for path in images]
    meaning = _meaning(captioner, len(images))
    sheet = contact_sheet(pictures, maps, weights, names, Words(prompt, answer, meaning), scale)
    drawn = [with_legend(one, grid, scale, meaning) for one, grid in zip(maps, weights, strict=True)]
    for target, picture in zip(targets, [*drawn, sheet], strict=True):
        with atomic_write(target, "wb") as file:
            picture.save(file, "PNG")
    return targets


def patch_weights(captioner: "Captioner", images: Sequence[Path]) -> tuple[Weights, float]:
    """The weights of every picture's patches, (N, rows, columns) without CLS, and the weight if all were alike.

    With context `others`, where a picture has a weight for each of the others, their mean.
    """
    import torch

    from samcli.model.captioner import q_former_model
    from samcli.model.guidance import Groups

    model = q_former_model(captioner, "--explain")
    guidance = model.guidance
    if guidance is None:
        raise UserError(f"{captioner.name} has no adapter, so it weighs no patches")
    squares = [captioner.processor.square(open_image(path)) for path in images]
    groups = Groups.of(torch.tensor([len(images)], device=captioner.device))
    with torch.no_grad():
        embeds = model.encode_images(captioner.processor.pixels(squares).to(captioner.device))
        _, pairs = guidance.adjustment(embeds, groups)
    if guidance.settings.context == "others":
        _, source = groups.pairs(include_self=False)
        sums = pairs.new_zeros(len(images), pairs.shape[1]).index_add(0, source, pairs)
        pairs = sums / (len(images) - 1)
    side = round((pairs.shape[1] - 1) ** 0.5)
    grids = pairs[:, 1:].reshape(len(images), side, side).double().cpu().numpy()
    return grids, _even_weight(guidance.settings, len(images), pairs.shape[1])


def _even_weight(settings: "GuidanceRecipe", images: int, positions: int) -> float:
    """What every patch weighs when all have the same score."""
    if settings.weights == "softmax-patches":
        return 1 / positions
    return 1 / (images - 1) if settings.context == "others" and settings.normalize == "others" else 1 / images


def _meaning(captioner: "Captioner", images: int) -> str:
    from samcli.model.captioner import q_former_model

    guidance = q_former_model(captioner, "--explain").guidance
    over = "patches of a picture" if guidance and guidance.settings.weights == "softmax-patches" else "pictures"
    return f"adaptive weight of each patch, softmax over the {over} (pictures: {images})"


def _targets(images: Sequence[Path], directory: Path) -> list[Path]:
    """Where the maps and the sheet go, each with a name of its own."""
    names: list[str] = []
    for path in images:
        stem = path.stem[:50]
        numbered = (f"{stem}-{number}" for number in count(2))
        names.append(next(name for name in chain([stem], numbered) if name not in names))
    return [*(directory / f"{name}_weights.png" for name in names), directory / SHEET]
