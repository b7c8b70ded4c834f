"""Steps of fixed shapes: the same answers, compiled once for what is asked, and what happens where nothing compiles."""

import gc
import shutil
from functools import partial
from typing import Any

import pytest
import torch

from samcli.errors import UserError
from samcli.model.decoding import step as steps
from samcli.model.decoding.step import CompiledStep, Room, step_of
from samcli.model.generate import Asking, generated
from samcli.recipe import DecodingRecipe
from tests.test_decoding import answers, faults, model, one_of, prompts

WAYS: list[dict[str, Any]] = [
    {"beams": 3},
    {"beams": 3, "rules": "transformers", "length_penalty": 0.0},
    {"beams": 1},
    {"beams": 1, "temperature": 1.0},
]
CPU = torch.device("cpu")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_steps_answer_as_plain_ones_and_later_searches_need_no_compiling() -> None:
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    llm, sequence = model(), prompts(3, 9, 1, 6, 2)
    how = {"beams": 3, "max_length": 20, "at_once": 3}
    for asked in (sequence, one_of(sequence, 1), prompts(2, 8)):
        assert answers(llm, asked, compiled=True, **how) == answers(llm, asked, **how)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("way", WAYS)
def test_steps_of_fixed_shapes_answer_as_others(traced: list[int], way: dict[str, Any], attention: str) -> None:
    llm, sequence = model(attn_implementation=attention), prompts(3, 9, 1, 6, 2)
    for at_once in (2, 5, 1):
        how = {"max_length": 20, "repetition_penalty": 1.2, "at_once": at_once, **way}
        assert answers(llm, sequence, compiled=True, **how) == answers(llm, sequence, **how)
    assert len(traced) == 3, "for so many rows each"


def test_a_sample_whose_numbers_are_none_leaves_its_neighbours_alone(traced: list[int]) -> None:
    llm, sequence = model(), prompts(4, 6, 5)
    expected = answers(llm, sequence, beams=3, max_length=9)
    sequence.embeds[1, -1] = torch.nan
    asking = Asking(DecodingRecipe(beams=3, max_length=9, compiled=True), at_once=2)
    found = list(generated(llm, sequence, asking))
    assert {row: fault is None for row, fault in faults(found).items()} == {0: True, 1: False, 2: True}
    assert {one.row: one.ids for one in found if one.row != 1} == {0: expected[0], 2: expected[2]}
    assert traced


def test_what_a_search_used_is_kept_for_the_next_of_its_shape() -> None:
    step, wanted = CompiledStep(), Room(samples=9, at_once=4, beams=3, longest=70, steps=9)
    cache = step.room(wanted, CPU)
    assert (cache.most_rows, cache.longest, cache.steps) == (4, 128, 9), "room for prompts comes in few sizes"
    assert step.room(wanted, CPU) is not cache, "a search that isn't over, or failed, leaves nothing to keep"
    step.leave(cache)
    assert step.room(wanted._replace(samples=1, longest=128), CPU) is cache
    step.leave(cache)
    assert step.room(wanted._replace(at_once=2), CPU).most_rows == 2
    assert step.room(wanted, CPU) is not cache, "one search's memory at a time"


def test_keys_and_values_stay_where_they_are_so_that_a_step_can_be_captured(traced: list[int]) -> None:
    llm = model()
    answers(llm, prompts(4, 6), beams=2, max_length=9, compiled=True)
    cache = steps._COMPILED[llm].kept
    assert cache is not None
    held = [one for layer in cache.layers for one in (layer.keys, layer.values)]
    assert {one._dynamo_static_input_type for one in held} == {"unguarded"}
    places = [one.data_ptr() for one in held]
    answers(llm, prompts(5, 3), beams=2, max_length=9, compiled=True)
    again = steps._COMPILED[llm].kept
    assert again is not None
    assert [one.data_ptr() for layer in again.layers for one in (layer.keys, layer.values)] == places
    steps.forget_kept()
    assert steps._COMPILED[llm].kept is None


def test_many_shapes_are_compiled_for(traced: list[int]) -> None:
    llm, sequence = model(), prompts(3, 1)
    for at_once in range(1, 11):
        answers(llm, sequence, beams=2, max_length=5, at_once=at_once, compiled=True)
    assert len(traced) == 10, "torch itself stops at eight, and computes what comes later as it is"


def test_a_language_model_keeps_what_was_compiled_as_long_as_it_lives(traced: list[int]) -> None:
    llm, other = model(), model()
    for one in (llm, other):
        answers(one, prompts(4), beams=2, max_length=5, compiled=True)
    assert step_of(llm, compiled=True) is step_of(llm, compiled=True)
    assert step_of(llm, compiled=True) is not step_of(other, compiled=True)
    before = len(steps._COMPILED)
    del llm, one
    gc.collect()
    assert len(steps._COMPILED) == before - 2 + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hf_device_map": {"model": 0, "lm_head": 1}}, "it is spread over several devices"),
        ({"is_loaded_in_8bit": True}, "its weights are in 8 bits"),
    ],
)
def test_what_would_break_into_many_steps_is_not_compiled_and_says_so(
    change: dict[str, Any], reason: str, traced: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    llm = model()
    expected = answers(llm, prompts(4), beams=2, max_length=5)
    for name, value in change.items():
        setattr(llm, name, value)
    assert answers(llm, prompts(4), beams=2, max_length=5, compiled=True) == expected
    assert not traced
    assert f"steps of the language model are not compiled: {reason}" in capsys.readouterr().err


def test_memory_that_runs_out_while_compiling_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=greedy))
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        answers(model(), prompts(4), beams=2, max_length=9, compiled=True)


def test_where_nothing_compiles_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("no compiler here\nand much more")

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    with pytest.raises(UserError, match=r"can't be compiled here; leave decoding.compiled out: .*no compiler here$"):
        answers(model(), prompts(4), beams=2, max_length=9, compiled=True)
