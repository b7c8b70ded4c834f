"""Language models that write scenes and answers: forms are kept, failures told apart, and nothing is asked twice."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.language.load import language_model
from samcli.synth.photos.language.model import BROKEN, REFUSED, UNREACHED, LanguageModel
from samcli.synth.photos.language.question import Form, Question, Text, is_refusal
from samcli.synth.photos.stage import Failed, Rejected, Setting
from samcli.synth.run import synthesise
from tests.photo_shop import open_shop, shop_recipe
from tests.test_api_subject import Handler, StandIn, completion
from tests.test_api_subject import server as server

GOOD = {"instruction": "What do both show?", "answer": "Both show a red sofa."}
TEMPLATE = "{% for message in messages %}[{{ message.role }}] {{ message.content }}\n{% endfor %}[assistant] "


class Pair(Form):
    instruction: Text
    answer: Text


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def setting(tmp_path: Path, **api: Any) -> Setting:
    recipe = MmlinkRecipe.model_validate({"api": {"timeout": 5, "tries": 3, **api}, "device": "cpu"})
    return Setting(recipe, tmp_path / "run")


def model(tmp_path: Path, name: str = "api:writer", **api: Any) -> LanguageModel:
    return language_model(name, None, setting(tmp_path, **api))


def asking(text: str, tokens: int = 100) -> Question[Pair]:
    return Question(text, Pair, tokens)


def saying(*replies: str | None, **message: Any) -> Callable[[Handler, dict[str, Any]], None]:
    """Reactions that give these texts one after the other, the last one from then on."""
    left = list(replies)

    def react(handler: Handler, _: dict[str, Any]) -> None:
        handler.reply(200, completion(left.pop(0) if len(left) > 1 else left[0], **message))

    return react


def one(answers: list[Pair | Rejected]) -> Pair | Rejected:
    (answer,) = answers
    return answer


def rejection(answers: list[Pair | Rejected]) -> Rejected:
    answer = one(answers)
    assert isinstance(answer, Rejected)
    return answer


def test_what_is_sent_and_what_is_read(server: StandIn, tmp_path: Path) -> None:
    server.react = saying(json.dumps(GOOD))
    answer = one(model(tmp_path).ask([asking("tell me", tokens=77)]))
    assert answer == Pair(**GOOD)
    (body,) = server.bodies
    assert body["messages"] == [{"role": "user", "content": "tell me"}]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("writer", 0, 77)
    form = body["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["additionalProperties"] is False
    assert sorted(form["schema"]["required"]) == ["answer", "instruction"]
    assert server.headers[0]["authorization"] == "Bearer secret-key"


def test_what_an_endpoint_does_not_know_can_be_left_out(server: StandIn, tmp_path: Path) -> None:
    server.react = saying(json.dumps(GOOD))
    model(tmp_path, extra={"response_format": None, "seed": 3}).ask([asking("tell me")])
    assert "response_format" not in server.bodies[0]
    assert server.bodies[0]["seed"] == 3


def test_nothing_is_asked_twice(server: StandIn, tmp_path: Path) -> None:
    server.react = saying(json.dumps(GOOD))
    first = model(tmp_path).ask([asking("a"), asking("b"), asking("a")])
    assert len(server.bodies) == 2
    assert model(tmp_path).ask([asking("b"), asking("a"), asking("b")]) == first
    assert len(server.bodies) == 2
    model(tmp_path, "api:another").ask([asking("a")])
    model(tmp_path).ask([asking("a", tokens=99)])
    model(tmp_path, extra={"top_p": 1}).ask([asking("a")])
    assert len(server.bodies) == 5


def test_the_cache_holds_no_key(server: StandIn, tmp_path: Path, cache: Path) -> None:
    server.react = saying(json.dumps(GOOD))
    model(tmp_path).ask([asking("a")])
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"secret-key" in path.read_bytes()]


def test_a_broken_form_is_asked_for_once_more_with_the_fault(server: StandIn, tmp_path: Path) -> None:
    server.react = saying('{"instruction": "What?"}', json.dumps(GOOD))
    assert one(model(tmp_path).ask([asking("tell me")])) == Pair(**GOOD)
    first, second = server.bodies
    assert second["messages"][:1] == first["messages"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][1]["content"] == '{"instruction": "What?"}'
    assert "answer: Field required" in second["messages"][2]["content"]


@pytest.mark.parametrize(
    "broken",
    ["no JSON at all", "", '{"instruction": "a", "answer": "b", "more": 1}', '{"instruction": "a", "answer": "  "}']
    + ['{"instruction": "a", "answer": "half a char \\ud83d"}', '{"instruction": ["a"], "answer": "b"}', '{"instruc'],
)
def test_a_form_that_is_broken_twice_rejects_the_sample_for_good(server: StandIn, tmp_path: Path, broken: str) -> None:
    server.react = saying(broken)
    for _ in range(2):
        answer = rejection(model(tmp_path).ask([asking("tell me")]))
        assert answer.reason == BROKEN == "the language model broke the schema"
        assert answer.detail
        assert not isinstance(answer, Failed)
    assert len(server.bodies) == 2


@pytest.mark.parametrize("in_words", [True, False])
def test_a_refusal_rejects_the_sample_for_good(server: StandIn, tmp_path: Path, in_words: bool) -> None:
    told = "I'm sorry, but I can't help with that."
    server.react = saying(told) if in_words else saying(None, refusal=told)
    for _ in range(2):
        answer = rejection(model(tmp_path).ask([asking("tell me")]))
        assert (answer.reason, isinstance(answer, Failed)) == (REFUSED, False)
        assert "can't help" in answer.detail
    assert len(server.bodies) == 1


def test_failures_and_stalls_are_tried_again(server: StandIn, tmp_path: Path) -> None:
    def stall(handler: Handler) -> None:
        time.sleep(0.6)
        with suppress(OSError):
            handler.reply(200, completion(json.dumps(GOOD)))

    troubles: list[Callable[[Handler], None]] = [
        lambda handler: handler.reply(500, {"error": "oops"}),
        lambda handler: handler.reply(503, b"<html>"),
        stall,
        lambda handler: handler.reply(200, b"nonsense"),
    ]

    def react(handler: Handler, _: dict[str, Any]) -> None:
        (troubles.pop() if troubles else lambda h: h.reply(200, completion(json.dumps(GOOD))))(handler)

    server.react = react
    assert one(model(tmp_path, timeout=0.3, tries=9).ask([asking("tell me")])) == Pair(**GOOD)
    assert not troubles
    assert len(server.bodies) == 5


@pytest.mark.parametrize(("status", "reason"), [(500, UNREACHED), (400, "the endpoint rejects the request")])
def test_what_got_no_reply_failed_and_is_asked_again_another_time(
    server: StandIn, tmp_path: Path, status: int, reason: str
) -> None:
    def react(handler: Handler, body: dict[str, Any]) -> None:
        if body["messages"][0]["content"] == "bad":
            handler.reply(status, {"error": {"message": "out of order"}})
        else:
            handler.reply(200, completion(json.dumps(GOOD)))

    server.react = react
    good, bad = model(tmp_path, tries=2).ask([asking("good"), asking("bad")])
    assert good == Pair(**GOOD)
    assert isinstance(bad, Failed)
    assert bad.reason == reason
    assert "out of order" in bad.detail
    server.react = saying(json.dumps(GOOD))
    server.bodies.clear()
    assert model(tmp_path, tries=2).ask([asking("good"), asking("bad")]) == [good, good]
    assert len(server.bodies) == 1


def test_a_key_that_is_not_accepted_stops_the_run_and_replies_are_kept(server: StandIn, tmp_path: Path) -> None:
    def react(handler: Handler, body: dict[str, Any]) -> None:
        if body["messages"][0]["content"] == "bad":
            handler.reply(401, {"error": {"message": "no"}})
        else:
            handler.reply(200, completion(json.dumps(GOOD)))

    server.react = react
    with pytest.raises(UserError, match="the key is not accepted"):
        model(tmp_path, requests=1).ask([asking("good"), asking("bad"), asking("later")])
    server.bodies.clear()
    with pytest.raises(UserError, match="the key is not accepted"):
        model(tmp_path, requests=1).ask([asking("good"), asking("bad")])
    assert len(server.bodies) == 1


def test_requests_at_once_are_bounded(server: StandIn, tmp_path: Path) -> None:
    def slowly(handler: Handler, _: dict[str, Any]) -> None:
        time.sleep(0.03)
        handler.reply(200, completion(json.dumps(GOOD)))

    server.react = slowly
    assert len(model(tmp_path, requests=3).ask([asking(str(number)) for number in range(12)])) == 12
    assert 1 < server.most_at_once <= 3


def test_spending_stops_before_its_limit_and_goes_on_with_a_higher_one(server: StandIn, tmp_path: Path) -> None:
    """A reply costs 0.0011 dollars; 0.00401 are set aside for each."""
    server.react = saying(json.dumps(GOOD))
    prices: dict[str, Any] = {"dollars_in": 1.0, "dollars_out": 10.0, "requests": 1}
    questions = [asking(f"number {number:02}", tokens=400) for number in range(10)]
    with pytest.raises(UserError, match=r"\$0\.0066 of \$0\.0100 are spent .* higher api\.most_dollars"):
        model(tmp_path, most_dollars=0.01, **prices).ask(questions)
    asked = len(server.bodies)
    assert asked == 6
    with pytest.raises(UserError, match="are spent"):
        model(tmp_path, most_dollars=0.01, **prices).ask(questions)
    assert len(server.bodies) == asked
    assert all(isinstance(answer, Pair) for answer in model(tmp_path, most_dollars=1, **prices).ask(questions))
    assert len(server.bodies) == 10
    with pytest.raises(UserError, match="needs the prices"):
        model(tmp_path, most_dollars=1)


@pytest.mark.parametrize(
    "reply",
    [
        '```json\n{"instruction": "a", "answer": "b"}\n```',
        'Here you are: {"instruction": " a ", "answer": "b\n"} and {"instruction": "c", "answer": "d"}',
        '<think>maybe {"instruction": "x", "answer": "y"}?</think>{"instruction": "a", "answer": "b"}',
        'in {braces} first {"instruction": "a", "answer": "b"}',
    ],
)
def test_the_first_object_counts_whatever_surrounds_it(reply: str) -> None:
    assert asking("").read(reply) == Pair(instruction="a", answer="b")


def test_deep_nonsense_is_no_form() -> None:
    with pytest.raises(ValueError, match="no complete JSON object"):
        asking("").read('{"a":' * 100_000)


def test_refusals_are_told_from_answers() -> None:
    assert is_refusal("I\u2019m sorry, I cannot describe people.")
    assert is_refusal("As an AI, I do not see pictures.")
    assert is_refusal("I'm unable to assist.")
    assert not is_refusal("Both pictures show a sorry sight: a sofa that cannot stand.")


def save_llama(directory: Path, template: str | None = TEMPLATE) -> Path:
    """A tiny LLaMA of random weights, and a tokenizer that can spell anything."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["the pictures show"], vocab_size=300, special_tokens=["<s>", "</s>"], min_frequency=9)
    words = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, bos_token="<s>", eos_token="</s>")  # noqa: S106
    words.chat_template = template
    words.save_pretrained(directory)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory


