"""The model that is evaluated: what results call it, what tells its weights apart, and the model itself when needed."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from samcli.model.adapter import Adapter
from samcli.model.captioner import Captioner
from samcli.model.load import TINY, load_model, named_adapter, tiny_directory, traits_of, weights_hash
from samcli.model.traits import Traits
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
        return self.given.traits if self.given is not None else traits_of(self.base, self.recipe.model.revision)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the weights that lie here, so that answers of others under the same names are noticed."""
        if self.given is not None:
            return {}
        hashes = {"adapter": tensors_hash(self.adapter)} if self.adapter is not None else {}
        return hashes | {"base": hash_here(self.base)}

    @cached_property
    def captioner(self) -> Captioner:
        """The model, ready for use; raises UserError when it can't be loaded."""
        model = self.recipe.model
        return self.given or load_model(
            self.base, self.recipe.adapter, device=model.device, dtype=model.dtype, revision=model.revision
        )


def hash_here(base: str) -> str:
    """A hash of a base's weights where they lie in a directory; empty for one from the hub, which a revision names."""
    directory = tiny_directory() if base == TINY else Path(base).expanduser()
    return weights_hash(directory) if directory.is_dir() else ""


def tensors_hash(adapter: Adapter) -> str:
    """A hash of an adapter's names and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(adapter.tensors.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
