"""The command line: parse, call, print. Heavy libraries are imported by the commands that need them."""

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from samcli import __version__
from samcli.answers import for_terminal
from samcli.console import be_quiet, complain, say, which_rank
from samcli.errors import Interrupted, UserError

app = typer.Typer(
    name="sam",
    help="Semantic alignment for multimodal LLMs: make the data, train, evaluate, ablate, caption groups of images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Examples: sam caption examples/a.png examples/b.png --prompt 'What do both pictures show?' | "
    "sam train full --dry-run | sam eval --task linking",
)
_debug = False


def _complete_recipe(incomplete: str) -> list[str]:
    from samcli.recipe_file import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sam {__version__}")
        raise typer.Exit


def _set_debug(wanted: bool) -> None:
    global _debug
    _debug = _debug or wanted


def _set_quiet(wanted: bool) -> None:
    if wanted:
        be_quiet()


Recipe = Annotated[
    str, typer.Argument(help="A recipe file, or the name of a shipped recipe.", autocompletion=_complete_recipe)
]
OptionalRecipe = Annotated[
    str | None, typer.Argument(help="A recipe file, or the name of a shipped recipe.", autocompletion=_complete_recipe)
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe, such as seed=1."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Directory of the run. Default: runs/RECIPE.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Remove the run that is in --out and start anew.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and what is missing; write nothing.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N, mps or spread (over all GPUs).")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16, for the frozen parts.")]
BatchSize = Annotated[int | None, typer.Option(help="Samples at once.")]
Beams = Annotated[
    int | None, typer.Option(help="Beams; 1 is greedy, and an answer that is printed appears as it is made.")
]
MaxLength = Annotated[int | None, typer.Option(help="Longest answer, tokens.")]
WithoutUse = typer.Option(help="Taken by every command; it changes nothing here.")
Seed = Annotated[int | None, typer.Option(help="Seed of everything left to chance.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no notices.", callback=_set_quiet)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.", callback=_set_debug)]
Format = Annotated[str, typer.Option("--format", help="table, md, csv, json or latex.")]
Workers = Annotated[int | None, typer.Option(help="Processes. Default: as many as cores.")]
_MODELS = "tiny (embedded), a directory or hub id of any InstructBLIP or LLaVA, a .pth"
Model = Annotated[str | None, typer.Option(help=f"{_MODELS}.")]
Adapter = Annotated[
    str | None, typer.Option(help="A directory or hub id that `sam train` wrote, a .pth; none: the bare base.")
]


@app.callback()
def _everywhere(
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_show_version)] = False,
) -> None:
    pass


