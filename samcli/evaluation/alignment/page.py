"""`report/index.html` of measures: the table, and the first samples with the words that their tokens are nearest to."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from samcli import __version__
from samcli.answers import for_terminal
from samcli.console import say
from samcli.evaluation.alignment.pictures import Shown
from samcli.evaluation.tables import Measure, Table
from samcli.files import write_text
from samcli.page.html_page import html_page

PAGE = "index.html"
_OF_PATCHES = (
    "On each patch the word whose embedding its visual token is nearest to; framed in green where it is true of the "
    "patch or, where only that is known, of the thing that the pictures share."
)
_OF_TOKENS = (
    "Below each picture, token by token, the word whose embedding it is nearest to. Green: of the thing that the "
    "pictures share; brown: of another thing of the picture alone; underlined: another word than without guidance."
)


def write_page(out: Path, table: Table, shown: Mapping[str, Sequence[Shown]], *, patches: bool) -> Path:
    """Write `out/index.html`, which needs no other file; return its path. Raises UserError when it can't be written.

    `shown` holds the drawn samples of each dataset; `patches` tells whether tokens are of patches.
    """
    data = {
        "title": table.title,
        "version": __version__,
        "columns": list(map(for_terminal, table.columns)),
        "rows": [[asdict(cell) if isinstance(cell, Measure) else cell for cell in row] for row in table.rows],
        "notes": list(table.notes),
        "legend": _OF_PATCHES if patches else _OF_TOKENS,
        "datasets": [{"name": name, "shown": list(map(_figure, own))} for name, own in shown.items()],
    }
    page = html_page("samcli.evaluation.alignment", data, title="sam eval: alignment", images="data:")
    write_text(out / PAGE, page)
    say(f"report: {out / PAGE}")
    return out / PAGE


def _figure(one: Shown) -> dict[str, Any]:
    picture = base64.b64encode(one.picture.read_bytes()).decode()
    return {
        "asked": for_terminal(one.sample.instruction),
        "wanted": for_terminal(one.sample.references[0]),
        "picture": f"data:image/png;base64,{picture}",
        "words": one.words,
    }
