"""What labels take on disk, known before one is made."""

from samcli.recipe_alignment import LabelsRecipe

_WORD_BYTES = 4 + 2  # index and score
_WORLD_MOST = 8  # words of a character
_LIKELY = {"world": 5, "regions": 2}  # words of a patch; of `clip` all patches have the most but for dropped ones


def most_words(settings: LabelsRecipe) -> int:
    """The most words that a patch can get."""
    return {"none": 0, "world": _WORLD_MOST, "clip": settings.top, "regions": settings.tags}[settings.source]


def label_storage(settings: LabelsRecipe, images: int, patches: int) -> int:
    """The most bytes that labels of so many pictures of so many patches take on disk, lists of words left out."""
    return stored_bytes(images, patches, images * patches * most_words(settings))


def likely_storage(settings: LabelsRecipe, images: int, patches: int) -> int:
    """The bytes that labels will take, as far as their source lets one guess."""
    return stored_bytes(images, patches, images * patches * _LIKELY.get(settings.source, most_words(settings)))


def stored_bytes(images: int, patches: int, words: int) -> int:
    """The bytes that labels of so many words in all take on disk."""
    return images * (patches + 8) + words * _WORD_BYTES
