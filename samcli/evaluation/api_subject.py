"""A model behind an OpenAI-compatible endpoint under evaluation: bounded requests at once, bounded spending."""

import asyncio
import base64
import io
from asyncio import FIRST_COMPLETED
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from samcli.api_client import Client, Endpoint, Rejected, Reply, Unanswered
from samcli.console import say, warn
from samcli.data.image import open_image
from samcli.data.sample import Sample
from samcli.errors import UserError
from samcli.evaluation.answer_file import Answer
from samcli.evaluation.marked import pieces_of
from samcli.evaluation.other_subject import GREEDY, OtherSubject
from samcli.evaluation.predict import Asked, Made
from samcli.files import read_json, write_json
from samcli.processes import TICK
from samcli.recipe import DecodingRecipe, EvalRecipe

PREFIX = "api:"
_MILLION = 1_000_000
_TOKENS_OF_A_PICTURE = 2000  # at most, as endpoints count them
REJECTED = "rejected"
_QUALITY = 95  # of the JPEG that a shrunk picture is sent as
USAGE = "api-usage.json"


@dataclass(frozen=True)
class ApiSubject(OtherSubject):
    """A model named `api:MODEL`, asked at temperature 0 unless the recipe says otherwise."""

    @property
    def decoding(self) -> DecodingRecipe:
        """How it generates by itself: greedily, 256 tokens at most."""
        return GREEDY

    @property
    def weights(self) -> dict[str, str]:
        """Its endpoint and name; which weights stand behind them, nobody can tell."""
        return {"endpoint": Endpoint.from_environment().url, "model": self.name.removeprefix(PREFIX)}

    @property
    def numbers(self) -> dict[str, Any]:
        """What else its answers depend on."""
        return {"picture_side": self.recipe.api.picture_side, "extra": self.recipe.api.extra}

    def engine(self, decoding: DecodingRecipe, usage: Path) -> "ApiEngine":
        """What asks it; what was spent is kept in the file `usage`, over all calls of a run."""
        if decoding.no_repeat_ngram:
            raise UserError(f"decoding.no_repeat_ngram: {self.name} is asked without it")
        warn_of_spending(self.recipe)
        return ApiEngine(self.recipe, decoding, Spending(self.recipe, decoding, usage))


class Spending:
    """What a run has spent, kept on disk after every reply, and what it may spend.

    A reply without a count of tokens, and a request that got no reply, are charged what a request is expected to cost:
    as much as the dearest reply so far, and before the first one an estimate on the high side.
    """

    def __init__(self, recipe: EvalRecipe, decoding: DecodingRecipe, path: Path) -> None:
        self.api, self.path = recipe.api, path
        if self.api.most_dollars is not None and None in (self.api.dollars_in, self.api.dollars_out):
            raise UserError("api.most_dollars needs the prices: --set api.dollars_in=... and api.dollars_out=...")
        former = read_json(path) if path.exists() else {}
        names = ("requests", "tokens_in", "tokens_out", "refused", "empty", "rejected")
        self.counts: dict[str, int] = {name: int(former.get(name, 0)) for name in names}
        self.assumed = float(former.get("assumed_dollars", 0))
        self._tokens_out = decoding.max_length - 1
        # of former calls only the mean is known
        self._dearest = self._price() / max(1, self.counts["requests"])

    @property
    def dollars(self) -> float:
        """What all requests cost, as far as is known or assumed; 0 where prices aren't known."""
        return self._price() + self.assumed

    def expected(self, sample: Sample) -> float:
        """What a request will cost, in dollars."""
        tokens = _TOKENS_OF_A_PICTURE * len(sample.images) + len(sample.instruction)
        return self._dearest or self._of(tokens, self._tokens_out)

    def allows(self, under_way: float, one_more: float) -> bool:
        """Whether another request fits beside those that are under way."""
        return self.api.most_dollars is None or self.dollars + under_way + one_more <= self.api.most_dollars

    def count(self, reply: Reply | None, expected: float) -> None:
        """Count a reply, or a request that was rejected, which costs nothing."""
        self.counts["requests"] += 1
        if reply is None:
            self.counts["rejected"] += 1
            return
        self.counts["tokens_in"] += reply.tokens_in
        self.counts["tokens_out"] += reply.tokens_out
        cost = self._of(reply.tokens_in, reply.tokens_out)
        self.assumed += 0 if reply.tokens_in else expected
        self._dearest = max(self._dearest, cost)
        for kind in ("refused", "empty"):
            self.counts[kind] += (reply.error or "").startswith(kind)

    def count_unanswered(self, expected: float) -> None:
        """Count a request that got no reply, which may have cost something all the same."""
        self.assumed += expected

    def write(self) -> None:
        """Put it on disk."""
        dollars = {"assumed_dollars": round(self.assumed, 6), "dollars": round(self.dollars, 6)}
        write_json(self.path, {**self.counts, **dollars})

    def _price(self) -> float:
        return self._of(self.counts["tokens_in"], self.counts["tokens_out"])

    def _of(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * (self.api.dollars_in or 0) + tokens_out * (self.api.dollars_out or 0)) / _MILLION


@dataclass(frozen=True)
class _Request:
    """A sample that is asked about, and what that is expected to cost."""

    place: int
    sample: Sample
    dollars: float


_Done = tuple[
    Answer, Reply | None
]  # the answer, and the reply that it is from; None where there was none or a rejection


