"""Placing things on a canvas: seeded, without overlap, all inside, never two in one column."""

import random
from collections.abc import Sequence
from typing import NamedTuple

MIN_GAP = 0.02  # of the canvas, between two boxes
MIN_COLUMN_GAP = 0.14  # of the canvas, between two centres, so that `from left to right` is plain to see
TRIES = 12  # places tried for a box before all are placed anew
ROUNDS = 12
SHRINKS = 12


class NoRoomError(Exception):
    """More things than a canvas can hold."""


class Box(NamedTuple):
    """Where something stands, in shares of the canvas: left and bottom edge, width and height."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def centre(self) -> float:
        """Horizontal centre."""
        return self.left + self.width / 2

    @property
    def top(self) -> float:
        """Upper edge."""
        return self.bottom - self.height

    def clear_of(self, other: "Box") -> bool:
        """Tell whether the boxes keep their distance and don't share a column."""
        return abs(self.centre - other.centre) >= MIN_COLUMN_GAP and (
            self.left >= other.left + other.width + MIN_GAP
            or other.left >= self.left + self.width + MIN_GAP
            or self.bottom <= other.top - MIN_GAP
            or other.bottom <= self.top - MIN_GAP
        )


def arrange(
    rng: random.Random, aspects: Sequence[float], extent: tuple[float, float] = (0.36, 0.5), floor: float = 0.5
) -> list[Box]:
    """Place one box for each aspect (width over height), in the given order, standing between `floor` and the bottom.

    `extent` bounds the square root of a box's area, in shares of the canvas. When no free place is found the boxes
    shrink a little and all are placed anew; raises NoRoomError after `SHRINKS` rounds, which means too many boxes.
    """
    for shrink in range(SHRINKS):
        for _ in range(ROUNDS):
            boxes = _place_all(rng, aspects, extent, floor, 0.93**shrink)
            if boxes is not None:
                return boxes
    raise NoRoomError(f"no room for {len(aspects)} things")


def _place_all(
    rng: random.Random, aspects: Sequence[float], extent: tuple[float, float], floor: float, factor: float
) -> list[Box] | None:
    """Place the boxes one after the other; None when one of them finds no free place."""
    boxes: list[Box] = []
    for aspect in aspects:
        box = _drop(rng, rng.uniform(*extent) * factor, aspect, floor, boxes)
        if box is None:
            return None
        boxes.append(box)
    return boxes


def _drop(rng: random.Random, size: float, aspect: float, floor: float, others: Sequence[Box]) -> Box | None:
    """A box of area `size` squared, anywhere inside the canvas but clear of others; None when `TRIES` places aren't."""
    height = min(size / aspect**0.5, 0.7)
    width = height * aspect
    right, top = max(0.01, 0.99 - width), max(floor, height + 0.01)
    for _ in range(TRIES):
        box = Box(rng.uniform(0.01, right), rng.uniform(top, 0.985), width, height)
        if all(map(box.clear_of, others)):
            return box
    return None
