"""Where in a picture something is, in words: a box of whole cells of a grid that divides the picture."""

import re
from dataclasses import dataclass

GRID = 8  # cells a side; a place in it is one digit
_READING = re.compile(r"rows? (\d) to (\d)\b\D*\b(\d) to (\d) from the left\b", re.IGNORECASE)


@dataclass(frozen=True)
class Cells:
    """A box of cells, rows from the top and columns from the left; both count from 1, ends belong to it."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def phrase(self) -> str:
        """The box in words: `rows 3 to 7, 2 to 5 from the left`; the embedded model spells no word for columns."""
        return f"rows {self.top} to {self.bottom}, {self.left} to {self.right} from the left"

    @property
    def area(self) -> int:
        """The number of its cells."""
        return (self.bottom - self.top + 1) * (self.right - self.left + 1)

    def overlap(self, other: "Cells") -> float:
        """The cells of both over the cells of either (IoU), 0 to 1."""
        rows = min(self.bottom, other.bottom) - max(self.top, other.top) + 1
        columns = min(self.right, other.right) - max(self.left, other.left) + 1
        both = max(0, rows) * max(0, columns)
        return both / (self.area + other.area - both)


def read_cells(text: str) -> Cells | None:
    """The box that the text names; None where it names none, several, or one that isn't in the grid."""
    found = _READING.findall(" ".join(text.split()))
    if len(found) != 1:
        return None
    top, bottom, left, right = map(int, found[0])
    return Cells(top, bottom, left, right) if 1 <= top <= bottom <= GRID and 1 <= left <= right <= GRID else None
