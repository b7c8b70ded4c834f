"""What a run from photographs would take, told before it begins: stages, models, objects, disk, GPU time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from samcli.amounts import counted, in_bytes
from samcli.errors import UserError
from samcli.model.hub import is_hub_id
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.kinds import PICTURES, kind_called
from samcli.synth.photos.language.names import is_local
from samcli.synth.photos.sources import Collection, read_items

BYTES_A_PIXEL = 1.6  # of a finished picture as PNG; photographs compress badly
BYTES_A_MASK = 12_000
BYTES_A_RECORD = 3_000
TFLOPS = 100.0  # that a GPU reaches on such work, about a third of an A100's half-precision peak
GB = {  # of weights in half precision, by hub id
    "IDEA-Research/grounding-dino-base": 0.47,
    "IDEA-Research/grounding-dino-tiny": 0.34,
    "facebook/sam2.1-hiera-large": 0.45,
    "facebook/sam-vit-huge": 1.28,
    "facebook/sam3": 1.7,
    "stable-diffusion-v1-5/stable-diffusion-inpainting": 2.13,
    "Salesforce/instructblip-vicuna-7b": 15.8,
    "openai/clip-vit-large-patch14": 0.86,
    "facebook/dinov2-base": 0.17,
}
_DOUBLE = {"float32": 2, "float16": 1, "bfloat16": 1}


@dataclass(frozen=True)
class Part:
    """A stage: what does it, by which model, and its arithmetic for one sample in TFLOP."""

    stage: str
    what: str
    models: tuple[tuple[str, str | None], ...] = ()
    tflop: float = 0.0


def parts(recipe: MmlinkRecipe) -> Iterator[Part]:
    """The recipe's stages in their order."""
    scale = (recipe.size / 512) ** 2
    segment, background, describe, check = recipe.segment, recipe.background, recipe.describe, recipe.check
    yield Part("group", "objects, views and distractors by seed")
    if segment.kind == "plain":
        yield Part("segment", "plain backdrops and alpha channels, no weights")
    elif segment.kind == "sam3":
        yield Part("segment", "noun phrases, masks kept", ((segment.model, segment.model_revision),), 4.0)
    else:
        named = ((segment.detector, segment.detector_revision), (segment.model, segment.model_revision))
        yield Part("segment", "a box for the noun, a mask in it, masks kept", named, 4.0)
    yield Part("compose", f"{recipe.size} x {recipe.size} canvas, no overlap")
    if background.kind == "diffusion":
        what = f"{background.steps} steps, scenes from {background.writer}"
        tflop = PICTURES * 70.0 * background.steps / 50 * scale
        models = ((background.model, background.revision), *_local(background.writer, None))
        yield Part("inpaint", what, models, tflop)
    else:
        yield Part("inpaint", "crops of scenes, light matched, no weights")
    captioner = ((describe.captioner, describe.captioner_revision),) if describe.captioner else ()
    said = "captions of the object alone" if captioner else "metadata and colours"
    writer = _local(describe.writer, describe.writer_revision)
    yield Part("describe", f"{said}, written by {describe.writer}", captioner + writer, 4.0 * bool(captioner))
    scoring = tuple(
        (name, revision)
        for name, revision in ((check.embedder, check.embedder_revision), (check.counter, check.counter_revision))
        if name
    )
    yield Part(
        "check", "perceptual hashes, colours, rules" + (", models" if scoring else ""), scoring, 1.0 * bool(scoring)
    )
    yield Part("write", "annotations.json, manifest.jsonl, images/")


def _local(writer: str, revision: str | None) -> tuple[tuple[str, str | None], ...]:
    """A writer that is a language model of this machine."""
    return ((writer, revision),) if is_local(writer) else ()


def plan(recipe: MmlinkRecipe) -> str:
    """Stages, models with their sizes and where each is expected, objects, disk and GPU hours, as lines of text."""
    listed = list(parts(recipe))
    lines = ["stages"]
    lines += [f"  {part.stage:<9} {part.what}" for part in listed]
    lines.append("models")
    models = {name: revision for part in listed for name, revision in part.models}
    lines += [f"  {_model(recipe, name, revision)}" for name, revision in models.items()] or ["  none"]
    lines.append("objects")
    photos = 0
    try:
        items = read_items(recipe)
    except UserError as error:
        lines.append(f"  missing: {error}")
    else:
        photos = sum(len(item.photos) for own in items.items.values() for item in own)
        lines += _objects(recipe, items)
    size = recipe.samples * (PICTURES * recipe.size**2 * BYTES_A_PIXEL + BYTES_A_RECORD) + photos * BYTES_A_MASK
    lines.append(f"disk: about {in_bytes(size)} for {counted(recipe.samples, 'sample')}")
    tflop = recipe.samples * sum(part.tflop for part in listed)
    if tflop:
        inpaint = recipe.samples * sum(part.tflop for part in listed if part.stage == "inpaint")
        lines.append(
            f"GPU: about {tflop / TFLOPS / 3600:.1f} hours at {TFLOPS:g} TFLOP/s, {100 * inpaint / tflop:.0f} % of it "
            "inpainting (arithmetic alone; loading and decoding come on top)"
        )
    else:
        lines.append("GPU: none needed")
    return "\n".join(lines)


def _objects(recipe: MmlinkRecipe, items: Collection) -> Iterator[str]:
    """A line for each kind, and for what was left out."""
    for kind, own in items.items.items():
        photos, form = sum(len(item.photos) for item in own), kind_called(recipe, kind)
        held = f"{counted(len(own), 'object')}, {counted(photos, 'photograph')}"
        yield f"  {kind:<12} {held}, share {form.share:g}, {form.form}"
    yield from (f"  left out {reason}: {count:,}" for reason, count in items.left_out.items())
    yield from (f"  {note}" for note in items.notes)


def _model(recipe: MmlinkRecipe, name: str, revision: str | None) -> str:
    """The model, its size, and whether it is here."""
    size = GB.get(name)
    told = f"about {size * _DOUBLE[recipe.dtype]:.1f} GB" if size else "size not known"
    pinned = f" at {revision}" if revision else ""
    return f"{name}{pinned}: {told}, {_where(name, revision)}"


def _where(name: str, revision: str | None) -> str:
    from huggingface_hub import try_to_load_from_cache

    path = Path(name).expanduser()
    if not path.is_dir() and not is_hub_id(name):
        return "missing: no such directory, and no hub id (OWNER/NAME)"
    if path.is_dir():
        held = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return f"here: {path}, {in_bytes(held)}"
    for file in ("config.json", "model_index.json"):
        found = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str):
            return f"here: {Path(found).parent}"
    return "missing; it is fetched from the hub on first use (`hf download` where there is a network)"
