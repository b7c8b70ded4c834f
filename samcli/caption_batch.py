"""`sam caption --batch`: a file of requests, checked as a whole, answered line by line into a file that only grows."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samcli.answers import answer_record, for_terminal
from samcli.console import progress, say, warn
from samcli.data.image import open_image
from samcli.data.sample import locate
from samcli.errors import UserError
from samcli.files import JsonLines, contents_hash
from samcli.lock import locked
from samcli.memory import enough_memory
from samcli.model.weights import loaded_weights
from samcli.recipe import DecodingRecipe

if TYPE_CHECKING:
    from samcli.model.captioner import Captioner

BATCH_SIZE = 4
_FAULTS_SHOWN = 20
_BEGINNING = b'{"id": '  # of every answer's line


@dataclass(frozen=True)
class Request:
    """A line of a file of requests."""

    id: int | str
    images: tuple[str, ...]  # as the file names them
    paths: tuple[Path, ...]
    prompt: str


def read_requests(path: Path, image_root: Path | None = None) -> list[Request]:
    """The requests of a JSONL file, all of them sound: {"images": [...], "prompt": "..."}, and "id" if you like.

    Without "id" it is the number of the line. Paths are relative to the file's directory; absolute ones, `..` and links
    may lead to `image_root` alone. Raises one UserError that lists the faults of all lines, missing pictures too.
    """
    if image_root and not os.path.isdir(image_root):
        raise UserError(f"{image_root}: no such directory of images; check --image-root")
    roots = [Path(os.path.realpath(root)) for root in (path.parent, image_root) if root]
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    requests: dict[str, Request] = {}
    faults: list[str] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            faults += [f"line {number}: {fault}" for fault in _read_line(line, number, roots, requests)]
    if not requests and not faults:
        faults = ['it holds no requests; expected lines of {"images": ["a.png", "b.png"], "prompt": "..."}']
    if faults:
        more = [f"and {len(faults) - _FAULTS_SHOWN} more"] if len(faults) > _FAULTS_SHOWN else []
        raise UserError("\n  ".join([f"{path}: number of faults: {len(faults)}", *faults[:_FAULTS_SHOWN], *more]))
    return list(requests.values())


def _read_line(line: bytes, number: int, roots: list[Path], requests: dict[str, Request]) -> list[str]:
    """Add the line's request to `requests`, by its id as a text, or tell what is wrong with it."""
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return [f"not valid JSON: {error}"]
    if not isinstance(record, dict):
        return ["expected an object with the keys images, prompt"]
    names: Any = record.get("images")
    prompt: Any = record.get("prompt")
    identity: Any = record.get("id", number)
    faults = []
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        names, faults = [], ["images: expected a list of at least one path"]
    if not isinstance(prompt, str) or not prompt.strip():
        faults.append("prompt: expected a text that isn't blank")
    if type(identity) not in (int, str):
        faults.append("id: expected an integer or a text")
    elif str(identity) in requests:
        faults.append(f"id: {json.dumps(identity)} is that of an earlier line")
    paths, misplaced = _locate_all(names, roots)
    if faults + misplaced:
        return faults + misplaced
    requests[str(identity)] = Request(identity, tuple(names), tuple(paths), prompt)
    return []


def _locate_all(names: list[str], roots: list[Path]) -> tuple[list[Path], list[str]]:
    """The paths of a request's pictures, and what is wrong with the others."""
    paths, faults = [], []
    for name in names:
        try:
            path = locate(name, roots, "the requests' directory")
            paths.append(path)
            if not os.path.isfile(path):
                faults.append(f"images: {json.dumps(name)}: no such file in {roots[0]}")
        except ValueError as error:
            faults.append(f"images: {json.dumps(name)}: {error}")
    return paths, faults


def caption_batch(
    captioner: "Captioner",
    requests: Path,
    out: Path,
    decoding: DecodingRecipe | None = None,
    *,
    image_root: Path | None = None,
    batch_size: int = BATCH_SIZE,
) -> dict[str, Any]:
    """Answer all requests of a JSONL file into `out`, a line each as it is made; {"requests", "failed", "out"}.

    A line is what `caption_images` returns, with "id", "images_hash", "weights", "numbers" (what those are held in),
    "decoding" and "error": null, or why there is no text. The same call again goes on where the last one stopped;
    failed requests are tried again when their pictures have changed or their lines are removed. Raises UserError,
    before any work, for faults in `requests` and when `out` holds answers to something else: other requests or
    pictures, other weights under the same names or in other numbers, another decoding; and in the end, when no request
    could be answered.
    """
    if batch_size < 1:
        raise UserError(f"batch_size {batch_size}: must be above 0")
    decoding = decoding or captioner.traits.decoding
    wanted = read_requests(requests, image_root)
    file = open_answers(requests, out)
    with locked(out.with_name(f".{out.name}.lock"), wait=False, of=out):
        weights = {part: identity[:16] for part, identity in loaded_weights(captioner).items()}
        settings = {"weights": weights, "numbers": captioner.numbers, "decoding": decoding.model_dump(mode="json")}
        records = file.read()
        there = {str(record.get("id")) for record in records if isinstance(record, dict)}
        blank = {str(one.id): _record(captioner, one, settings, None, None) for one in wanted if str(one.id) in there}
        kept = [record for record in records if not _is_mended(record, blank)]
        done = _check_answers(out, kept, blank)
        file.trim()
        if len(kept) < len(records):
            file.rewrite(kept)
        left = [one for one in wanted if str(one.id) not in done]
        with progress("captions", len(wanted), len(done)) as advance:
            for start in range(0, len(left), batch_size):
                for record in _answer(captioner, left[start : start + batch_size], decoding, settings):
                    file.append(record)
                    done[str(record["id"])] = record
                    advance(1)
    failed = [record for record in done.values() if record["error"] is not None]
    say(f"{out}: number of answers: {len(wanted) - len(failed)}, of failed requests: {len(failed)}")
    if failed:
        _report_failures(out, failed, len(wanted))
    return {"requests": len(wanted), "failed": len(failed), "out": str(out)}


