"""A BLIP-2 of LAVIS under evaluation, in a process of its own."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samcli.evaluation.other_subject import OtherSubject
from samcli.lavis.client import LavisAnswers, LavisModel, parts_of
from samcli.model.load import resolve_device
from samcli.recipe import DecodingRecipe


@dataclass(frozen=True)
class LavisSubject(OtherSubject):
    """A model named `lavis:MODEL/TYPE`; it decodes as released."""

    @property
    def decoding(self) -> DecodingRecipe:
        """How it generates by itself: as released."""
        return DecodingRecipe()

    @property
    def weights(self) -> dict[str, str]:
        """Its names in LAVIS; raises UserError for a name of another form."""
        return {"lavis": "/".join(parts_of(self.name))}

    @property
    def numbers(self) -> dict[str, Any]:
        """What its answers depend on beside its weights: where they are computed."""
        return {"device": resolve_device(self.recipe.model.device).type}

    def answers(self, dataset: str, decoding: DecodingRecipe) -> LavisAnswers:
        """What answers a dataset's samples."""
        return LavisAnswers(self._model, decoding)

    @cached_property
    def _model(self) -> LavisModel:
        """One for all datasets: it is loaded once."""
        return LavisModel(self.name, str(resolve_device(self.recipe.model.device)))
