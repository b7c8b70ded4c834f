"""Answers by several processes, on Ray and from the cache: the same bytes as by one process, whatever dies."""

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.cli import main
from samcli.console import stderr
from samcli.data.sample import Sample, read_annotations, write_annotations
from samcli.errors import UserError
from samcli.evaluation.answer_cache import AnswerCache
from samcli.evaluation.answer_file import Answer
from samcli.evaluation.predict import Asked, Here, Made, plan_batches, predict
from samcli.evaluation.run import evaluate
from samcli.evaluation.workers import Processes
from samcli.recipe import DecodingRecipe, EvalRecipe, SynthRecipe
from samcli.synth.run import synthesise

pytestmark = pytest.mark.slow

COUNT = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups of two to five pictures of the embedded world, which the embedded model knows how to speak of."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("engines")
    synthesise(SynthRecipe(dataset="world-links", split="test", samples=COUNT, workers=1), home / "data" / "links")
    return home


def recipe(home: Path, **changes: Any) -> EvalRecipe:
    fields: dict[str, Any] = {
        "task": "linking",
        "datasets": ["links"],
        "data_root": str(home / "data"),
        "model": {"device": "cpu"},
        "batch_size": 4,
        "reuse_answers": False,
    }
    return EvalRecipe.model_validate(fields | changes)


def sam_eval(home: Path, out: Path, *more: str) -> None:
    """The command line, in this process."""
    words = "eval --task linking --datasets links --device cpu --set reuse_answers=false --no-report --quiet".split()
    sys.argv = ["sam", *words, "--data-root", str(home / "data"), "--out", str(out), *more]
    with pytest.raises(SystemExit) as ended:
        main()
    stderr.quiet = False
    assert ended.value.code == 0


def answers_in(out: Path) -> list[dict[str, Any]]:
    lines = (out / "predictions" / "links.jsonl").read_text().splitlines()
    return [json.loads(line) | {"seconds": None} for line in lines]


@pytest.fixture(scope="module")
def straight(home: Path) -> list[dict[str, Any]]:
    evaluate(recipe(home), home / "straight")
    return answers_in(home / "straight")


def test_batch_size_changes_nothing(home: Path, straight: list[dict[str, Any]], tmp_path: Path) -> None:
    assert len({line["prediction"] for line in straight}) > 3
    for size in ("1", "16"):
        sam_eval(home, tmp_path / size, "--batch-size", size)
        assert answers_in(tmp_path / size) == straight


