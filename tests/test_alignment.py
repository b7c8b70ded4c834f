"""`sam eval --task alignment`: what is measured, of which model and which truth; kept, resumed, compared and drawn."""

import json
import os
import random
import re
import signal
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from transformers import SiglipImageProcessorPil

from samcli import __version__
from samcli.alignment.drawing import Said, patch_picture, token_picture
from samcli.alignment.labels.eye import Eye
from samcli.alignment.lens import Seen, context_of, look, without_context
from samcli.data.batch import Batch
from samcli.data.sample import Sample, write_annotations
from samcli.errors import Interrupted, UserError
from samcli.evaluation.alignment import measuring
from samcli.evaluation.alignment.looking import Looked, look_at
from samcli.evaluation.alignment.measure_file import read_measures
from samcli.evaluation.alignment.results import NAMES, alignment_table, evidence_of_measures
from samcli.evaluation.alignment.run import evaluate_alignment
from samcli.evaluation.alignment.sample_measures import Ruler
from samcli.evaluation.alignment.truth import Named, Truth, of_things
from samcli.evaluation.command import run_evaluation
from samcli.evaluation.statistics import compare, estimate
from samcli.evaluation.tasks import datasets_of
from samcli.model.captioner import Captioner
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.llava.parts import of_instructblip
from samcli.model.llava.processor import PatchProcessor
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.tokenizers import build_llm_tokenizer
from samcli.model.traits import WORLD
from samcli.recipe import EvalRecipe
from samcli.recipe_alignment import PatchTextRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from samcli.synth.world.pictures import Picture, Setting, place_things, render
from samcli.synth.world.things import Thing
from tests.browser import CHROMIUM, dom_of
from tests.small_models import small_base, small_processor, small_sizes

CAT = Thing("animal", ("cat", "red", "plain", "hat", "blue"))
DOG = Thing("animal", ("dog", "green", "striped", "bow", "white"))
COW = Thing("animal", ("cow", "black", "dotted", "hat", "red"))
SIZE = 64
SIZES = small_sizes(image_size=SIZE, patch_size=16)
COUNT, AT_ONCE = 7, 3


