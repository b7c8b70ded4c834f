"""What is kept in memory within a run, and let go before the next one in the same process: files may be others then."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")
_kept: list[Any] = []


def kept(most: int) -> Callable[[Callable[Given, Result]], Callable[Given, Result]]:
    """Keep a function's last results, as many as that; its arguments decide what they are."""

    def keep(function: Callable[Given, Result]) -> Callable[Given, Result]:
        cached: Any = lru_cache(maxsize=most)(function)
        _kept.append(cached)
        result: Callable[Given, Result] = cached
        return result

    return keep


def forget_kept() -> None:
    """Let go of everything that is kept."""
    for cached in _kept:
        cached.cache_clear()
