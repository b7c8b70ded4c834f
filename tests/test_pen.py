"""Stamps of the world's pen: what is laid in other colours is what would have been drawn in them."""

import random
from collections.abc import Callable

import pytest

from samcli.synth.world import books, icons
from samcli.synth.world.pen import MODEL, RGB, Fill, Pen
from samcli.synth.world.sprites import _ARTISTS, aspect
from samcli.synth.world.things import CATEGORIES, PATTERNS, draw_thing

OUTLINE = ((0.1, 0.1), (0.9, 0.2), (0.7, 0.9), (0.2, 0.8))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("colour", ["red", "white", "black"])
def test_a_stamp_in_other_colours_is_what_they_would_have_drawn(pattern: str, colour: str) -> None:
    model, fill = Fill(MODEL, pattern), Fill(colour, pattern)
    stamped, drawn, stamps = Pen(24), Pen(24), Pen(24)
    stamps.polygon(OUTLINE, model)
    for _ in range(2):  # onto an empty sheet, and over what is there
        stamped.lay(stamps.stamp(), dict(zip(model.tints, fill.tints, strict=True)))
        drawn.polygon(OUTLINE, fill)
        for pen in (stamped, drawn):
            pen.circle((0.5, 0.5), 0.2, (1, 2, 3))
        assert stamped.finish().tobytes() == drawn.finish().tobytes()


@pytest.mark.parametrize("tints", [icons._tints, books._tints])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_two_tints_of_a_model_are_equal(tints: Callable[[Fill], tuple[RGB, ...]], pattern: str) -> None:
    found = tints(Fill(MODEL, pattern))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("category", list(CATEGORIES))
def test_every_thing_has_far_fewer_colours_than_a_sheet_takes(category: str) -> None:
    rng = random.Random(4)
    for variant in range(40):
        thing = draw_thing(rng, category)
        pen = Pen(24, aspect(thing))
        _ARTISTS[category].draw(pen, thing, variant % 4)
        assert len(pen._colours) < 100
