"""`api:` models, against an endpoint that fails, stalls, limits and talks nonsense: nothing is lost, nothing twice."""

import base64
import io
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from samcli import api_client
from samcli.api_client import read_reply
from samcli.data.sample import Sample, write_annotations
from samcli.errors import Interrupted, UserError
from samcli.evaluation.api_subject import data_url
from samcli.evaluation.command import default_out
from samcli.evaluation.run import evaluate
from samcli.recipe import EvalRecipe

COUNT = 24
Reaction = Callable[["Handler", dict[str, Any]], None]


class StandIn(ThreadingHTTPServer):
    """An endpoint whose reactions tests choose; it keeps every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.react: Reaction = well
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            self.server.headers.append({name.lower(): text for name, text in self.headers.items()})
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self.server.react(self, body)
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def reply(self, status: int, value: Any, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        with suppress(OSError):  # a client that has seen enough is gone
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


def question(body: dict[str, Any]) -> str:
    return " ".join(part["text"] for part in body["messages"][0]["content"] if part["type"] == "text")


def completion(text: str | None, **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 1000, "completion_tokens": 10}}


def well(handler: Handler, body: dict[str, Any]) -> None:
    asked = question(body)
    handler.server.answered[asked] += 1
    handler.reply(200, completion(f" an answer to {asked} "))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn()
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    monkeypatch.setenv("SAM_API_BASE", stand_in.url + "/")
    monkeypatch.setenv("SAM_API_KEY", "secret-key")
    monkeypatch.setattr(api_client, "_FIRST_WAIT", 0.002)
    yield stand_in
    stand_in.shutdown()
    stand_in.server_close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    home = tmp_path / "data" / "AESOP"
    home.mkdir(parents=True)
    samples = []
    for number in range(COUNT):
        path = home / f"{number}.png"
        Image.new("RGB", (12, 8), (number * 10, 0, 0)).save(path)
        samples.append(Sample(number, (path, path), f"question {number}", (f"an answer to question {number} indeed",)))
    write_annotations(home, samples)
    return tmp_path / "data"


def recipe(data: Path, **api: Any) -> EvalRecipe:
    fields = {"base": "api:some-model"}
    return EvalRecipe.model_validate(
        {
            "task": "storytelling",
            "datasets": ["aesop"],
            "data_root": str(data),
            "model": fields,
            "reuse_answers": False,
            "api": {"requests": 4, "timeout": 5, **api},
        }
    )


def answers_in(out: Path) -> dict[int, dict[str, Any]]:
    lines = (out / "predictions" / "AESOP.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def test_each_sample_is_asked_once_with_its_pictures(server: StandIn, data: Path, tmp_path: Path) -> None:
    def slowly(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.05)
        well(handler, body)

    server.react = slowly
    results = evaluate(recipe(data), tmp_path / "run")
    assert results["models"]["api:some-model"]["datasets"]["AESOP"]["n"] == COUNT
    found = answers_in(tmp_path / "run")
    assert [found[number]["prediction"] for number in range(COUNT)] == [
        f"an answer to question {number}" for number in range(COUNT)
    ]
    assert set(server.answered.values()) == {1}
    assert 1 < server.most_at_once <= 4
    body = server.bodies[0]
    assert body["model"] == "some-model"
    assert (body["temperature"], body["max_tokens"]) == (0, 256)
    kinds = [part["type"] for part in body["messages"][0]["content"]]
    assert kinds == ["image_url", "image_url", "text"]
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).size == (12, 8)
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert (usage["requests"], usage["tokens_in"], usage["tokens_out"]) == (COUNT, COUNT * 1000, COUNT * 10)


def test_the_key_is_sent_and_written_nowhere(server: StandIn, data: Path, tmp_path: Path) -> None:
    evaluate(recipe(data), tmp_path / "run")
    assert server.headers[0]["authorization"] == "Bearer secret-key"
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file() and b"secret-key" in path.read_bytes()]


def test_failures_stalls_limits_and_nonsense_lose_nothing(server: StandIn, data: Path, tmp_path: Path) -> None:
    lock = threading.Lock()

    def hang_up(handler: Handler, _: dict[str, Any]) -> None:
        handler.connection.close()

    def stall(handler: Handler, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        for _drop in range(20):  # drop by drop, which no timeout of single reads would notice
            time.sleep(0.05)
            handler.wfile.write(b" ")
            handler.wfile.flush()

    bad: dict[str, Reaction] = {
        "500": lambda handler, _: handler.reply(500, {"error": {"message": "oops"}}),
        "503": lambda handler, _: handler.reply(503, b"<html>busy</html>"),
        "429": lambda handler, _: handler.reply(429, {"error": "slow down"}, retry_after="0.01"),
        "hang up": hang_up,
        "stall": stall,
        "html": lambda handler, _: handler.reply(200, b"<html>hello</html>"),
        "no choices": lambda handler, _: handler.reply(200, {"choices": []}),
        "half": lambda handler, _: handler.reply(200, b'{"choices": [{"mess'),
        "number": lambda handler, _: handler.reply(200, completion(None, content=7)),
        "half a character": lambda handler, _: handler.reply(200, completion("an answer \ud83d")),
        "deep": lambda handler, _: handler.reply(200, b"[" * 100_000),
        "deep refusal": lambda handler, _: handler.reply(500, b"[" * 100_000),
    }

    troubles = [*bad, *["well"] * 9] * 2
    random.Random(0).shuffle(troubles)

    def react(handler: Handler, body: dict[str, Any]) -> None:
        with lock:
            kind = troubles.pop() if troubles else "well"
        if kind == "well":
            well(handler, body)
        else:
            with suppress(OSError):  # the client has given up, as it should
                bad[kind](handler, body)

    server.react = react
    evaluate(recipe(data, timeout=0.4, tries=40, requests=6), tmp_path / "run")
    found = answers_in(tmp_path / "run")
    assert all(found[number]["prediction"] == f"an answer to question {number}" for number in range(COUNT))
    assert all(record["error"] is None for record in found.values())
    assert not troubles
    assert max(server.answered.values()) == 1
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert usage["refused"] + usage["rejected"] + usage["empty"] == 0
    assert usage["requests"] == COUNT
    assert usage["tokens_in"] == COUNT * 1000


def test_refusals_empties_and_rejections_are_answers_that_failed(server: StandIn, data: Path, tmp_path: Path) -> None:
    def react(handler: Handler, body: dict[str, Any]) -> None:
        match int(question(body).split()[1]):
            case 0:
                handler.reply(200, completion(None, refusal="I won't look at this."))
            case 1:
                handler.reply(200, completion("  "))
            case 2:
                handler.reply(400, {"error": {"message": "image too large"}})
            case _:
                well(handler, body)

    server.react = react
    results = evaluate(recipe(data), tmp_path / "run")
    entry = results["datasets"]["AESOP"]
    assert (entry["n"], entry["failed"], entry["failed_ids"]) == (COUNT, 3, ["0", "1", "2"])
    assert entry["failed_by"] == {"refused": 1, "empty answer": 1, "rejected": 1}
    found = answers_in(tmp_path / "run")
    assert found[0]["error"] == "refused: I won't look at this."
    assert found[2]["error"] == "rejected: HTTP 400: image too large"
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert (usage["refused"], usage["empty"], usage["rejected"]) == (1, 1, 1)


def test_what_got_no_reply_is_asked_again_by_the_next_call(server: StandIn, data: Path, tmp_path: Path) -> None:
    def react(handler: Handler, body: dict[str, Any]) -> None:
        if int(question(body).split()[1]) < 5:
            handler.reply(500, b"")
        else:
            well(handler, body)

    server.react = react
    with pytest.raises(
        UserError, match=r"5 samples got no reply after 2 tries each.*the same command asks for the others"
    ):
        evaluate(recipe(data, tries=2), tmp_path / "run")
    assert len(answers_in(tmp_path / "run")) == COUNT - 5
    server.react = well
    server.bodies.clear()
    evaluate(recipe(data, tries=2), tmp_path / "run")
    assert len(server.bodies) == 5
    assert max(server.answered.values()) == 1
    assert list(answers_in(tmp_path / "run")) == list(range(COUNT))


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "the key is not accepted.*SAM_API_KEY"), (404, "no such model or address"), (302, "leads")],
)
def test_what_no_request_will_change_stops_the_run(
    server: StandIn, data: Path, tmp_path: Path, status: int, told: str
) -> None:
    server.react = lambda handler, _: handler.reply(status, {"error": {"message": "no"}}, location="http://elsewhere")
    with pytest.raises(UserError, match=told) as raised:
        evaluate(recipe(data), tmp_path / "run")
    assert "secret-key" not in str(raised.value)
    assert len(server.bodies) <= 4


def test_spending_stops_before_its_limit_and_goes_on_with_a_higher_one(
    server: StandIn, data: Path, tmp_path: Path
) -> None:
    prices = {"dollars_in": 1.0, "dollars_out": 10.0}  # 0.0011 dollars an answer
    with pytest.raises(UserError, match=r"\$0.0099 of \$0.0100 are spent, .*; 15 samples have no answer yet"):
        evaluate(recipe(data, most_dollars=0.01, requests=1, **prices), tmp_path / "run")
    assert len(answers_in(tmp_path / "run")) == 9
    with pytest.raises(UserError, match="are spent"):
        evaluate(recipe(data, most_dollars=0.01, requests=1, **prices), tmp_path / "run")
    assert len(server.bodies) == 9
    evaluate(recipe(data, most_dollars=1.0, requests=2, **prices), tmp_path / "run")
    assert len(server.bodies) == COUNT
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert usage["dollars"] == pytest.approx(COUNT * 0.0011)
    with pytest.raises(UserError, match="needs the prices"):
        evaluate(recipe(data, most_dollars=1.0), tmp_path / "other")


def test_a_stop_is_noticed_while_the_endpoint_is_silent(
    server: StandIn, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(handler: Handler, body: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(3)

    server.react = silent
    began = time.monotonic()
    with pytest.raises(Interrupted) as stopped:
        evaluate(recipe(data, timeout=60, requests=1), tmp_path / "run")
    assert stopped.value.exit_code == 143
    assert time.monotonic() - began < 2.5


def test_a_stop_keeps_all_replies_and_none_is_asked_for_again(server: StandIn, data: Path, tmp_path: Path) -> None:
    """Eight replies come at once, and a signal with them."""
    gate = threading.Barrier(8)

    def react(handler: Handler, body: dict[str, Any]) -> None:
        if server.most_at_once and len(server.bodies) <= 8:
            with suppress(threading.BrokenBarrierError):
                if gate.wait(timeout=5) == 0:
                    os.kill(os.getpid(), signal.SIGTERM)
        well(handler, body)

    server.react = react
    with pytest.raises(Interrupted):
        evaluate(recipe(data, requests=8), tmp_path / "run")
    kept = len(answers_in(tmp_path / "run"))
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert usage["requests"] == kept
    server.react = well
    asked = len(server.bodies)
    evaluate(recipe(data, requests=8), tmp_path / "run")
    assert len(server.bodies) - asked == COUNT - kept
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert usage["requests"] == COUNT


def test_replies_that_count_no_tokens_are_charged_what_was_expected(
    server: StandIn, data: Path, tmp_path: Path
) -> None:
    server.react = lambda handler, body: handler.reply(
        200, {k: v for k, v in completion("x y").items() if k != "usage"}
    )
    with pytest.raises(UserError, match="are spent"):
        evaluate(recipe(data, most_dollars=0.02, dollars_in=1.0, dollars_out=10.0, requests=8), tmp_path / "run")
    usage = json.loads((tmp_path / "run" / "api-usage.json").read_text())
    assert usage["assumed_dollars"] == usage["dollars"] <= 0.02
    assert 0 < len(server.bodies) == usage["requests"] < 4


def test_keys_and_addresses_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*api_client.BASE_URLS, *api_client.KEYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAM_API_BASE", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "for somebody else")
    assert api_client.Endpoint.from_environment().key is None
    monkeypatch.delenv("SAM_API_BASE")
    assert api_client.Endpoint.from_environment() == api_client.Endpoint(
        "https://api.openai.com/v1", "for somebody else"
    )
    monkeypatch.setenv("SAM_API_BASE", "https://user:secret@host/v1")
    with pytest.raises(UserError, match="holds a user or a query") as raised:
        api_client.Endpoint.from_environment()
    assert "secret" not in str(raised.value)


def test_a_run_goes_on_with_another_limit_in_the_same_directory(data: Path) -> None:
    asked = [
        recipe(data, most_dollars=most, dollars_in=1.0, dollars_out=1.0, requests=n) for most, n in ((1, 2), (9, 4))
    ]
    assert len({default_out(one, None) for one in asked}) == 1
    assert default_out(asked[0].model_copy(update={"limit": 3}), None) != default_out(asked[0], None)


def test_keys_of_the_body_can_be_added_and_taken_out(server: StandIn, data: Path, tmp_path: Path) -> None:
    evaluate(recipe(data, extra={"temperature": None, "seed": 7}), tmp_path / "run")
    assert "temperature" not in server.bodies[0]
    assert server.bodies[0]["seed"] == 7


def test_without_an_endpoint_the_message_says_how_to_name_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*api_client.BASE_URLS, *api_client.KEYS):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"need \$SAM_API_BASE"):
        evaluate(recipe(data), tmp_path / "run")
    monkeypatch.setenv("SAM_API_BASE", "file:///etc")
    with pytest.raises(UserError, match=r"begins with http://"):
        evaluate(recipe(data), tmp_path / "run")


def test_options_of_local_models_are_refused(server: StandIn, data: Path, tmp_path: Path) -> None:
    changed = recipe(data).model_copy(update={"workers": 2})
    with pytest.raises(UserError, match=r"runs elsewhere: api\.requests says"):
        evaluate(changed, tmp_path / "run")


def test_large_and_odd_pictures_are_sent_as_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (300, 100), "green").save(tmp_path / "large.png")
    Image.new("P", (30, 10)).save(tmp_path / "odd.gif")
    for name, size in (("large.png", (100, 33)), ("odd.gif", (30, 10))):
        head, _, payload = data_url(tmp_path / name, 100).partition(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(payload))).size == size


def test_replies_in_parts_are_joined() -> None:
    reply = read_reply(json.dumps(completion(None, content=[{"type": "text", "text": "a "}, {"text": "cat"}])).encode())
    assert (reply.text, reply.error, reply.tokens_in) == ("a cat", None, 1000)
    nothing = read_reply(json.dumps(completion(None, content=[{"text": None}, 7])).encode())
    assert (nothing.text, nothing.error) == (None, "empty answer")
    with pytest.raises(ValueError, match="no choices"):
        read_reply(b"[]")
