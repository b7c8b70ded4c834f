"""One table, four looks: rich for the terminal, Markdown, CSV and LaTeX, all from the same cells.

Text in cells may be written by a model: it is never read as markup, and control characters don't reach the terminal.
"""

import csv
import html
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table as RichTable
from rich.text import Text

from samcli.answers import for_terminal

Format = Literal["md", "csv", "latex"]


@dataclass(frozen=True)
class Measure:
    """A score with its 95 % interval; one with a `p` is a difference and shows its sign.

    `rank` 1 is the best of its column, shown bold, 2 the second, underlined.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    rank: int | None = None


_STYLES: dict[int | None, str] = {1: "bold", 2: "underline"}
_MARKDOWN: dict[int | None, tuple[str, str]] = {1: ("**", "**"), 2: ("<u>", "</u>")}
_LATEX: dict[int | None, tuple[str, str]] = {1: (r"\textbf{", "}"), 2: (r"\underline{", "}")}
Cell = str | int | float | Measure | None


@dataclass(frozen=True)
class Table:
    """Named columns over rows of cells, with notes below; every row has a cell for each column."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuse rows that don't fit the columns."""
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row of the table '{self.title}' needs {len(self.columns)} cells")

    def render(self, format: Format) -> str:
        """The table as text that ends in a newline; `to_rich` is for terminals."""
        writers: dict[Format, Callable[[Table], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}
        return writers[format](self)

    def to_rich(self) -> RichTable:
        """The table for a terminal, with a line wherever the first column changes."""
        rich = RichTable(title=Text(_plain(self.title)), caption=Text("\n".join(map(_plain, self.notes))))
        for column, numeric in zip(self.columns, _numeric(self), strict=True):
            rich.add_column(Text(_plain(column)), justify="right" if numeric else "left", overflow="fold")
        for place, row in enumerate(self.rows):
            if place and row[0] != self.rows[place - 1][0]:
                rich.add_section()
            rich.add_row(*(Text(cell_text(cell), style=_STYLES.get(_rank(cell), "")) for cell in row))
        return rich


def in_blocks(table: Table) -> list[Table]:
    """A table without columns that most of its rows leave empty: one for each choice of columns that are filled.

    Rows of the same first cell stay together, in their order; the notes stand below the last table.
    """
    filled: dict[Cell, set[int]] = {}
    for row in table.rows:
        filled.setdefault(row[0], set()).update(place for place, cell in enumerate(row) if cell is not None)
    choices = list(dict.fromkeys(tuple(sorted(places)) for places in filled.values()))
    blocks = [
        Table(
            table.title,
            [table.columns[place] for place in places],
            [[row[place] for place in places] for row in table.rows if filled[row[0]] == set(places)],
            table.notes if places == choices[-1] else (),
        )
        for places in choices
    ]
    return blocks or [table]


def cell_text(cell: Cell) -> str:
    """A cell as people read it: two decimals, the interval in brackets, three decimals of p."""
    match cell:
        case None:
            return ""
        case Measure(value, low, high, p):
            interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
            return f"{value:.2f}{interval}" if p is None else f"{value:+.2f}{interval} p={p:.3f}"
        case float():
            return f"{cell:.2f}"
        case _:
            return _plain(str(cell))


def _rank(cell: Cell) -> int | None:
    return cell.rank if isinstance(cell, Measure) else None


def _marked(cell: Cell, text: str, marks: Mapping[int | None, tuple[str, str]]) -> str:
    """The text of a cell, with the marks of its rank around the value; its interval stays plain."""
    before, after = marks.get(_rank(cell), ("", ""))
    value, blank, rest = text.partition(" ")
    return f"{before}{value}{after}{blank}{rest}" if before else text


def _plain(text: str) -> str:
    """One line without control characters, escape codes and marks that turn the direction of writing."""
    return for_terminal(" ".join(text.split()))


def _numeric(table: Table) -> list[bool]:
    return [not any(isinstance(cell, str) for cell in cells) for cells in zip(*table.rows, strict=True)] or [
        False for _ in table.columns
    ]


def _markdown(table: Table) -> str:
    bar, escaped = "|", r"\|"  # between cells, and in one

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace(bar, escaped) for cell in cells)} |"

    marks = ["---:" if numeric else "---" for numeric in _numeric(table)]
    rows = [line([_marked(cell, _markdown_text(cell_text(cell)), _MARKDOWN) for cell in row]) for row in table.rows]
    head = [f"**{_markdown_text(table.title)}**", "", line(list(map(_markdown_text, table.columns))), line(marks)]
    notes = ["", *(f"- {_markdown_text(note)}" for note in table.notes)] if table.notes else []
    return "\n".join([*head, *rows, *notes]) + "\n"


def _markdown_text(text: str) -> str:
    """Text that Markdown shows letter for letter outside of tables; brackets stay where they can't begin a link."""
    escaped = re.sub(r"([\\`*_~$#!]|\](?=[(\[:]))", r"\\\1", _plain(text))
    return html.escape(escaped, quote=False)


def _latex(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        # After a line's end LaTeX reads a bracket or a star as an option of it.
        guard = "{}" if cells[0].startswith(("[", "*")) else ""
        return guard + " & ".join(cells) + r" \\"

    shape = "".join("r" if numeric else "l" for numeric in _numeric(table))
    body = [line([_latex_cell(cell) for cell in row]) for row in table.rows]
    notes = [rf"\par\footnotesize {_latex_text(note)}" for note in table.notes]
    return (
        "\n".join(
            [
                "% needs \\usepackage{booktabs}",
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{_latex_text(table.title)}}}",
                rf"\begin{{tabular}}{{{shape}}}",
                r"\toprule",
                line(list(map(_latex_text, table.columns))),
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                *notes,
                r"\end{table}",
            ]
        )
        + "\n"
    )


def _latex_cell(cell: Cell) -> str:
    text = _latex_text(cell_text(cell))
    return text if isinstance(cell, str) else _marked(cell, re.sub(r"([-+])(?=\d)", r"$\1$", text), _LATEX)


def _latex_text(text: str) -> str:
    names = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    names |= {"<": r"\textless{}", ">": r"\textgreater{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    return "".join(names.get(mark, rf"\{mark}" if mark in "{}$&#_%" else mark) for mark in _plain(text))


def _csv(table: Table) -> str:
    columns, rows = _flat(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_csv_cell, columns))
    writer.writerows(map(_csv_cell, row) for row in rows)
    return text.getvalue()


def _csv_cell(cell: Cell) -> Cell:
    """Text that a spreadsheet would run as a formula is kept as text by an apostrophe."""
    if not isinstance(cell, str):
        return cell
    text = _plain(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _flat(table: Table) -> tuple[list[str], list[list[Cell]]]:
    """For programs: a column of measures becomes columns of the value, the interval's ends and p, where there are any.

    Numbers are not rounded; what isn't finite is left empty.
    """
    columns: list[str] = []
    cells: list[list[Cell]] = []
    for place, column in enumerate(table.columns):
        values = [row[place] for row in table.rows]
        for part in ("value", "low", "high", "p"):
            found = [_part(cell, part) for cell in values]
            if part == "value" or any(cell is not None for cell in found):
                columns.append(column if part == "value" else f"{column} {part}")
                cells.append(found)
    return columns, [list(row) for row in zip(*cells, strict=True)]


def _part(cell: Cell, part: str) -> Cell:
    value: Cell = getattr(cell, part) if isinstance(cell, Measure) else cell if part == "value" else None
    return None if isinstance(value, float) and not math.isfinite(value) else value
