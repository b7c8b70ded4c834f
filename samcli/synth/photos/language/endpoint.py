"""Replies from an OpenAI-compatible endpoint: several questions at once, within what a run may spend."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from samcli import api_client
from samcli.api_client import Client, Endpoint, Unanswered
from samcli.recipe_api import ApiRecipe
from samcli.synth.photos.language.model import REFUSED, UNREACHED, Reply
from samcli.synth.photos.language.purse import Purse
from samcli.synth.photos.language.question import Question
from samcli.synth.photos.stage import Failed, Rejected

_Placed = tuple[int, Reply]


class EndpointBackend:
    """A model by its name at the endpoint that the environment names, asked at temperature 0."""

    def __init__(self, model: str, recipe: ApiRecipe, purse: Purse | None) -> None:
        self._endpoint = Endpoint.from_environment()
        self._model, self._recipe, self._purse = model, recipe, purse
        self.identity = {"endpoint": self._endpoint.url, "model": model, "extra": recipe.extra}

    def replies(self, questions: Sequence[Question[Any]]) -> Iterator[_Placed]:
        """The place of each question and its reply, as they come; see `LanguageModel.ask` for what is raised."""
        loop = asyncio.new_event_loop()
        client = Client(self._endpoint, self._recipe.timeout, self._recipe.tries)
        gate = asyncio.Semaphore(self._recipe.requests)
        waiting = {loop.create_task(self._ask(client, gate, *pair)) for pair in enumerate(questions)}
        try:
            while waiting:
                done, waiting = loop.run_until_complete(asyncio.wait(waiting, return_when=FIRST_COMPLETED))
                for task in sorted(done, key=lambda one: one.exception() is not None):  # what was paid for comes first
                    yield task.result()
        finally:
            loop.run_until_complete(_end(client, waiting))
            loop.close()

    async def _ask(self, client: Client, gate: asyncio.Semaphore, place: int, question: Question[Any]) -> _Placed:
        async with gate:
            paid = self._purse.reserve(_letters(question), question.tokens) if self._purse else None
            try:
                reply = await client.ask(self._body(question))
            except Unanswered as error:
                return place, Failed(UNREACHED, f"{self._endpoint.url}: {error}")
            except api_client.Rejected as error:  # of a setting, such as a key of the body that it doesn't know
                return place, Failed("the endpoint rejects the request", f"{error}; api.extra changes its body")
        if self._purse and paid is not None and reply.tokens_in:
            self._purse.settle(paid, reply.tokens_in, reply.tokens_out)
        if reply.text is None and (reply.error or "").startswith("refused"):
            return place, Rejected(REFUSED, reply.error or "")
        return place, reply.text or ""

    def _body(self, question: Question[Any]) -> dict[str, Any]:
        form = {"name": question.form.__name__.lower(), "strict": True, "schema": question.schema}
        body: dict[str, Any] = {
            "model": self._model,
            "messages": question.messages,
            "max_tokens": question.tokens,
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": form},
        }
        body |= self._recipe.extra
        return {key: value for key, value in body.items() if value is not None}


def _letters(question: Question[Any]) -> int:
    return sum(len(message["content"]) for message in question.messages)


async def _end(client: Client, waiting: Iterable["asyncio.Task[_Placed]"]) -> None:
    """Give up what is under way, and let go of the connections."""
    tasks = list(waiting)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