def pictures_of(number: int) -> list[Picture]:
    """Two pictures that share a red cat."""
    rng = random.Random(number)
    settings = Setting("park", "day", "clear"), Setting("kitchen", "night", "clear")
    return [place_things(rng, [CAT, other], where) for other, where in zip((DOG, COW), settings, strict=True)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the set `links`, whose records say what every patch shows, and what is shared."""
    root = tmp_path_factory.mktemp("data")
    samples = []
    for number in range(COUNT):
        paths = []
        for place, picture in enumerate(pictures_of(number)):
            paths.append(root / "links" / f"{number}-{place}.png")
            paths[-1].parent.mkdir(exist_ok=True)
            render(picture, 2 * SIZE).save(paths[-1])
        known = {
            "shared": CAT.to_json(),
            "things": [[thing.to_json() for thing in picture.things] for picture in pictures_of(number)],
            "pictures": [picture.to_json() for picture in pictures_of(number)],
        }
        asked = "what do both pictures show" + " and the dog" * (number % 3)
        samples.append(Sample(number, tuple(paths), asked, ("a red cat",), known))
    write_annotations(root / "links", samples)
    return root


def recipe(data: Path, **more: Any) -> EvalRecipe:
    wanted = {"task": "alignment", "datasets": ("links",), "data_root": str(data), "batch_size": AT_ONCE}
    return EvalRecipe.model_validate(wanted | more)


@cache
def q_former(**guidance: Any) -> Captioner:
    """A model whose guidance changes what it sees."""
    settings = GuidanceRecipe.model_validate({"from_layer": 1, "to_layer": 1, **guidance})
    model = SemanticAlignmentModel(small_base(SIZES), MethodRecipe(guidance=settings)).eval()
    if model.guidance is not None:
        for layer in (model.guidance.guide_in, model.guidance.guide_out):
            torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
    return Captioner(model, small_processor(SIZES), "small", traits=WORLD)


@cache
def llava() -> Captioner:
    processor = small_processor(SIZES)
    made = of_instructblip(small_base(SIZES), processor.tokenizer, seed=0)
    square = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    model = PatchAlignedModel(made).eval()
    return Captioner(
        model, PatchProcessor(square, processor.tokenizer), "patches", traits=WORLD, text=PatchTextRecipe()
    )


def measured(out: Path) -> Path:
    return out / "measures" / "links.jsonl"


# The model is looked into.


def a_batch(one: Captioner) -> Batch:
    pictures = [Image.effect_noise((SIZE, SIZE), 80).convert("RGB") for _ in range(2)]
    embeds = one.model.encode_images(one.processor.pixels(pictures))
    texts = one.processor.texts(["what is shared"], None, one.text, [2] if one.model.declares_images else None)
    return Batch(torch.tensor([2]), image_embeds=embeds, **texts)


def test_what_is_seen_are_the_tokens_that_the_llm_gets() -> None:
    for one in (q_former(), llava()):
        batch = a_batch(one)
        seen = look(one.model, batch)
        torch.testing.assert_close(seen.tokens, one.model.visual_tokens(batch), rtol=0, atol=0)
        assert seen.before.shape[:2] == seen.tokens.shape[:2]


def test_without_context_a_model_is_its_base_for_a_while() -> None:
    one, bare = q_former(), q_former(enabled=False)
    batch = a_batch(one)
    with without_context(one.model):
        alone = look(one.model, batch).tokens
    torch.testing.assert_close(alone, look(bare.model, batch).tokens, rtol=0, atol=0)
    with pytest.raises(UserError), without_context(one.model):
        raise UserError("stopped")
    assert not torch.allclose(alone, look(one.model, batch).tokens)
    assert (context_of(one.model), context_of(bare.model), context_of(llava().model)) == ("guidance", None, None)


# What is true.


def sample_of(number: int = 0, **known: Any) -> Sample:
    shown = pictures_of(number)
    told = {
        "shared": CAT.to_json(),
        "things": [[thing.to_json() for thing in picture.things] for picture in shown],
        "pictures": [picture.to_json() for picture in shown],
    }
    return Sample(number, (Path("a"), Path("b")), "what is shared", ("a red cat",), told | known)


EYE = Eye(SIZE, 16, crop=False)


def test_truth_is_of_the_samples_own_pictures_whatever_is_shown_instead() -> None:
    samples = [sample_of(0), sample_of(1)]
    black = [replace(sample, images=(Path("black"),) * 2) for sample in samples]
    first, second = Truth.of(samples, EYE).labels(samples), Truth.of(black, EYE).labels(black)
    assert first is not None
    assert second is not None
    assert first.counts.equal(second.counts)
    assert first.words.equal(second.words)
    assert first.counts.shape == (4, 16)


def test_what_isnt_known_isnt_held_against_a_model() -> None:
    strange = Sample(0, (Path("a"),), "what", ("a cat",))
    assert Truth.of([strange], EYE) == Truth(())
    unrecorded = replace(sample_of(), provenance={"things": [[CAT.to_json()]] * 2})
    assert Truth.of([unrecorded], EYE).patches is None
    assert Truth.of([sample_of()], None).patches is None
    assert Named.of(strange) is None
    for records in ("a sofa", [["a sofa"]], [[{"category": "sofa"}]]):  # as other makers of sets have them
        other = sample_of(things=records)
        assert (Truth.of([other], EYE), Named.of(other)) == (Truth(()), None)


def test_words_by_which_pictures_are_named() -> None:
    assert Named.of(sample_of()) == Named(
        frozenset({"cat", "red", "plain", "hat", "blue"}),
        (frozenset({"dog", "green", "striped", "bow", "white"}), frozenset({"cow", "black", "dotted"})),
    )


def test_labels_of_things_leave_out_the_ground() -> None:
    samples = [sample_of()]
    truth = Truth.of(samples, EYE)
    labels = truth.labels(samples)
    assert labels is not None
    kept = of_things(labels)
    assert 0 < (kept.counts > 0).sum() < kept.counts.numel()
    assert int(kept.counts.sum()) == len(kept.words) == len(kept.scores)
    patches = dict(zip(kept.patches.tolist(), kept.words.tolist(), strict=True))
    assert not {"clear", "park", "day", "kitchen", "night"} & {truth.words[word] for word in patches.values()}
    assert (kept.counts[kept.counts > 0] == labels.counts[kept.counts > 0]).all()


# The measures.


@pytest.fixture(scope="module")
def ruler() -> Ruler:
    truth = Truth.of([sample_of()], EYE)
    tokenizer = build_llm_tokenizer([*truth.words, "a"])
    return Ruler(torch.randn(len(tokenizer), 64, generator=torch.Generator().manual_seed(0)), tokenizer, truth)


def tokens_of(ruler: Ruler, words: Sequence[int]) -> Tensor:
    """A token each that is the embedding of a word, 1.5 times as long."""
    return 1.5 * ruler._table.embeddings(ruler._embeddings, torch.tensor(words))


def test_tokens_that_are_their_words_measure_as_such(ruler: Ruler) -> None:
    samples = [sample_of()]
    labels = ruler.truth.labels(samples)
    assert labels is not None
    first = labels.words[(labels.counts.flatten().cumsum(0) - labels.counts.flatten())]
    tokens = tokens_of(ruler, first.tolist()).view(2, 16, -1)
    found = ruler.measure(samples, Seen(tokens, tokens))[0]
    assert found["nearest_word"] == found["nearest_word_things"] == 100
    assert found["residual"] == pytest.approx(0, abs=1e-3)
    assert found["gap"] == pytest.approx(0.5 * float(tokens.norm(dim=-1).mean()) / 1.5, rel=1e-4)
    assert found["entropy_before"] == found["entropy_after"]
    wrong = tokens.roll(1, dims=-1)
    assert ruler.measure(samples, Seen(wrong, wrong))[0]["nearest_word"] < 20  # type: ignore[operator]


def test_tokens_that_name_things(ruler: Ruler) -> None:
    place = {word: number for number, word in enumerate(ruler.truth.words)}
    said = [["cat", "red", "plain", "hat", "blue", "dog"], ["cat", "cow", "cow", "dog", "fog", "black"]]
    tokens = torch.stack([tokens_of(ruler, [place[word] for word in words]) for words in said])
    truth = Truth(ruler.truth.words)  # of tokens that are no patches
    alone = Ruler(ruler._embeddings, build_llm_tokenizer([*truth.words, "a"]), truth)
    found = alone.measure([sample_of()], Seen(tokens, tokens))[0]
    assert found["shared_named"] == 50
    assert found["shared_words"] == pytest.approx(100 * (1 + 1 / 5) / 2)
    assert found["other_words"] == pytest.approx(100 * (1 / 5 + 2 / 3) / 2)
    assert found["shared_tokens"] == pytest.approx(100 * (5 / 6 + 1 / 6) / 2)
    assert found["other_tokens"] == pytest.approx(100 * (1 / 6 + 3 / 6) / 2)
    assert "nearest_word" not in found


def test_likeness_to_the_next_sample(ruler: Ruler) -> None:
    same, other = tokens_of(ruler, [1, 2]), tokens_of(ruler, [3, 4])
    tokens = torch.stack([same, same, other, other])
    words_alone = Ruler(ruler._embeddings, build_llm_tokenizer([*ruler.truth.words, "a"]), Truth(ruler.truth.words))
    found = words_alone.measure([sample_of(0), sample_of(1)], Seen(tokens, tokens))
    assert found[0]["best_match"] == pytest.approx(100, abs=1e-3)
    assert float(found[0]["best_match_apart"] or 0) < 60
    single = words_alone.measure([sample_of(0)], Seen(tokens[:2], tokens[:2]))[0]
    assert single["similarity_apart"] is None


# Runs.


def test_a_q_former_is_measured_with_guidance_and_without(data: Path, tmp_path: Path) -> None:
    results = evaluate_alignment(recipe(data), tmp_path / "run", report=True, captioner=q_former())
    assert list(results["models"]) == ["small", "small without guidance"]
    entry = results["models"]["small"]["datasets"]["links"]
    assert (entry["n"], entry["failed"]) == (COUNT, 0)
    known = {"gap", "tacs", "residual", "similarity", "best_match", "shared_words", "entropy_after"}
    assert known <= entry.keys()
    assert not {"nearest_word", "aligned", "pursuit"} & entry.keys()
    gaps = entry["versus"]["small without guidance"]
    bare = results["models"]["small without guidance"]["datasets"]["links"]
    for name in known:
        low, high = entry["ci95"][name]
        assert low <= entry[name] <= high
        difference = gaps[name]["difference"] if name in gaps else 0  # guidance may change no sample's nearest words
        assert difference == pytest.approx(entry[name] - bare[name], abs=2e-4)
    assert gaps["gap"]["difference"] != 0
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
    assert len(list((tmp_path / "run" / "report" / "pictures" / "links").glob("*.png"))) == COUNT
    assert "small - small without guidance" in alignment_table(results).render("md")


def test_a_model_without_guidance_has_one_row(data: Path, tmp_path: Path) -> None:
    results = evaluate_alignment(recipe(data), tmp_path / "run", captioner=q_former(enabled=False))
    assert list(results["models"]) == ["small"]
    assert "baseline" not in results


def test_a_patch_model_is_held_against_the_truth(data: Path, tmp_path: Path) -> None:
    results = evaluate_alignment(recipe(data), tmp_path / "run", report=True, captioner=llava())
    entry = results["datasets"]["links"]
    assert {"nearest_word", "nearest_word_things", "aligned", "pursuit", "shared_words"} <= entry.keys()
    assert all(np.isfinite(entry[name]) for name in entry["ci95"])
    blank = evaluate_alignment(recipe(data, control="blank"), tmp_path / "blank", captioner=llava())
    assert blank["datasets"]["links"]["nearest_word"] <= 100
    assert list(blank["models"]) == ["patches, black pictures"]


def test_lines_hold_what_results_are_made_of(data: Path, tmp_path: Path) -> None:
    results = evaluate_alignment(recipe(data), tmp_path / "run", captioner=q_former())
    lines = read_measures(measured(tmp_path / "run"))
    assert [line["id"] for line in lines] == list(range(COUNT))
    mean = sum(line["measures"]["gap"] for line in lines) / COUNT
    assert results["datasets"]["links"]["gap"] == pytest.approx(mean, abs=1e-4)
    seeds = evidence_of_measures([lines, lines], "without_context")
    bare = results["models"]["small without guidance"]["datasets"]["links"]
    assert estimate(seeds["gap"]).value == pytest.approx(bare["gap"], abs=1e-4)


def test_the_documentation_has_the_names_of_results_and_of_tables() -> None:
    page = (Path(__file__).parents[1] / "docs" / "alignment.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    found = {
        tuple(pair) for cells in rows for pair in zip(cells[0][2:].split(", "), cells[1].split("; "), strict=False)
    }
    assert {(f"`{name}`", label) for name, label in NAMES.items()} <= found


def test_samples_without_a_measure_have_no_part_in_its_mean() -> None:
    lines: list[dict[str, Any]] = [{"measures": {"gap": 1.0, "tacs": 5.0}}]
    lines += [{"measures": {"gap": None, "tacs": 7.0}}, {"measures": {}}]
    found = evidence_of_measures([lines])
    assert (estimate(found["gap"]).value, estimate(found["tacs"]).value) == (1, 6)
    gap = estimate(found["gap"])
    assert gap.interval == (1, 1)  # a draw of the two others alone says nothing, rather than 0
    assert compare(found["gap"], found["gap"]).p == 1
    assert evidence_of_measures([lines, [lines[1]] * 3]).keys() == {"tacs"}


@pytest.mark.parametrize("kept", ["", "two and a half", "a batch", "all"])
def test_a_run_that_was_stopped_ends_with_the_same_bytes(data: Path, tmp_path: Path, kept: str) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    for place in (out, whole):
        evaluate_alignment(recipe(data), place, captioner=q_former())
    lines = measured(out).read_bytes().splitlines(keepends=True)
    left = {"": b"", "two and a half": b"".join(lines[:2]) + lines[2][:40], "a batch": b"".join(lines[:AT_ONCE])}
    measured(out).write_bytes(left.get(kept, b"".join(lines)))
    (out / "results.json").unlink()
    evaluate_alignment(recipe(data), out, captioner=q_former())
    for name in ("results.json", "measures/links.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_signal_stops_it_with_all_that_is_made(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*given: Any) -> Looked:
        os.kill(os.getpid(), signal.SIGTERM)
        return look_at(*given)

    monkeypatch.setattr(measuring, "look_at", stops)
    with pytest.raises(Interrupted, match=r"stopped after 3 of 7 samples, kept in .*links\.jsonl"):
        evaluate_alignment(recipe(data), tmp_path / "run", captioner=q_former())
    assert len(read_measures(measured(tmp_path / "run"))) == AT_ONCE


def test_pictures_that_cant_be_read_are_counted(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    (root / "links").mkdir(parents=True)
    for path in (data / "links").iterdir():
        (root / "links" / path.name).write_bytes(path.read_bytes())
    (root / "links" / "1-0.png").write_text("no picture")
    results = evaluate_alignment(recipe(root), tmp_path / "run", report=True, captioner=q_former())
    entry = results["datasets"]["links"]
    assert (entry["n"], entry["failed"], entry["failed_ids"]) == (COUNT, 1, [1])
    assert "1-0.png" in read_measures(measured(tmp_path / "run"))[1]["error"]
    (root / "links" / "1-0.png").write_bytes((data / "links" / "1-0.png").read_bytes())
    with pytest.raises(UserError, match="measures of other samples"):
        evaluate_alignment(recipe(root), tmp_path / "run", captioner=q_former())


def test_a_baseline_takes_the_place_of_the_model_without_guidance(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate_alignment(recipe(data), tmp_path / "first", captioner=q_former())
    blank = recipe(data, control="blank", batch_size=COUNT)
    results = evaluate_alignment(blank, tmp_path / "run", baseline=tmp_path / "first", captioner=q_former())
    entry = results["datasets"]["links"]
    gaps = entry["versus"]["small"]
    first = json.loads((tmp_path / "first" / "results.json").read_text())["datasets"]["links"]
    assert gaps["tacs"]["difference"] == pytest.approx(entry["tacs"] - first["tacs"], abs=2e-4)
    told = " ".join(capsys.readouterr().err.split())
    assert "first: it was measured otherwise: batch 3, here 7" in told.replace("/ ", "/")
    fewer = recipe(data, limit=3)
    with pytest.raises(UserError, match="it measured other samples"):
        evaluate_alignment(fewer, tmp_path / "fewer", baseline=tmp_path / "first", captioner=q_former())
    with pytest.raises(UserError, match="expected the directory of a finished"):
        evaluate_alignment(recipe(data), tmp_path / "other", baseline=tmp_path / "nothing", captioner=q_former())


def test_what_every_sample_measures_alike_is_no_comparison(data: Path, tmp_path: Path) -> None:
    evaluate_alignment(recipe(data), tmp_path / "first", captioner=q_former())
    results = evaluate_alignment(recipe(data), tmp_path / "run", baseline=tmp_path / "first", captioner=q_former())
    assert results["datasets"]["links"]["versus"] == {"small, earlier": {}}
    table = alignment_table(results)
    assert table.columns[-1] == "small - small, earlier"
    assert {row[-1] for row in table.rows} == {None}


def test_datasets_of_any_task_can_be_measured() -> None:
    assert datasets_of("alignment", ()) == ["world-captions", "world-mmlink"]
    assert datasets_of("alignment", ("WORLD-links", "vist", "links")) == ["world-links", "VIST", "links"]


def test_what_cant_be_looked_into_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="hf:some/model: alignment looks at visual tokens"):
        evaluate_alignment(recipe(data, model={"base": "hf:some/model"}), tmp_path / "run")
    with pytest.raises(UserError, match="measured in one process"):
        evaluate_alignment(recipe(data, workers=2), tmp_path / "run", captioner=q_former())
    nothing: dict[str, Any] = {"baseline": None, "export_requests": None, "overwrite": False, "report": False}
    with pytest.raises(UserError, match="asks for no answers: leave out --predictions"):
        run_evaluation(recipe(data), tmp_path / "run", predictions=Path("a"), invariance=False, form="table", **nothing)
    assert not (tmp_path / "run").exists()


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_measures(tmp_path / "none.jsonl")
    (tmp_path / "answers.jsonl").write_text('{"id": 0, "prediction": "a cat"}\n')
    with pytest.raises(UserError, match="something else than measures"):
        read_measures(tmp_path / "answers.jsonl")


# The pictures.


def test_patches_stand_where_they_lie_and_true_ones_are_framed() -> None:
    grey = Image.new("RGB", (SIZE, SIZE), (200, 200, 200))
    said = [[Said("cat") for _ in range(6)] for _ in range(6)]
    said[1][3] = Said("umbrella", "true")
    drawn = np.asarray(patch_picture(grey, said)).astype(int)
    side = len(drawn) // 6
    patches = drawn[:, -6 * side :].reshape(6, side, 6, side, 3).transpose(0, 2, 1, 3, 4)
    red, green, blue = np.moveaxis(patches, -1, 0)
    framed = ((green > red + 60) & (green > blue + 30)).any(axis=(2, 3))
    assert np.argwhere(framed).tolist() == [[1, 3]]
    ground = patches[:, :, 8, 8].mean(axis=-1)  # a corner without letters
    assert ground[1, 3] == 200
    assert np.sum(ground == 200) == 1


def test_words_that_differ_are_underlined() -> None:
    grey = Image.new("RGB", (SIZE, SIZE), "grey")
    same, other = [Said("cat"), Said("dog", "true")], [Said("cat"), Said("a" * 60, "other")]
    drawn = [np.asarray(token_picture([grey], [[same, second]], ["one", "two"])) for second in (same, other)]
    assert drawn[0].shape == drawn[1].shape
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium isn't installed")
def test_page(data: Path, tmp_path: Path) -> None:
    evaluate_alignment(recipe(data), tmp_path / "run", report=True, captioner=q_former())
    page = dom_of(tmp_path / "run" / "report" / "index.html", tmp_path / "profile")
    assert page.count("<figure>") == COUNT
    assert "similarity of images, x100" in page
    assert page.count('<th scope="rowgroup" colspan="4">links</th>') == 1
    assert "<td>links</td>" not in page
    assert f"sam {__version__}" in page
    assert re.search(r"<small>\[[\d.]+, [\d.]+\]</small>", page)
    assert 'src="data:image/png;base64,' in page
