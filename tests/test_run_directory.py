"""The directory of a run: whose it is, what `--overwrite` may remove, and when it is free for another recipe."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from samcli.errors import UserError
from samcli.recipe import EvalRecipe, SynthRecipe
from samcli.run_directory import ENVIRONMENT, RECIPE, is_begun, open_run, record_environment

FIRST, OTHER = EvalRecipe(seed=1), EvalRecipe(seed=2)


def begin(out: Path, result: str = "predictions/a.jsonl") -> Path:
    """A run of ours that made something."""
    open_run(out, FIRST, overwrite=False)
    (out / result).parent.mkdir(parents=True, exist_ok=True)
    (out / result).write_text("{}\n")
    return out


def refusal(out: Path, *, overwrite: bool = True) -> str:
    """Why a recipe's run is refused; whatever was there stays."""
    before = sorted(out.rglob("*")) if out.is_dir() else []
    with pytest.raises(UserError) as raised:
        open_run(out, OTHER, overwrite=overwrite)
    assert (sorted(out.rglob("*")) if out.is_dir() else []) == before
    return str(raised.value)


def seed_in(out: Path) -> str:
    return next(line for line in (out / RECIPE).read_text().splitlines() if line.startswith("seed"))


def test_a_run_of_the_same_recipe_goes_on(tmp_path: Path) -> None:
    assert not open_run(tmp_path / "run", FIRST, overwrite=False)
    assert open_run(tmp_path / "run", FIRST, overwrite=False)
    begin(tmp_path / "run")
    assert open_run(tmp_path / "run", FIRST, overwrite=False)


def test_a_run_of_another_recipe_is_refused(tmp_path: Path) -> None:
    message = refusal(begin(tmp_path / "run"), overwrite=False)
    assert "holds a run of another recipe" in message
    assert "seed: 1 -> 2" in message


def test_overwriting_removes_what_runs_write_and_nothing_else(tmp_path: Path) -> None:
    out = begin(tmp_path / "run")
    for name in ("checkpoints/step-1/state.json", "row-2/seed-0/results.json", "images/1.png", "notes.txt", "mine/x"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (out / "adapter").symlink_to(tmp_path / "elsewhere")
    assert not open_run(out, OTHER, overwrite=True)
    assert {path.name for path in out.iterdir()} == {RECIPE, ENVIRONMENT, "notes.txt", "mine"}
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert seed_in(out) == "seed: 2"


def test_a_recipe_of_ones_own_is_no_run(tmp_path: Path) -> None:
    for environment in (None, "[]", "{}", '{"python": "3.11"}'):
        (tmp_path / RECIPE).write_text("kind: eval\nseed: 7\n")
        (tmp_path / "thesis.tex").touch()
        if environment is not None:
            (tmp_path / ENVIRONMENT).write_text(environment)
        for overwrite in (True, False):
            assert f"holds a {RECIPE} that no run of sam wrote" in refusal(tmp_path, overwrite=overwrite)


@pytest.mark.parametrize("place", ["here", "home", "above", "dot"])
def test_overwriting_never_touches_where_one_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    out = begin(tmp_path / "run")
    (out / "inner").mkdir()
    monkeypatch.setenv("HOME", str(out if place == "home" else tmp_path / "nobody"))
    monkeypatch.chdir({"here": out, "dot": out, "above": out / "inner"}.get(place, tmp_path))
    assert "the current or the home directory" in refusal(Path(".") if place == "dot" else out)


def test_overwriting_does_not_follow_a_link(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert "is a link" in refusal(tmp_path / "link")
    assert (tmp_path / "run" / "predictions" / "a.jsonl").exists()


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: path.symlink_to(path.with_name("none"))])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_or_a_dead_link_is_no_directory(tmp_path: Path, make: Callable[[Path], None], overwrite: bool) -> None:
    make(tmp_path / "out")
    assert "is not a directory" in refusal(tmp_path / "out", overwrite=overwrite)
    (tmp_path / "file").touch()
    assert "can't" in refusal(tmp_path / "file" / "out", overwrite=overwrite)


def test_somebodys_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    for overwrite in (True, False):
        assert "holds no run of sam" in refusal(tmp_path, overwrite=overwrite)


@pytest.mark.parametrize("leftover", [None, "log.jsonl", "inputs.json", "row-1/seed-0/recipe.yaml", ".a.lock"])
def test_a_run_that_made_nothing_leaves_the_directory_free(tmp_path: Path, leftover: str | None) -> None:
    out = tmp_path / "run"
    open_run(out, FIRST, overwrite=False)
    record_environment(out, inputs={"base": "1"})
    (out / "predictions").mkdir()
    if leftover:
        (out / leftover).parent.mkdir(parents=True, exist_ok=True)
        (out / leftover).write_text("{}\n")
    assert not is_begun(out)
    assert not open_run(out, SynthRecipe(), overwrite=False)
    assert {path.name for path in out.iterdir()} == {RECIPE, ENVIRONMENT}
    assert "inputs" not in json.loads((out / ENVIRONMENT).read_text())


@pytest.mark.parametrize(
    "made",
    [
        "results.json",
        "checkpoints/step-00000001/state.json",
        "vision/checkpoints/step-00000001/state.json",
        "predictions/AESOP.jsonl",
        "part-0-of-2.jsonl",
        "adapter/adapter.json",
        "row-2/seed-0/train/checkpoints/step-00000001/state.json",
    ],
)
def test_a_run_that_made_something_keeps_it(tmp_path: Path, made: str) -> None:
    out = begin(tmp_path / "run", made)
    assert is_begun(out)
    assert "another recipe" in refusal(out, overwrite=False)
    assert not open_run(out, OTHER, overwrite=True)
    assert not (out / made).exists()