@app.command()
def synth(
    recipe: OptionalRecipe = None,
    out: Annotated[Path | None, typer.Option("--out", help="Directory of the set.")] = None,
    samples: Annotated[int | None, typer.Option(help="Samples in the set.")] = None,
    workers: Workers = None,
    engine: Annotated[
        str, typer.Option(help="local: processes of this machine; ray: Ray Data on a cluster.")
    ] = "local",
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Directory of the photographs, for recipes of kind mmlink.")
    ] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Make the I-th of N shares, I from 0.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Write one page with pictures, questions, answers.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Count kinds, colours, scenes and rejections.")] = False,
    show: Annotated[int | None, typer.Option(metavar="ID", help="Print one sample of --out.")] = None,
    export: Annotated[
        list[str] | None,
        typer.Option("--export", metavar="FORMAT", help="parquet or webdataset, into --out/export; may be repeated."),
    ] = None,
    settings: Settings = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    beams: Annotated[int | None, WithoutUse] = None,
    max_length: Annotated[int | None, WithoutUse] = None,
    seed: Seed = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make training or test sets, pictures, instructions and answers, from photographs or from the embedded world.

    Without a recipe: that of the run in --out, else world-mmlink, pairs of pictures that share one thing. Resumes by
    itself.
    """
    from samcli.recipe import SynthRecipe
    from samcli.recipe_file import find_recipe, kind_of
    from samcli.recipe_mmlink import MmlinkRecipe
    from samcli.synth.command import run_synth

    if out is None:
        raise UserError("synth needs --out DIR, the directory in which the set is made")
    there = out / "recipe.yaml"
    if recipe is None and samples is None and (report or export) and not there.exists():
        raise UserError(f"{out}: no run of sam there; give a recipe and --samples to make one")
    recipe = recipe or (str(there) if there.exists() else "tiny/world")
    flags: dict[str, Any] = {"samples": samples, "workers": workers, "seed": seed}
    of_photographs = {"root": data_root and str(data_root), "device": device, "dtype": dtype, "chunk": batch_size}
    if kind_of(find_recipe(recipe)) == "mmlink":
        flags |= of_photographs
    elif data_root is not None:
        raise UserError(
            f"--data-root is for photographs; {recipe} is of the embedded world (shipped: mmlink, mmlink-light)"
        )
    resolved = _recipe((SynthRecipe, MmlinkRecipe), recipe, settings, flags)
    text = run_synth(
        resolved,
        out,
        engine=engine,
        shard=shard,
        retry_failed=retry_failed,
        overwrite=overwrite,
        preview=preview,
        report=report,
        show_id=show,
        dry_run=dry_run,
        export=export or [],
    )
    _print(text)


@app.command()
def train(
    recipe: Recipe,
    settings: Settings = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="With --resume: although recipe, data or weights are others.")
    ] = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print the plan as JSON.")] = False,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    beams: Annotated[int | None, WithoutUse] = None,
    max_length: Annotated[int | None, WithoutUse] = None,
    seed: Seed = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train guidance as the paper does (full, tiny/sam), patch tokens (sea, patch-aligned), or the small base."""
    from samcli.recipe import BaseRecipe, SamRecipe
    from samcli.recipe_alignment import LlavaRecipe
    from samcli.recipe_file import find_recipe, kind_of

    if as_json and not dry_run:
        raise UserError("--json prints the plan of a training: give --dry-run with it")
    if batch_size is not None and kind_of(find_recipe(recipe)) == "llava":
        stages = " and ".join(f"--set {stage}.optim.batch_size={batch_size}" for stage in ("projector", "instruction"))
        raise UserError(f"--batch-size: the two stages of {recipe} have one each; give {stages}, or one of them")
    flags = {"model.device": device, "model.dtype": dtype, "optim.batch_size": batch_size, "seed": seed}
    resolved = _recipe((SamRecipe, LlavaRecipe, BaseRecipe), recipe, settings, flags)
    if dry_run:
        from samcli.training.plan import plan, plan_text
        from samcli.training.rehearsal import rehearse

        planned = plan(resolved)
        if isinstance(resolved, SamRecipe) and not planned["missing"]:
            planned["measured"] = _rehearsed(rehearse, resolved, planned["missing"])
        _print(json.dumps(planned, indent=2) if as_json else plan_text(planned))
        return
    from samcli.training.run import run_training

    run_training(
        resolved,
        out or _default_out(recipe),
        resume=resume,
        overwrite=overwrite,
        accept_changes=accept_changes,
    )


