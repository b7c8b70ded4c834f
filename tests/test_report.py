"""The report: all samples of all models on one page, whatever they contain, with or without a browser to look at it."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.data.sample import Sample
from samcli.evaluation.entries import Answered
from samcli.evaluation.predictions import Prediction
from samcli.evaluation.report import page
from samcli.evaluation.report.page import write_report
from samcli.evaluation.results import Source, results_of
from samcli.recipe import EvalRecipe
from tests.browser import CHROMIUM, dom_of

pytestmark = pytest.mark.slow

NEEDS_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="chromium isn't installed")
EVIL = "</script><script>document.title='gone'</script><img src=x onerror=alert(1)>\u202e & done"
COUNT = 60


def samples_in(home: Path, count: int = COUNT) -> list[Sample]:
    home.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        paths = [home / f"{number}-{place}.png" for place in range(2)]
        for place, path in enumerate(paths):
            Image.new("RGB", (300, 200), (number * 4 % 256, place * 90, 128)).save(path)
        made.append(
            Sample(number, tuple(paths), f"What is in picture {number}?", (f"a red cat on mat number {number}",))
        )
    return made


def answered(samples: list[Sample], texts: list[str]) -> dict[str, Answered]:
    made = [
        Prediction(str(sample.id), text, error=None if text else "refused: no")
        for sample, text in zip(samples, texts, strict=True)
    ]
    return {"AESOP": Answered("AESOP", samples, made)}


@pytest.fixture
def models(tmp_path: Path) -> Mapping[str, Mapping[str, Answered]]:
    """Two models: one right but for what it refuses, and one that writes markup."""
    samples = samples_in(tmp_path / "data")
    good = [sample.references[0] if sample.id != 7 else "" for sample in samples]
    poor = [EVIL if sample.id == 3 else f"a blue dog {sample.id}" for sample in samples]
    return {"good one": answered(samples, good), "<b>poor</b>": answered(samples, poor)}


def results(models: Mapping[str, Mapping[str, Answered]]) -> dict[str, Any]:
    recipe = EvalRecipe(task="storytelling", datasets=("aesop",))
    found = [results_of(recipe, Source(name), answers) for name, answers in models.items()]
    return found[0] | {"models": {name: one for whole in found for name, one in whole["models"].items()}}


@pytest.fixture
def report(models: Mapping[str, Mapping[str, Answered]], tmp_path: Path) -> Path:
    published = [{"name": "SAM", "note": "published", "datasets": {"AESOP": {"rouge_l": 23.45, "cider": 25.92}}}]
    return write_report(tmp_path / "report", results(models), models, published)


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


class Elements(HTMLParser):
    """The elements of a page, to count them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.append(tag)
        self.attributes.update(name for name, _ in attrs)


def test_the_page_holds_all_samples_and_nothing_that_a_model_wrote_is_markup(report: Path) -> None:
    data = data_of(report)
    samples = data["datasets"][0]["samples"]
    assert len(samples) == COUNT
    assert samples[3]["said"][1]["text"] == EVIL.replace("\u202e", "")  # what turns the direction of writing is gone
    assert samples[7]["said"][0]["error"] == "refused: no"
    assert samples[0]["said"][0]["scores"][0] == pytest.approx(100, abs=0.1)
    assert [model["name"] for model in data["models"]] == ["good one", "<b>poor</b>"]
    assert data["models"][0]["datasets"]["AESOP"]["failed"] == 1
    assert Elements(report.read_text("utf-8")).names.count("script") == 2


def test_small_reports_are_one_file_and_large_ones_keep_their_pictures_beside_it(
    models: Mapping[str, Mapping[str, Answered]], report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in data_of(report)["pictures"])
    monkeypatch.setattr(page, "LARGEST_SINGLE_FILE", 1000)
    large = write_report(tmp_path / "large", results(models), models)
    pictures = data_of(large)["pictures"]
    assert len(set(pictures)) == 2 * COUNT
    assert all((tmp_path / "large" / picture).is_file() for picture in pictures)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "large" / "pictures").iterdir()}
    write_report(tmp_path / "large", results(models), models)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "large" / "pictures").iterdir()} == before


