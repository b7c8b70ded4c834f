"""SAM's rivals of Table 3, against their formulas written out plainly, and the sequences that the LLM reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration

from samcli.data.batch import IMAGE, Batch
from samcli.errors import UserError
from samcli.model.adapter import find_adapter, method_record, save_adapter
from samcli.model.generate import Asking, as_tensor
from samcli.model.guidance import Groups
from samcli.model.language import attention_matrices, reading_layers
from samcli.model.linear_context import mean_of_others
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.sequence import IGNORED, TokenSequence, join
from samcli.recipe import AblateRecipe, DecodingRecipe, SamRecipe
from samcli.recipe_file import find_recipe, load_recipe
from samcli.recipe_method import NO_METHOD, MethodRecipe
from samcli.training.plan import trained_numbers
from tests.small_models import LLM_WORDS, QFORMER_WORDS, small_processor, small_sizes, t5_base, textless_base

SIZES = small_sizes(vision_width=24, qformer_layers=4, queries=3, llm_width=32, llm_layers=4, llm_mlp=48)
COUNTS, POSITIONS = (2, 1, 3), 5
OFF = {"guidance": {"enabled": False}}
END = 2
BEAMS = DecodingRecipe(beams=3, max_length=7)


def method(**sections: dict[str, Any]) -> MethodRecipe:
    """Without guidance; each section is on."""
    return MethodRecipe.model_validate(OFF | {name: {"enabled": True} | keys for name, keys in sections.items()})


BASES = {"llama": lambda: textless_base(SIZES), "t5": lambda: t5_base(SIZES, LLM_WORDS, QFORMER_WORDS)}


@pytest.fixture
def batch() -> Batch:
    """Samples of two, one and three images, with texts of as many lengths."""
    torch.manual_seed(1)
    mask = torch.tensor([[1] * length + [0] * (6 - length) for length in (4, 6, 3)])
    return Batch(
        image_counts=torch.tensor(COUNTS),
        qformer_ids=torch.randint(5, QFORMER_WORDS, (3, 6)) * mask,
        qformer_mask=mask,
        prompt_ids=torch.randint(5, LLM_WORDS, (3, 6)) * mask,
        prompt_mask=mask,
        image_embeds=torch.randn(sum(COUNTS), POSITIONS, SIZES.vision_width),
        answer_ids=torch.randint(5, LLM_WORDS, (3, 6)) * mask.flip(0),
        answer_mask=mask.flip(0),
    )


def learnt(model: SemanticAlignmentModel) -> SemanticAlignmentModel:
    """With chance in place of what starts at zero, so that every added part acts."""
    torch.manual_seed(3)
    for _, parameter in model.trained_parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def one_by_one(batch: Batch) -> Iterator[Batch]:
    """Each sample as a batch of its own, without padding."""
    assert batch.image_embeds is not None
    for row, embeds in enumerate(torch.split(batch.image_embeds, list(COUNTS))):
        texts: dict[str, Tensor] = {}
        for name in ("qformer", "prompt", "answer"):
            length = int(getattr(batch, f"{name}_mask")[row].sum())
            texts |= {f"{name}_{part}": getattr(batch, f"{name}_{part}")[row : row + 1, :length] for part in IDS_MASK}
        yield replace(batch, image_counts=batch.image_counts[row : row + 1], image_embeds=embeds, **texts)


IDS_MASK = ("ids", "mask")


# --- sequences -------------------------------------------------------------------------------------------------------


def joined(batch: Batch, pad: Any, answers: bool = True) -> tuple[TokenSequence, Tensor, nn.Embedding]:
    embedding = nn.Embedding(LLM_WORDS, 4)
    visual = torch.randn(sum(COUNTS), SIZES.queries, 4)
    return join(visual, batch, embedding, answers=answers, pad=pad), visual, embedding


@pytest.mark.parametrize("pad", ["left", "right"])
def test_images_prompt_and_answer_stand_behind_one_another_without_gaps(batch: Batch, pad: str) -> None:
    sequence, visual, embedding = joined(batch, pad)
    assert batch.answer_ids is not None
    groups = torch.split(visual, list(COUNTS))
    for row, one in enumerate(one_by_one(batch)):
        assert one.answer_ids is not None
        words = embedding(torch.cat([one.prompt_ids[0], one.answer_ids[0]]))
        wanted = torch.cat([groups[row].flatten(0, 1), words])
        kept = sequence.mask[row].bool()
        assert torch.equal(sequence.embeds[row][kept], wanted)
        assert kept.int().diff().abs().sum() <= 1
        assert bool(kept[-1 if pad == "left" else 0])
        labels = sequence.labels[row][kept]
        assert labels.tolist() == [IGNORED] * (len(wanted) - one.answer_ids.shape[1]) + one.answer_ids[0].tolist()
        last = int(sequence.last_of_prompt[row])
        assert torch.equal(sequence.embeds[row, last], embedding(one.prompt_ids[0, -1]))
    placed = sequence.embeds[sequence.visual_rows, sequence.visual_columns]
    assert torch.equal(placed, visual.flatten(0, 1))


def test_images_stand_where_the_prompt_names_them(batch: Batch) -> None:
    prompts = [[5, IMAGE, 6, IMAGE], [IMAGE, 7, 0, 0], [8, IMAGE, IMAGE, IMAGE]]
    named = replace(batch, prompt_ids=torch.tensor(prompts), prompt_mask=(torch.tensor(prompts) != 0).long())
    sequence, visual, embedding = joined(named, "right", answers=False)
    first = torch.cat([embedding(torch.tensor([5])), visual[0], embedding(torch.tensor([6])), visual[1]])
    assert torch.equal(sequence.embeds[0, : len(first)], first)
    assert torch.equal(sequence.embeds[1, : SIZES.queries], visual[2])
    assert torch.equal(sequence.embeds[2, 1 : 1 + 3 * SIZES.queries], visual[3:].flatten(0, 1))
    assert sequence.mask.sum(dim=1).tolist() == [2 + 2 * SIZES.queries, 1 + SIZES.queries, 1 + 3 * SIZES.queries]


# --- rows and their parameters ---------------------------------------------------------------------------------------

PROJECTION = 768 * 4096 + 4096
AT_VICUNA = {  # what each row of Table 3 trains at Vicuna-7B's sizes
    "2": PROJECTION,
    "3": PROJECTION + 2 * (768 * 768 + 768),
    "4": PROJECTION + 1408 * 768 + 768,
    "4b": PROJECTION + 1408 * 768 + 768,
    "4c": PROJECTION + 768 * 768 + 768,
    "4d": PROJECTION + 768 * 768 + 768,
    "5": PROJECTION + 4096 * 768 + 768 + 768 * 4096 + 4096 + 32 * 768,
    "6": PROJECTION + 4 * 4096 * 4096,
    "6b": PROJECTION + 4 * 36 * (4096 + 4096),
    "6c": PROJECTION + 4 * 4096 * 4096,
} | dict.fromkeys(("7", "8", "8b", "8c", "8d", "9", "9b", "9c", "9d"), 4_332_417)


def test_every_row_of_table_3_trains_as_many_parameters_as_it_should() -> None:
    table = load_recipe(AblateRecipe, find_recipe("table3"))
    rows = [row for row in table.rows if row.train]
    recipes = [load_recipe(SamRecipe, find_recipe(table.base), list(row.overrides.items())) for row in rows]
    found = dict(zip((row.row for row in rows), trained_numbers(recipes), strict=True))
    assert found == AT_VICUNA
    assert (found["3"], found["4"], found["4c"], found["5"]) == (4_331_008, 4_231_936, 3_740_416, 9_470_720)
    assert (found["6"], found["6b"]) == (70_258_688, 4_329_472)


def test_table_3_is_the_same_at_both_scales() -> None:
    full, tiny = (load_recipe(AblateRecipe, find_recipe(name)) for name in ("table3", "tiny/table3"))
    shared = {row.row: row.overrides for row in tiny.rows if row.row not in ("6b", "10", "10b", "10c")}
    assert {row.row: row.overrides for row in full.rows if row.row != "6b"} == shared
    cells = [load_recipe(AblateRecipe, find_recipe(name)).rows for name in ("figure5", "tiny/figure5")]
    assert cells[0] == cells[1]


STARTS_AT_ZERO = {
    "linear patches": method(linear={"layer": 3}),
    "linear queries": method(linear={"layer": 3, "reads": "queries"}),
    "vpgc": method(vpgc={}),
    "mmicl": method(mmicl={}),
    "mmicl low rank": method(mmicl={"form": "low-rank", "rank": 2}),
}


@pytest.mark.parametrize("name", STARTS_AT_ZERO)
@pytest.mark.parametrize("llm", BASES)
def test_before_training_a_rival_is_instructblip_and_learnt_it_is_not(name: str, llm: str, batch: Batch) -> None:
    plain = SemanticAlignmentModel(BASES[llm](), NO_METHOD).eval()
    rival = SemanticAlignmentModel(BASES[llm](), STARTS_AT_ZERO[name]).eval()
    assert torch.equal(rival.visual_tokens(batch), plain.visual_tokens(batch))
    assert torch.equal(rival(batch), plain(batch))
    assert torch.equal(rival.generate(batch, BEAMS), plain.generate(batch, BEAMS))
    assert not torch.allclose(learnt(rival)(batch), plain(batch), atol=1e-3)


@pytest.mark.parametrize("name", STARTS_AT_ZERO)
@pytest.mark.parametrize("llm", BASES)
def test_padding_and_neighbours_change_nothing(name: str, llm: str, batch: Batch) -> None:
    model = learnt(SemanticAlignmentModel(BASES[llm](), STARTS_AT_ZERO[name])).eval()
    together = model.generate(batch, BEAMS)
    for row, one in enumerate(one_by_one(batch)):
        alone = model.generate(one, BEAMS)[0]
        assert together[row, : len(alone)].tolist() == alone.tolist()
        assert set(together[row, len(alone) :].tolist()) <= {END, 0}
    for at_once in (1, 2):
        some_at_once = model.answers(batch, Asking(BEAMS, at_once=at_once))
        assert torch.equal(as_tensor(some_at_once, model.base.language_model), together)


@contextmanager
def base_given_back(base: InstructBlipForConditionalGeneration) -> Iterator[None]:
    modules, hooks = dict(base.named_modules()), [len(one._forward_pre_hooks) for one in base.modules()]
    yield
    assert dict(base.named_modules()) == modules
    assert [len(one._forward_pre_hooks) for one in base.modules()] == hooks
    assert not hasattr(base.language_model, "peft_config")


@pytest.mark.parametrize("name", STARTS_AT_ZERO)
def test_a_lent_base_comes_back_as_it_was(name: str, batch: Batch) -> None:
    base = textless_base(SIZES)
    before = SemanticAlignmentModel(base, NO_METHOD)(batch)
    projection = {key: value.clone() for key, value in base.language_projection.state_dict().items()}
    with base_given_back(base):
        rival = learnt(SemanticAlignmentModel(base, STARTS_AT_ZERO[name]))
        rival(batch).backward()
        rival.release()
    base.language_projection.load_state_dict(projection)
    assert torch.equal(SemanticAlignmentModel(base, NO_METHOD)(batch), before)


@pytest.mark.parametrize("name", STARTS_AT_ZERO)
def test_an_adapter_holds_all_that_a_rival_trains(name: str, batch: Batch, tmp_path: Path) -> None:
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), STARTS_AT_ZERO[name]))
    record = {"base": {"id": "x", "revision": None, "hash": ""}, **method_record(STARTS_AT_ZERO[name])}
    save_adapter(tmp_path / "adapter", model, record)
    found = find_adapter(str(tmp_path / "adapter"))
    assert found.method == STARTS_AT_ZERO[name]
    again = SemanticAlignmentModel(textless_base(SIZES), found.method)
    found.load_into(again)
    assert torch.equal(again(batch), model(batch))


# --- row 4 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reads", ["patches", "queries"])
def test_the_linear_layer_reads_the_other_images(reads: str, batch: Batch) -> None:
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(linear={"layer": 3, "reads": reads}))).eval()
    assert model.linear is not None
    for one in one_by_one(batch):
        assert one.image_embeds is not None
        found = model.query_outputs(one.image_embeds, one.image_counts, one.qformer_ids, one.qformer_mask)
        states = [model.base.qformer.embeddings(one.qformer_ids, query_embeds=model.base.query_tokens)] * len(found)
        for number, layer in enumerate(model.base.qformer.encoder.layer, start=1):
            if number == 3 and len(found) > 1:
                parts = states if reads == "queries" else [image.mean(dim=0)[None, None] for image in one.image_embeds]
                others = [[part for m, part in enumerate(parts) if m != i] for i in range(len(found))]
                added = [model.linear.project(torch.stack(group).mean(dim=0)) for group in others]
                states = [state + more for state, more in zip(states, added, strict=True)]
            images = one.image_embeds[:, None]
            states = [layer(s, None, i, query_length=SIZES.queries) for s, i in zip(states, images, strict=True)]
        wanted = torch.cat(states)[:, : SIZES.queries]
        assert torch.allclose(found, wanted, atol=1e-5)


def test_the_mean_of_others_leaves_out_oneself() -> None:
    values = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    assert mean_of_others(values, Groups.of(torch.tensor([1, 3]))).flatten().tolist() == [0, 6, 5, 4]


def test_torchs_own_start_moves_the_model_at_once(batch: Batch) -> None:
    plain = SemanticAlignmentModel(textless_base(SIZES), NO_METHOD)
    started = SemanticAlignmentModel(textless_base(SIZES), method(linear={"layer": 3, "init": "default"}))
    assert not torch.equal(started.visual_tokens(batch), plain.visual_tokens(batch))


def test_guidance_and_the_linear_layer_exclude_one_another() -> None:
    with pytest.raises(ValueError, match=r"linear.enabled takes the W-Former's place: set guidance.enabled to false"):
        MethodRecipe.model_validate({"linear": {"enabled": True}})


# --- row 5 -----------------------------------------------------------------------------------------------------------


def logits_by_halves(model: SemanticAlignmentModel, one: Batch, layer: int) -> Tensor:
    """VPG-C for one sample: the LLM run to its middle, the images read again, the second half run on the sum."""
    assert one.image_embeds is not None
    assert model.vpgc is not None
    llm, qformer = model.base.language_model, model.base.qformer
    visual = model.visual_tokens(one)
    embeds = torch.cat([visual.flatten(0, 1), model.base.get_input_embeddings()(one.prompt_ids[0])])[None]
    seen: list[Tensor] = []
    handle = llm.get_decoder().layers[layer].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.vpgc.look = None
    llm(inputs_embeds=embeds)
    handle.remove()
    hidden = seen[0].clone()
    queries = model.vpgc.queries + model.vpgc.ask(hidden[:, -1:])
    for place, image in enumerate(one.image_embeds):
        state = qformer.embeddings(one.qformer_ids, query_embeds=queries)
        for block in qformer.encoder.layer:
            state = block(state, None, image[None], query_length=SIZES.queries)
        span = slice(place * SIZES.queries, (place + 1) * SIZES.queries)
        hidden[:, span] += model.vpgc.tell(state[:, : SIZES.queries])
    handle = llm.get_decoder().layers[layer].register_forward_pre_hook(lambda _, inputs: (hidden, *inputs[1:]))
    logits: Tensor = llm(inputs_embeds=embeds).logits[0, -1]
    handle.remove()
    return logits


@pytest.mark.parametrize(("chosen", "layer"), [(None, 2), (1, 1)])
def test_vpgc_looks_again_at_what_the_middle_layer_asks_for(chosen: int | None, layer: int, batch: Batch) -> None:
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(vpgc={"layer": chosen}))).eval()
    wanted = [logits_by_halves(model, one, layer).log_softmax(dim=-1) for one in one_by_one(batch)]
    answers = torch.tensor([[7]] * 3)
    loss = model(replace(batch, answer_ids=answers, answer_mask=torch.ones_like(answers)))
    assert loss.item() == pytest.approx(-torch.stack(wanted)[:, 7].mean().item(), abs=1e-4)
    first = model.generate(batch, DecodingRecipe(beams=1, max_length=2, repetition_penalty=1.0))[:, 1]
    assert first.tolist() == [int(one.argmax()) for one in wanted]


def test_vpgc_acts_on_the_prompt_alone(batch: Batch) -> None:
    """The images are read again once for an answer, whatever its length and the number of beams."""
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))).eval()
    assert model.vpgc is not None
    calls: list[int] = []
    model.vpgc.tell.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    model.generate(batch, replace_lengths(BEAMS, 6))
    assert calls == [sum(COUNTS)]
    assert model.vpgc.look is None


def test_vpgc_encodes_its_images_once(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))).eval()
    encoded: list[int] = []
    encode = model.encode_images

    def counted(pixels: Tensor) -> Tensor:
        encoded.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(model, "encode_images", counted)
    seen = replace(
        batch, image_embeds=None, pixel_values=torch.randn(sum(COUNTS), 3, SIZES.image_size, SIZES.image_size)
    )
    list(model.answers(seen, Asking(BEAMS, at_once=1)))
    assert encoded == [sum(COUNTS)]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_vpgc_looks_at_the_images_of_what_is_read(at_once: int, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a sample of the batch can't be answered, and where fewer than all are under way."""
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))).eval()
    lengths = joined(batch, "left", answers=False)[0].mask.sum(dim=1).tolist()
    longest = lengths.index(max(lengths))
    monkeypatch.setattr(model.base.language_model.config, "max_position_embeddings", max(lengths))
    found = {one.row: one for one in model.answers(batch, Asking(BEAMS, at_once=at_once))}
    alone = [next(model.answers(one, Asking(BEAMS))) for one in one_by_one(batch)]
    assert [row for row, one in found.items() if one.fault is not None] == [longest]
    assert [found[row].ids for row in range(3)] == [one.ids for one in alone]


