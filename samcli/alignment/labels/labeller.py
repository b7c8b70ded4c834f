"""What finds the words of patches, whichever way it does."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from samcli.alignment.labels.patch_labels import PatchLabels


class Labeller(Protocol):
    """A source of labels; building one loads no model, which is left to the first picture."""

    @property
    def words(self) -> Sequence[str]:
        """The list that labels are indices into."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """All that labels depend on besides pictures, their eye and the list of words; JSON."""
        ...

    def prepare(self, directory: Path) -> None:
        """Make what serves all pictures, and keep it below `directory`; what is there already is kept."""
        ...

    def label(self, images: Iterable[Path]) -> PatchLabels:
        """The labels of these image files, in their order. Raises UserError for one that can't be labelled."""
        ...
