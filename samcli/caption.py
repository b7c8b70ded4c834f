"""`sam caption`: answers about pictures, one group at a time as text appears, or a file of requests."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samcli.answers import TextStream, answer_record, for_terminal
from samcli.caption_batch import BATCH_SIZE, caption_batch, open_answers, read_requests
from samcli.console import say
from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.memory import enough_memory
from samcli.recipe import DecodingChanges, DecodingRecipe, ModelRecipe
from samcli.recipe_file import load_with_flags
from samcli.recipe_section import Positive, Section

if TYPE_CHECKING:
    from samcli.model.captioner import Captioner

_MEMORY_REMEDY = "use fewer --beams, or --dtype bfloat16"


class _Flags(Section):
    model: ModelRecipe = ModelRecipe()
    decoding: DecodingChanges = DecodingChanges()
    batch_size: Positive = BATCH_SIZE


def run_caption(
    images: Sequence[Path],
    prompt: str | None,
    *,
    batch: Path | None = None,
    out: Path | None = None,
    model: str | None = None,
    adapter: str | None = None,
    settings: Sequence[str] = (),
    image_root: str | None = None,
    explain_to: Path | None = None,
    as_json: bool = False,
    device: str | None = None,
    dtype: str | None = None,
    batch_size: int | None = None,
    beams: int | None = None,
    max_length: int | None = None,
    seed: int | None = None,
) -> None:
    """Do what `sam caption` was asked: print the answer, or write the answers of `batch` to `out`.

    `settings` are KEY=VALUE, such as model.llm_bits=4. Everything that the user gave is checked before the model is
    loaded, which may take minutes.
    """
    _check_use(images, prompt, batch, out, explain_to)
    if batch is None and (image_root is not None or batch_size is not None):
        raise UserError("--image-root and --batch-size are for --batch FILE.jsonl: leave them out")
    given: dict[str, Any] = {"model.base": model, "model.device": device, "model.dtype": dtype}
    given |= {"decoding.beams": beams, "decoding.max_length": max_length, "decoding.seed": seed}
    given |= {"batch_size": batch_size}
    flags = load_with_flags(_Flags, None, settings, given)
    root = Path(image_root).expanduser() if image_root else None
    if batch is not None:
        read_requests(batch, root)
        if out is not None:
            open_answers(batch, out)
    for image in images:
        open_image(image)
    if explain_to is not None:
        from samcli.explain import check_maps

        check_maps(images, explain_to)
    from samcli.model.load import load_model

    wanted = flags.model
    captioner = load_model(
        wanted.base if "base" in wanted.model_fields_set else None,
        adapter,
        device=wanted.device,
        dtype=wanted.dtype,
        revision=wanted.revision,
        llm_bits=wanted.llm_bits,
        completed_from=wanted.completed_from,
    )
    decoding = flags.decoding.over(captioner.traits.decoding)
    if notice := world_notice(captioner):
        say(notice)
    if batch is not None and out is not None:
        report = caption_batch(captioner, batch, out, decoding, image_root=root, batch_size=flags.batch_size)
        if as_json:
            sys.stdout.write(json.dumps(report) + "\n")
        return
    _caption_group(captioner, images, prompt or "", decoding, explain_to, as_json)


def _check_use(
    images: Sequence[Path], prompt: str | None, batch: Path | None, out: Path | None, explain_to: Path | None
) -> None:
    if batch is not None:
        if images or prompt is not None or explain_to is not None:
            raise UserError("--batch takes pictures and prompts from its file: leave out IMAGE, --prompt and --explain")
        if out is None:
            raise UserError("--batch needs --out FILE.jsonl, the file for its answers")
        return
    if out is not None:
        raise UserError("--out is for the answers of --batch FILE.jsonl; one answer is printed")
    if not images:
        raise UserError("no pictures were given: sam caption A.png B.png --prompt TEXT, or --batch FILE.jsonl")
    if prompt is None or not prompt.strip():
        raise UserError("no prompt was given: say what is asked of the pictures with --prompt TEXT")


def _caption_group(
    captioner: "Captioner",
    images: Sequence[Path],
    prompt: str,
    decoding: DecodingRecipe,
    explain_to: Path | None,
    as_json: bool,
) -> None:
    """Print the answer about one group of pictures, and write the maps of its weights if they are asked for."""
    if explain_to is not None:
        from samcli.explain import check_explainable

        check_explainable(captioner)
    with enough_memory("answering", _MEMORY_REMEDY):
        result = caption_images(captioner, images, prompt, decoding, None if as_json else _print_piece)
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2) + "\n" if as_json else "\n")
    if explain_to is not None:
        from samcli.explain import explain

        with enough_memory("explaining", _MEMORY_REMEDY):
            written = explain(captioner, images, prompt, explain_to, answer=result["text"])
        say(f"weights: {written[-1]} and {len(written) - 1} maps beside it")


def _print_piece(piece: str) -> None:
    sys.stdout.write(piece)
    sys.stdout.flush()


def world_notice(captioner: "Captioner") -> str | None:
    """A line that says what a model of the embedded world can't do; None for any other model."""
    if not captioner.traits.world:
        return None
    return (
        f"{captioner.name} speaks of its own small drawn world, whatever it is shown; for photographs give "
        "--model Salesforce/instructblip-vicuna-7b and an adapter trained on it"
    )


def caption_images(
    captioner: "Captioner",
    images: Sequence[Path],
    prompt: str,
    decoding: DecodingRecipe | None = None,
    stream: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The answer about a group of pictures: {"text", "model", "adapter", "images", "prompt"}.

    `stream` receives the text in pieces: as it is generated with one beam, else all at once. Raises UserError for a
    picture that can't be read.
    """
    decoding = decoding or captioner.traits.decoding
    streamer: Any = None
    if stream is not None and decoding.beams == 1:
        streamer = TextStream(lambda ids: _decoded(captioner, ids), stream)
    text = for_terminal(captioner.caption(images, prompt, decoding, streamer)).strip()
    if stream is not None and streamer is None:
        stream(text)
    return answer_record(captioner, text, [str(image) for image in images], prompt)


def _decoded(captioner: "Captioner", ids: list[int]) -> str:
    text: str = captioner.processor.tokenizer.decode(ids, skip_special_tokens=True)
    return for_terminal(text).strip()
