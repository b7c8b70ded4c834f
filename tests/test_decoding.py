"""Beams by the released rules and by transformers', single answers, sampling, and what is answered beside what."""

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from samcli import console
from samcli.model import generate as generation
from samcli.model.decoding.beams import ReleasedBeams
from samcli.model.decoding.by_transformers import answers_of_transformers
from samcli.model.decoding.room import Sizes, memory_beside
from samcli.model.decoding.served import why_not_served
from samcli.model.generate import Asking, Generated, as_tensor, generated
from samcli.model.sequence import TokenSequence
from samcli.recipe import DecodingRecipe

WIDTH = 16
SIZES = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def model(words: int = 30, seed: int = 0, scale: float = 15, **changes: Any) -> Any:
    """A random language model, whose weights are large enough that its answers differ and end."""
    torch.manual_seed(seed)
    return strong(LlamaForCausalLM(LlamaConfig(**{"vocab_size": words, **SIZES, **TOKENS, **changes})), scale)


def strong(llm: Any, scale: float) -> Any:
    """A model with weights so much larger."""
    for weight in llm.parameters():
        if weight.dim() > 1:
            weight.data.mul_(scale)
    return llm.eval()


def prompts(*lengths: int, width: int = WIDTH) -> TokenSequence:
    """Random prompts, padded on the left."""
    torch.manual_seed(len(lengths))
    longest, none = max(lengths), torch.zeros(0, dtype=torch.int64)
    embeds = torch.zeros(len(lengths), longest, width)
    mask = torch.zeros(len(lengths), longest, dtype=torch.int64)
    for row, length in enumerate(lengths):
        embeds[row, longest - length :] = torch.randn(length, width)
        mask[row, longest - length :] = 1
    return TokenSequence(embeds, mask, mask, none, none, none)


def one_of(sequence: TokenSequence, row: int) -> TokenSequence:
    """A prompt alone, without padding."""
    mask = sequence.mask[row : row + 1]
    embeds = sequence.embeds[row : row + 1, mask[0].bool()]
    return TokenSequence(embeds, mask[:, mask[0].bool()], mask, *(sequence.visual_rows,) * 3)


def answers(llm: Any, sequence: TokenSequence, **how: Any) -> list[list[int]]:
    """Answers in order; `how` are settings of decoding, and `keys` and `at_once` of asking."""
    keys, at_once = how.pop("keys", None), how.pop("at_once", None)
    asking = Asking(DecodingRecipe(**how), keys=keys, at_once=at_once)
    made = sorted(generated(llm, sequence, asking), key=lambda one: one.row)
    assert [one.fault for one in made] == [None] * len(made)
    return [one.ids for one in made]


@dataclass(frozen=True)
class Case:
    llm: Any
    sequence: TokenSequence
    decoding: DecodingRecipe


