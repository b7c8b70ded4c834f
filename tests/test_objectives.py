"""The objectives against plain loops over tokens, in double precision; and what is drawn for them."""

import math
from collections import Counter

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.objectives import Pairs, draw_pairs, patch_loss, sea_loss
from samcli.alignment.words import WordTable
from samcli.errors import UserError
from samcli.model.tokenizers import build_llm_tokenizer

WORDS = ("red", "blue", "cat", "zebra", "sofa", "dog")  # the tokenizer below spells zebra letter by letter
VOCABULARY, WIDTH = 300, 8


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=chance(seed), dtype=torch.float64)


def table() -> WordTable:
    return WordTable(WORDS, build_llm_tokenizer(["a", *(word for word in WORDS if word != "zebra")]))


def some_labels(images: int = 3, side: int = 4, most: int = 3, seed: int = 0) -> PatchLabels:
    """Every patch has up to `most` words, many none, with scores of any size."""
    generator = chance(seed)
    counts = torch.randint(0, most + 1, (images, side * side), generator=generator)
    total = int(counts.sum())
    words = torch.randint(0, len(WORDS), (total,), generator=generator)
    return PatchLabels(counts, words, torch.rand(total, generator=generator) + 0.1)


def no_labels(images: int, patches: int) -> PatchLabels:
    nothing = torch.zeros(0)
    return PatchLabels(torch.zeros(images, patches, dtype=torch.int64), nothing.long(), nothing)


def cosine(first: Tensor, second: Tensor) -> Tensor:
    found: Tensor = first @ second / (first.norm() * second.norm())
    return found


# Words.


def test_embedding_of_a_word_is_the_mean_over_its_tokens() -> None:
    words, embeddings = table(), numbers(VOCABULARY, WIDTH)
    tokenizer = build_llm_tokenizer(["a", *(word for word in WORDS if word != "zebra")])
    made = words.embeddings(embeddings, torch.tensor([3, 0, 3]))
    for place, word in enumerate(("zebra", "red", "zebra")):
        ids = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert (len(ids) > 1) == (word == "zebra")
        torch.testing.assert_close(made[place], torch.stack([embeddings[one] for one in ids]).mean(dim=0))


def test_words_are_spelt_as_in_running_text() -> None:
    pieces = {piece: number for number, piece in enumerate(["a", "Ġred", "red", "Ġ", "r", "e", "d"])}
    model = Tokenizer(models.WordLevel(pieces, unk_token="red"))  # noqa: S106
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert WordTable(["red"], PreTrainedTokenizerFast(tokenizer_object=model)).spelt([0]) == [[pieces["Ġred"]]]


def test_only_words_that_are_asked_for_are_spelt() -> None:
    class Counting:
        asked = 0

        def __call__(self, texts: list[str], **_: bool) -> dict[str, list[list[int]]]:
            self.asked += len(texts)
            return {"input_ids": [[1] * len(text.split()) for text in texts]}

    tokenizer = Counting()
    words = WordTable(range(4_000_000), tokenizer)  # type: ignore[arg-type]  # whatever stands in it
    for _ in range(2):
        words.embeddings(numbers(5, 2), torch.tensor([7, 3_999_999, 7]))
    assert tokenizer.asked == 1 + 2


def test_word_without_tokens_is_named() -> None:
    words = WordTable(["red", " "], lambda texts, **_: {"input_ids": [[1] * len(text.split()) for text in texts]})
    with pytest.raises(UserError, match=r"no token for word 2, ' '; take it out"):
        words.embeddings(numbers(5, 2), torch.tensor([0, 1]))


def test_no_words_are_no_embeddings() -> None:
    assert table().embeddings(numbers(VOCABULARY, WIDTH), torch.zeros(0, dtype=torch.int64)).shape == (0, WIDTH)


# SEA.


