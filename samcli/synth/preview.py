"""One HTML page to look at a made set: it holds its pictures and opens alone, without a network."""

import base64
import io
from collections import Counter
from html import escape
from pathlib import Path

from samcli.data.image import open_image
from samcli.files import write_text
from samcli.recipe_yaml import read_yaml
from samcli.run_directory import RECIPE
from samcli.synth.report import entries_of
from samcli.synth.writer import Entry

PREVIEW = "preview.html"

_STYLE = """
:root { color-scheme: light dark; --ground: #f4f5f7; --card: #fff; --ink: #20242c; --faint: #5d6675; --line: #dfe3ea;
  --accent: #2f6fdd; --answer: #eaf2ff; --warn: #a23b2a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171c; --card: #1d2128; --ink: #e7eaf0; --faint: #9aa4b4;
  --line: #2e3541; --accent: #7fb0ff; --answer: #1b2a44; --warn: #ff9a86; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header, main { max-width: 86rem; margin: 0 auto; padding: 1.5rem 1.25rem; }
header { padding-bottom: 0; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
header p { margin: .25rem 0; color: var(--faint); }
main { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); }
article { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem;
  display: flex; flex-direction: column; gap: .6rem; overflow-wrap: anywhere; }
article.wide { grid-column: 1 / -1; }
.pictures { display: grid; gap: .5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9rem), 1fr)); }
figure { margin: 0; max-width: 17rem; }
img { display: block; width: 100%; height: auto; border-radius: .4rem; background: var(--line); }
h2 { font-size: .85rem; margin: 0; color: var(--faint); font-weight: 600; }
.asked { margin: 0; font-weight: 600; }
.answer { margin: 0; padding: .5rem .75rem; background: var(--answer); border-left: 3px solid var(--accent);
  border-radius: .25rem; }
dl { display: flex; flex-wrap: wrap; gap: .15rem 1rem; margin: auto 0 0; font-size: .85rem; color: var(--faint); }
dl div { display: flex; gap: .35rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; color: var(--ink); }
.rejected { color: var(--warn); }
"""


def write_preview(directory: Path, count: int = 48) -> Path:
    """Write `preview.html` with up to `count` samples, evenly spread over the set, and return its path.

    Raises UserError when the directory holds no samples or an image of them is missing or damaged.
    """
    entries = list(entries_of(directory).values())
    shown = min(count, len(entries))
    cards = "\n".join(_card(directory, entries[place * len(entries) // shown]) for place in range(shown))
    recipe = read_yaml(directory / RECIPE)
    title = f"{recipe['dataset']}, {recipe['split']}"
    body = f"<header>\n{_heading(title, entries, recipe['samples'])}</header>\n<main>\n{cards}\n</main>"
    write_text(directory / PREVIEW, _page(title, body))
    return directory / PREVIEW


def _page(title: str, body: str) -> str:
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _heading(title: str, entries: list[Entry], wanted: int) -> str:
    failed = sum(entry.annotation is None for entry in entries)
    counts = f"{len(entries) - failed} samples made of {wanted}, {failed} failed."
    reasons = Counter(reason for entry in entries for reason in entry.rejections).most_common()
    told = "; ".join(f"{reason} ({number})" for reason, number in reasons) or "none"
    return f"<h1>{escape(title)}</h1>\n<p>{counts}</p>\n<p>Rejected attempts, by reason: {escape(told)}.</p>\n"


def _card(directory: Path, entry: Entry) -> str:
    """One sample: pictures, question, answer, scores, and why attempts were rejected."""
    parts = [f"<h2>{entry.id}</h2>"]
    if entry.annotation:
        figures = (_figure(directory / path, number) for number, path in enumerate(entry.images, start=1))
        parts.append(f'<div class="pictures">{"".join(figures)}</div>')
        parts.append(f'<p class="asked">{escape(entry.annotation["instruction"])}</p>')
        parts.append(f'<p class="answer">{escape(entry.annotation["output"])}</p>')
    parts += [f'<p class="rejected">{escape(reason)}</p>' for reason in entry.rejections]
    scores = (
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{value:.3g}</dd></div>"
        for name, value in entry.manifest["scores"].items()
    )
    parts.append(f"<dl>{''.join(scores)}</dl>")
    wide = ' class="wide"' if len(entry.images) > 2 else ""
    return f"<article{wide}>{''.join(parts)}</article>"


def _figure(path: Path, number: int) -> str:
    """The picture inside the page itself."""
    buffer = io.BytesIO()
    picture = open_image(path)
    picture.save(buffer, "WEBP", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<figure><img src="data:image/webp;base64,{data}" alt="picture {number}" {size}></figure>'