def test_vpgc_answers_by_compiled_steps_as_by_plain_ones(batch: Batch, traced: list[int]) -> None:
    model = learnt(SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))).eval()
    compiled = Asking(BEAMS.model_copy(update={"compiled": True}), at_once=2)
    found = {one.row: one.ids for one in model.answers(batch, compiled)}
    assert found == {one.row: one.ids for one in model.answers(batch, Asking(BEAMS))}
    assert len(traced) == 1


def replace_lengths(decoding: DecodingRecipe, tokens: int) -> DecodingRecipe:
    return decoding.model_copy(update={"min_length": tokens, "max_length": tokens})


def test_at_first_vpgc_moves_what_is_added_last(batch: Batch) -> None:
    model = SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))
    model(batch).backward()
    moved = {name for name, value in model.trained_parameters() if value.grad is not None and value.grad.any()}
    assert moved == {"language_projection.weight", "language_projection.bias", "vpgc.tell.weight", "vpgc.tell.bias"}
    alone = SemanticAlignmentModel(textless_base(SIZES), method(vpgc={"train_projection": False}))
    assert {name.partition(".")[0] for name, _ in alone.trained_parameters()} == {"vpgc"}


# --- row 6 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("llm", BASES)
def test_mmicl_trains_queries_and_values_of_the_first_layers(llm: str, batch: Batch) -> None:
    model = SemanticAlignmentModel(BASES[llm](), method(mmicl={"layers": 2}))
    model(batch).backward()
    wanted = [getattr(*place).weight for layer in reading_layers(model.base)[:2] for place in attention_matrices(layer)]
    trained = dict(model.trained_parameters())
    in_llm = [value for name, value in trained.items() if name.startswith("language_model.")]
    assert len(in_llm) == len(wanted) == 4
    assert all(any(value is one for one in wanted) for value in in_llm)
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in trained.values())


