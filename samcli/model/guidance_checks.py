"""Guidance settings that cannot do what they are there for on given data, told before time is spent on them."""

from collections.abc import Iterable

from samcli.recipe_method import GuidanceRecipe


def guidance_warnings(guidance: GuidanceRecipe, image_counts: Iterable[int]) -> list[str]:
    """Warnings about settings under which a part never trains, given the number of images of every sample.

    Two cases: no sample has a context, so that no image is ever guided; and every softmax over images is over one
    image, so that its weight is always 1 and the adaptive layer gets no gradient (Eq. 1, read literally, on pairs).
    """
    counts = set(image_counts)
    if not guidance.enabled or not counts:
        return []
    guided = {count for count in counts if _is_guided(guidance, count)}
    if not guided:
        return [
            "no sample gives guidance: all have one image, so only the projection trains; "
            "use samples of two or more images, or guidance.context: all with guidance.single_image: guided"
        ]
    if guidance.weights == "softmax-images" and max(_weighed(guidance, count) for count in guided) == 1:
        return [
            "the adaptive layer cannot train: every softmax is over a single image, whose weight is always 1; "
            f"{_remedy(guidance)}"
        ]
    return []


def _is_guided(guidance: GuidanceRecipe, images: int) -> bool:
    return images > 1 or (guidance.single_image == "guided" and guidance.context == "all")


def _weighed(guidance: GuidanceRecipe, images: int) -> int:
    """Over how many images the weights of a patch position are normalised."""
    over_others = guidance.context == "others" and guidance.normalize == "others"
    return images - 1 if over_others else images


def _remedy(guidance: GuidanceRecipe) -> str:
    if guidance.context == "all":
        return "use samples of two or more images"
    return "on pairs use guidance.normalize: all, guidance.context: all or guidance.weights: softmax-patches"