@pytest.fixture
def located(tmp_path: Path) -> Path:
    """The report of a model that finds the first thing, misses the second and names no box for the third."""
    texts = ["Rows 3 to 7, 2 to 5 from the left.", "Rows 1 to 2, 7 to 8 from the left.", "in the middle"]
    samples = [
        replace(sample, images=sample.images[:1], references=("Rows 3 to 7, 2 to 4 from the left.",))
        for sample in samples_in(tmp_path / "data", len(texts))
    ]
    name = "world-grounding"
    models = {"m": {name: Answered(name, samples, answered(samples, texts)["AESOP"].predictions)}}
    found = results_of(EvalRecipe(task="grounding", datasets=(name,)), Source("m"), models["m"])
    return write_report(tmp_path / "report", found, models)


def test_boxes_are_told_in_percent_of_the_picture(located: Path) -> None:
    samples = data_of(located)["datasets"][0]["samples"]
    assert [sample["boxes"] for sample in samples] == [[[12.5, 25, 37.5, 62.5]]] * 3
    assert [sample["said"][0]["box"] for sample in samples] == [[12.5, 25, 50, 62.5], [75, 0, 25, 25], None]


@NEEDS_A_BROWSER
def test_a_browser_draws_boxes_over_pictures_and_says_whose_they_are(located: Path, tmp_path: Path) -> None:
    first, second, third = dom_of(located, tmp_path / "profile").split("<article>")[1:]
    assert 'style="left: 12.5%; top: 25%; width: 37.5%; height: 62.5%; "' in first
    assert 'title="m" style="left: 12.5%; top: 25%; width: 50%; height: 62.5%; border-color: #ff7a1a"' in first
    assert second.count('class="box') == 2
    assert third.count('class="box') == 1
    assert [part.count('class="key') for part in (first, second, third)] == [2, 2, 1]
    assert "IoU 0.5 or more 100.0 · IoU 75.0" in first


def test_equal_results_give_equal_bytes(
    models: Mapping[str, Mapping[str, Answered]], report: Path, tmp_path: Path
) -> None:
    again = write_report(tmp_path / "again", results(models), models, data_of(report)["published"])
    assert again.read_bytes() == report.read_bytes()


def test_pictures_that_cannot_be_read_are_said_so(tmp_path: Path) -> None:
    samples = samples_in(tmp_path / "data", 2)
    samples[0].images[0].write_text("no picture")
    models = {"m": answered(samples, ["a", "b"])}
    pictures = data_of(write_report(tmp_path / "report", results(models), models))["pictures"]
    assert [bool(picture) for picture in pictures] == [False, True, True, True]


@NEEDS_A_BROWSER
def test_a_browser_shows_tables_plots_and_samples(report: Path, tmp_path: Path) -> None:
    dom = dom_of(report, tmp_path / "profile")
    assert "<title>storytelling, protocol released</title>" in dom
    assert dom.count("<article>") == 40
    assert "40 of 60 samples shown" in dom
    assert dom.count("<figure>") == 3
    assert "SAM" in dom
    assert "&lt;b&gt;poor&lt;/b&gt;" in dom
    assert "<b>poor" not in dom
    assert Elements(dom).names.count("script") == 2
    assert "onerror" not in Elements(dom).attributes
    assert dom.count("data:image/jpeg") >= 80


@NEEDS_A_BROWSER
@pytest.mark.parametrize(
    ("fragment", "first", "count"),
    [
        ("order=worst&metric=0&model=0", "7", "40 of 60"),
        ("order=best&metric=0&model=1", None, "40 of 60"),
        ("order=gap&model=0&other=1", None, "40 of 60"),
        ("order=failed&model=0", "7", "1 of 1"),
        ("search=number%2042", "42", "1 of 1"),
        ("search=onerror", "3", "1 of 1"),
        ("search=nothing%20like%20it", None, "0 of 0"),
        ("order=nonsense&metric=99", "0", "40 of 60"),
    ],
)
def test_a_browser_sorts_filters_and_finds(
    report: Path, tmp_path: Path, fragment: str, first: str | None, count: str
) -> None:
    dom = dom_of(report, tmp_path / "profile", fragment)
    assert f"{count} samples shown" in dom
    if first is not None:
        found = re.search(r"<article><header><span>sample (\d+)</span>", dom)
        assert found is not None
        assert found[1] == first


@NEEDS_A_BROWSER
def test_a_phone_shows_it_without_scrolling_sideways(report: Path, tmp_path: Path) -> None:
    probe = report.with_name("probe.html")
    script = "<script>document.title = `${document.documentElement.scrollWidth} ${innerWidth}`</script></body>"
    probe.write_text(report.read_text("utf-8").replace("</body>", script), "utf-8")
    found = re.search(r"<title>(\d+) (\d+)</title>", dom_of(probe, tmp_path / "profile", width=500))
    assert found is not None
    assert int(found[1]) <= int(found[2])
