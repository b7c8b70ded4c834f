"""Labels of regions: which words reach which patches, by the models' own boxes and masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.make import make_labels
from samcli.alignment.labels.regions import RegionLabels, best_scores, covered_shares
from samcli.data.sample import read_annotations
from samcli.frozen.box_segmenter import BoxSegmenter
from samcli.frozen.detector import Boxes, Detector
from samcli.recipe_alignment import LabelsRecipe
from tests.label_data import EYE, world_samples
from tests.label_settings import at
from tests.small_segmenters import save_detector, save_sam
from tests.small_towers import save_clip

WORDS = ("person", "chair")  # those that the small detector can tell


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    save_clip(directory / "clip")
    save_detector(directory / "detector")
    save_sam(directory / "segmenter")
    return directory


@pytest.fixture
def image(tmp_path: Path) -> Path:
    picture = Image.effect_noise((96, 64), 90).convert("RGB")
    picture.save(tmp_path / "image.png")
    return tmp_path / "image.png"


def recipe(models: Path, **changes: Any) -> LabelsRecipe:
    names = {name: str(models / name) for name in ("clip", "detector", "segmenter")}
    return LabelsRecipe.model_validate({"source": "regions", "box_threshold": 0.05, "covered": 0.5} | names | changes)


def labeller(settings: LabelsRecipe, directory: Path, eye: Eye = EYE) -> RegionLabels:
    made = RegionLabels(settings, WORDS, eye, "cpu")
    made.prepare(directory)
    return made


def test_a_patch_has_the_words_of_the_masks_that_cover_it(models: Path, image: Path, tmp_path: Path) -> None:
    """Each step by hand, patch by patch."""
    settings = recipe(models)
    made = labeller(settings, tmp_path)
    labels = made.label([image])

    picture = Image.open(image)
    tags = [made.words[tag] for tag in made._features.nearest(made._tower.whole([picture]), 20, 1.0)[1][0].tolist()]
    (boxes,) = Detector(settings.detector, None, "cpu", "float32", 0.05, 0.05).find([picture], tags)
    (masks,) = BoxSegmenter(settings.segmenter, None, "cpu", "float32").in_boxes([picture], [boxes.corners])
    expected = []
    for patch in range(EYE.patches):
        row, column = divmod(patch, EYE.grid)
        scores: dict[str, float] = {}
        for (mask, _), score, phrase in zip(masks, boxes.scores.tolist(), boxes.phrases, strict=True):
            if mask[row * 8 : (row + 1) * 8, column * 12 : (column + 1) * 12].mean() >= 0.5:
                scores |= {word: max(score, scores.get(word, 0)) for word in WORDS if word in phrase}
        expected.append(scores)
    found: list[dict[str, float]] = [{} for _ in expected]
    for patch, word, score in zip(labels.patches.tolist(), labels.words.tolist(), labels.scores.tolist(), strict=True):
        found[patch][WORDS[word]] = score
    assert found == expected
    assert sum(bool(own) for own in expected) > 0
    assert labels.counts[0].tolist() == [len(own) for own in expected]


def test_a_picture_in_which_nothing_is_found_has_no_words(models: Path, image: Path, tmp_path: Path) -> None:
    labels = labeller(recipe(models, box_threshold=1.0), tmp_path).label([image, image])
    assert labels.counts.tolist() == [[0] * EYE.patches] * 2
    assert len(labels.words) == len(labels.scores) == 0


def test_only_words_that_fit_the_whole_picture_are_looked_for(
    models: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def note(_: Detector, pictures: list[Image.Image], nouns: list[str]) -> list[Boxes]:
        asked.append(list(nouns))
        return [Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ()) for _ in pictures]

    monkeypatch.setattr(Detector, "find", note)
    made = labeller(recipe(models, tags=1), tmp_path)
    made.label([image])
    likeness = made._tower.whole([Image.open(image)]) @ made._tower.words(WORDS).T
    assert asked == [[WORDS[int(likeness.argmax())]]]


def test_the_share_of_a_patch_that_a_mask_covers() -> None:
    mask = np.zeros((30, 60), dtype=bool)
    mask[:, 15:] = True
    eye = Eye(side=64, patch=16, crop=False)
    assert covered_shares(mask, eye).tolist() == [[0, 1, 1, 1]] * 4
    mask[:, 6:] = True
    assert covered_shares(mask, eye)[0].tolist() == pytest.approx([0.6, 1, 1, 1])
    unfilled = Eye(side=60, patch=16, crop=False)  # its three patches see 48 of 60 pixels
    mask[:] = False
    mask[:, 48:] = True
    assert covered_shares(mask, unfilled).tolist() == [[0, 0, 0]] * 3


def test_a_patch_of_several_regions_has_all_their_words_and_of_one_word_the_best_score() -> None:
    corners = np.zeros((3, 4), dtype=np.float32)
    boxes = Boxes(corners, np.asarray([0.9, 0.5, 0.25], dtype=np.float32), ("red sofa", "sofa", "armchair"))
    covers = torch.tensor([[True, False, False], [True, True, False], [True, True, False]])
    scores = best_scores(boxes, covers, ["sofa", "red", "chair", "armchair"])
    assert scores.T.tolist() == [
        pytest.approx([0.9, 0.9, 0, 0.25]),
        pytest.approx([0.5, 0, 0, 0.25]),  # a chair is no part of the word armchair
        [0, 0, 0, 0],
    ]


def test_several_boxes_of_a_picture_have_the_masks_that_each_has_alone(models: Path, image: Path) -> None:
    segmenter, picture = BoxSegmenter(str(models / "segmenter"), None, "cpu", "float32"), Image.open(image)
    corners = np.asarray([[4, 4, 60, 50], [30, 10, 90, 60], [0, 0, 20, 20]], dtype=np.float32)
    (together,) = segmenter.in_boxes([picture], [corners])
    for (mask, fit), box in zip(together, corners, strict=True):
        ((alone, own_fit),) = segmenter([picture], [box])
        assert (mask != alone).mean() < 0.001
        assert fit == pytest.approx(own_fit, abs=1e-5)


def test_labels_of_regions_go_into_the_store(models: Path, tmp_path: Path) -> None:
    world_samples(tmp_path / "data", 2)
    samples = read_annotations(tmp_path / "data")
    (tmp_path / "words.txt").write_text("person\nchair\n")
    settings = recipe(models, words=str(tmp_path / "words.txt"))
    store = make_labels(at(settings, tmp_path / "labels"), samples, tmp_path / "data", EYE, device="cpu")
    images = [sample.images[0] for sample in samples]
    own = labeller(settings, tmp_path / "own").label(images)
    assert torch.equal(store.get(images).words, own.words)
    assert store.get(images).scores.tolist() == pytest.approx(own.scores.tolist(), rel=1e-3)