def plain_sea(tokens: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Word by word and token by token, as the paper writes it."""
    total = torch.zeros((), dtype=torch.float64)
    for place in range(len(tokens)):
        for ours, theirs in ((tokens, targets), (targets, tokens)):
            raised = [torch.exp(cosine(ours[place], other) * scale) for other in theirs]
            total = total + torch.log(raised[place] / torch.stack(raised).sum())
    return -total / (2 * len(tokens))


@pytest.mark.parametrize("pairs", [1, 2, 7])
def test_sea_loss_is_that_of_plain_loops(pairs: int) -> None:
    inputs = [numbers(pairs, WIDTH, seed=1), numbers(pairs, WIDTH, seed=2), torch.tensor(3.7, dtype=torch.float64)]
    found, expected = ([one.clone().requires_grad_() for one in inputs] for _ in range(2))
    losses = sea_loss(*found), plain_sea(*expected)
    torch.testing.assert_close(*losses, rtol=0, atol=1e-6)
    for loss in losses:
        loss.backward()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-6)


def test_sea_loss_without_pairs_is_a_zero_with_a_graph() -> None:
    tokens = numbers(5, WIDTH).requires_grad_()
    scale = torch.tensor(2.0, requires_grad=True)
    loss = sea_loss(tokens[:0], numbers(0, WIDTH), scale)
    loss.backward()
    assert loss.item() == 0
    assert tokens.grad is not None
    assert scale.grad is not None
    assert not tokens.grad.any()


def test_losses_are_in_single_precision_whatever_autocast_says() -> None:
    tokens, targets = numbers(6, WIDTH).float(), numbers(6, WIDTH, seed=1).float()
    labels = some_labels(images=1, side=4)
    patches, embeddings = numbers(1, 16, WIDTH).float(), numbers(VOCABULARY, WIDTH).float()
    exact = sea_loss(tokens, targets, torch.tensor(5.0)), patch_loss(patches, labels, table(), embeddings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = sea_loss(tokens, targets, torch.tensor(5.0)), patch_loss(patches, labels, table(), embeddings)
    assert exact == inside
    assert sea_loss(tokens.bfloat16(), targets.half(), torch.tensor(5.0)).dtype == torch.float32


# Patches.


def plain_patch(tokens: Tensor, labels: PatchLabels, words: WordTable, embeddings: Tensor) -> Tensor:
    """Patch by patch and word by word."""
    of_patches = []
    at = 0
    for token, count in zip(tokens.flatten(0, 1), labels.counts.flatten().tolist(), strict=True):
        if count:
            own = slice(at, at + count)
            cosines = torch.stack(
                [cosine(token, words.embeddings(embeddings, one[None])[0]) for one in labels.words[own]]
            )
            weights = labels.scores[own].double()
            of_patches.append((weights * cosines).sum() / weights.sum())
            at += count
    return 1 - torch.stack(of_patches).mean()


def test_patch_loss_is_that_of_plain_loops() -> None:
    embeddings, labels = numbers(VOCABULARY, WIDTH, seed=1), some_labels()
    labels = PatchLabels(labels.counts, labels.words, labels.scores.double())
    found, expected = (numbers(3, 16, WIDTH).requires_grad_() for _ in range(2))
    losses = (
        patch_loss(found, labels, table(), embeddings),
        plain_patch(expected, labels, table(), embeddings),
    )
    torch.testing.assert_close(*losses, rtol=0, atol=1e-6)
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=1e-6)


def test_patch_loss_of_one_word_is_one_minus_the_cosine() -> None:
    embeddings, tokens = numbers(VOCABULARY, WIDTH, seed=1), numbers(1, 4, WIDTH)
    labels = PatchLabels(torch.tensor([[0, 0, 1, 0]]), torch.tensor([3]), torch.tensor([0.2]))
    expected = 1 - cosine(tokens[0, 2], table().embeddings(embeddings, torch.tensor([3]))[0])
    torch.testing.assert_close(patch_loss(tokens, labels, table(), embeddings), expected)


def test_patch_loss_without_labels_is_a_zero_with_a_graph() -> None:
    tokens = numbers(2, 9, WIDTH).requires_grad_()
    loss = patch_loss(tokens, no_labels(2, 9), table(), numbers(VOCABULARY, WIDTH))
    loss.backward()
    assert loss.item() == 0
    assert tokens.grad is not None


# What is drawn.


def words_of(labels: PatchLabels) -> dict[int, list[int]]:
    """The words of each patch, by flat index."""
    found: dict[int, list[int]] = {}
    for patch, word in zip(labels.patches.tolist(), labels.words.tolist(), strict=True):
        found.setdefault(patch, []).append(word)
    return found


@pytest.mark.parametrize("window", [1, 2, 3, 7])
def test_pairs_are_true_one_a_window_and_one_a_word(window: int) -> None:
    side = 5  # so that the last windows of a row are smaller
    for seed in range(20):
        labels = some_labels(images=4, side=side, seed=seed)
        pairs = draw_pairs(labels, window, chance(seed))
        own = words_of(labels)
        assert all(word in own[patch] for patch, word in zip(pairs.patches.tolist(), pairs.words.tolist(), strict=True))
        assert len(set(pairs.words.tolist())) == len(pairs.words)
        image, place = pairs.patches // side**2, pairs.patches % side**2
        blocks = list(zip(image, place // side // window, place % side // window, strict=True))
        assert len({tuple(map(int, block)) for block in blocks}) == len(blocks)


def test_every_word_that_has_a_window_to_itself_is_drawn() -> None:
    counts = torch.tensor([[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1]])  # the corners of a grid of 4 x 4
    labels = PatchLabels(counts, torch.tensor([5, 2, 0, 3]), torch.ones(4))
    pairs = draw_pairs(labels, 2, chance())
    assert dict(zip(pairs.patches.tolist(), pairs.words.tolist(), strict=True)) == {0: 5, 3: 2, 12: 0, 15: 3}


def shares(labels: PatchLabels, window: int, of: str, draws: int = 4000) -> dict[int, float]:
    generator = chance()
    drawn = Counter(one for _ in range(draws) for one in getattr(draw_pairs(labels, window, generator), of).tolist())
    return {one: count / draws for one, count in drawn.items()}


def near(share: float) -> object:
    return pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 4000))


def test_words_are_drawn_by_their_scores() -> None:
    labels = PatchLabels(torch.tensor([[3, 0, 0, 0]]), torch.tensor([4, 1, 2]), torch.tensor([0.1, 0.3, 0.6]))
    assert shares(labels, 2, "words") == {4: near(0.1), 1: near(0.3), 2: near(0.6)}


def test_patches_of_a_window_are_drawn_alike() -> None:
    labels = PatchLabels(torch.tensor([[1, 1, 0, 1]]), torch.tensor([4, 1, 2]), torch.tensor([0.1, 0.3, 9]))
    assert shares(labels, 2, "patches") == {0: near(1 / 3), 1: near(1 / 3), 3: near(1 / 3)}


def test_patches_with_one_word_are_drawn_alike_from_all_images() -> None:
    labels = PatchLabels(torch.tensor([[1], [1], [1]]), torch.tensor([2, 2, 2]), torch.tensor([0.5, 1, 2]))
    assert shares(labels, 1, "patches") == {0: near(1 / 3), 1: near(1 / 3), 2: near(1 / 3)}


def test_same_generator_draws_the_same() -> None:
    labels = some_labels(images=6, side=6)
    first, second, other = (draw_pairs(labels, 2, chance(seed)) for seed in (3, 3, 4))
    assert first.patches.equal(second.patches)
    assert first.words.equal(second.words)
    assert not (first.patches.equal(other.patches) and first.words.equal(other.words))


def test_no_labels_give_no_pairs() -> None:
    pairs = draw_pairs(no_labels(2, 9), 2, chance())
    assert pairs == Pairs(pairs.patches, pairs.words)
    assert (pairs.patches.shape, pairs.words.shape) == ((0,), (0,))


def test_patches_must_form_a_square() -> None:
    with pytest.raises(ValueError, match="12 patches form no square grid"):
        draw_pairs(no_labels(1, 12), 2, chance())