def test_a_local_model_is_asked_as_its_template_says_and_its_gibberish_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(save_llama(tmp_path / "llama"))
    prompts: list[str] = []
    local = model(tmp_path, name)
    backend: Any = local._backend
    generate = backend._model.generate

    def spy(**inputs: Any) -> Any:
        prompts.extend(backend._tokenizer.batch_decode(inputs["input_ids"]))
        return generate(**inputs)

    monkeypatch.setattr(backend._model, "generate", spy)
    questions = [asking("tell me", tokens=8), asking("tell me more of it", tokens=8)]
    answers = local.ask(questions)
    assert {answer.reason for answer in answers if isinstance(answer, Rejected)} == {BROKEN}
    assert prompts[0].startswith("[user] tell me\n\nReply with one JSON object")
    assert prompts[0].endswith("[assistant] ")
    assert len(prompts) == 4
    assert "That can't be used: there is no complete JSON object" in prompts[2]
    model(tmp_path, name).ask(questions)
    assert len(prompts) == 4


def test_a_local_model_says_the_same_whatever_it_is_asked_beside(tmp_path: Path) -> None:
    backend: Any = model(tmp_path, str(save_llama(tmp_path / "llama")))._backend
    questions = [asking(text, tokens=8) for text in ("one", "a much longer question than that", "three")]
    together = dict(backend.replies(questions))
    alone = [dict(backend.replies([question]))[0] for question in questions]
    assert [together[place] for place in range(3)] == alone
    backend._together = 3
    assert sorted(dict(backend.replies(questions))) == [0, 1, 2]


