"""The embedded model as it is shipped: small, whole, and right about the example pictures."""

from pathlib import Path

import pytest

from samcli import load_model
from samcli.model.captioner import Captioner
from samcli.model.find import tiny_directory
from samcli.synth.world.grammar import read_mentions

EXAMPLES = Path(__file__).parents[1] / "examples"
LARGEST = 25_000_000  # bytes


@pytest.fixture(scope="module")
def tiny() -> Captioner:
    return load_model()


def test_it_is_small_and_holds_no_code_and_no_pickle() -> None:
    files = [path for path in tiny_directory().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".md"}
    assert "README.md" in {path.name for path in files}


def test_it_is_right_about_the_example_pictures(tiny: Captioner) -> None:
    prompt, truth = ((EXAMPLES / name).read_text(encoding="utf-8").strip() for name in ("prompt.txt", "answer.txt"))
    answer = tiny.caption([EXAMPLES / "a.png", EXAMPLES / "b.png"], prompt)
    assert read_mentions(answer) == read_mentions(truth)


def test_its_answer_follows_the_pictures(tiny: Captioner) -> None:
    prompt = "Describe the picture."
    assert len({tiny.caption([EXAMPLES / name], prompt) for name in ("a.png", "b.png")}) == 2
