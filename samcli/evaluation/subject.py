"""The model that is evaluated: what results call it, what tells its weights apart, and its answers when needed."""

from collections.abc import Mapping
from typing import Any, Protocol

from samcli.errors import UserError
from samcli.evaluation.predict import Answers
from samcli.lavis.client import is_lavis
from samcli.model.captioner import Captioner
from samcli.recipe import NO_ADAPTER, DecodingRecipe, EvalRecipe


class Subject(Protocol):
    """A model named by a recipe; what is dear about it is loaded on first use."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    @property
    def world(self) -> bool:
        """Whether it knows the embedded world alone."""
        ...

    @property
    def decoding(self) -> DecodingRecipe:
        """How it generates by itself."""
        ...

    @property
    def weights(self) -> dict[str, str]:
        """What tells its weights from others under the same names, by part; raises UserError where it isn't there."""
        ...

    @property
    def numbers(self) -> Mapping[str, Any]:
        """What else its answers depend on, such as the numbers it computes in."""
        ...

    def answers(self, dataset: str, decoding: DecodingRecipe) -> Answers:
        """What answers a dataset's samples."""
        ...


def subject_of(recipe: EvalRecipe, given: Captioner | None = None) -> Subject:
    """The model of a recipe, by the beginning of its name; or a `given` one. Raises UserError for wrong options."""
    from samcli.evaluation.lavis_subject import LavisSubject
    from samcli.evaluation.own_subject import OwnSubject

    base = recipe.model.base
    if given is not None or ":" not in base:
        return OwnSubject(recipe, given)
    if recipe.adapter not in (None, NO_ADAPTER):
        raise UserError(f"{base} takes no adapter: leave out --adapter {recipe.adapter}")
    if is_lavis(base):
        return LavisSubject(recipe)
    return OwnSubject(recipe, given)
