"""What several trainings in one process have in common, computed once."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from samcli.data.sample import ANNOTATIONS
from samcli.files import sha256
from samcli.model.features import Features, features_for
from samcli.model.preparation import Preparation
from samcli.recipe import DataRecipe
from samcli.training.inputs import Inputs, read_pictures


@dataclass
class Shared:
    """Vision features, by the tower that they are of and how they are kept, and hashes of data sets."""

    _features: dict[tuple[DataRecipe, str, str], Features | None] = field(default_factory=dict)
    _data: dict[Hashable, dict[str, str]] = field(default_factory=dict)

    def features(self, settings: DataRecipe, processor: Preparation, tower: str, dtype: str) -> Features | None:
        """What keeps the features of a `tower`, known by a hash, the same for all data that is kept in the same way."""
        how = DataRecipe(features=settings.features, features_as=settings.features_as, features_gb=settings.features_gb)
        key = (how, tower, dtype)
        if key not in self._features:
            self._features[key] = features_for(how, processor, tower, dtype)
        return self._features[key]

    def identity(self, settings: Hashable, inputs: Inputs, *, decode: bool) -> dict[str, str]:
        """What tells the data that `settings` name from others of its name: `data` and `pictures`.

        Every picture is read for it, and checked if `decode`. Raises UserError for those that can't be read.
        """
        if settings not in self._data:
            self._data[settings] = {
                "data": sha256(inputs.directory / ANNOTATIONS),
                "pictures": read_pictures([*inputs.samples, *inputs.validation], decode=decode),
            }
        return self._data[settings]
