"""The model that is evaluated: what results call it, what tells its weights apart, and its answers when needed."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from samcli.errors import UserError
from samcli.evaluation.api_subject import PREFIX as API
from samcli.evaluation.api_subject import ApiSubject
from samcli.evaluation.predict import Answers
from samcli.lavis.client import is_lavis
from samcli.model.captioner import Captioner
from samcli.recipe import NO_ADAPTER, DecodingRecipe, EvalRecipe


class Subject(Protocol):
    """A model named by a recipe; what is dear about it is loaded on first use."""

    batches_together: ClassVar[int]
    """How many batches it is asked at a time; they are answered, and asked again after a stop, as a whole."""

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


def subject_of(recipe: EvalRecipe, given: Captioner | None = None) -> Subject | ApiSubject:
    """The model of a recipe, wherever it runs; or a `given` one. Raises UserError for options that it doesn't have."""
    if given is not None or not recipe.model.base.startswith(API):
        return local_subject(recipe, given)
    _check_no_adapter(recipe)
    if recipe.workers > 1 or recipe.engine != "local":
        raise UserError(
            f"{recipe.model.base} runs elsewhere: api.requests says how many are asked at once, not workers"
        )
    return ApiSubject(recipe)


def local_subject(recipe: EvalRecipe, given: Captioner | None = None) -> Subject:
    """A model that runs here, by the beginning of its name; raises UserError for options that it doesn't have."""
    from samcli.evaluation.hf_subject import PREFIX as HF
    from samcli.evaluation.hf_subject import HfSubject
    from samcli.evaluation.lavis_subject import LavisSubject
    from samcli.evaluation.own_subject import OwnSubject

    base = recipe.model.base
    if given is not None or ":" not in base:
        return OwnSubject(recipe, given)
    _check_no_adapter(recipe)
    if is_lavis(base):
        return LavisSubject(recipe)
    if base.startswith(HF):
        return HfSubject(recipe)
    raise UserError(f"{base}: no kind of model; a name may begin with {HF}, {API} or lavis:, or be one of ours")


def _check_no_adapter(recipe: EvalRecipe) -> None:
    if recipe.adapter not in (None, NO_ADAPTER):
        raise UserError(f"{recipe.model.base} takes no adapter: leave out --adapter {recipe.adapter}")
