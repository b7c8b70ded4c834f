"""Labels by similarity against SEA's procedure written out, patch by patch and word by word."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn.functional import cosine_similarity
from transformers import AutoModel, AutoTokenizer

from samcli.alignment.labels import word_features
from samcli.alignment.labels.clip import ClipLabels
from samcli.alignment.labels.eye import Eye
from samcli.alignment.labels.make import make_labels
from samcli.alignment.labels.tower import PairedTower
from samcli.alignment.labels.word_features import WordFeatures
from samcli.alignment.labels.wordlist import words_of_texts
from samcli.data.sample import read_annotations
from samcli.errors import UserError
from samcli.recipe_alignment import LabelsRecipe
from tests.label_data import EYE, world_samples
from tests.label_settings import at
from tests.small_segmenters import save_sam
from tests.small_towers import PATCH, SIDE, save_clip, save_siglip

WORDS = ("red", "blue", "sofa", "dog", "sky", "dogs", "reds")
SAME = Eye(SIDE, PATCH, crop=False)  # as the small towers see pictures


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("towers")
    save_clip(directory / "clip")
    save_siglip(directory / "siglip")
    return directory


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.png"
    noise = torch.randint(0, 256, (SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(noise.numpy()).save(path)
    return path


def recipe(tower: Path, **changes: Any) -> LabelsRecipe:
    return LabelsRecipe.model_validate({"source": "clip", "clip": str(tower), "top": 3} | changes)


def labeller(settings: LabelsRecipe, directory: Path, eye: Eye = SAME) -> ClipLabels:
    made = ClipLabels(settings, WORDS, eye, "cpu")
    made.prepare(directory)
    return made


def cosines(directory: Path, image: Path) -> torch.Tensor:
    """Of every patch with every word, (P, W), in double precision, by transformers' own model."""
    model: Any = AutoModel.from_pretrained(directory).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    is_clip = model.config.model_type == "clip"
    mean, deviation = (
        (torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711]))
        if is_clip
        else (torch.tensor(0.5), torch.tensor(0.5))
    )
    pixels = torch.tensor(list(Image.open(image).get_flattened_data())).view(1, SIDE, SIDE, 3) / 255
    pixels = ((pixels - mean) / deviation).permute(0, 3, 1, 2).double()
    with torch.no_grad():
        states = model.vision_model(pixel_values=pixels).last_hidden_state[0]
        if is_clip:
            states = torch.stack([model.visual_projection(model.vision_model.post_layernorm(s)) for s in states[1:]])
        found = []
        for word in WORDS:
            ids = tokenizer(word, return_tensors="pt", padding="max_length", max_length=12)["input_ids"]
            text = model.get_text_features(input_ids=ids).pooler_output[0]
            found.append(torch.stack([cosine_similarity(state, text, dim=0) for state in states]))
    return torch.stack(found, dim=1)


@pytest.mark.parametrize(("kind", "sign"), [("clip", -1), ("siglip", 1)])
def test_the_best_words_of_each_patch_are_kept_with_their_scores(
    towers: Path, image: Path, tmp_path: Path, kind: str, sign: int
) -> None:
    labels = labeller(recipe(towers / kind), tmp_path).label([image])
    scores = sign * cosines(towers / kind, image)
    expected = [
        (patch, word, float(scores[patch, word]))
        for patch in range(len(scores))
        for word in sorted(range(len(WORDS)), key=lambda word: -scores[patch, word])[:3]
        if scores[patch, word] > 0
    ]
    assert labels.counts.shape == (1, SAME.patches)
    assert 0 < len(expected) < 3 * SAME.patches  # some words are dropped
    assert list(zip(labels.patches.tolist(), labels.words.tolist(), strict=True)) == [(p, w) for p, w, _ in expected]
    assert labels.scores.tolist() == pytest.approx([score for *_, score in expected], abs=1e-5)


def test_the_sign_is_a_setting(towers: Path, image: Path, tmp_path: Path) -> None:
    plain = labeller(recipe(towers / "clip", clip_sign="plain", top=7), tmp_path).label([image])
    flipped = labeller(recipe(towers / "clip", clip_sign="flipped", top=7), tmp_path).label([image])
    assert int(plain.counts.sum() + flipped.counts.sum()) == SAME.patches * len(WORDS)
    assert labeller(recipe(towers / "siglip", clip_sign="flipped"), tmp_path / "siglip").sign == -1