@app.command()
def label(
    recipe: Recipe,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Their directory (objective.labels.directory). Default: in the cache.")
    ] = None,
    show: Annotated[
        int | None, typer.Option(metavar="N", help="Draw the labels of the first N samples, a PNG.")
    ] = None,
    data_root: Annotated[
        str | None, typer.Option(help="Directory of the datasets. Default: $SAM_DATA, ./data.")
    ] = None,
    image_root: Annotated[str | None, typer.Option(help="Directory that images and links may be in.")] = None,
    dry_run: DryRun = False,
    device: Device = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16, for the models that label.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures at once.")] = None,
    beams: Annotated[int | None, WithoutUse] = None,
    max_length: Annotated[int | None, WithoutUse] = None,
    seed: Annotated[int | None, WithoutUse] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find the words of each patch, for a recipe that aligns patch tokens (tiny/llava, sea, patch-aligned).

    `sam train` makes labels by itself where they are missing; here they are made before, looked at, or estimated.
    """
    from samcli.recipe_alignment import LlavaRecipe
    from samcli.training.label_command import run_label

    flags = {
        "model.device": device,
        "objective.labels.dtype": dtype,
        "objective.labels.directory": out and str(out),
        "objective.labels.batch_size": batch_size,
        "projector.data.root": data_root,
        "projector.data.image_root": image_root,
    }
    _print(run_label(_recipe(LlavaRecipe, recipe, settings, flags), show=show, dry_run=dry_run))


@app.command("eval")
def evaluate(
    recipe: OptionalRecipe = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="linking, group-captioning, storytelling, change-captioning, captioning, questions, grounding; "
            "alignment: what visual tokens mean."
        ),
    ] = None,
    datasets: Annotated[str | None, typer.Option(metavar="A,B", help="Datasets of the task.")] = None,
    model: Annotated[
        str | None, typer.Option(help=f"{_MODELS}; models of others: hf:ID, api:MODEL, lavis:MODEL/TYPE.")
    ] = None,
    adapter: Adapter = None,
    data_root: Annotated[
        str | None, typer.Option(help="Directory of the datasets. Default: $SAM_DATA, ./data.")
    ] = None,
    image_root: Annotated[str | None, typer.Option(help="Directory that images and links may be in.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Score these answers; run no model.")] = None,
    export_requests: Annotated[
        Path | None, typer.Option(help="Write instructions and image paths; do no more.")
    ] = None,
    protocol: Annotated[
        str | None, typer.Option(help="released: the paper's scorer; coco: PTB tokens, as coco-caption (needs Java).")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Directory of an earlier run: differences to it, with p.")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="shuffle: pictures of other samples; blank: black pictures.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Samples of each dataset.")] = None,
    check_invariance: Annotated[
        bool, typer.Option("--check-invariance", help="Ask 100 samples again, each alone, and count what changes.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Processes (ray: actors), each with the model. Default: 1.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="local, or ray: Ray Data on a cluster.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory of the run. Default: runs/eval-TASK-MODEL-..., one for each recipe."),
    ] = None,
    overwrite: Overwrite = False,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report/index.html: tables, and every sample to look at.")
    ] = True,
    form: Format = "table",
    settings: Settings = None,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    beams: Beams = None,
    max_length: MaxLength = None,
    seed: Seed = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score a model's answers, or answers made elsewhere, with intervals and the paper's rows beside them.

    The embedded model `tiny` knows only its own world: on other pictures its scores mean nothing.
    """
    from samcli.evaluation.command import default_out, flags_of, run_evaluation, run_many
    from samcli.recipe import EvalRecipe
    from samcli.recipe_file import find_recipe, kind_of
    from samcli.recipe_tables import CasesRecipe, SurveyRecipe, TableRecipe

    flags = {
        "task": task,
        "datasets": datasets.split(",") if datasets else None,
        "model.base": model,
        "adapter": adapter,
        "data_root": data_root,
        "image_root": image_root,
        "protocol": protocol,
        "control": control,
        "limit": limit,
        "model.device": device,
        "model.dtype": dtype,
        "batch_size": batch_size,
        "decoding.beams": beams,
        "decoding.max_length": max_length,
        "seed": seed,
        "workers": workers,
        "engine": engine,
    }
    several: dict[str, Any] = {"table": TableRecipe, "cases": CasesRecipe, "survey": SurveyRecipe}
    kind = kind_of(find_recipe(recipe)) if recipe else None
    if recipe is not None and kind in several:
        schema = several[kind]
        once = {"--predictions": predictions, "--baseline": baseline, "--export-requests": export_requests}
        _refuse(once | {"--check-invariance": check_invariance or None}, f"{recipe} asks several models")
        many = _recipe(schema, recipe, settings, flags_of(kind, schema.model_fields, flags))
        _print(run_many(many, out or _default_out(recipe), overwrite=overwrite, report=report, form=form))
        return
    resolved = _recipe(EvalRecipe, recipe, settings, flags | {"decoding.seed": seed})
    of_the_model: dict[str, Any] = {"--model": model, "--adapter": adapter, "--device": device, "--dtype": dtype}
    of_the_model |= {"--batch-size": batch_size, "--beams": beams, "--max-length": max_length}
    of_the_model |= {"--workers": workers, "--engine": engine, "--check-invariance": check_invariance or None}
    if predictions is not None:
        _refuse(of_the_model, "--predictions scores answers that are there, and no model runs")
    if export_requests is not None:
        _refuse(
            of_the_model | {"--predictions": predictions, "--baseline": baseline},
            "--export-requests writes what is to be asked, no more",
        )
    text = run_evaluation(
        resolved,
        out or default_out(resolved, predictions),
        predictions=predictions,
        baseline=baseline,
        invariance=check_invariance,
        export_requests=export_requests,
        overwrite=overwrite,
        report=report,
        form=form,
    )
    _print(text)