def test_a_local_model_that_keeps_to_the_form_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = model(tmp_path, str(save_llama(tmp_path / "llama")))
    backend: Any = local._backend

    def write(**inputs: Any) -> torch.Tensor:
        ids = inputs["input_ids"]
        said = backend._tokenizer(f"Sure! {json.dumps(GOOD)}", return_tensors="pt")["input_ids"]
        return torch.cat([ids, said.repeat(len(ids), 1)], dim=1)

    monkeypatch.setattr(backend._model, "generate", write)
    assert one(local.ask([asking("tell me")])) == Pair(**GOOD)


def test_what_is_no_local_model_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no chat template"):
        model(tmp_path, str(save_llama(tmp_path / "silent", template=None)))
    with pytest.raises(UserError, match="neither a directory nor a hub id"):
        model(tmp_path, "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="can't be loaded"):
        model(tmp_path, str(tmp_path / "empty"))


def test_an_endpoint_that_is_not_named_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAM_API_BASE", "OPENAI_BASE_URL", "SAM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="SAM_API_BASE"):
        model(tmp_path)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0, "could not be reached .*127.0.0.1.*ConnectError"),
        (400, "rejects the request .*schema.*api.extra"),
        (401, "the key is not accepted"),
        (404, "no such model"),
    ],
)
def test_an_endpoint_that_does_not_reply_stops_a_run_before_anything_is_made(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, told: str
) -> None:
    shop, out = open_shop(tmp_path / "photographs"), tmp_path / "run"
    server.react = lambda handler, _: handler.reply(status, {"error": {"message": "no schema, please"}})
    if status == 0:
        monkeypatch.setenv("SAM_API_BASE", "http://127.0.0.1:9/v1")
    api = {"tries": 1, "timeout": 5, "most_dollars": 1, "dollars_in": 1, "dollars_out": 1}
    with pytest.raises(UserError, match=told):
        synthesise(shop_recipe(shop, samples=2, describe={"writer": "api:writer"}, api=api), out)
    assert not (out / "images").exists()
    assert synthesise(shop_recipe(shop, samples=2), out)["complete"]  # the directory is free for another writer


def test_an_endpoint_is_asked_whether_it_is_there_whatever_is_kept(server: StandIn, tmp_path: Path) -> None:
    server.react = saying("Yes, I am.")
    for number in (1, 2):
        model(tmp_path).check()
        assert len(server.bodies) == number