@dataclass(frozen=True)
class ApiEngine:
    """Asks sample by sample, several at once; what got no reply stays unanswered, for the next call."""

    recipe: EvalRecipe
    decoding: DecodingRecipe
    spending: Spending

    def answer(self, dataset: str, batches: Sequence[Asked]) -> Generator[Made, None, None]:
        """The answers in the order in which they come.

        Raises UserError in the end when some samples got no reply or the money is spent, and at once for a key or model
        that the endpoint doesn't accept.
        """
        api = self.recipe.api
        waiting = [(place, one) for batch in batches for place, one in zip(batch.places, batch.samples, strict=True)]
        waiting.reverse()
        lost: dict[int | str, str] = {}
        loop = asyncio.new_event_loop()
        client = Client(Endpoint.from_environment(), api.timeout, api.tries)
        running: dict[asyncio.Task[_Done], _Request] = {}
        try:
            while waiting or running:
                while waiting and len(running) < api.requests:
                    request = _Request(*waiting[-1], self.spending.expected(waiting[-1][1]))
                    if not self.spending.allows(sum(one.dollars for one in running.values()), request.dollars):
                        break
                    waiting.pop()
                    running[loop.create_task(self._ask(client, request.sample))] = request
                if not running:
                    break  # the money is spent
                done, _ = loop.run_until_complete(asyncio.wait(running, timeout=TICK, return_when=FIRST_COMPLETED))
                yield self._settle({task: running.pop(task) for task in done}, lost)
                for task in done:
                    if (error := task.exception()) is not None and not isinstance(error, Unanswered):
                        raise error
        finally:
            for request in running.values():
                self.spending.count_unanswered(request.dollars)
            self.spending.write()
            loop.run_until_complete(_end(client, list(running)))
            loop.close()
        self._report(dataset, client, lost, len(waiting))

    def _settle(self, done: Mapping["asyncio.Task[_Done]", _Request], lost: dict[int | str, str]) -> Made:
        """Count what is over, note what got no reply, and return all answers that are there, whatever else failed."""
        places, answers = [], []
        for task, request in done.items():
            error = task.exception()
            if isinstance(error, Unanswered):
                lost[request.sample.id] = str(error)
                self.spending.count_unanswered(request.dollars)
            elif error is None:
                answer, reply = task.result()
                if reply is not None or (answer[1] or "").startswith(REJECTED):
                    self.spending.count(reply, request.dollars)
                places.append(request.place)
                answers.append(answer)
        if done:
            self.spending.write()
        return Made(tuple(places), answers, None)

    def _report(self, dataset: str, client: Client, lost: Mapping[int | str, str], unasked: int) -> None:
        counts, spent = self.spending.counts, self.spending.dollars
        say(
            f"{dataset}: {counts['requests']} replies so far, {client.retries} tries again, {counts['refused']} "
            f"refusals, {counts['empty']} empty, {counts['tokens_in']} tokens sent, {counts['tokens_out']} received"
            + (f", ${spent:.4f}" if spent else "")
            + (
                f" (${self.spending.assumed:.4f} of it assumed, where no count of tokens came)"
                if self.spending.assumed
                else ""
            )
        )
        if unasked:
            raise UserError(
                f"{dataset}: ${spent:.4f} of ${self.recipe.api.most_dollars:.4f} are spent, and another request could "
                f"exceed it; {unasked + len(lost)} "
                "samples have no answer yet. All answers are kept: with a higher api.most_dollars the command goes on"
            )
        if lost:
            name, reason = next(iter(lost.items()))
            raise UserError(
                f"{dataset}: {len(lost)} samples got no reply after {self.recipe.api.tries} tries each, such as "
                f"{name!r} ({reason}); all answers are kept: the same command asks for the others again"
            )

    async def _ask(self, client: Client, sample: Sample) -> _Done:
        """The answer to a sample, or why there is none and won't be; raises Unanswered where there may be one yet."""
        try:
            body = self._body(sample)
        except UserError as error:
            return (None, str(error)), None
        try:
            reply = await client.ask(body)
        except Rejected as error:
            return (None, f"{REJECTED}: {error}"), None
        return (reply.text, reply.error), reply

    def _body(self, sample: Sample) -> dict[str, Any]:
        """The request: pictures as data URLs, where the instruction marks them, else before it."""
        if not sample.instruction.strip():
            raise UserError("the instruction is empty")
        urls = [data_url(path, self.recipe.api.picture_side) for path in sample.images]
        content = [
            {"type": "text", "text": piece}
            if isinstance(piece, str)
            else {"type": "image_url", "image_url": {"url": urls[piece]}}
            for piece in pieces_of(sample.instruction, len(urls))
        ]
        body: dict[str, Any] = {
            "model": self.recipe.model.base.removeprefix(PREFIX),
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.decoding.max_length - 1,
            "temperature": self.decoding.temperature,
        }
        if self.decoding.temperature:
            body |= {"top_p": self.decoding.top_p, "seed": self.decoding.seed}
        body |= self.recipe.api.extra
        return {key: value for key, value in body.items() if value is not None}


async def _end(client: Client, running: Sequence[asyncio.Task[_Done]]) -> None:
    """Give up what is under way, and let go of the connections."""
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await client.close()


def data_url(path: Path, side: int) -> str:
    """A picture as it is sent: its own bytes where it is a JPEG or PNG that is small enough, else a JPEG of that side.

    Raises UserError for what can't be read.
    """
    picture = open_image(path)
    data = path.read_bytes()
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg" if data.startswith(b"\xff\xd8\xff") else None
    if kind is None or max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY)
        kind, data = "jpeg", buffer.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def warn_of_spending(recipe: EvalRecipe) -> None:
    """Say it when nothing bounds what a run may spend."""
    if recipe.api.most_dollars is None:
        warn(f"{recipe.model.base}: nothing bounds what this run spends; api.most_dollars and the prices do")
