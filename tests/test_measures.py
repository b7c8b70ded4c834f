"""The measures of visual tokens against plain loops, and at the ends of their ranges."""

import math

import pytest
import torch
from torch import Tensor

from samcli.alignment import measures
from samcli.alignment.labels.patch_labels import PatchLabels
from samcli.alignment.measures import (
    are_true,
    caption_similarity,
    embedding_gap,
    likeness,
    matching_pursuit,
    mean_alignment,
    nearest_words,
    spectral_entropy,
    true_share,
)
from samcli.alignment.objectives import patch_loss
from tests.test_objectives import VOCABULARY, WIDTH, cosine, some_labels, table


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["at once", "in pieces"])
def pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        monkeypatch.setattr(measures, "_AT_ONCE", 20)


@pytest.mark.usefixtures("pieces")
def test_nearest_words() -> None:
    tokens, words = numbers(2, 3, WIDTH), 5 * numbers(7, WIDTH, seed=1)
    found = nearest_words(tokens, words)
    for image in range(2):
        for place in range(3):
            cosines = [float(cosine(tokens[image, place], word)) for word in words]
            assert found[image, place] == cosines.index(max(cosines))


# Two images of four patches; the last image has no labels.
LABELS = PatchLabels(torch.tensor([[2, 0, 1, 1], [0, 0, 0, 0]]), torch.tensor([5, 0, 3, 2]), torch.ones(4))


def test_what_is_true_of_a_patch() -> None:
    found = torch.tensor([[0, 5, 3, 3], [5, 0, 3, 2]])
    assert are_true(found, LABELS).tolist() == [[True, False, True, False], [False] * 4]
    several = torch.stack([found, torch.full_like(found, -1), torch.full_like(found, 2)], dim=-1)
    assert are_true(several, LABELS)[0].tolist() == [
        [True, False, False],
        [False, False, False],
        [True, False, False],
        [False, False, True],
    ]


def test_share_of_true_words_is_that_of_labelled_patches() -> None:
    share = true_share(torch.tensor([[0, 5, 3, 3], [5, 0, 3, 2]]), LABELS)
    assert share[0] == pytest.approx(100 * 2 / 3)
    assert share[1].isnan()
    of_picks = true_share(torch.tensor([[[0, 5], [5, 5], [3, -1], [3, 3]]]), PatchLabels(LABELS.counts[:1], *parts()))
    assert of_picks[0] == pytest.approx(100 * (1 + 0.5 + 0) / 3)


def parts() -> tuple[Tensor, Tensor]:
    return LABELS.words, LABELS.scores


def test_alignment_is_what_the_objective_trains() -> None:
    labels, words, embeddings = some_labels(images=3), table(), numbers(VOCABULARY, WIDTH, seed=1)
    tokens = numbers(3, 16, WIDTH)
    found = mean_alignment(tokens, labels, words, embeddings)
    ends = labels.counts.sum(dim=1).cumsum(0).tolist()
    for image, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        own = PatchLabels(labels.counts[image : image + 1], labels.words[start:end], labels.scores[start:end])
        expected = 1 - patch_loss(tokens[image : image + 1], own, words, embeddings)
        torch.testing.assert_close(found[image], expected)
    assert mean_alignment(numbers(2, 4, WIDTH), LABELS, words, embeddings)[1].isnan()


@pytest.mark.usefixtures("pieces")
def test_gap() -> None:
    tokens, embeddings = numbers(2, 3, WIDTH), numbers(9, WIDTH, seed=1)
    expected = torch.stack(
        [torch.stack([(row - embeddings).norm(dim=1).min() for row in own]).mean() for own in tokens]
    )
    torch.testing.assert_close(embedding_gap(tokens, embeddings), expected)


def test_gap_of_words_is_nothing_however_long_they_are() -> None:
    embeddings = 1000 * numbers(9, WIDTH)
    assert embedding_gap(embeddings[None, 2:5], embeddings).item() == 0