@pytest.mark.parametrize("form", ["weights", "low-rank"])
def test_mmicl_trains_in_single_precision_inside_a_model_in_half(form: str, batch: Batch) -> None:
    half = textless_base(SIZES).bfloat16()
    model = SemanticAlignmentModel(half, method(mmicl={"form": form, "rank": 2}))
    assert batch.image_embeds is not None
    loss = model(replace(batch, image_embeds=batch.image_embeds.bfloat16()))
    loss.backward()
    trained = dict(model.trained_parameters())
    assert {value.dtype for value in trained.values()} == {torch.float32}
    exact = SemanticAlignmentModel(textless_base(SIZES), NO_METHOD)(batch)
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)


def test_declared_images_are_named_where_their_tokens_stand() -> None:
    processor = small_processor(SIZES)
    texts = processor.texts(["what is shared", "a cat"], None, SamRecipe().text, images=[2, 1])
    tokens = [
        ["<image>" if token == IMAGE else processor.tokenizer.decode([token]) for token in row[keep.bool()].tolist()]
        for row, keep in zip(texts["prompt_ids"], texts["prompt_mask"], strict=True)
    ]
    assert ["".join(row).replace(" ", "") for row in tokens] == [
        "<s>image0is<image>.image1is<image>.whatisshared",
        "<s>image0is<image>.acat",
    ]
    plain = processor.texts(["what is shared", "a cat"], None, SamRecipe().text)
    assert torch.equal(plain["qformer_ids"], texts["qformer_ids"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (method(vpgc={"layer": 4}), r"vpgc.layer is 4, but the language model's 4 layers count from 0"),
        (method(mmicl={"layers": 5}), r"mmicl.layers is 5, but the language model has 4 layers"),
        (method(linear={"layer": 5}), r"linear.layer is 5, but the Q-Former has 4 layers"),
    ],
)
def test_layers_that_are_not_there_are_refused(settings: MethodRecipe, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SemanticAlignmentModel(textless_base(SIZES), settings)


# --- T5 --------------------------------------------------------------------------------------------------------------


def test_a_t5_answers_what_its_encoder_reads(batch: Batch) -> None:
    model = SemanticAlignmentModel(BASES["t5"](), NO_METHOD).eval()
    losses, tokens = [], []
    for one in one_by_one(batch):
        assert one.answer_ids is not None
        words = model.base.get_input_embeddings()(one.prompt_ids)
        embeds = torch.cat([model.visual_tokens(one).flatten(0, 1)[None], words], dim=1)
        losses.append(float(model.base.language_model(inputs_embeds=embeds, labels=one.answer_ids).loss))
        tokens.append(one.answer_ids.shape[1])
    wanted = sum(loss * count for loss, count in zip(losses, tokens, strict=True)) / sum(tokens)
    assert float(model(batch)) == pytest.approx(wanted, abs=1e-5)


def test_an_adapter_of_another_rival_does_not_fit(tmp_path: Path) -> None:
    model = SemanticAlignmentModel(textless_base(SIZES), method(vpgc={}))
    record = {"base": {"id": "x", "revision": None, "hash": ""}, **method_record(method(mmicl={}))}
    save_adapter(tmp_path / "adapter", model, record)
    found = find_adapter(str(tmp_path / "adapter"))
    other = SemanticAlignmentModel(textless_base(SIZES), found.method)
    with pytest.raises(UserError, match=r"language_model.*q_proj.weight is missing; .*vpgc.ask.bias is unknown"):
        found.load_into(other)
