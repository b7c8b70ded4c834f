"""The model that is evaluated: what results call it, what tells its weights apart, and the model itself when needed."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from samcli.model.adapter import Adapter, find_adapter
from samcli.model.captioner import Captioner
from samcli.model.load import TINY, load_model, resolve_source, tiny_directory, weights_hash
from samcli.recipe import EvalRecipe

NO_ADAPTER = "none"


@dataclass(frozen=True)
class Subject:
    """A model named by a recipe, loaded on first use."""

    recipe: EvalRecipe
    given: Captioner | None = None

    @cached_property
    def adapter(self) -> Adapter | None:
        """What was trained, if anything; `tiny` comes with its own."""
        name = self.recipe.adapter
        if name == NO_ADAPTER or (name is None and self.recipe.model.base != TINY):
            return None
        return find_adapter(name or str(tiny_directory() / "adapter"))

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
        return self.base if self.recipe.adapter is None else f"{self.base} + {self.recipe.adapter}"

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the weights, so that answers of other weights under the same names are noticed."""
        if self.given is not None:
            return {}
        hashes = {"base": weights_hash(resolve_source(self.base), self.recipe.model.revision)}
        return hashes | ({"adapter": tensors_hash(self.adapter)} if self.adapter is not None else {})

    @cached_property
    def captioner(self) -> Captioner:
        """The model, ready for use; raises UserError when it can't be loaded."""
        settings, adapter = self.recipe.model, self.recipe.adapter
        more = {"device": settings.device, "dtype": settings.dtype, "revision": settings.revision}
        return self.given or load_model(self.base, adapter, **more)


def tensors_hash(adapter: Adapter) -> str:
    """A hash of an adapter's names and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(adapter.tensors.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