def test_two_processes_answer_as_one_does_though_one_is_killed(
    home: Path, straight: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A process dies as soon as the first answers are there; what it was at is answered by another one."""
    file = tmp_path / "run" / "predictions" / "links.jsonl"
    killed: list[int] = []

    def kill() -> None:
        while not (file.exists() and file.read_bytes()):
            time.sleep(0.001)
        child = multiprocessing.active_children()[0]
        child.kill()
        killed.append(child.pid or 0)

    threading.Thread(target=kill, daemon=True).start()
    sam_eval(home, tmp_path / "run", "--workers", "2", "--batch-size", "1")
    assert killed
    assert answers_in(tmp_path / "run") == straight


def test_processes_that_always_die_are_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samcli.evaluation.workers._begin", _die)
    samples = read_annotations(home / "data" / "links")
    engine = Processes(recipe(home, workers=2), DecodingRecipe())
    with pytest.raises(UserError, match=r"killed 3 times, perhaps because memory ran out.*fewer --workers"):
        list(engine.answer("links", plan_batches(samples, 4)))


def _die(_threads: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_ray_answers_as_one_process_does(home: Path, straight: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    sam_eval(home, tmp_path / "run", "--engine", "ray", "--workers", "2")
    assert answers_in(tmp_path / "run") == straight


# ---- the cache


class Counting:
    """Answers with the number of the question, and counts them."""

    def __init__(self, text: str = "answer") -> None:
        self.text, self.asked = text, 0

    def to(self, samples: Sequence[Sample]) -> Iterator[tuple[int, Answer]]:
        self.asked += len(samples)
        yield from enumerate((f"{self.text} {sample.id}" if self.text else "", None) for sample in samples)


@pytest.fixture
def samples(home: Path) -> list[Sample]:
    return read_annotations(home / "data" / "links")


def asked_of(answers: Counting, samples: list[Sample], out: Path, cache: AnswerCache | None) -> int:
    before = answers.asked
    predict(Here(lambda: answers), "links", samples, out, 4, cache)
    return answers.asked - before


def test_the_same_question_is_asked_once(samples: list[Sample], tmp_path: Path) -> None:
    answers, cache = Counting(), AnswerCache({"weights": "a"}, tmp_path / "answers.sqlite")
    assert asked_of(answers, samples, tmp_path / "1.jsonl", cache) == COUNT
    assert asked_of(answers, samples, tmp_path / "2.jsonl", cache) == 0
    lines = [[json.loads(line) for line in (tmp_path / f"{n}.jsonl").read_text().splitlines()] for n in (1, 2)]
    assert [line["prediction"] for line in lines[0]] == [line["prediction"] for line in lines[1]]
    assert [line["seconds"] for line in lines[1]] == [None] * COUNT
    assert asked_of(answers, samples, tmp_path / "3.jsonl", None) == COUNT


def test_another_prompt_picture_or_model_is_another_question(samples: list[Sample], tmp_path: Path) -> None:
    answers, path = Counting(), tmp_path / "answers.sqlite"
    asked_of(answers, samples, tmp_path / "1.jsonl", AnswerCache({"weights": "a"}, path))
    assert asked_of(answers, samples, tmp_path / "2.jsonl", AnswerCache({"weights": "b"}, path)) == COUNT
    write_annotations(tmp_path / "new", [])
    changed = tmp_path / "new" / "x.png"
    Image.new("RGB", (40, 40), "white").save(changed)
    other_prompt = Sample(0, samples[0].images, samples[0].instruction + "?", samples[0].references)
    other_picture = Sample(1, (changed, *samples[1].images[1:]), samples[1].instruction, samples[1].references)
    mixed = [other_prompt, other_picture, *samples[2:]]
    assert asked_of(answers, mixed, tmp_path / "3.jsonl", AnswerCache({"weights": "a"}, path)) == 2
    Image.new("RGB", (40, 40), "black").save(changed)  # another picture under the same name
    assert asked_of(answers, mixed, tmp_path / "4.jsonl", AnswerCache({"weights": "a"}, path)) == 1


def test_empty_answers_and_failures_are_never_kept(samples: list[Sample], tmp_path: Path) -> None:
    answers, cache = Counting(""), AnswerCache({}, tmp_path / "answers.sqlite")
    assert asked_of(answers, samples, tmp_path / "1.jsonl", cache) == COUNT
    assert asked_of(answers, samples, tmp_path / "2.jsonl", cache) == COUNT
    cache.put(samples[0], " \n")
    assert cache.get(samples[0]) is None


def test_a_cache_that_is_no_database_is_said_once_and_left_alone(
    samples: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    before = path.read_bytes()
    assert asked_of(Counting(), samples, tmp_path / "1.jsonl", AnswerCache({}, path)) == COUNT
    assert capsys.readouterr().err.count("can't be used") == 1
    assert path.read_bytes() == before


# ---- what is answered together


def test_batches_are_of_like_samples_and_the_same_wherever_a_run_stopped(samples: list[Sample], tmp_path: Path) -> None:
    batches = plan_batches(samples, 4)
    assert sorted(place for batch in batches for place in batch.places) == list(range(COUNT))
    images = [len(sample.images) for batch in batches for sample in batch.samples]
    assert images == sorted(images, reverse=True)
    seen: list[tuple[int, ...]] = []

    class Engine:
        def answer(self, dataset: str, batches: Sequence[Asked]) -> Any:
            for batch in batches:
                seen.append(batch.places)
                yield Made(batch.places, [("x", None)] * len(batch.places), 0.0)

    path = tmp_path / "run.jsonl"
    predict(Engine(), "links", samples, path, 4)
    first = list(seen)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    seen.clear()
    predict(Engine(), "links", samples, path, 4)
    assert set(seen) <= set(first)
    assert path.read_text() == "".join(lines)
