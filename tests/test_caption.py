"""Answers: streamed as they will stand, harmless to a terminal, and by the file, all of it or from where it stopped."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from samcli.answers import TextStream, for_terminal
from samcli.caption import caption_images, run_caption, world_notice
from samcli.caption_batch import caption_batch, read_requests
from samcli.data.batch import Batch
from samcli.data.sample import _ALLOW_IT
from samcli.errors import UserError
from samcli.lock import locked
from samcli.model.adapter import save_adapter
from samcli.model.captioner import Captioner
from samcli.model.generate import Asking, Generated
from samcli.model.load import load_model
from samcli.model.sam import SemanticAlignmentModel
from samcli.model.traits import RELEASED, WORLD
from samcli.recipe import DecodingRecipe
from samcli.recipe_method import GuidanceRecipe, MethodRecipe
from tests.small_models import save_small, small_processor
from tests.test_load import GREEDY, SIZES

PROMPT = "what do both pictures show"
BEAMS = DecodingRecipe(beams=2, max_length=6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(tmp_path_factory.mktemp("model"), SIZES)


@pytest.fixture(scope="module")
def captioner(model: Path) -> Captioner:
    return load_model(str(model), "none", device="cpu")


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, colour in zip(paths, ("red", "blue"), strict=True):
        Image.new("RGB", (40, 30), colour).save(path)
    return paths


# Text as it appears.


def test_streamed_text_is_the_final_text(captioner: Captioner, images: list[Path]) -> None:
    pieces: list[str] = []
    result = caption_images(captioner, images, PROMPT, GREEDY, pieces.append)
    assert "".join(pieces) == result["text"] == captioner.caption(images, PROMPT, GREEDY) != ""


def test_with_beams_text_comes_at_once(captioner: Captioner, images: list[Path]) -> None:
    pieces: list[str] = []
    result = caption_images(captioner, images, PROMPT, BEAMS, pieces.append)
    assert pieces == [result["text"]]


def test_json_shape(captioner: Captioner, images: list[Path], model: Path) -> None:
    result = caption_images(captioner, images, PROMPT, GREEDY)
    assert list(result) == ["text", "model", "adapter", "images", "prompt"]
    assert list(result.values())[1:] == [str(model), None, [str(path) for path in images], PROMPT]


def stream(texts: list[str]) -> list[str]:
    """The pieces shown when the text so far is decoded as `texts`, one after the other."""
    pieces: list[str] = []
    streamer = TextStream(lambda ids: texts[len(ids) - 1], pieces.append)
    for _ in texts:
        streamer.put(torch.tensor([[0]]))
    streamer.end()
    return pieces


def test_words_appear_whole() -> None:
    texts = ["", "a", "a r", "a red", "a red ca", "a red cat"]
    assert stream(texts) == ["a", " red", " cat"]


def test_what_later_tokens_change_is_not_shown_before() -> None:
    assert stream(["do", "do n", "don't", "don't go"]) == ["do", "n't", " go"]
    assert stream(["\ufffd", "\ufffd\ufffd", "\u6f22", "\u6f22 a"]) == ["\u6f22", " a"]


def test_text_that_changed_after_it_was_shown_is_shown_anew() -> None:
    assert stream(["a", "a b", "a b c", "ab c d"]) == ["a", " b", "\n", "ab c d"]


def test_special_tokens_are_not_shown(captioner: Captioner) -> None:
    tokenizer = small_processor(SIZES).tokenizer
    pieces: list[str] = []
    streamer = TextStream(lambda ids: str(tokenizer.decode(ids, skip_special_tokens=True)).strip(), pieces.append)
    for token in [1, *tokenizer("a red cat", add_special_tokens=False)["input_ids"], 2]:
        streamer.put(torch.tensor([token]))
    streamer.end()
    assert pieces == ["a", " red", " cat"]


# Text that means harm.


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("a \x1b[31mred\x1b[0m cat", "a [31mred[0m cat"),
        ("\x1b]0;title\x07cat", "]0;titlecat"),
        ("\x9b2Jcat\x08\x08\x7f\r", "2Jcat"),
        ("gpj.\u202etac\u2066", "gpj.tac"),
        ("two\nlines\tand caf\u00e9 \u732b", "two\nlines\tand caf\u00e9 \u732b"),
        ("\ud800cat", "cat"),
    ],
)
def test_for_terminal(text: str, harmless: str) -> None:
    assert for_terminal(text) == harmless


class Saying:
    """A processor whose model says one thing whatever it generates."""

    def __init__(self, processor: Any, text: str) -> None:
        self.processor, self.text, self.tokenizer = processor, text, self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.processor, name)

    def decode(self, ids: Any, **_: Any) -> Any:
        return self.text if isinstance(ids[0], int) else [self.text] * len(ids)


def saying(captioner: Captioner, text: str) -> Captioner:
    processor: Any = Saying(captioner.processor, text)
    return replace(captioner, processor=processor)


def test_escape_codes_reach_neither_stream_nor_result(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    pieces: list[str] = []
    one = saying(captioner, "\x1b[2J a cat\x07")
    result = caption_images(one, images, PROMPT, GREEDY, pieces.append)
    assert "".join(pieces) == result["text"] == "[2J a cat"
    caption_batch(one, write(tmp_path, request()), tmp_path / "out.jsonl", GREEDY)
    assert read(tmp_path / "out.jsonl")[0]["text"] == "[2J a cat"


# Files of requests.


def request(**changes: Any) -> dict[str, Any]:
    sound = {"images": ["a.png", "b.png"], "prompt": PROMPT}
    return {key: value for key, value in {**sound, **changes}.items() if value is not None}


def write(directory: Path, *records: Any) -> Path:
    """A file of requests; texts stand in it as they are."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (directory / "requests.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory / "requests.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_batch(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    records = [request(), request(images=["b.png"], id="one"), request(prompt="the dog")]
    report = caption_batch(captioner, write(tmp_path, *records), tmp_path / "new" / "out.jsonl", GREEDY, batch_size=2)
    assert report == {"requests": 3, "failed": 0, "out": str(tmp_path / "new" / "out.jsonl")}
    found = read(tmp_path / "new" / "out.jsonl")
    assert [record["id"] for record in found] == [1, "one", 3]
    keys = ["id", "text", "model", "adapter", "images", "prompt", "images_hash", "weights", "numbers"]
    keys += ["decoding", "error"]
    assert all(list(record) == keys for record in found)
    alone = [captioner.caption([tmp_path / name for name in one["images"]], one["prompt"], GREEDY) for one in records]
    assert [record["text"] for record in found] == alone
    assert [record["images"] for record in found] == [["a.png", "b.png"], ["b.png"], ["a.png", "b.png"]]


