"""A linking set gets answers of one wording, and goes on naming what its pictures share."""

import runpy
from pathlib import Path

import pytest

from samcli.data.sample import missing_images, read_annotations
from samcli.recipe import AblateRecipe, SynthRecipe
from samcli.recipe_file import load_recipe
from samcli.synth.run import synthesise
from samcli.synth.world.grammar import read_mentions
from samcli.synth.world.things import Thing

EXAMPLES = Path(__file__).parents[1] / "examples"


def reword(directory: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["one_wording.py", str(directory), "--out", str(out)])
    runpy.run_path(str(EXAMPLES / "one_wording.py"), run_name="__main__")


def make(dataset: str, directory: Path) -> None:
    synthesise(SynthRecipe.model_validate({"dataset": dataset, "samples": 4, "size": 128, "workers": 1}), directory)


def test_answers_begin_alike_and_name_what_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("world-links", tmp_path / "links")
    reword(tmp_path / "links", tmp_path / "out", monkeypatch)
    before, after = read_annotations(tmp_path / "links"), read_annotations(tmp_path / "out", tmp_path / "links")
    for old, new in zip(before, after, strict=True):
        assert (new.id, new.images, new.instruction) == (old.id, old.images, old.instruction)
        (mention,) = read_mentions(new.references[0])
        assert new.references[0].startswith("It is a")
        assert mention.names_in_full(Thing.from_json(old.provenance["shared"]))
    assert any(not sample.references[0].startswith("It is") for sample in before)
    assert missing_images(after) == []


def test_a_set_that_shares_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make("world-changes", tmp_path / "changes")
    with pytest.raises(SystemExit, match="2"):
        reword(tmp_path / "changes", tmp_path / "out", monkeypatch)
    assert "no linking set of the embedded world" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_set_is_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make("world-links", tmp_path)
    before = (tmp_path / "annotations.json").read_bytes()
    with pytest.raises(SystemExit, match="2"):
        reword(tmp_path, tmp_path, monkeypatch)
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "annotations.json").read_bytes() == before


def test_its_recipe_trains_on_the_new_answers_with_the_sets_pictures() -> None:
    recipe = load_recipe(AblateRecipe, EXAMPLES / "one_wording.yaml")
    assert {row.overrides["data.train"] for row in recipe.rows} == {"data/links-it-is"}
    assert {row.overrides["data.image_root"] for row in recipe.rows} == {"data/links"}
