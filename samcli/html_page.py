"""Pages that are one file: a package's `page.html` with its style, its script and the data they show inside."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def html_page(package: str, data: Mapping[str, Any]) -> str:
    """The page of a package, filled; in the data nothing can end the element that holds it."""
    part = files(package)
    page = part.joinpath("page.html").read_text("utf-8")
    text = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    pieces = {
        "STYLE": part.joinpath("page.css").read_text("utf-8"),
        "SCRIPT": part.joinpath("page.js").read_text("utf-8"),
        "DATA": text,
    }
    for mark, piece in pieces.items():
        before, after = page.split(f"<!--{mark}-->")
        page = before + piece + after
    return page