@some.composite
def cases(draw: Any) -> Case:
    """Models, prompts, penalties and ends."""
    ends = draw(some.sampled_from([2, [2, 3], [2, 5, 6], None]))
    llm = model(
        draw(some.sampled_from([7, 12, 30])), draw(some.integers(0, 10**6)), draw(some.sampled_from([5, 15, 40]))
    )
    llm.config.eos_token_id = llm.generation_config.eos_token_id = ends
    most = draw(some.integers(2, 14))
    decoding = DecodingRecipe(
        beams=draw(some.integers(1, 5)),
        max_length=most,
        min_length=draw(some.sampled_from([1, 1, min(4, most)])),
        repetition_penalty=draw(some.sampled_from([0.7, 1.0, 1.5])),
        length_penalty=draw(some.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
        no_repeat_ngram=draw(some.sampled_from([0, 0, 2])),
        rules="transformers",
    )
    return Case(llm, prompts(*draw(some.lists(some.integers(1, 9), min_size=1, max_size=3))), decoding)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(cases())
def test_by_transformers_rules_answers_are_those_of_generate(case: Case) -> None:
    embeds, mask = case.sequence.embeds, case.sequence.mask
    expected = answers_of_transformers(case.llm, embeds, mask, case.decoding)
    assert answers(case.llm, case.sequence, **case.decoding.model_dump()) == expected


def plain_released(llm: Any, prompt: Tensor, decoding: DecodingRecipe) -> list[int]:
    """Beams by the rules of transformers 4.33, told one by one, with everything computed anew at each step."""
    beams, aside, ends = [(0.0, [1])], [], llm.config.eos_token_id
    while True:
        ways: list[tuple[float, list[int], int]] = []
        for total, said in beams:
            words = llm.get_input_embeddings()(torch.tensor(said[1:], dtype=torch.int64))
            scores = llm(inputs_embeds=torch.cat([prompt, words])[None]).logits[0, -1].log_softmax(-1)
            for word in set(said):
                scores[word] *= decoding.repetition_penalty
            if len(said) < decoding.min_length:
                scores[ends] = -math.inf
            ways += [(total + score, said, word) for word, score in enumerate(scores.tolist())]
        ways = sorted(ways, key=lambda way: -way[0])[: max(2, 1 + len(ends)) * decoding.beams]
        beams = []
        for rank, (total, said, word) in enumerate(ways):
            if word not in ends:
                beams.append((total, [*said, word]))
            elif rank < decoding.beams:
                aside.append((total / len(said) ** decoding.length_penalty, said))
            if len(beams) == decoding.beams:
                break
        aside = sorted(aside, key=lambda one: one[0])[-decoding.beams :]
        length = len(beams[0][1])
        if len(aside) == decoding.beams and aside[0][0] >= ways[0][0] / length**decoding.length_penalty:
            break
        if length == decoding.max_length:
            aside += [(total / length**decoding.length_penalty, said) for total, said in beams]
            break
    best = max(aside, key=lambda one: one[0])[1]
    return best if len(best) == decoding.max_length else [*best, ends[0]]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=some.integers(0, 10**6),
    beams=some.integers(2, 5),
    most=some.integers(2, 12),
    repetition=some.sampled_from([1.0, 1.5]),
    length=some.sampled_from([-1.0, 0.0, 1.0, 2.0]),
    at_once=some.integers(1, 3),
    ends=some.sampled_from([[2], [2], [7, 2, 9]]),
    least=some.sampled_from([1, 1, 4]),
)
@torch.no_grad()
def test_by_the_released_rules_answers_are_those_of_a_plain_search(
    seed: int, beams: int, most: int, repetition: float, length: float, at_once: int, ends: list[int], least: int
) -> None:
    llm, sequence = model(20, seed), prompts(4, 7, 1)
    llm.config.eos_token_id = ends
    how = {"beams": beams, "max_length": most, "repetition_penalty": repetition, "length_penalty": length}
    how["min_length"] = min(least, most)
    found = answers(llm, sequence, **how, at_once=at_once)
    alone = [one_of(sequence, row).embeds[0] for row in range(3)]
    assert found == [plain_released(llm, prompt, DecodingRecipe(**how)) for prompt in alone]


@pytest.mark.parametrize("how", [{"beams": 1}, {"beams": 4}, {"beams": 1, "temperature": 0.8, "top_p": 0.9}])
def test_answers_do_not_depend_on_company_or_order(how: dict[str, Any]) -> None:
    lengths = (3, 9, 1, 6, 2, 7, 4)
    llm, sequence = model(), prompts(*lengths)
    how = {"max_length": 24, **how}
    keys = [f"sample {row}" for row in range(len(lengths))]
    together = answers(llm, sequence, **how, keys=keys)
    assert len({len(ids) for ids in together}) > 2, "answers of many lengths"
    for at_once in (1, 2, 3):
        assert answers(llm, sequence, **how, keys=keys, at_once=at_once) == together
    backwards = torch.arange(len(lengths)).flip(0)
    turned = TokenSequence(sequence.embeds[backwards], sequence.mask[backwards], *(sequence.visual_rows,) * 4)
    assert answers(llm, turned, **how, keys=keys[::-1], at_once=3) == together[::-1]
    for row, ids in enumerate(together):
        assert answers(llm, one_of(sequence, row), **how, keys=[keys[row]]) == [ids]


def test_a_sample_that_is_done_leaves_its_place_to_the_next() -> None:
    llm, sequence = model(), prompts(*[5] * 8)
    asking = Asking(DecodingRecipe(max_length=30, repetition_penalty=1.0), at_once=2)
    order = [one.row for one in generated(llm, sequence, asking)]
    assert sorted(order) == list(range(8))
    assert order != sorted(order), "a long answer holds nobody up"


def test_what_is_drawn_depends_on_seed_and_name() -> None:
    llm, sequence = model(scale=4), prompts(5, 5)
    how = {"beams": 1, "max_length": 20, "repetition_penalty": 1.0, "temperature": 1.0}
    first = answers(llm, sequence, **how)
    assert answers(llm, sequence, **how) == first
    assert answers(llm, sequence, **how, seed=1) != first
    assert answers(llm, sequence, **how, keys=["0", "other"])[0] == first[0]
    assert answers(llm, sequence, **how, keys=["0", "other"])[1] != first[1]


