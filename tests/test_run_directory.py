"""The directory of a run: whose it is, what `--overwrite` may remove, and when it is free for another recipe."""

import errno
import fcntl
import json
import multiprocessing
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import pytest
from pydantic import BaseModel

from samcli.errors import UserError
from samcli.lock import locked
from samcli.recipe import AblateRecipe, BaseRecipe, EvalRecipe, SamRecipe, SynthRecipe
from samcli.run_directory import ENVIRONMENT, RECIPE, held, is_begun, open_run, record_environment

FIRST, OTHER = EvalRecipe(seed=1), EvalRecipe(seed=2)


def begin(out: Path, result: str = "predictions/a.jsonl", recipe: BaseModel = FIRST) -> Path:
    """A run of ours that made something."""
    open_run(out, recipe, overwrite=False)
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


def test_a_run_of_another_kind_is_refused_by_its_kind_alone(tmp_path: Path) -> None:
    open_run(tmp_path / "run", SamRecipe(), overwrite=False)
    (tmp_path / "run" / "results.json").write_text("{}")
    told = f"{tmp_path / 'run'} holds a run of kind sam; give another --out, or --overwrite to start anew"
    assert refusal(tmp_path / "run", overwrite=False) == told


def test_a_start_that_fails_leaves_nothing_unless_something_was_made(tmp_path: Path) -> None:
    def begin_and_fail(out: Path, made: str = RECIPE) -> None:
        with held(out):
            open_run(out, FIRST, overwrite=False)
            (out / made).touch()
            raise UserError("no data")

    (tmp_path / "mine").mkdir()
    for name, made, stays in (("run", RECIPE, False), ("run", "log.jsonl", True), ("mine", RECIPE, True)):
        with pytest.raises(UserError, match="no data"):
            begin_and_fail(tmp_path / name, made)
        assert (tmp_path / name).exists() == stays
    with held(tmp_path / "begun"):
        open_run(tmp_path / "begun", FIRST, overwrite=False)
    assert (tmp_path / "begun" / RECIPE).exists()


def test_overwriting_removes_what_such_runs_write_and_nothing_else(tmp_path: Path) -> None:
    out = begin(tmp_path / "run")
    for name in ("results.json", "predictions/b.jsonl", "images/1.png", "model/config.json", "train/x", "notes.txt"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    assert not open_run(out, OTHER, overwrite=True)
    assert {path.name for path in out.iterdir()} == {RECIPE, ENVIRONMENT, "images", "model", "train", "notes.txt"}
    assert seed_in(out) == "seed: 2"


def test_overwriting_a_training_removes_what_trainings_write(tmp_path: Path) -> None:
    out = tmp_path / "run"
    open_run(out, SamRecipe(), overwrite=False)
    for name in ("results.json", "adapter/adapter.json", "checkpoints/step-1/state.json", "predictions/mine.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    open_run(out, OTHER, overwrite=True)
    assert {path.name for path in out.iterdir()} == {RECIPE, ENVIRONMENT, "predictions"}


def test_of_links_overwriting_removes_not_what_they_lead_to(tmp_path: Path) -> None:
    out = begin(tmp_path / "run", "results.json")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    (out / "predictions").symlink_to(tmp_path / "elsewhere")
    assert not open_run(out, OTHER, overwrite=True)
    assert not (out / "predictions").exists()
    assert (tmp_path / "elsewhere" / "kept").exists()


def test_settings_that_may_change_do(tmp_path: Path) -> None:
    out, free = begin(tmp_path / "run"), ("seed", "model.device")
    assert open_run(out, OTHER, overwrite=False, may_change=free)
    assert seed_in(out) == "seed: 2"
    elsewhere = EvalRecipe.model_validate({"seed": 3, "model": {"device": "cpu"}})
    assert open_run(out, elsewhere, overwrite=False, may_change=free)
    with pytest.raises(UserError, match=r"differs in: limit: null -> 5$"):
        open_run(out, EvalRecipe(seed=1, limit=5), overwrite=False, may_change=free)


def work_in(out: Path, shared: bool, ready: Any, done: Any) -> None:
    with held(out, shared=shared):
        ready.set()
        done.wait(60)


@pytest.mark.parametrize("theirs", [True, False])
@pytest.mark.parametrize("ours", [True, False])
def test_two_processes_share_a_directory_only_when_both_mean_to(tmp_path: Path, theirs: bool, ours: bool) -> None:
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=work_in, args=(tmp_path / "run", theirs, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        refused = nullcontext() if theirs and ours else pytest.raises(UserError, match="another process is at work")
        with refused, held(tmp_path / "run", shared=ours):
            pass
    finally:
        done.set()
        other.join()
    with held(tmp_path / "run"):
        pass


def test_holding_a_directory_leaves_nothing_there_but_what_is_made(tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine").mkdir()
    with held(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine").exists()
    with held(tmp_path / "run"):
        begin(tmp_path / "run")
    assert (tmp_path / "run" / RECIPE).exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    with pytest.raises(UserError, match="holds no run of sam"), held(tmp_path / "photos"):
        pass
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.png"]


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, seen = fcntl.flock, []

    def remove_first(file: IO[str], operation: int) -> None:
        flock(file, operation)
        seen.append(file.readable())  # what can't be read can't be shared on NFS
        if len(seen) == 1:
            (tmp_path / "lock").unlink()

    monkeypatch.setattr("fcntl.flock", remove_first)
    with locked(tmp_path / "lock", wait=False):
        assert seen == [True, True]
        with pytest.raises(UserError, match="another process"), locked(tmp_path / "lock", wait=False):
            pass


def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with held(tmp_path / "run"):
        begin(tmp_path / "run")
    assert "can't be locked (No locks available)" in capsys.readouterr().err


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


@pytest.mark.parametrize("leftover", [None, "log.jsonl", "inputs.json", "predictions/recipe.yaml", ".a.tmp"])
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
    ("recipe", "made"),
    [
        (FIRST, "results.json"),
        (FIRST, "predictions/AESOP.jsonl"),
        (SamRecipe(), "checkpoints/step-00000001/state.json"),
        (SamRecipe(), "adapter/adapter.json"),
        (BaseRecipe(), "vision/checkpoints/step-00000001/state.json"),
        (SynthRecipe(), "part-0-of-2.jsonl"),
        (AblateRecipe(), "row-2/seed-0/train/checkpoints/step-00000001/state.json"),
    ],
)
def test_a_run_that_made_something_keeps_it(tmp_path: Path, recipe: BaseModel, made: str) -> None:
    out = begin(tmp_path / "run", made, recipe)
    assert is_begun(out)
    told = "another recipe" if isinstance(recipe, EvalRecipe) else f"kind {recipe.model_dump()['kind']}"
    assert f"holds a run of {told}" in refusal(out, overwrite=False)
    assert not open_run(out, OTHER, overwrite=True)
    assert not (out / made).exists()