def _report_failures(out: Path, failed: list[dict[str, Any]], requests: int) -> None:
    """Name requests that failed; raises UserError when none was answered."""
    named = "; ".join(f"{record['id']}: {record['error']}" for record in failed[:_FAULTS_SHOWN])
    told = f"{out}: requests that failed: {len(failed)} of {requests}: {named}"
    if len(failed) == requests:
        raise UserError(told)
    warn(told)


def open_answers(requests: Path, out: Path) -> JsonLines:
    """The file of answers; raises UserError for one that can't be ours, before anything in it is touched."""
    if os.path.realpath(requests) == os.path.realpath(out):
        raise UserError(f"--out {out} is the file of requests itself; name another one")
    try:
        lines = out.read_bytes().split(b"\n") if out.exists() else []
    except OSError as error:
        raise UserError(f"{out}: can't be read: {error.strerror or error}") from error
    # the last line may be torn, and is then cut off; one that is whole was never ours
    if any(line[: len(_BEGINNING)] != _BEGINNING[: len(line)] for line in lines) or (lines and _is_json(lines[-1])):
        raise UserError(f"{out} is there already and holds no answers; name another --out")
    return JsonLines(out)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_mended(record: Any, blank: dict[str, dict[str, Any]]) -> bool:
    """Whether a request failed over pictures that are others now, and so is to be tried again."""
    if not isinstance(record, dict) or not record.get("error"):
        return False
    expected = blank.get(str(record.get("id")))
    return expected is not None and record.get("images_hash") != expected["images_hash"]


def _check_answers(out: Path, records: list[Any], blank: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The answers that are there, by id; raises UserError when one answers another request or is another model's."""
    done = {}
    for record in records:
        expected = blank.get(str(record.get("id"))) if isinstance(record, dict) else None
        if expected is None or not expected.keys() <= record.keys():
            raise UserError(f"{out} holds something else than answers to these requests; name another --out")
        differing = [key for key in expected if key not in ("text", "error") and record[key] != expected[key]]
        if differing:
            key = differing[0]
            raise UserError(
                f"{out} holds answers made otherwise: {_difference(key, record[key], expected[key], expected['id'])}; "
                "name another --out, or remove it"
            )
        done[str(record["id"])] = record
    return done


def _difference(key: str, was: Any, now: Any, request: Any) -> str:
    """What of a record is otherwise; of one that has keys itself, only those that differ."""
    if isinstance(was, dict) and isinstance(now, dict):
        parts = [part for part in now if was.get(part) != now[part]] or [part for part in was if part not in now]
        key, was, now = f"{key}.{parts[0]}", was.get(parts[0]), now.get(parts[0])
    return f"{key} of request {request} was {json.dumps(was)}, now {json.dumps(now)}"


def _answer(
    captioner: "Captioner", requests: list[Request], decoding: DecodingRecipe, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Records of a batch of requests, in their order; a picture that can't be read fails its own request alone."""
    groups, errors = {}, {}
    for request in requests:
        try:
            groups[request.id] = [captioner.processor.square(open_image(path)) for path in request.paths]
        except UserError as error:
            errors[request.id] = str(error)
    prompts = [request.prompt for request in requests if request.id in groups]
    remedy = "lower --batch-size, use fewer --beams or --dtype bfloat16; the answers so far are kept"
    with enough_memory(f"with requests answered at once: {len(groups)}", remedy):
        keys = [str(identity) for identity in groups]
        answers = captioner.answers(list(groups.values()), prompts, decoding, keys=keys) if groups else []
    texts = {}
    for identity, (text, fault) in zip(groups, answers, strict=True):
        if text is None:
            errors[identity] = fault or "no answer"
        else:
            texts[identity] = for_terminal(text).strip()
    return [_record(captioner, one, settings, texts.get(one.id), errors.get(one.id)) for one in requests]


def _record(
    captioner: "Captioner", request: Request, settings: dict[str, Any], text: str | None, error: str | None
) -> dict[str, Any]:
    answer = answer_record(captioner, text, list(request.images), request.prompt)
    return {"id": request.id, **answer, "images_hash": contents_hash(request.paths), **settings, "error": error}
