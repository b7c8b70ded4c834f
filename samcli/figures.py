"""Pictures for people, as PNG and SVG."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samcli.files import atomic_write


@contextmanager
def style(font_size: float) -> Iterator[None]:
    """Settings under which equal figures are equal to the byte."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "sam", "font.size": font_size, "savefig.dpi": 160}):
        yield


def save_picture(figure: Any, stem: Path) -> list[Path]:
    """Write a figure as PNG and SVG, equal to the byte for equal results; return both files."""
    metadata: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}}
    paths = [stem.with_name(f"{stem.name}.{form}") for form in metadata]
    for path, (form, more) in zip(paths, metadata.items(), strict=True):
        with atomic_write(path, "wb") as file:
            figure.savefig(file, format=form, bbox_inches="tight", metadata=more)
    return paths