def test_similarity_with_the_caption() -> None:
    tokens, captions = numbers(2, 5, WIDTH), [numbers(4, WIDTH, seed=1), numbers(2, WIDTH, seed=2)]
    found = caption_similarity(tokens, captions, top=3)
    for own, caption, one in zip(tokens, captions, found, strict=True):
        best = sorted(max(float(cosine(token, word)) for word in caption) for token in own)
        assert float(one) == pytest.approx(sum(best[-3:]) / 3, rel=1e-5)
    all_of_them = caption_similarity(tokens, captions, top=10)  # there are no ten tokens
    assert all_of_them.isfinite().all()


@pytest.mark.usefixtures("pieces")
def test_matching_pursuit_takes_a_sum_of_words_apart() -> None:
    words = torch.eye(6)[:, :] * 3  # their lengths don't matter
    token = torch.tensor([0.1, 5, 0, 2, 0, -3])
    found = matching_pursuit(token.expand(2, 3, 6), words, picks=3)
    assert (
        found.picks.tolist() == [[[1, -1, 3]] * 3] * 2
    )  # the opposite of the last word is taken out, but names nothing
    energy = float(token.square().sum())
    torch.testing.assert_close(found.residual, torch.full((2, 3), 0.01 / energy))


def test_matching_pursuit_of_words_that_overlap() -> None:
    """Step by step, as it is defined."""
    words, token = numbers(20, WIDTH, seed=1), numbers(WIDTH)
    units, left = words / words.norm(dim=1, keepdim=True), token.clone()
    picks = []
    for _ in range(4):
        products = units @ left
        place = int(products.abs().argmax())
        picks.append(place if products[place] > 0 else -1)
        left = left - products[place] * units[place]
    found = matching_pursuit(token[None, None], words, picks=4)
    assert found.picks[0, 0].tolist() == picks
    assert float(found.residual) == pytest.approx(float(left.square().sum() / token.square().sum()), rel=1e-5)


def test_entropy_of_known_spectra() -> None:
    axes = torch.eye(4)[:3]
    even = torch.cat([axes, -axes])[None]  # three directions alike
    line = torch.linspace(0, 1, 6)[:, None] * torch.ones(4) + 7
    same = torch.ones(6, 4)
    found = spectral_entropy(torch.stack([even[0], line, same]))
    assert found.tolist() == pytest.approx([math.log(3), 0, 0], abs=1e-9)


@pytest.mark.parametrize("shape", [(2, 5, 9), (2, 9, 5)])
def test_entropy_is_that_of_the_covariance(shape: tuple[int, int, int]) -> None:
    tokens = numbers(*shape)
    for own, found in zip(tokens.double(), spectral_entropy(tokens), strict=True):
        centred = own - own.mean(dim=0)
        energies = torch.linalg.svdvals(centred).square()
        shares = (energies / energies.sum())[: min(shape[1] - 1, shape[2])]
        assert float(found) == pytest.approx(float(-(shares * shares.log()).sum()), rel=1e-6)


def test_likeness_of_images() -> None:
    tokens = numbers(3, 4, WIDTH)
    means, bests = [], []
    for one in range(3):
        for other in {0, 1, 2} - {one}:
            cosines = torch.stack([torch.stack([cosine(a, b) for b in tokens[other]]) for a in tokens[one]])
            means.append(float(cosines.mean()))
            bests.append(float(cosines.max(dim=1).values.mean()))
    found = likeness(tokens)
    assert found.mean == pytest.approx(sum(means) / 6, rel=1e-4)
    assert found.best == pytest.approx(sum(bests) / 6, rel=1e-4)


def test_likeness_to_images_of_another_sample() -> None:
    first, second = numbers(2, 4, WIDTH), numbers(3, 4, WIDTH, seed=1)
    cosines = torch.stack(
        [torch.stack([cosine(a, b) for b in second.flatten(0, 1)]) for a in first.flatten(0, 1)]
    ).view(8, 3, 4)
    found = likeness(first, second)
    assert found.mean == pytest.approx(float(cosines.mean()), rel=1e-4)
    assert found.best == pytest.approx(float(cosines.amax(dim=2).mean()), rel=1e-4)


def test_equal_images_match_wholly() -> None:
    assert likeness(numbers(1, 4, WIDTH).expand(2, -1, -1)).best == pytest.approx(1)
