"""A question to an OpenAI-compatible endpoint: asked with patience, its reply believed only where it makes sense."""

import asyncio
import json
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samcli.errors import UserError
from samcli.files import is_writable

BASE_URLS = ("SAM_API_BASE", "OPENAI_BASE_URL")
KEYS = ("SAM_API_KEY", "OPENAI_API_KEY")
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_LARGEST_REPLY = 4 << 20  # bytes
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HOPELESS = {401: "the key is not accepted", 402: "the account has no credit", 403: "the key may not use this model"}
_TOLD = 300  # characters of a refusal that are shown


class Unanswered(Exception):
    """No reply could be had for now; the next call may have more luck."""


class Rejected(Exception):
    """The endpoint says that this one request is wrong."""


@dataclass(frozen=True)
class Reply:
    """What a model said: the text, or why there is none; tokens as the endpoint counts them, 0 where it doesn't."""

    text: str | None
    error: str | None
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True)
class Endpoint:
    """Where requests go. Keys are taken from the environment, and never shown or written."""

    url: str
    key: str | None

    @classmethod
    def from_environment(cls) -> "Endpoint":
        """The endpoint that $SAM_API_BASE (or $OPENAI_BASE_URL) and $SAM_API_KEY name; raises UserError without any."""
        own = [os.environ.get(name) for name in (BASE_URLS[0], KEYS[0])]
        others = [os.environ.get(name) for name in (BASE_URLS[1], KEYS[1])]
        url, key = own if own[0] else others  # in pairs: a key goes to the host that it is for
        if url is None and key is None:
            raise UserError(
                f"api: models need ${BASE_URLS[0]}, the base URL of an OpenAI-compatible endpoint such as "
                f"http://localhost:8000/v1, and ${KEYS[0]} if it wants a key"
            )
        url = (url or "https://api.openai.com/v1").rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise UserError(f"${BASE_URLS[0]}={url}: expected a URL that begins with http:// or https://")
        if "@" in url or "?" in url:
            raise UserError(
                f"${BASE_URLS[0]} holds a user or a query; a key belongs into ${KEYS[0]}, which is never kept"
            )
        return cls(url, key)


class Client:
    """Asks an endpoint; close it when all is asked."""

    def __init__(self, endpoint: Endpoint, timeout: float, tries: int) -> None:
        try:
            import httpx
        except ImportError:
            raise UserError("api: models need the package httpx: pip install 'samcli[api]'") from None
        self.endpoint, self.timeout, self.tries = endpoint, timeout, tries
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        self._http = httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)
        self._failures: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.InvalidURL)
        self.retries = 0

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """The reply; tried again, with growing waits and jitter, where that may help.

        Raises Unanswered after the last try, Rejected for a request that is wrong, UserError for what no request will
        change: a key that isn't accepted, a model that isn't there.
        """
        reason = ""
        for number in range(self.tries):
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**number) * random.uniform(0.5, 1.0)
            try:
                async with asyncio.timeout(self.timeout):
                    status, headers, data = await self._post(body)
                if status == 200:
                    return read_reply(data)
                reason = self._judge(status, data)
                wait = max(wait, _asked_wait(headers))
            except TimeoutError:
                reason = f"no reply within {self.timeout:g} s"
            except ValueError as error:
                reason = f"a reply that makes no sense: {error}"
            except self._failures as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            if number + 1 < self.tries:
                self.retries += 1
                await asyncio.sleep(wait)
        raise Unanswered(reason)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a reply; raises ValueError for one that is larger than any answer."""
        async with self._http.stream("POST", f"{self.endpoint.url}/chat/completions", json=body) as response:
            data = b""
            async for piece in response.aiter_bytes():
                data += piece
                if len(data) > _LARGEST_REPLY:
                    raise ValueError(f"more than {_LARGEST_REPLY >> 20} MiB")
            return response.status_code, response.headers, data

    def _judge(self, status: int, data: bytes) -> str:
        """Why a request has to be made again; raises where that wouldn't help."""
        told = f"HTTP {status}: {_message(data)}"
        if status in _AGAIN or status >= 500:
            return told
        if status in _HOPELESS:
            raise UserError(f"{self.endpoint.url}: {_HOPELESS[status]} ({told}); it comes from ${' or $'.join(KEYS)}")
        if status == 404:
            raise UserError(f"{self.endpoint.url}: no such model or address ({told}); see ${BASE_URLS[0]} and --model")
        if 300 <= status < 400:
            raise UserError(f"{self.endpoint.url}: it leads elsewhere (HTTP {status}); give the address itself")
        raise Rejected(told)


def read_reply(data: bytes) -> Reply:
    """What a model said in a chat completion; raises ValueError for what is none.

    A refusal and an empty text are replies, with an `error` that begins with `refused` or `empty`.
    """
    whole = _parsed(data)
    try:
        choice = whole["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
        finish = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(f"no choices in {data[:80]!r}") from None
    if isinstance(text, list):  # some endpoints give parts
        parts = [part.get("text") for part in text if isinstance(part, dict)]
        text = "".join(part for part in parts if isinstance(part, str))
    if text is not None and not isinstance(text, str):
        raise ValueError(f"a content of type {type(text).__name__}")
    if not is_writable(text or "") or not is_writable(str(refusal or "")):
        raise ValueError("half of a surrogate pair, which is no character")
    usage = whole.get("usage")
    counts = [_count(usage, key) for key in ("prompt_tokens", "completion_tokens")]
    if refusal or finish == "content_filter":
        return Reply(None, f"refused: {str(refusal or finish)[:_TOLD]}", *counts)
    if text is None or not text.strip():
        return Reply(None, "empty answer", *counts)
    return Reply(text.strip(), None, *counts)


def _count(usage: Any, key: str) -> int:
    value = usage.get(key) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def _asked_wait(headers: Mapping[str, str]) -> float:
    """The seconds that a server asks to be left alone, within reason; 0 where it doesn't."""
    try:
        return max(0.0, min(_LONGEST_WAIT, float(headers.get("retry-after", 0))))
    except ValueError:
        return 0.0


def _message(data: bytes) -> str:
    """What a server says of an error, short."""
    try:
        error = _parsed(data)["error"]
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        text = data.decode("utf-8", "replace")
    readable = str(text).encode("utf-8", "replace").decode()
    return " ".join(readable.split())[:_TOLD]


def _parsed(data: bytes) -> Any:
    """JSON of any depth; raises ValueError for what is none."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