def test_draws_follow_the_probabilities() -> None:
    llm, one = model(7, scale=4), prompts(5)
    many = TokenSequence(one.embeds.expand(4000, -1, -1), one.mask.expand(4000, -1), *(one.visual_rows,) * 4)
    drawn = answers(llm, many, beams=1, max_length=2, repetition_penalty=1.0, temperature=0.5)
    found = torch.bincount(torch.tensor([ids[1] for ids in drawn]), minlength=7) / 4000
    wanted = (llm(inputs_embeds=one.embeds).logits[0, -1] / 0.5).softmax(-1)
    torch.testing.assert_close(found, wanted.detach(), rtol=0, atol=4 * 0.5 / math.sqrt(4000))


@pytest.mark.parametrize("chance", [{"temperature": 1e-3}, {"temperature": 1.0, "top_p": 1e-4}])
def test_without_room_for_chance_the_likeliest_is_drawn(chance: dict[str, float]) -> None:
    llm, sequence = model(), prompts(5, 2)
    how = {"beams": 1, "max_length": 20}
    assert answers(llm, sequence, **how, **chance) == answers(llm, sequence, **how)


def test_a_stream_hears_every_token() -> None:
    heard: list[Any] = []
    listener: Any = SimpleNamespace(put=lambda ids: heard.extend(ids.tolist()), end=lambda: heard.append("end"))
    llm, sequence = model(), prompts(5)
    (answer,) = generated(llm, sequence, Asking(DecodingRecipe(beams=1, max_length=20), listener))
    assert heard == [*answer.ids, "end"]


def test_a_model_without_an_end_answers_as_long_as_it_may() -> None:
    llm = model()
    llm.config.eos_token_id = llm.generation_config.eos_token_id = None
    for beams in (1, 3):
        assert [len(ids) for ids in answers(llm, prompts(4, 2), beams=beams, max_length=9)] == [9, 9]


def test_an_overflow_fails_its_own_sample_however_tokens_are_chosen() -> None:
    llm, sequence = model(), prompts(4, 5)
    llm.lm_head.register_forward_hook(lambda _, __, out: out.index_fill(0, torch.tensor([1]), math.inf))
    for how in ({"beams": 3}, {"beams": 3, "rules": "transformers"}, {"beams": 1, "temperature": 1.0}):
        found = generated(llm, sequence, Asking(DecodingRecipe(max_length=2, **how)))
        assert {row: fault is None for row, fault in faults(list(found)).items()} == {0: True, 1: False}


def test_where_every_word_is_forbidden_the_first_is_taken() -> None:
    how = {"beams": 1, "max_length": 12, "no_repeat_ngram": 1, "repetition_penalty": 1.0}
    llm = model(5)
    llm.config.eos_token_id = llm.generation_config.eos_token_id = None
    assert len(answers(llm, prompts(4), **how, temperature=1.0)[0]) == 12


def test_what_transformers_draws_depends_on_seed_and_name_too() -> None:
    llm, sequence = model(scale=4), prompts(5, 5)
    sequence.embeds[1] = sequence.embeds[0]
    llm.config.alibi = True
    how = {"beams": 1, "max_length": 20, "temperature": 1.0}
    first = answers(llm, sequence, **how, keys=["a", "b"])
    assert first[0] != first[1]
    assert answers(llm, sequence, **how, keys=["b", "a"], at_once=1) == first[::-1]
    assert answers(llm, sequence, **how, keys=["a", "b"], seed=3) != first


def faults(found: list[Generated]) -> dict[int, str | None]:
    return {one.row: one.fault for one in found}


def test_a_prompt_longer_than_the_models_positions_fails_alone_and_others_end_there() -> None:
    llm, sequence = model(max_position_embeddings=12), prompts(12, 8, 3)
    asking = Asking(DecodingRecipe(max_length=10, min_length=10))
    found = {one.row: one for one in generated(llm, sequence, asking)}
    assert str(found[0].fault).startswith("the prompt is 12 tokens long, with those of its images")
    assert [len(found[row].ids) for row in (1, 2)] == [
        5,
        10,
    ]  # BOS and what fits behind 8 tokens, or all that was asked
    with pytest.raises(Exception, match="positions: give fewer images"):
        as_tensor(iter(found.values()), llm)


