"""A long list in a JSON file, read item by item."""

import json
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from samcli.errors import UserError
from samcli.files import read_json

_CHUNK = 1 << 20  # characters
_SOLID = re.compile(r"[^ \t\n\r]")


def json_items(path: Path) -> Iterator[Any]:
    """The items of the list that a JSON file holds, few of them in memory at a time; nothing where it is no list.

    Raises UserError as `read_json` does; for a fault in the list, after the items before it.
    """
    is_list = False
    with suppress(OSError, ValueError, RecursionError):  # whoever reads the whole tells it better
        is_list = yield from _items(path)
    if not is_list and isinstance(read_json(path), list):
        raise UserError(f"{path}: changed while it was read; start again")


def _items(path: Path) -> Generator[Any, None, bool]:
    """The items; the value tells whether the file holds a list, all of it and nothing else."""
    decode = json.JSONDecoder().raw_decode
    with open(path, encoding="utf-8") as file:
        text = file.read(_CHUNK)
        place = _next(text, 0)  # of what stands before the next item: the list's bracket, then commas
        if text[place : place + 1] != "[":
            return False
        while text[place] != "]":
            begin = _next(text, place + 1)
            if text[place] == "[" and text[begin : begin + 1] == "]":
                place = begin
                break
            try:
                item, end = decode(text, begin)
                end = _next(text, end)
            except json.JSONDecodeError:
                item, end = None, len(text)
            if end == len(text):  # the item may go on
                more = file.read(max(_CHUNK, len(text)))
                if not more:
                    return False
                text, place = text[place:] + more, 0
            elif text[end] in ",]":
                yield item
                place = end
            else:
                return False
        return not (text[place + 1 :] + file.read()).strip()


def _next(text: str, place: int) -> int:
    """Where the next character stands that isn't blank; the text's end if there is none."""
    found = _SOLID.search(text, place)
    return found.start() if found else len(text)
