"""Guidance against the paper's formulas, written out as plain loops over lists of images."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from samcli.data.batch import Batch
from samcli.model.guidance import Groups
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import DecodingRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import LLM_WORDS, QFORMER_WORDS, small_sizes, textless_base

LAYERS, POSITIONS, COUNTS = 4, 5, (1, 3, 2)
SIZES = small_sizes(vision_width=24, qformer_layers=LAYERS, queries=5, llm_width=32, llm_layers=2, llm_mlp=48)
TEXT_LENGTHS = (3, 6, 4)
MERGES = [
    {"context": context, "weights": weights, "normalize": normalize}
    for context in ("all", "others")
    for weights in ("softmax-images", "softmax-patches", "mean")
    for normalize in ("others", "all")
]


def build(**guidance: Any) -> SemanticAlignmentModel:
    """A small model whose guide layers have learnt something, in float64 to compare sums of different orders."""
    model = SemanticAlignmentModel(
        textless_base(SIZES), MethodRecipe(guidance=GuidanceRecipe(**{"from_layer": 2, "to_layer": 3, **guidance}))
    )
    torch.manual_seed(2)  # the base comes first, so that it is the same for all settings
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.double()


@pytest.fixture
def batch() -> Batch:
    """Samples of one, three and two images, with texts of as many lengths."""
    torch.manual_seed(1)
    text_mask = torch.tensor([[1] * length + [0] * (6 - length) for length in TEXT_LENGTHS])
    return Batch(
        image_counts=torch.tensor(COUNTS),
        qformer_ids=torch.randint(5, QFORMER_WORDS, (3, 6)) * text_mask,
        qformer_mask=text_mask,
        prompt_ids=torch.randint(5, LLM_WORDS, (3, 6)) * text_mask,
        prompt_mask=text_mask,
        image_embeds=torch.randn(sum(COUNTS), POSITIONS, SIZES.vision_width, dtype=torch.float64),
        answer_ids=torch.randint(5, LLM_WORDS, (3, 6)) * text_mask.flip(0),
        answer_mask=text_mask.flip(0),
    )


def one_by_one(batch: Batch) -> Iterator[Batch]:
    """Each sample as a batch of its own, without padding."""
    assert batch.image_embeds is not None
    images = torch.split(batch.image_embeds, list(COUNTS))
    for row, (length, embeds) in enumerate(zip(TEXT_LENGTHS, images, strict=True)):
        one = slice(row, row + 1)
        text = {
            name: getattr(batch, name)[one, :length]
            for name in ("qformer_ids", "qformer_mask", "prompt_ids", "prompt_mask")
        }
        answer = {name: getattr(batch, name)[one, : TEXT_LENGTHS[-row - 1]] for name in ("answer_ids", "answer_mask")}
        yield replace(batch, image_counts=batch.image_counts[one], image_embeds=embeds, **text, **answer)


def outputs(model: SemanticAlignmentModel, batch: Batch) -> Tensor:
    assert batch.image_embeds is not None
    return model.query_outputs(batch.image_embeds, batch.image_counts, batch.qformer_ids, batch.qformer_mask)


def merge_by_loops(model: SemanticAlignmentModel, images: list[Tensor], i: int) -> Tensor | None:
    """Eq. 1 for image i, position by position; None without context."""
    assert model.guidance is not None
    settings, score = model.guidance.settings, model.guidance.adjustment.score
    everyone = range(len(images))
    context = [m for m in everyone if settings.context == "all" or m != i]
    if not context or (len(images) == 1 and settings.single_image == "plain"):
        return None
    scores = [[(score.weight[0] @ patch + score.bias[0]).exp() for patch in image] for image in images]
    merged = []
    for j in range(POSITIONS):
        total = torch.zeros_like(images[i][j])
        for m in context:
            if settings.weights == "mean":
                weight: Tensor | float = 1 / len(context)
            elif settings.weights == "softmax-patches":
                weight = scores[m][j] / torch.stack(scores[m]).sum()
            else:
                over = everyone if settings.normalize == "all" else context
                weight = scores[m][j] / torch.stack([scores[n][j] for n in over]).sum()
            total = total + weight * images[m][j]
        merged.append(total)
    return torch.stack(merged)


def guided_by_loops(model: SemanticAlignmentModel, images: list[Tensor], text_ids: Tensor) -> list[Tensor]:
    """Sections 4.2 and 4.3 for one sample: q and w, layer by layer, image by image; the query tokens of each."""
    assert model.guidance is not None
    guidance, settings, qformer = model.guidance, model.guidance.settings, model.base.qformer
    start = qformer.embeddings(input_ids=text_ids, query_embeds=model.base.query_tokens)
    finished = []
    for i, image in enumerate(images):
        merged = merge_by_loops(model, images, i)
        query = window = start
        for number, layer in enumerate(qformer.encoder.layer, start=1):
            if merged is not None and number <= settings.to_layer:
                if number == settings.from_layer:
                    window = window + guidance.guide_in(query)
                window = layer(window, None, merged[None], query_length=SIZES.queries)
                if number == settings.to_layer:
                    query = query + guidance.guide_out(window)
            query = layer(query, None, image[None], query_length=SIZES.queries)
        finished.append(query[0, : SIZES.queries])
    return finished


def all_by_loops(model: SemanticAlignmentModel, batch: Batch) -> Tensor:
    finished = []
    for one in one_by_one(batch):
        assert one.image_embeds is not None
        finished += guided_by_loops(model, list(one.image_embeds), one.qformer_ids)
    return torch.stack(finished)


def gradients(model: SemanticAlignmentModel, output: Tensor) -> dict[str, Tensor]:
    """Of a sum that tells all outputs apart, for the guidance alone; zero where there is none."""
    assert model.guidance is not None
    model.zero_grad()
    wave = torch.arange(output.numel()).sin().view_as(output)
    (output * wave).sum().backward()
    named = model.guidance.named_parameters()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in named}


def assert_equals_loops(model: SemanticAlignmentModel, batch: Batch) -> None:
    ours, reference = outputs(model, batch), all_by_loops(model, batch)
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-10)
    expected = gradients(model, reference)
    scale = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in gradients(model, ours).items():
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=1e-10 * scale, msg=name)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, LAYERS), (2, 3), (3, 3), (LAYERS, LAYERS)])
@pytest.mark.parametrize("merge", MERGES, ids=lambda merge: "-".join(merge.values()))
def test_outputs_and_gradients_are_the_formulas(merge: dict[str, str], low: int, high: int, batch: Batch) -> None:
    assert_equals_loops(build(**merge, from_layer=low, to_layer=high), batch)


@pytest.mark.parametrize("context", ["all", "others"])
def test_a_guided_lone_image_is_the_formulas(context: str, batch: Batch) -> None:
    assert_equals_loops(build(context=context, single_image="guided"), batch)


def test_guidance_changes_all_images_but_a_plain_lone_one(batch: Batch) -> None:
    unguided = outputs(build(enabled=False), batch)
    changed = (outputs(build(), batch) - unguided).abs().amax(dim=(1, 2)) > 1e-3
    assert changed.tolist() == [False, True, True, True, True, True]
    guided_too = (outputs(build(single_image="guided"), batch) - unguided).abs().amax(dim=(1, 2)) > 1e-3
    assert guided_too.all()


@pytest.mark.parametrize(
    ("merge", "receivers"),
    [
        ({"weights": "softmax-images"}, [True, True, True]),
        ({"weights": "mean"}, [True, True, True]),
        ({"weights": "softmax-images", "context": "others"}, [False, True, True, True, True, True]),
        ({"weights": "mean", "context": "others"}, [False, True, True, True, True, True]),
    ],
)
def test_weights_sum_to_one_over_the_context(merge: dict[str, str], receivers: list[bool], batch: Batch) -> None:
    """Merging images of ones gives ones wherever there is a context, and zeros elsewhere."""
    model = build(**merge)
    assert model.guidance is not None
    assert batch.image_embeds is not None
    groups = Groups.of(batch.image_counts)
    merged, _ = model.guidance.adjustment(torch.ones_like(batch.image_embeds), groups)
    torch.testing.assert_close(merged, torch.tensor(receivers).double()[:, None, None].expand_as(merged))


def test_weights_over_patches_sum_to_one_in_each_image(batch: Batch) -> None:
    model = build(weights="softmax-patches")
    assert model.guidance is not None
    _, weights = model.guidance.adjustment(batch.image_embeds, Groups.of(batch.image_counts))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(sum(COUNTS)).double())


@pytest.mark.parametrize(
    ("counts", "normalize", "trains"), [((2, 2), "others", False), ((2, 2), "all", True), ((3, 1), "others", True)]
)
def test_the_score_trains_unless_each_image_has_one_other(
    counts: tuple[int, int], normalize: Literal["others", "all"], trains: bool, batch: Batch
) -> None:
    model = build(context="others", normalize=normalize)
    assert batch.image_embeds is not None
    images = batch.image_embeds[:4]
    output = model.query_outputs(images, torch.tensor(counts), batch.qformer_ids[:2], batch.qformer_mask[:2])
    moved = gradients(model, output)
    assert bool(moved["adjustment.score.weight"].abs().max() > 1e-6) is trains
    if not trains:
        assert not moved["adjustment.score.weight"].any()
    assert moved["guide_in.weight"].any()


def test_the_mean_leaves_nothing_of_the_score_to_train() -> None:
    names = {name for name, _ in build(weights="mean").trained_parameters()}
    assert names == {
        f"{part}.{kind}" for part in ("language_projection", "guide_in", "guide_out") for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("context", ["all", "others"])
def test_a_ragged_batch_equals_its_samples_one_by_one(context: str, batch: Batch) -> None:
    model, singles = build(context=context), list(one_by_one(batch))
    torch.testing.assert_close(
        model.visual_tokens(batch), torch.cat([model.visual_tokens(one) for one in singles]), rtol=0, atol=1e-10
    )
    losses, lengths = torch.stack([model(one) for one in singles]), torch.tensor(TEXT_LENGTHS[::-1])
    torch.testing.assert_close(model(batch), (losses * lengths).sum() / lengths.sum())


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_of_a_ragged_batch_are_those_of_its_samples(beams: int, batch: Batch) -> None:
    model, decoding = build().float(), DecodingRecipe(beams=beams, max_length=16)
    assert batch.image_embeds is not None
    batch = replace(batch, image_embeds=batch.image_embeds.float())
    together = model.generate(batch, decoding)
    for row, one in zip(together.tolist(), one_by_one(batch), strict=True):
        alone = model.generate(one, decoding)[0].tolist()
        assert row[: len(alone)] == alone
        assert set(row[len(alone) :]) <= {0, 2}, "only padding follows"


def test_what_goes_in_is_never_changed(batch: Batch) -> None:
    """The released code adds guidance in place, which autograd forbids in fp32."""
    assert batch.image_embeds is not None
    pictures = batch.image_embeds.clone().requires_grad_()
    output = outputs(build(), replace(batch, image_embeds=pictures))
    output.sum().backward()
    assert torch.equal(pictures, batch.image_embeds)
    assert pictures.grad is not None
    assert pictures.grad.isfinite().all()
