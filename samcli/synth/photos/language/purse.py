"""What a run may spend on language models, counted by all its processes together."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from samcli.database import database
from samcli.errors import UserError
from samcli.recipe_api import ApiRecipe

Found = TypeVar("Found")

_TABLE = "CREATE TABLE IF NOT EXISTS requests (id INTEGER PRIMARY KEY, dollars REAL NOT NULL)"
_MILLION = 1_000_000


class Purse:
    """Money is set aside before a request and settled after its reply; a request without a count keeps what was.

    `path` is the run's file; `recipe` has a limit, and raises UserError here where it lacks the prices.
    """

    def __init__(self, recipe: ApiRecipe, path: Path) -> None:
        if recipe.dollars_in is None or recipe.dollars_out is None:
            raise UserError("api.most_dollars needs the prices: --set api.dollars_in=... and api.dollars_out=...")
        self._prices = recipe.dollars_in, recipe.dollars_out
        self._most, self._path = recipe.most_dollars or 0.0, path

    def reserve(self, tokens_in: int, tokens_out: int) -> int:
        """Set aside what a request costs at most, and return its number; raises UserError beyond the limit."""
        return self._with_book(lambda book: self._reserve(book, self._cost(tokens_in, tokens_out)))

    def settle(self, number: int, tokens_in: int, tokens_out: int) -> None:
        """Note what a request did cost."""
        cost = self._cost(tokens_in, tokens_out)
        self._with_book(lambda book: book.execute("UPDATE requests SET dollars = ? WHERE id = ?", (cost, number)))

    def _reserve(self, book: sqlite3.Connection, dollars: float) -> int:
        book.execute("BEGIN IMMEDIATE")  # nobody else spends between the sum and the entry
        spent = book.execute("SELECT COALESCE(SUM(dollars), 0) FROM requests").fetchone()[0]
        if spent + dollars > self._most:
            raise UserError(
                f"${spent:.4f} of ${self._most:.4f} are spent or set aside, and another request could exceed it; all "
                "replies are kept: with a higher api.most_dollars the command goes on"
            )
        return int(book.execute("INSERT INTO requests (dollars) VALUES (?)", (dollars,)).lastrowid or 0)

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self._prices[0] + tokens_out * self._prices[1]) / _MILLION

    def _with_book(self, do: Callable[[sqlite3.Connection], Found]) -> Found:
        try:
            with database(self._path, _TABLE) as book:
                return do(book)
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"{self._path}: what is spent can't be counted ({error})") from error
