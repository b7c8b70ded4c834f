"""A made set to look at: the page, the counts with their funnel, and single samples; whatever is in them or missing."""

import errno
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli.data.sample import read_annotations
from samcli.errors import UserError
from samcli.recipe import SynthRecipe
from samcli.recipe_file import dump_recipe
from samcli.recipe_mmlink import AcceptRecipe
from samcli.synth.look import funnel
from samcli.synth.look.limits import limits
from samcli.synth.look.outline import outlined
from samcli.synth.look.page import write_preview
from samcli.synth.look.report import as_text, count_all, write_report
from samcli.synth.look.seen import Loss
from samcli.synth.look.single import show
from samcli.synth.photos.accept import bounds
from samcli.synth.run import synthesise
from tests.browser import CHROMIUM, dom_of
from tests.photo_run import PERIOD, PhotoRun

NEEDS_A_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="chromium isn't installed")
EVIL = "</script><script>document.title='gone'</script><img src=x onerror=alert(1)>\u202e & done"
COUNT = PERIOD
WORLD = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> PhotoRun:
    """A finished run, its manifest's lines beside it; not to be changed."""
    run = PhotoRun(tmp_path_factory.mktemp("photos"), samples=COUNT)
    run.write(run.lines(COUNT))
    return run


@pytest.fixture
def out(made: PhotoRun, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(made.out, tmp_path / "run"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world") / "run"
    synthesise(SynthRecipe(dataset="world-mmlink", split="test", samples=WORLD, seed=3, size=128, workers=1), out)
    return out


def data_of(preview: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', preview.read_text("utf-8"), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]


def rewrite(out: Path, lines: list[dict[str, Any]]) -> None:
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def faults(sample: dict[str, Any]) -> list[str]:
    return [panel.get("fault", "") for row in sample["rows"] for panel in row["panels"]]


class Elements(HTMLParser):
    """The elements of a page, to count them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def test_the_page_shows_each_sample_stage_by_stage(out: Path) -> None:
    data = data_of(write_preview(out))
    samples = data["samples"]
    assert [sample["id"] for sample in samples] == list(range(COUNT))
    assert data["endings"] == {"accepted": 10, "failed": 2, "rejected": 8}
    first = samples[0]
    assert [panel["stage"] for panel in first["rows"][0]["panels"]] == ["source", "source", "canvas", "picture"]
    assert (first["kind"], first["status"], first["reasons"]) == ("character", "accepted", [])
    assert first["answer"].startswith("Both show the ")
    assert first["rows"][0]["title"].startswith("picture 1: ")
    assert "caption of picture 2" in dict(first["texts"])
    for panel in (panel for sample in samples for row in sample["rows"] for panel in row["panels"]):
        with Image.open(out / panel["small"]) as small:
            assert list(small.size) == panel["size"]
            assert small.format == "WEBP"
            assert max(small.size) <= 224
    reached = {
        sample["reasons"][0]: {panel["stage"] for panel in sample["rows"][0]["panels"]}
        for sample in samples[2:8]
        if sample["reasons"]
    }
    assert reached["segment: nothing was segmented"] == {"source"}
    assert reached["check: backgrounds are the same"] == {"source", "canvas", "picture"}
    assert samples[7]["detail"] == "http://127.0.0.1:8000 refused the connection"


def test_the_funnel_counts_what_each_stage_let_through(out: Path) -> None:
    steps = data_of(write_preview(out))["funnel"]
    passed = {step["stage"]: (step["reached"], step["passed"]) for step in steps}
    assert passed == {
        "group": (20, 20), "segment": (20, 18), "compose": (18, 16), "inpaint": (16, 14), "describe": (14, 12),
        "check": (12, 10),
    }  # fmt: skip
    assert steps[4]["losses"] == [{"reason": "the language model can't be reached", "failed": True, "number": 2}]


def test_of_several_reasons_the_earliest_stage_counts(out: Path) -> None:
    lines = lines_of(out)
    lines[5]["reasons"] = ["check: backgrounds are the same", "inpaint: object was changed by inpainting", "odd: x"]
    rewrite(out, lines)
    steps = {step["stage"]: step for step in data_of(write_preview(out))["funnel"]}
    assert (steps["inpaint"]["passed"], steps["check"]["passed"]) == (13, 10)
    assert "odd" not in steps


def test_scores_beyond_what_is_accepted_are_marked(out: Path) -> None:
    lines = lines_of(out)
    lines[0]["record"]["scores"]["drift"] = 0.4
    lines[0]["record"]["views"][0]["subjects"][1]["measures"]["area"] = 0.01
    rewrite(out, lines)
    sample = data_of(write_preview(out))["samples"][0]
    marked = {score["name"]: score["limit"] for score in sample["scores"] if score.get("out")}
    assert marked == {"drift": "at most 0.05"}
    measures = sample["rows"][0]["panels"][1]["scores"]
    assert [score["name"] for score in measures if score.get("out")] == ["area"]


def test_each_threshold_of_the_recipe_is_a_limit() -> None:
    known = limits(AcceptRecipe())
    assert (str(known["drift"]), str(known["identity"]), str(known["answer_words"])) == (
        "at most 0.05",
        "at least 0.55",
        "4 to 60",
    )
    assert [known["answer_words"].allows(words) for words in (3, 4, 60, 61)] == [False, True, True, False]
    assert not known["identity"].allows(float("nan"))
    assert not known["mask_area"].allows(0.99)


def test_nothing_that_anybody_wrote_is_markup(out: Path) -> None:
    lines = lines_of(out)
    record = lines[0]["record"]
    record["answer"] = record["object"] = record["notes"][EVIL] = record["views"][0]["caption"] = EVIL
    record["scores"][EVIL] = 1.0
    record["views"][0]["subjects"][0]["photo"]["identity"] = EVIL
    lines[2]["reasons"] = [f"segment: {EVIL}"]
    rewrite(out, lines)
    preview = write_preview(out)
    assert data_of(preview)["samples"][0]["answer"] == EVIL.replace("\u202e", "")
    assert Elements(preview.read_text("utf-8")).names.count("script") == 2
    assert "\u202e" not in preview.read_text("utf-8") + write_report(out) + show(out, 0) + show(out, 2)


def test_the_page_loads_nothing_from_elsewhere(out: Path) -> None:
    text = write_preview(out).read_text("utf-8")
    shell = re.sub(r'(<script type="application/json" id="data">).*?(</script>)', r"\1\2", text, flags=re.S)
    assert "default-src 'none'" in shell
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(|<link", shell)
    assert "prefers-color-scheme: dark" in shell


def test_what_is_missing_is_said_in_its_place(out: Path) -> None:
    lines = lines_of(out)
    (out / lines[0]["record"]["views"][0]["picture"]).unlink()
    (out / "masks" / "furniture").rename(out / "masks" / "gone")
    views = lines[4]["record"]["views"]
    views[0]["subjects"][0]["photo"]["path"] = "character/0/none.png"
    lines[6]["record"]["views"][1]["picture"] = "../../secret.png"
    lines[6]["record"]["views"][0]["subjects"][0]["mask"] = "../../secret.png"
    lines[8]["record"] = {"id": 8, "strange": True}
    rewrite(out, lines)
    samples = data_of(write_preview(out))["samples"]
    assert "no such image file" in faults(samples[0])[3]
    assert [bool(fault) for fault in faults(samples[1])] == [True, True, False] * 2
    assert faults(samples[4])[0].startswith("photograph unreadable: ")
    assert ["leads out of" in fault for fault in faults(samples[6])].count(True) == 3
    assert "record isn't understood" in samples[8]["detail"]
    for identity in (0, 1, 4, 6):
        assert f"show-{identity}.png" in show(out, identity)
    with pytest.raises(UserError, match="sample 8: its record isn't understood: seed: "):
        show(out, 8)


def test_an_unfinished_run_is_shown_as_far_as_it_came(out: Path) -> None:
    lines = lines_of(out)[:7]
    for name in ("manifest.jsonl", "annotations.json"):
        (out / name).unlink()
    for line in lines:
        line["status"] = {"accepted": "made"}.get(line["status"], line["status"])
    parts = [json.dumps({"manifest": line, "annotation": None}) for line in lines]
    (out / "part-0-of-2.jsonl").write_text("\n".join(parts) + '\n{"manifest": {"id": 7', "utf-8")
    data = data_of(write_preview(out))
    assert (data["finished"], data["wanted"], len(data["samples"])) == (7, COUNT, 7)
    assert data["endings"] == {"made": 4, "rejected": 3}
    assert data["funnel"][-1]["passed"] == 4
    assert count_all(out)["samples"] == {"made": 4, "rejected": 3}


def test_of_many_samples_some_are_shown_and_all_are_counted(out: Path) -> None:
    data = data_of(write_preview(out, count=5))
    assert [sample["id"] for sample in data["samples"]] == [0, 4, 8, 12, 16]
    assert data["finished"] == COUNT
    assert data["funnel"][0]["reached"] == COUNT


def test_small_copies_are_made_once_and_old_ones_removed(out: Path) -> None:
    data = data_of(write_preview(out))
    stamps = {path: path.stat().st_mtime_ns for path in (out / "preview").iterdir()}
    first = out / data["samples"][0]["rows"][0]["panels"][3]["small"]
    Image.new("RGB", (128, 128), "red").save(out / "images" / "00000000_1.png")
    torn = out / data["samples"][1]["rows"][0]["panels"][0]["small"]
    torn.write_bytes(b"")
    write_preview(out)
    after = {path: path.stat().st_mtime_ns for path in (out / "preview").iterdir()}
    assert not first.exists()
    assert torn.stat().st_size > 0
    assert sum(stamps.get(path) == stamp for path, stamp in after.items()) == len(stamps) - 2


def test_a_mask_is_drawn_as_an_outline_that_leaves_the_object_its_colours() -> None:
    photo, mask = Image.new("RGB", (100, 60), (200, 40, 40)), Image.new("L", (100, 60))
    mask.paste(255, (30, 20, 70, 40))
    drawn = outlined(photo, mask, 100)
    assert drawn.getpixel((50, 30)) == (200, 40, 40)
    assert drawn.getpixel((30, 30)) == (230, 0, 126)
    red, green, blue = drawn.getpixel((5, 5))  # type: ignore[misc]
    assert max(red, green, blue) - min(red, green, blue) < 10


def test_the_report_counts_and_draws(out: Path) -> None:
    text = write_report(out)
    counts = json.loads((out / "report.json").read_text("utf-8"))
    assert counts == count_all(out)
    assert counts["samples"] == {"accepted": 10, "rejected": 8, "failed": 2}
    assert counts["rejected because"]["segment: nothing was segmented"] == 2
    assert counts["failed because"] == {"describe: the language model can't be reached": 2}
    assert sum(counts["kinds of objects, tried"].values()) == COUNT
    assert sum(counts["kinds of objects, accepted"].values()) == 10
    uses = counts["accepted samples that show an object"]
    assert counts["sources of accepted samples"]["objects"] == len(uses)
    assert sum(counts["objects by how many accepted samples show them"].values()) == len(uses)
    assert counts["scores"]["view_distance"]["0 %"] <= counts["scores"]["view_distance"]["50 %"]
    assert "mask_area" in counts["scores"]
    assert "segment: nothing was segmented" in text
    with Image.open(out / "funnel.png") as picture:
        assert picture.width > 1000
    assert str(out / "funnel.png") in text


def test_the_report_names_the_key_of_accept_that_left_a_sample_out(out: Path) -> None:
    lines = lines_of(out)
    reason = bounds(AcceptRecipe())[0]["identity_margin"].reason
    lines[5]["reasons"] = [reason]
    rewrite(out, lines)
    assert f"  {reason} " in write_report(out)
    assert f"reason: {reason}" in show(out, 5)
    assert reason.removeprefix("check: ") in (out / "funnel.svg").read_text("utf-8")


def test_a_column_of_the_report_is_no_wider_than_needed() -> None:
    text = as_text({"objects": {"a" * 200: 3, "b": 1}, "samples": {"made": 4}})
    assert [len(line) for line in text.splitlines()] == [7, 102, 102, 0, 7, 56]


def test_the_drawn_funnel_names_every_stage_and_the_commonest_reasons(tmp_path: Path) -> None:
    counter = funnel.Funnel()
    losses = [Loss("check", f"reason {number} costs $5_a") for number in range(9) for _ in range(number + 1)]
    counter.add(("segment", "check"), [*losses, None])
    _, drawn = funnel.draw_funnel(counter.steps(), "a set", tmp_path)
    text = drawn.read_text("utf-8")
    for words in ("segment", "check", "9  reason 8", "10  for 4 other reasons", "1 of 46 passed all stages"):
        assert words in text, words
    assert "reason 3" not in text


def test_one_sample_is_told_and_drawn(out: Path) -> None:
    text = show(out, 0)
    first = read_annotations(out)[0]
    assert first.instruction in text
    assert first.references[0] in text
    assert "shows: character/" in text
    assert text.endswith(f"stages: {out / 'show-0.png'}")
    with Image.open(out / "show-0.png") as whole:
        assert whole.width == 1280
        assert whole.height > 800
    before = (out / "show-0.png").read_bytes()
    show(out, 0)
    assert (out / "show-0.png").read_bytes() == before
    assert "reason: describe: the language model can't be reached" in show(out, 7)
    with pytest.raises(UserError, match="no sample 20; its ids run from 0 to 19"):
        show(out, COUNT)
    with pytest.raises(UserError, match="no samples"):
        show(out / "images", 1)


def test_scores_out_of_bounds_are_red_in_the_picture(out: Path) -> None:
    def reds() -> int:
        show(out, 0)
        with Image.open(out / "show-0.png") as picture:
            counts = picture.getcolors(1 << 24) or []
        return sum(count for count, colour in counts if colour == (179, 53, 47))

    assert reds() == 0
    lines = lines_of(out)
    lines[0]["record"]["scores"]["drift"] = 0.4
    rewrite(out, lines)
    assert reds() > 20


def test_the_world_is_shown_with_its_pictures_questions_and_scores(world: Path) -> None:
    data = data_of(write_preview(world))
    samples = read_annotations(world)
    assert data["title"] == "world-mmlink, test"
    for shown, sample in zip(data["samples"], samples, strict=True):
        (row,) = shown["rows"]
        assert [panel["file"] for panel in row["panels"]] == [f"images/{path.name}" for path in sample.images]
        assert (shown["asked"], shown["answer"]) == (sample.instruction, sample.references[0])
        assert "shared things" in [score["name"] for score in shown["scores"]]
    assert [step["stage"] for step in data["funnel"]] == ["segment", "compose", "inpaint", "describe", "check"]


def test_rejected_tries_of_the_world_are_counted_and_told(world: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(world, tmp_path / "run"))
    lines = lines_of(out)
    lines[2] |= {"rejections": ["check: things overlap", "compose: <b>no room</b>"], "attempts": 3}
    lines[3] |= {"status": "failed", "rejections": ["check: things overlap"], "images": {}, "sources": []}
    rewrite(out, lines)
    kept = [record for record in json.loads((out / "annotations.json").read_text("utf-8")) if record["id"] != 3]
    text = ",\n".join(json.dumps(record) for record in kept)
    (out / "annotations.json").write_text(f"[\n{text}\n]\n", "utf-8")
    data = data_of(write_preview(out))
    assert data["samples"][2]["earlier"] == ["check: things overlap", "compose: <b>no room</b>"]
    assert data["samples"][3]["reasons"] == ["check: things overlap"]
    assert data["funnel"][0]["reached"] == WORLD + 2
    assert data["funnel"][-1]["losses"] == [{"reason": "things overlap", "failed": False, "number": 2}]
    assert data["funnel"][-1]["passed"] == WORLD - 1
    assert count_all(out)["rejected because"] == {"check: things overlap": 2, "compose: <b>no room</b>": 1}


def test_the_report_counts_the_world(world: Path) -> None:
    counts = count_all(world)
    assert counts["samples"] == {"made": WORLD}
    assert sum(counts["colours"].values()) == WORLD * 4
    assert sum(counts["scenes"].values()) == WORLD * 2
    assert "colours" in write_report(world)
    assert json.loads((world / "report.json").read_text("utf-8")) == counts


def test_one_sample_of_the_world_is_told_and_drawn(world: Path) -> None:
    text = show(world, 5)
    sample = read_annotations(world)[5]
    assert sample.instruction in text
    assert sample.references[0] in text
    assert str(sample.images[1].relative_to(world.resolve())) in text
    with Image.open(world / "show-5.png") as strip:
        assert strip.height > 256


def test_a_directory_without_samples_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(dump_recipe(SynthRecipe()), "utf-8")
    with pytest.raises(UserError, match="no samples of `sam synth` there"):
        write_preview(tmp_path)


def test_a_page_that_cannot_be_written_is_one_line(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out / "preview").write_text("no directory")
    with pytest.raises(UserError, match=r"can't write .*preview: File exists"):
        write_preview(out)
    (out / "preview").unlink()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match=r"can't write .*\.webp: No space left on device"):
        write_preview(out)
    assert not list((out / "preview").iterdir())


PROBE = """<script>
const faults = [];
addEventListener("error", (event) => faults.push(event.message));
addEventListener("securitypolicyviolation", (event) => faults.push(event.violatedDirective));
console.error = (...words) => faults.push(words.join(" "));
addEventListener("load", () => setTimeout(() => {
  const images = [...document.images].filter((image) => image.complete && image.naturalWidth);
  const note = document.createElement("output");
  note.textContent = JSON.stringify({ nodes: document.querySelectorAll("*").length, faults, images: images.length,
    wide: document.documentElement.scrollWidth, inner: innerWidth });
  document.body.append(note);
}, 300));
</script></head>"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 2,000 samples, with a script that notes faults and counts elements."""
    run = PhotoRun(tmp_path_factory.mktemp("many"), samples=2000)
    lines = list(run.lines(2000))
    lines[0]["record"]["answer"] = EVIL
    preview = write_preview(run.write(lines))
    probe = preview.with_name("probe.html")
    probe.write_text(preview.read_text("utf-8").replace("</head>", PROBE, 1), "utf-8")
    return probe


def noted(dom: str) -> dict[str, Any]:
    found = re.search(r"<output>(.*?)</output>", dom)
    assert found is not None
    note: dict[str, Any] = json.loads(found[1])
    return note


@pytest.mark.slow
@NEEDS_A_BROWSER
def test_a_browser_shows_thousands_of_samples_with_few_elements(probed: Path, tmp_path: Path) -> None:
    dom = dom_of(probed, tmp_path / "profile")
    note = noted(dom)
    assert note["faults"] == []
    assert note["images"] > 0
    assert note["nodes"] < 2500
    assert "20 of 2,000 samples shown" in dom
    assert "MmLINK from photographs, train</title>" in dom
    names, attributes = Elements(dom).names, dict(Elements(dom).attributes)
    assert names.count("article") == 20
    assert "onerror" not in attributes


@pytest.mark.slow
@NEEDS_A_BROWSER
@pytest.mark.parametrize(
    ("fragment", "count"),
    [
        ("status=failed", "20 of 200"),
        ("reason=check%3A+backgrounds+are+the+same", "20 of 200"),
        ("kind=cover", "20 of 500"),
        ("kind=cover&status=accepted", "20 of 200"),
        ("search=sample+1999", "1 of 1"),
        ("search=alert(1)", "1 of 1"),
        ("search=nothing+like+it", "0 of 0"),
        ("status=nonsense&kind=cover", "20 of 500"),
    ],
)
def test_a_browser_filters(probed: Path, tmp_path: Path, fragment: str, count: str) -> None:
    dom = dom_of(probed, tmp_path / "profile", fragment)
    assert noted(dom)["faults"] == []
    assert f"{count} samples shown" in dom


@pytest.mark.slow
@NEEDS_A_BROWSER
def test_a_browser_orders_by_score(probed: Path, tmp_path: Path) -> None:
    dom = dom_of(probed, tmp_path / "profile", "order=-scene+distance")
    shown = re.findall(r"<td>scene distance</td><td>(\d+)</td>", dom)
    assert len(shown) == 20
    assert shown == sorted(shown, key=int, reverse=True)


@pytest.mark.slow
@NEEDS_A_BROWSER
def test_a_phone_shows_it_without_scrolling_sideways(probed: Path, tmp_path: Path) -> None:
    note = noted(dom_of(probed, tmp_path / "profile", width=500))
    assert note["wide"] <= note["inner"]
