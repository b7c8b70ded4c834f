"""`sam label`: the labels of a recipe's projector stage, made before training or looked at."""

from samcli.amounts import counted, in_bytes
from samcli.console import say
from samcli.errors import UserError
from samcli.recipe_alignment import LlavaRecipe


def run_label(recipe: LlavaRecipe, *, show: int | None, dry_run: bool) -> str:
    """Make what is missing and return where the labels are; with `show`, the picture of so many samples' labels.

    With `dry_run`: make nothing, and return what would be made. Raises UserError as `make_labels` does.
    """
    if dry_run:
        from samcli.training.label_plan import plan_labels, plan_text

        return plan_text(plan_labels(recipe))
    if show is not None and show < 1:
        raise UserError(f"--show {show}: the number of samples to draw, 1 or more")
    from samcli.alignment.labels.eye_of_model import eye_of
    from samcli.alignment.labels.make import check_source, images_of, make_labels
    from samcli.training.inputs import check_samples, training_samples

    check_source(recipe.objective.labels, recipe.projector.data.train)
    samples, directory = training_samples(recipe.projector.data, "projector.data")
    check_samples(samples)
    eye = eye_of(recipe.model)
    store = make_labels(recipe.objective.labels, samples, directory, eye, device=recipe.model.device)
    listed = f"{store.identity['words']['count']:,} words, {store.grid} x {store.grid} patches"
    say(f"{counted(len(images_of(samples)), 'picture')} labelled: {listed}, {in_bytes(store.bytes)}")
    if show is None:
        return str(store.directory)
    from samcli.alignment.labels.show import show_labels

    return str(show_labels(store, samples[:show], eye))