@pytest.mark.parametrize("searched", [True, False])
@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("beams", [1, 3])
def test_numbers_that_are_none_fail_their_own_sample(beams: int, number: float, searched: bool) -> None:
    llm, sequence = model(), prompts(4, 6, 5)
    llm.config.alibi = not searched
    sequence.embeds[1, -1] = number
    asking = Asking(DecodingRecipe(beams=beams, max_length=9), at_once=2)
    found = list(generated(llm, sequence, asking))
    assert {row: fault is None for row, fault in faults(found).items()} == {0: True, 1: False, 2: True}
    assert "not numbers (NaN)" in str(faults(found)[1])
    sound = {one.row: one.ids for one in found if one.fault is None}
    assert sound == {row: answers(llm, one_of(sequence, row), beams=beams, max_length=9)[0] for row in (0, 2)}


def test_a_gpu_answers_as_many_at_a_time_as_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    llm, sequence = model(), prompts(5, 5, 5, 5)
    how = DecodingRecipe(beams=2, max_length=8)
    expected = answers(llm, sequence, **how.model_dump())
    sizes = Sizes.of(llm.config, 4)
    needed = sizes.of_sample(beams=2, prompt=5, steps=7)
    column = 2 * 2 * WIDTH * 4  # keys and values of 2 layers
    assert needed == column * (5 + 7 * 2) + 4 * 4 * 2 * 30, "of prompt and beams; four copies of a step's logits"
    monkeypatch.setattr(generation, "memory_beside", lambda _: int((3 * needed + 4 * 5 * column) / 0.8) + 2)
    rows: list[list[int]] = []
    asking = Asking(how, within_memory=True)
    found = generated(llm, sequence, asking, lambda some, _: rows.append(list(some)))
    assert [one.ids for one in sorted(found, key=lambda one: one.row)] == expected
    assert rows == [[0, 1, 2], [3]]
    assert "samples under way at a time: 3" in capsys.readouterr().err
    assert sizes.fitting(10, beams=2, prompt=5, steps=7) == 1, "one is tried in any case"


def test_without_a_gpu_no_memory_is_counted() -> None:
    assert memory_beside(model()) is None


FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "gemma": {"head_dim": 8},
    "gpt_neox": {},
    "phi3": {},
    "opt": {"ffn_dim": 32, "word_embed_proj_dim": WIDTH},
    "mixtral": {"num_local_experts": 2},
}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", FAMILIES)
def test_decoders_of_every_make_are_served(family: str, attention: str) -> None:
    sizes = {"vocab_size": 30, "num_key_value_heads": 1, "max_position_embeddings": 64, **SIZES, **TOKENS}
    if family == "opt":
        del sizes["num_key_value_heads"]
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **sizes | FAMILIES[family])
    llm = strong(AutoModelForCausalLM.from_config(config, attn_implementation=attention), 8)
    assert why_not_served(llm) is None
    sequence, decoding = prompts(3, 6, 5), DecodingRecipe(beams=3, max_length=12, rules="transformers")
    expected = answers_of_transformers(llm, sequence.embeds, sequence.mask, decoding)
    assert answers(llm, sequence, **decoding.model_dump(), at_once=2) == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_attn_implementation": "flash_attention_2"}, "its attention is flash_attention_2"),
        ({"sliding_window": 4}, "some of its layers don't see the whole prompt"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "some of its layers don't see the whole prompt"),
        ({"rope_parameters": {"rope_type": "dynamic"}}, "its positions depend on the longest text of a batch"),
        ({"attention_layers": ["global", "local"]}, "some of its layers don't see the whole prompt"),
        ({"alibi": True}, "its attention depends on distances in the cache"),
    ],
)
def test_what_the_search_cannot_serve_is_told_by_its_reason(changes: dict[str, Any], reason: str) -> None:
    llm = model()
    for name, value in changes.items():
        setattr(llm.config, name, value)
    assert why_not_served(llm) == reason


def test_what_the_search_cannot_serve_transformers_answers_and_it_is_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_said", set())
    llm, sequence = model(), prompts(5, 3, 4)
    expected = answers(llm, sequence, beams=2, max_length=9, rules="transformers")
    llm.config.alibi = True
    assert answers(llm, sequence, beams=2, max_length=9, at_once=2) == expected
    assert answers(llm, sequence, beams=2, max_length=9) == expected
    assert capsys.readouterr().err.count("answers come from transformers' generate, slower") == 1


def test_beams_that_still_run_have_no_answer() -> None:
    with pytest.raises(ValueError, match="still run"):
        ReleasedBeams(2, 1, [2], 9, 1.0).answer()