def test_words_below_the_least_score_are_dropped(towers: Path, image: Path, tmp_path: Path) -> None:
    all_of_them = labeller(recipe(towers / "clip"), tmp_path).label([image])
    sure = labeller(recipe(towers / "clip", least_score=0.2), tmp_path).label([image])
    assert sure.scores.tolist() == all_of_them.scores[all_of_them.scores >= 0.2].tolist()
    assert 0 < len(sure.words) < len(all_of_them.words)


def test_a_long_list_of_words_is_looked_at_piece_by_piece(
    towers: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = labeller(recipe(towers / "clip"), tmp_path / "whole").label([image, image])
    for name, value in {"_OF_A_FILE": 3, "_BATCH": 2, "_ROWS": 5}.items():
        monkeypatch.setattr(word_features, name, value)
    pieces = labeller(recipe(towers / "clip", batch_size=1), tmp_path / "pieces").label([image, image])
    assert len(list((tmp_path / "pieces" / word_features.DIRECTORY).iterdir())) == 3
    assert torch.equal(pieces.words, whole.words)
    assert torch.allclose(pieces.scores, whole.scores, atol=1e-6)


def test_vectors_of_words_are_kept_and_made_again_where_they_are_damaged(
    towers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tower = PairedTower(str(towers / "clip"), "cpu", "float32")
    WordFeatures(tower, WORDS).prepare(tmp_path)
    (file,) = (tmp_path / word_features.DIRECTORY).iterdir()
    before = file.read_bytes()
    file.write_bytes(before[:-7])
    WordFeatures(tower, WORDS).prepare(tmp_path)
    assert file.read_bytes() == before
    monkeypatch.setattr(PairedTower, "words", None)  # they are there
    WordFeatures(tower, WORDS).prepare(tmp_path)


def test_patches_of_another_grid_come_from_the_same_places(towers: Path, tmp_path: Path) -> None:
    """A picture whose left half is dark: on the model's finer grid the labels still change at the middle."""
    path = tmp_path / "halves.png"
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste("black", (0, 0, 32, 64))
    picture.save(path)
    finer = Eye(side=64, patch=8, crop=False)
    labels = labeller(recipe(towers / "siglip", top=7, least_score=0.0), tmp_path, finer).label([path])
    assert labels.counts.shape == (1, 64)
    tower = PairedTower(str(towers / "siglip"), "cpu", "float32")
    coarse = tower.patches([picture], 4).view(4, 4, -1)
    fine = tower.patches([picture], 8).view(8, 8, -1)
    assert fine[0, 0] @ coarse[0, 0] > fine[0, 0] @ coarse[0, 3]
    assert fine[7, 7] @ coarse[3, 3] > fine[7, 7] @ coarse[3, 0]


def test_labels_are_of_what_the_model_sees_of_a_picture(towers: Path, tmp_path: Path) -> None:
    wide = Image.effect_noise((60, 40), 80).convert("RGB")
    wide.save(tmp_path / "wide.png")
    wide.crop((10, 0, 50, 40)).save(tmp_path / "middle.png")
    cut = labeller(recipe(towers / "clip"), tmp_path, Eye(SIDE, PATCH, crop=True)).label([tmp_path / "wide.png"])
    whole = labeller(recipe(towers / "clip"), tmp_path).label([tmp_path / "middle.png"])
    assert torch.equal(cut.words, whole.words)
    assert torch.equal(cut.scores, whole.scores)


def test_labels_of_the_words_of_the_data(towers: Path, tmp_path: Path) -> None:
    world_samples(tmp_path / "data", 3)
    samples = read_annotations(tmp_path / "data")
    store = make_labels(at(recipe(towers / "clip"), tmp_path / "labels"), samples, tmp_path / "data", EYE, device="cpu")
    assert store.words == words_of_texts([sample.references[0] for sample in samples], 1)
    labels = store.get([samples[2].images[0], samples[0].images[0]])
    assert labels.counts.shape == (2, EYE.patches)
    assert int(labels.counts.max()) <= 3


def test_other_models_and_other_weights_are_told_apart(towers: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels.clip .*sam is a sam model; needed is a CLIP or SigLIP"):
        PairedTower(str(save_sam(tmp_path / "sam")), "cpu", "float32")
    with pytest.raises(UserError, match="nowhere: neither a directory nor a hub id"):
        PairedTower("nowhere", "cpu", "float32")
    other = save_clip(tmp_path / "other", seed=1)
    identities = [ClipLabels(recipe(path), WORDS, SAME, "cpu").identity for path in (towers / "clip", other)]
    assert identities[0] != identities[1]
    assert identities[0] == ClipLabels(recipe(towers / "clip", batch_size=3), WORDS, SAME, "cpu").identity
