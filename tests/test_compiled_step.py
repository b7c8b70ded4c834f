"""Steps of fixed shapes: the same answers, compiled once for what is asked, and what happens where nothing compiles."""

import shutil
from functools import partial
from typing import Any

import pytest
import torch

from samcli.errors import UserError
from samcli.model.decoding import step as steps
from samcli.model.decoding.step import CompiledStep, step_of
from samcli.model.generate import Asking, generated
from samcli.recipe import DecodingRecipe
from tests.test_decoding import answers, faults, model, prompts

WAYS: list[dict[str, Any]] = [
    {"beams": 3},
    {"beams": 3, "rules": "transformers", "length_penalty": 0.0},
    {"beams": 1},
    {"beams": 1, "temperature": 1.0},
]
CPU = torch.device("cpu")


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps are traced for fixed shapes and then run as they are, which takes seconds less; told is what was traced."""
    seen: list[int] = []

    def as_it_is(graph: Any, inputs: Any, **_: Any) -> Any:
        seen.append(len(inputs))
        return graph.forward

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=as_it_is))
    return seen


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_steps_answer_as_plain_ones_and_later_searches_need_no_compiling() -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    llm, sequence = model(), prompts(3, 9, 1, 6, 2)
    for most, at_once in ((20, 3), (20, 2), (12, 1)):
        how = {"beams": 3, "max_length": most, "at_once": at_once}
        assert answers(llm, sequence, compiled=True, **how) == answers(llm, sequence, **how)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("way", WAYS)
def test_steps_of_fixed_shapes_answer_as_others(traced: list[int], way: dict[str, Any], attention: str) -> None:
    llm, sequence = model(attn_implementation=attention), prompts(3, 9, 1, 6, 2)
    for at_once in (2, 5, 1):
        how = {"max_length": 20, "repetition_penalty": 1.2, "at_once": at_once, **way}
        assert answers(llm, sequence, compiled=True, **how) == answers(llm, sequence, **how)
    assert len(traced) == 2, "for two rows, then for five, in which one finds room"


def test_a_sample_whose_numbers_are_none_leaves_its_neighbours_alone(traced: list[int]) -> None:
    llm, sequence = model(), prompts(4, 6, 5)
    expected = answers(llm, sequence, beams=3, max_length=9)
    sequence.embeds[1, -1] = torch.nan
    asking = Asking(DecodingRecipe(beams=3, max_length=9, compiled=True), at_once=2)
    found = list(generated(llm, sequence, asking))
    assert {row: fault is None for row, fault in faults(found).items()} == {0: True, 1: False, 2: True}
    assert {one.row: one.ids for one in found if one.row != 1} == {0: expected[0], 2: expected[2]}
    assert traced


def test_what_a_search_needs_is_kept_for_the_next_and_grows_with_it() -> None:
    step = CompiledStep()
    first = step.room(2, 3, 70, 9, CPU)
    assert (first.most_rows, first.longest, first.steps) == (2, 128, 9), "room for prompts is a multiple of 64"
    step.leave(first)
    assert step.room(1, 3, 90, 5, CPU) is first
    step.leave(first)
    larger = step.room(4, 3, 20, 5, CPU)
    assert (larger.most_rows, larger.longest, larger.steps) == (4, 128, 9)
    assert step.room(4, 3, 20, 5, CPU).longest == 64, "a search that isn't over, or failed, leaves nothing to keep"
    step.leave(larger)
    assert step.room(4, 2, 20, 5, CPU).beams == 2


def test_a_language_model_keeps_what_was_compiled_as_long_as_it_lives() -> None:
    llm, other = model(), model()
    assert step_of(llm, compiled=True) is step_of(llm, compiled=True)
    assert step_of(llm, compiled=True) is not step_of(other, compiled=True)
    before = len(steps._COMPILED)
    del llm
    assert len(steps._COMPILED) == before - 1


def test_where_nothing_compiles_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("no compiler here\nand much more")

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    with pytest.raises(UserError, match=r"can't be compiled here; leave decoding.compiled out: .*no compiler here$"):
        answers(model(), prompts(4), beams=2, max_length=9, compiled=True)
