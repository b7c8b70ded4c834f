"""`report/index.html`: one file that needs no network, with small copies of the pictures inside it or beside it."""

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from samcli import __version__
from samcli.answers import for_terminal
from samcli.console import progress, say
from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.evaluation.entries import Answered, metrics_of, sample_scores
from samcli.evaluation.predictions import Prediction
from samcli.evaluation.result_tables import METRICS, decoding_notes
from samcli.evaluation.tasks import GROUNDING
from samcli.files import atomic_write, write_text
from samcli.page.html_page import html_page
from samcli.recipe import Protocol
from samcli.synth.world.cells import GRID, read_cells

PAGE = "index.html"
PICTURES = "pictures"
LARGEST_SINGLE_FILE = 20_000_000  # bytes; a larger report keeps its pictures in files beside it
_SIDE = 240  # pixels
_QUALITY = 80
_THREADS = 4

ModelAnswers = Mapping[str, Answered]  # by dataset


def write_report(
    out: Path,
    results: Mapping[str, Any],
    answers: Mapping[str, ModelAnswers],
    published: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write `out/index.html` for results of `sam eval` and the answers of each of its models; return its path.

    `published` are rows of the paper: {name, note, datasets: {NAME: {METRIC: score}}}. Pictures that can't be read show
    as such. Raises UserError when the directory can't be written.
    """
    pictures = _pictures(answers)
    thumbnails = _thumbnails(pictures, out / PICTURES)
    size = sum(path.stat().st_size for path in thumbnails.values())
    shown = {path: f"{PICTURES}/{thumbnail.name}" for path, thumbnail in thumbnails.items()}
    places = {path: place for place, path in enumerate(pictures)}
    data = {
        "title": f"{results['task']}, protocol {results['protocol']}",
        "version": __version__,
        "signature": results["signature"],
        "metrics": [{"key": key, "name": METRICS[key]} for key in metrics_of(results["task"])],
        "models": _models(results),
        "published": list(published),
        "decoding": decoding_notes(results["models"]),
        "left_out": [line for lines in results.get("left_out", {}).values() for line in lines],
        "pictures": [shown.get(path, "") for path in pictures],
        "datasets": _datasets(results, answers, places),
    }
    page = _page(data)
    if len(page.encode()) + size * 4 / 3 < LARGEST_SINGLE_FILE:
        inside = {path: _inline(thumbnail) for path, thumbnail in thumbnails.items()}
        page = _page(data | {"pictures": [inside.get(path, "") for path in pictures]})
    write_text(out / PAGE, page)
    say(f"report: {out / PAGE}")
    return out / PAGE


def _page(data: Mapping[str, Any]) -> str:
    return html_page("samcli.evaluation.report", data, title="sam eval", images="'self' data: file:")


def _models(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each model's scores: {name, control, datasets: {NAME: {n, failed, METRIC, ci95, versus}}}."""
    kept = ("n", "failed", "failed_by", "ci95", "versus", "not_comparable", "data", *METRICS)
    return [
        {
            "name": name,
            "control": model.get("control"),
            "datasets": {
                dataset: {key: entry[key] for key in kept if key in entry}
                for dataset, entry in model["datasets"].items()
            },
        }
        for name, model in results["models"].items()
    ]


def _datasets(
    results: Mapping[str, Any], answers: Mapping[str, ModelAnswers], places: Mapping[Path, int]
) -> list[dict[str, Any]]:
    """Every sample of each dataset with the answers and scores of all models, in the order of `answers`."""
    protocol: Protocol = "coco" if results["protocol"] == "coco" else "released"
    names = list(dict.fromkeys(name for of_model in answers.values() for name in of_model))
    located = results["task"] == GROUNDING
    found = []
    for name in names:
        of_models = [of_model.get(name) for of_model in answers.values()]
        scored = [_sample_scores(results["task"], one, protocol) if one else [] for one in of_models]
        first = next(one for one in of_models if one is not None)
        samples = [
            {
                "id": str(sample.id),
                "asked": _text(sample.instruction),
                "wanted": [_text(text) for text in sample.references],
                "pictures": [places[path] for path in sample.images if path in places],
                "boxes": [_box(text) for text in sample.references] if located else [],
                "said": [
                    _said(one.predictions[place], scores[place], located=located) if one is not None else None
                    for one, scores in zip(of_models, scored, strict=True)
                ],
            }
            for place, sample in enumerate(first.samples)
        ]
        found.append({"name": name, "samples": samples})
    return found


def _said(prediction: Prediction, scores: list[float], *, located: bool) -> dict[str, Any]:
    error = prediction.error and _text(prediction.error)
    box = _box(prediction.text) if located else None
    return {"text": _text(prediction.text), "error": error, "scores": scores, "box": box}


def _box(text: str) -> list[float] | None:
    """The box that a text names as left, top, width and height in percent of the picture; None where it names none."""
    cells = read_cells(text)
    if cells is None:
        return None
    sides = (cells.left - 1, cells.top - 1, cells.right - cells.left + 1, cells.bottom - cells.top + 1)
    return [100 * side / GRID for side in sides]


def _sample_scores(task: str, answered: Answered, protocol: Protocol) -> list[list[float]]:
    return [[round(value, 2) for value in scores] for scores in sample_scores(task, answered, protocol)]


def _text(text: str | None) -> str:
    """A text without characters that hide or turn what is read; the page never takes it for markup."""
    return for_terminal(text or "")


def _pictures(answers: Mapping[str, ModelAnswers]) -> list[Path]:
    """All pictures of the samples as the first model that answers a dataset was asked, each once."""
    of: dict[str, Answered] = {}
    for of_model in answers.values():
        of = dict(of_model) | of
    return list(dict.fromkeys(path for one in of.values() for sample in one.samples for path in sample.images))


def _thumbnails(pictures: Sequence[Path], directory: Path) -> dict[Path, Path]:
    """Small copies in `directory`, by picture; of pictures that can't be read, none. Those that are there stay."""
    found: dict[Path, Path] = {}
    with ThreadPoolExecutor(_THREADS) as pool, progress("pictures of the report", len(pictures)) as advance:
        for path, thumbnail in zip(pictures, pool.map(lambda one: _thumbnail(one, directory), pictures), strict=True):
            if thumbnail is not None:
                found[path] = thumbnail
            advance(1)
    return found


def _thumbnail(picture: Path, directory: Path) -> Path | None:
    with suppress(UserError, OSError):
        state = picture.stat()
        name = hashlib.sha256(f"{picture}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:20]
        path = directory / f"{name}.jpg"
        if not path.exists():
            image = open_image(picture)
            image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            data = io.BytesIO()
            image.save(data, "JPEG", quality=_QUALITY)
            with atomic_write(path, "wb") as file:
                file.write(data.getvalue())
        return path
    return None


def _inline(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
