"""What the recipe asks of each score, so that those outside can be marked."""

from collections.abc import Mapping
from dataclasses import dataclass

from samcli.recipe_mmlink import AcceptRecipe
from samcli.synth.look.seen import Score
from samcli.synth.photos.accept import bounds


@dataclass(frozen=True)
class Limit:
    """Least and most that is accepted; None: any."""

    least: float | None
    most: float | None

    def allows(self, value: float) -> bool:
        """Whether a score is accepted; what isn't a number never is."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.least is None:
            return f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"


def limits(accept: AcceptRecipe) -> dict[str, Limit]:
    """The limits by the names of scores, and of `mask_area`, which single masks are measured by."""
    least, most = ({name: bound.value for name, bound in side.items()} for side in bounds(accept))
    found = {name: Limit(least.get(name), most.get(name)) for name in (*least, *most)}
    return found | {"mask_area": Limit(*accept.mask_area)}


def held_against(known: Mapping[str, Limit], name: str, value: float, shown: str | None = None) -> Score:
    """A score beside its limit, if there is one; `shown` is another name for it."""
    shown = (shown or name).replace("_", " ")
    limit = known.get(name)
    return Score(shown, value) if limit is None else Score(shown, value, str(limit), not limit.allows(value))
