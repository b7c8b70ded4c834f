"""A model of ours under evaluation: a base of ours, with or without an adapter."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from samcli.evaluation.own_answers import TOGETHER, OwnAnswers
from samcli.model.adapter import Adapter
from samcli.model.captioner import Captioner
from samcli.model.find import TINY, find_base, traits_of
from samcli.model.load import load_model, named_adapter, resolve_device, text_lengths
from samcli.model.traits import Traits
from samcli.model.weights import loaded_weights, tensors_hash
from samcli.recipe import NO_ADAPTER, DecodingRecipe, EvalRecipe


@dataclass(frozen=True)
class OwnSubject:
    """A model named by a recipe, loaded on first use, or one that is `given`."""

    recipe: EvalRecipe
    given: Captioner | None = None
    batches_together: ClassVar[int] = TOGETHER

    @cached_property
    def adapter(self) -> Adapter | None:
        """What was trained, if anything; `tiny` comes with its own."""
        name = self.recipe.adapter
        if name == NO_ADAPTER or (name is None and self.recipe.model.base != TINY):
            return None
        return named_adapter(name or TINY)

    @property
    def base(self) -> str:
        """The recipe's base; where the recipe doesn't name one, that of the adapter."""
        named = "base" in self.recipe.model.model_fields_set or self.adapter is None
        return self.recipe.model.base if named or self.adapter is None else self.adapter.base

    @property
    def name(self) -> str:
        """What results call the model: its base, and its adapter unless it is the one that `tiny` comes with."""
        if self.given is not None:
            return self.given.name if self.given.adapter is None else f"{self.given.name} + {self.given.adapter}"
        if self.recipe.adapter == NO_ADAPTER:
            return f"{self.base} (no adapter)"
        return self.base if self.recipe.adapter in (None, self.base) else f"{self.base} + {self.recipe.adapter}"

    @cached_property
    def traits(self) -> Traits:
        """What its base is like, told without loading it."""
        return self.given.traits if self.given is not None else traits_of(self.base, self._asked_revision)

    @property
    def _asked_revision(self) -> str | None:
        """The recipe's, else that of the base that the adapter was trained on."""
        return self.recipe.model.revision or (self._own.revision if self._own is not None else None)

    @property
    def _own(self) -> Adapter | None:
        """The adapter, if it was trained on this base."""
        return self.adapter if self.adapter is not None and self.adapter.base == self.base else None

    @cached_property
    def weights(self) -> dict[str, str]:
        """What tells its weights from others under the same names: `base` or `revision`, and `adapter`.

        Raises UserError for a base that isn't there, and for a hub that can't say which revision is its newest.
        """
        if self.given is not None:
            return loaded_weights(self.given)
        completed_from = self.recipe.model.completed_from or (self._own.completed_from if self._own else None)
        asked = {"base": self.base, "revision": self._asked_revision, "completed_from": completed_from}
        base = find_base(self.recipe.model.model_copy(update=asked)).identity()
        return base if self.adapter is None else base | {"adapter": tensors_hash(self.adapter.tensors.items())}

    @property
    def world(self) -> bool:
        """Whether it knows the embedded world alone."""
        return self.traits.world

    @property
    def decoding(self) -> DecodingRecipe:
        """How it generates by itself."""
        return self.traits.decoding

    @property
    def numbers(self) -> dict[str, Any]:
        """What its answers depend on beside its weights: method, lengths, numbers, and where they are computed."""
        if self.given is not None:
            method = self.given.method.model_dump(mode="json")
            text = self.given.text.model_dump(mode="json")
            return {"numbers": self.given.numbers, "device": self.given.device.type, "method": method, "text": text}
        model = self.recipe.model
        device = resolve_device(model.device).type if model.device != "spread" else model.device
        own: dict[str, Any] = {"dtype": model.dtype, "llm_bits": model.llm_bits, "device": device}
        if self.adapter is not None:
            own["method"] = self.adapter.method.model_dump(mode="json")
            own["text"] = text_lengths(self.adapter).model_dump(mode="json")
        return own

    def answers(self, dataset: str, decoding: DecodingRecipe) -> OwnAnswers:
        """What answers a dataset's samples."""
        return OwnAnswers(self.captioner, dataset, decoding, self.recipe.batch_size)

    @cached_property
    def captioner(self) -> Captioner:
        """The model with these `weights`, ready for use; raises UserError when it can't be loaded."""
        if self.given is not None:
            return self.given
        model = self.recipe.model
        return load_model(
            self.base,
            self.recipe.adapter,
            device=model.device,
            dtype=model.dtype,
            revision=self.weights.get("revision", model.revision),
            llm_bits=model.llm_bits,
            completed_from=model.completed_from,
        )