@app.command()
def ablate(
    recipe: Recipe,
    only: Annotated[str | None, typer.Option(metavar="ROW,...", help="These rows only.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Training seeds.")] = None,
    data_root: Annotated[
        str | None, typer.Option(help="Directory of the datasets. Default: $SAM_DATA, ./data.")
    ] = None,
    image_root: Annotated[str | None, typer.Option(help="Directory that images and links may be in.")] = None,
    out: Out = None,
    overwrite: Overwrite = False,
    form: Format = "table",
    dry_run: DryRun = False,
    settings: Settings = None,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    beams: Beams = None,
    max_length: MaxLength = None,
    seed: Annotated[int | None, typer.Option(help="First training seed; the others follow it.")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train and score rows that differ in a few settings, with several seeds; finished rows are not run again.

    --set takes keys of the ablation, and of its training recipe, where a row doesn't say otherwise.
    """
    from samcli.evaluation.command import run_ablation
    from samcli.recipe import AblateRecipe
    from samcli.recipe_file import parse_overrides

    flags = {
        "seeds": seeds,
        "data_root": data_root,
        "image_root": image_root,
        "batch_size": batch_size,
        "decoding.beams": beams,
        "decoding.max_length": max_length,
    }
    of_training = [text for text in settings or [] if _is_of_training(text)]
    own = [text for text in settings or [] if not _is_of_training(text)]
    resolved = _recipe(AblateRecipe, recipe, own, flags)
    of_rows = {"model.device": device, "model.dtype": dtype, "seed": seed}
    text = run_ablation(
        resolved,
        out or _default_out(recipe),
        only=only,
        settings=dict(parse_overrides(of_training)),
        flags={key: value for key, value in of_rows.items() if value is not None},
        overwrite=overwrite,
        form=form,
        dry_run=dry_run,
    )
    _print(text)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Directory of a training.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Directory of the adapter. Default: RUN/adapter-STEP.")
    ] = None,
    step: Annotated[str, typer.Option(help="Step of a checkpoint, or last, or best.")] = "last",
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the hub, with its card.")] = None,
    private: Annotated[bool, typer.Option("--private", help="A private repository.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the adapter of any checkpoint of a training, and share it on the hub."""
    from samcli.training.export import export as export_adapter

    _print(str(export_adapter(run, out or run / f"adapter-{step}", step=step, push=push, private=private)))


@app.command()
def caption(
    images: Annotated[list[Path] | None, typer.Argument(metavar="IMAGE...", help="One or more pictures.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What is asked of the pictures.")] = None,
    batch: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Many requests: images and prompt.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Answers of --batch.")] = None,
    model: Model = None,
    adapter: Adapter = None,
    image_root: Annotated[str | None, typer.Option(help="Directory that --batch's images may be in.")] = None,
    explain: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a heat map of the weights of each picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="How the model is loaded and answers are made: model.llm_bits=4, decoding.temperature=0.7.",
        ),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    beams: Beams = None,
    max_length: MaxLength = None,
    seed: Annotated[int | None, typer.Option(help="Seed of what is drawn, with decoding.temperature.")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer a prompt about a group of pictures.

    The embedded model `tiny` speaks of its own small world whatever it is shown; for photographs give
    --model Salesforce/instructblip-vicuna-7b and an adapter trained on it.
    """
    from samcli.caption import run_caption

    run_caption(
        images or [],
        prompt,
        batch=batch,
        out=out,
        model=model,
        adapter=adapter,
        settings=settings or (),
        image_root=image_root,
        explain_to=explain,
        as_json=as_json,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        beams=beams,
        max_length=max_length,
        seed=seed,
    )


def _recipe(schema: Any, name: str | None, settings: list[str] | None, flags: dict[str, Any]) -> Any:
    """The recipe of that name (or the defaults), changed by --set and then by the flags that were given."""
    from samcli.recipe_file import find_recipe, load_with_flags

    return load_with_flags(schema, find_recipe(name) if name else None, settings or (), flags)


def _rehearsed(rehearse: Any, recipe: Any, missing: list[str]) -> Any:
    """What two steps measured; what stands in their way is listed with what is missing."""
    try:
        return rehearse(recipe)
    except UserError as error:
        missing.append(str(error))
        return None


def _is_of_training(setting: str) -> bool:
    """Whether KEY=VALUE names a key that a training recipe has and an ablation's hasn't."""
    from samcli.recipe import AblateRecipe, SamRecipe
    from samcli.recipe_alignment import LlavaRecipe

    section = setting.replace("=", ".").split(".")[0].strip()
    return section in (SamRecipe.model_fields | LlavaRecipe.model_fields).keys() - AblateRecipe.model_fields.keys()


def _refuse(options: dict[str, Any], reason: str) -> None:
    """Raise UserError for those of the options that were given, where they would change nothing."""
    if given := [name for name, value in options.items() if value is not None]:
        raise UserError(f"{reason}: leave out {', '.join(given)}")


def _default_out(name: str) -> Path:
    """`runs/tiny-sam` for the shipped recipe tiny/sam, `runs/mine` for a file some/where/mine.yaml."""
    from samcli.recipe_file import recipe_names

    plain = name.removesuffix(".yaml").removeprefix("recipes/")
    return Path("runs") / (plain.replace("/", "-") if plain in recipe_names() else Path(name).stem)


def _print(text: str) -> None:
    """Results, and nothing else, go to standard output; text in them is never read as markup, nor as escape codes."""
    if text:
        sys.stdout.write(for_terminal(text).rstrip("\n") + "\n")


def main() -> None:
    """Run the command line; errors are for people: one message, exit code 2; our own faults show a traceback, 1.

    Ctrl-C where nothing has to be saved ends with 130, which is Typer's doing.
    """
    try:
        app()
    except UserError as error:
        if _debug:
            complain(traceback.format_exc())
        complain(f"{which_rank()}error: {error}")
        sys.exit(2)
    except Interrupted as stopped:
        say(str(stopped))
        sys.exit(stopped.exit_code)


if __name__ == "__main__":
    main()
