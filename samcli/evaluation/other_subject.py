"""What models under evaluation that aren't ours have in common."""

from dataclasses import dataclass
from typing import ClassVar

from samcli.recipe import DecodingRecipe, EvalRecipe

GREEDY = DecodingRecipe(beams=1, max_length=257, repetition_penalty=1.0)
"""How a chat model generates unless a recipe says otherwise: greedily, 256 new tokens at most."""


@dataclass(frozen=True)
class OtherSubject:
    """A model by its name in the recipe; it knows more than the embedded world."""

    recipe: EvalRecipe
    world: bool = False
    batches_together: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """What results call it."""
        return self.recipe.model.base