def test_picture_that_cannot_be_read_fails_its_request_alone(
    captioner: Captioner, images: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_text("<html>", encoding="utf-8")
    requests = write(tmp_path, request(), request(images=["a.png", "bad.png"]), request())
    assert caption_batch(captioner, requests, tmp_path / "out.jsonl", GREEDY)["failed"] == 1
    first, second, third = read(tmp_path / "out.jsonl")
    assert (second["text"], second["error"].split(", ")[0]) == (None, f"{tmp_path / 'bad.png'}: looks like HTML")
    assert first["text"] == third["text"] != ""
    assert first["error"] is None


def test_a_mended_picture_is_tried_again_and_other_answers_stay(
    captioner: Captioner, images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_text("<html>", encoding="utf-8")
    requests, out = write(tmp_path, request(images=["bad.png"]), request()), tmp_path / "out.jsonl"
    caption_batch(captioner, requests, out, GREEDY)
    assert "requests that failed: 1 of 2: 1: " in capsys.readouterr().err
    kept = out.read_text(encoding="utf-8").splitlines()[1]
    shutil.copy(images[0], tmp_path / "bad.png")
    assert caption_batch(captioner, requests, out, GREEDY)["failed"] == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0] == kept
    assert json.loads(lines[1])["id"] == 1
    assert len(lines) == 2


def test_a_batch_of_which_nothing_can_be_answered_is_an_error(
    captioner: Captioner, images: list[Path], tmp_path: Path
) -> None:
    images[0].write_text("<html>", encoding="utf-8")
    with pytest.raises(UserError, match=r"requests that failed: 1 of 1: 1: .*looks like HTML"):
        caption_batch(captioner, write(tmp_path, request()), tmp_path / "out.jsonl", GREEDY)


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_batch_goes_on_where_it_stopped(captioner: Captioner, images: list[Path], tmp_path: Path, keep: int) -> None:
    requests = write(tmp_path, *(request(prompt=prompt) for prompt in ("a cat", "a dog", "the dog")))
    caption_batch(captioner, requests, tmp_path / "whole.jsonl", GREEDY)
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    out = tmp_path / "out.jsonl"
    out.write_bytes(b"".join(lines[:keep]) + lines[keep][:20])
    called: list[int] = []
    counting = replace(captioner, processor=Counting(captioner.processor, called))
    report = caption_batch(counting, requests, out, GREEDY, batch_size=1)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert (len(called), report["requests"]) == (3 - keep, 3)


def Counting(processor: Any, called: list[int]) -> Any:
    class Counted(Saying):
        def decode(self, ids: Any, **more: Any) -> Any:
            called.append(len(ids))
            return self.processor.decode(ids, **more)

    return Counted(processor, "")


def test_finished_batch_is_left_as_it_is(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    caption_batch(captioner, requests, out, GREEDY)
    before = out.read_bytes()
    assert caption_batch(saying(captioner, "other"), requests, out, GREEDY)["failed"] == 0
    assert out.read_bytes() == before


def test_too_little_memory_for_a_batch_keeps_the_answers_so_far(
    captioner: Captioner, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, out = write(tmp_path, request(), request(), request(images=["a.png"])), tmp_path / "out.jsonl"
    answers = captioner.model.answers

    def run_out(batch: Batch, asking: Asking) -> Iterator[Generated]:
        if len(batch.image_counts) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return answers(batch, asking)

    monkeypatch.setattr(captioner.model, "answers", run_out)
    with pytest.raises(UserError, match=r"^out of memory with requests answered at once: 1; lower --batch-size, "):
        caption_batch(captioner, requests, out, GREEDY, batch_size=2)
    assert len(read(out)) == 2


# Requests that are wrong.


def refusal(captioner: Captioner, requests: Path, out: Path, **more: Any) -> str:
    before = out.read_bytes() if out.is_file() else None
    with pytest.raises(UserError) as raised:
        caption_batch(captioner, requests, out, more.pop("decoding", GREEDY), **more)
    assert (out.read_bytes() if out.is_file() else None) == before
    return str(raised.value)


def test_all_faults_at_once_before_any_work(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    requests = write(
        tmp_path,
        request(id="x"),
        "{not json",
        "[1]",
        request(images=[], prompt=" ", id=[1]),
        request(images=["../a.png", "/etc/passwd", "none.png"]),
        request(images="a.png"),
        request(prompt=None),
        request(id="x"),
        "9" * 5000,
    )
    lines = refusal(captioner, requests, tmp_path / "out.jsonl").splitlines()
    assert lines[0] == f"{requests}: number of faults: 12"
    home, allowing = "the requests' directory", f"or {_ALLOW_IT}"
    assert [line.strip() for line in lines[2:11]] == [
        "line 3: expected an object with the keys images, prompt",
        "line 4: images: expected a list of at least one path",
        "line 4: prompt: expected a text that isn't blank",
        "line 4: id: expected an integer or a text",
        f"line 5: images: \"../a.png\": '..' isn't allowed; name a file below {home}, {allowing}",
        f'line 5: images: "/etc/passwd": expected a path relative to {home}; copy the file there, {allowing}',
        f'line 5: images: "none.png": no such file in {tmp_path}',
        "line 6: images: expected a list of at least one path",
        "line 7: prompt: expected a text that isn't blank",
    ]
    assert lines[1].startswith("  line 2: not valid JSON: ")
    assert lines[11] == '  line 8: id: "x" is that of an earlier line'
    assert lines[12].startswith("  line 9: not valid JSON: ")


def test_name_that_is_too_long_for_any_file(tmp_path: Path) -> None:
    name = "a" * 300 + ".png"
    with pytest.raises(UserError, match=f'images: "{name}": no such file in '):
        read_requests(write(tmp_path, request(images=[name])))
    with pytest.raises(UserError, match=f"{name}: no such directory of images"):
        read_requests(write(tmp_path, request()), tmp_path / name)


def test_many_faults_are_not_all_shown(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        read_requests(write(tmp_path, *(["{"] * 50)))
    assert len(str(raised.value).splitlines()) == 22
    assert str(raised.value).endswith("  and 30 more")


def test_file_without_requests(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it holds no requests; expected lines of "):
        read_requests(write(tmp_path, "", " "))


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl: can't be read: No such file"):
        read_requests(tmp_path / "none.jsonl")


@pytest.mark.parametrize("name", ["store/s.png", "../store/s.png", "ABSOLUTE", "link.png"])
def test_image_root(tmp_path: Path, images: list[Path], name: str) -> None:
    store = tmp_path / "store"
    (tmp_path / "here").mkdir()
    store.mkdir()
    images[0].rename(store / "s.png")
    (tmp_path / "here" / "link.png").symlink_to(store / "s.png")
    name = str(store / "s.png") if name == "ABSOLUTE" else name
    requests = write(tmp_path / "here", request(images=[name.removeprefix("store/")]))
    with pytest.raises(UserError):
        read_requests(requests)
    assert read_requests(requests, store)[0].paths == (store / "s.png",)


# Files of answers that are wrong.


def test_answers_to_something_else(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    caption_batch(captioner, write(tmp_path, request()), out, GREEDY)
    other = write(tmp_path, request(prompt="the dog"))
    expected = f'prompt of request 1 was "{PROMPT}", now "the dog"; name another --out, or remove it'
    assert refusal(captioner, other, out) == f"{out} holds answers made otherwise: {expected}"


@pytest.mark.parametrize(
    ("change", "key"), [({"name": "other"}, "model"), ({"adapter": "other"}, "adapter"), ({}, "decoding.beams")]
)
def test_answers_made_otherwise(
    captioner: Captioner, images: list[Path], tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    caption_batch(captioner, requests, out, GREEDY)
    decoding = GREEDY if change else BEAMS
    message = refusal(replace(captioner, **change), requests, out, decoding=decoding)
    assert message.startswith(f"{out} holds answers made otherwise: {key} of request 1 was ")


def test_answers_of_other_weights_under_the_same_names(
    captioner: Captioner, model: Path, images: list[Path], tmp_path: Path
) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    here = Path(shutil.copytree(model, tmp_path / "here"))
    bare = load_model(str(here), "none", device="cpu")
    trained = SemanticAlignmentModel(bare.model.base, MethodRecipe(guidance=GuidanceRecipe(from_layer=1, to_layer=2)))
    adapted = replace(bare, model=trained, adapter="mine")
    caption_batch(adapted, requests, out, GREEDY)
    with torch.no_grad():
        next(parameter for _, parameter in trained.trained_parameters()).add_(1)
    assert refusal(adapted, requests, out).startswith(
        f"{out} holds answers made otherwise: weights.adapter of request 1 was "
    )
    out.unlink()
    caption_batch(bare, requests, out, GREEDY)
    shutil.copy(save_small(tmp_path / "other", SIZES, seed=1) / "model.safetensors", here)
    other = load_model(str(here), "none", device="cpu")
    assert refusal(other, requests, out).startswith(
        f"{out} holds answers made otherwise: weights.base of request 1 was "
    )


def test_answers_of_the_same_weights_in_other_numbers(model: Path, images: list[Path], tmp_path: Path) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    exact, rounded = (load_model(str(model), "none", device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
    caption_batch(exact, requests, out, GREEDY)
    assert refusal(rounded, requests, out).startswith(f"{out} holds answers made otherwise: numbers of request 1 was ")


def test_answers_about_other_pictures_under_the_same_names(
    captioner: Captioner, images: list[Path], tmp_path: Path
) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    caption_batch(captioner, requests, out, GREEDY)
    Image.new("RGB", (40, 30), "green").save(images[1])
    assert "made otherwise: images_hash of request 1 was " in refusal(captioner, requests, out)


STRANGE = ['{"id": 7}\n', '{"text": "x"}\n', "{\n}\n", '{"my": "settings"}', '{"id": 7, "my": 1}', "{}", "text"]


@pytest.mark.parametrize("text", STRANGE)
def test_out_that_is_something_else(captioner: Captioner, images: list[Path], tmp_path: Path, text: str) -> None:
    (tmp_path / "out.jsonl").write_text(text, encoding="utf-8")
    assert str(tmp_path / "out.jsonl") in refusal(captioner, write(tmp_path, request()), tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == text


def test_two_processes_never_answer_into_one_file(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    with locked(tmp_path / ".out.jsonl.lock", wait=False):  # as another process would
        assert refusal(captioner, requests, out) == f"{out}: another process is at work there; wait for it, or stop it"
    caption_batch(captioner, requests, out, GREEDY)


def test_out_that_is_a_picture_stays_one(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    message = refusal(captioner, write(tmp_path, request()), images[0])
    assert message == f"{images[0]} is there already and holds no answers; name another --out"


def test_out_that_is_the_requests(captioner: Captioner, images: list[Path], tmp_path: Path) -> None:
    requests = write(tmp_path, request())
    assert "is the file of requests itself" in refusal(captioner, requests, tmp_path / "." / "requests.jsonl")


# The command.


def test_command_streams_the_answer(model: Path, images: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    run_caption(images, PROMPT, model=str(model), adapter="none", device="cpu", beams=1, max_length=8)
    printed = capsys.readouterr().out
    run_caption(images, PROMPT, model=str(model), adapter="none", device="cpu", beams=1, max_length=8, as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert printed == result["text"] + "\n"
    assert list(result) == ["text", "model", "adapter", "images", "prompt"]


def test_command_loads_the_model_as_it_is_told(
    model: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def noted(name: str, adapter: str, **how: Any) -> Captioner:
        asked.append({key: value for key, value in how.items() if value is not None})
        return load_model(name, adapter, device="cpu")

    monkeypatch.setattr("samcli.model.load.load_model", noted)
    settings = ["model.llm_bits=4", "model.completed_from=x/y", "model.revision=main", "decoding.min_length=2"]
    run_caption(images, PROMPT, model=str(model), adapter="none", device="cpu", settings=settings, max_length=4)
    how = {"llm_bits": 4, "completed_from": "x/y", "revision": "main", "device": "cpu", "dtype": "float32"}
    assert asked == [how]
    with pytest.raises(UserError, match=r"model.llm_bits: expected 4 or 8 \(got 3\)"):
        run_caption(images, PROMPT, settings=["model.llm_bits=3"])


def test_command_answers_a_file(
    model: Path, images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    more: dict[str, Any] = {"model": str(model), "adapter": "none", "device": "cpu", "beams": 1, "max_length": 4}
    run_caption([], None, batch=requests, out=out, as_json=True, **more)
    assert json.loads(capsys.readouterr().out) == {"requests": 1, "failed": 0, "out": str(out)}
    assert len(read(out)) == 1


def test_command_explains_the_answer(
    captioner: Captioner, model: Path, images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guidance = GuidanceRecipe(from_layer=1, to_layer=2)
    base = {"id": str(model), "revision": None, "hash": ""}
    adapted = SemanticAlignmentModel(captioner.model.base, MethodRecipe(guidance=guidance))
    save_adapter(tmp_path / "adapter", adapted, {"base": base, "guidance": guidance.model_dump(mode="json")})
    run_caption(images, PROMPT, adapter=str(tmp_path / "adapter"), device="cpu", explain_to=tmp_path / "maps")
    assert (tmp_path / "maps" / "contact_sheet.png").exists()
    assert capsys.readouterr().out.strip()
    with pytest.raises(UserError, match="give two or more"):
        run_caption(images[:1], PROMPT, adapter=str(tmp_path / "adapter"), device="cpu", explain_to=tmp_path / "maps")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: run_caption([], PROMPT), "no pictures were given: "),
        (lambda a: run_caption([a], None), "no prompt was given: "),
        (lambda a: run_caption([a], " "), "no prompt was given: "),
        (lambda a: run_caption([a], PROMPT, out=a), "--out is for the answers of --batch"),
        (lambda a: run_caption([], None, batch=a), "--batch needs --out FILE.jsonl"),
        (lambda a: run_caption([a], None, batch=a, out=a), "--batch takes pictures and prompts from its file"),
        (lambda a: run_caption([a], PROMPT, image_root="x"), "^--image-root and --batch-size are for --batch"),
        (lambda a: run_caption([a], PROMPT, batch_size=2), "^--image-root and --batch-size are for --batch"),
        (lambda a: run_caption([a], PROMPT, beams=0), "beams"),
        (lambda a: run_caption([a], PROMPT, max_length=1), "max_length"),
        (lambda a: run_caption([a.with_name("x.png")], PROMPT), "no such image file"),
    ],
)
def test_command_that_asks_the_impossible(images: list[Path], call: Callable[[Path], None], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(images[0])


def test_bad_input_is_told_before_the_model_is_loaded(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such image file"):
        run_caption([tmp_path / "none.png"], PROMPT, model="/nowhere")
    with pytest.raises(UserError, match="number of faults: 1"):
        run_caption([], None, batch=write(tmp_path, "{"), out=tmp_path / "out.jsonl", model="/nowhere")
    requests = write(tmp_path, request())
    with pytest.raises(UserError, match="is the file of requests itself"):
        run_caption([], None, batch=requests, out=requests, model="/nowhere")
    with pytest.raises(UserError, match="give two or more"):
        run_caption(images[:1], PROMPT, explain_to=tmp_path / "maps", model="/nowhere")


def test_a_model_of_the_world_says_what_it_is_whatever_it_is_called(captioner: Captioner) -> None:
    notice = world_notice(replace(captioner, name="copy", traits=WORLD))
    assert notice is not None
    assert notice.startswith("copy speaks of its own small drawn world")
    assert "\n" not in notice
    assert "Salesforce/instructblip-vicuna-7b" in notice
    assert world_notice(replace(captioner, name="tiny", traits=RELEASED)) is None


@pytest.mark.parametrize("size", [0, -3])
def test_impossible_batch_size(images: list[Path], tmp_path: Path, captioner: Captioner, size: int) -> None:
    requests, out = write(tmp_path, request()), tmp_path / "out.jsonl"
    with pytest.raises(UserError, match=r"^command line: batch_size: must be above 0 \(got "):
        run_caption([], None, batch=requests, out=out, batch_size=size, model="/nowhere")
    assert refusal(captioner, requests, out, batch_size=size) == f"batch_size {size}: must be above 0"


@pytest.mark.parametrize("module", ["samcli", "samcli.cli", "samcli.recipe_file", "samcli.caption"])
def test_import_is_light(module: str) -> None:
    code = f"import {module}, sys; print([name for name in ('torch', 'transformers', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
