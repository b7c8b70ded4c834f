"""The command line: what it prints where, its exit codes, and how light it is to start."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from samcli import __version__, cli
from samcli.console import say, stderr, warn
from samcli.errors import Interrupted
from samcli.evaluation.command import default_out
from samcli.recipe import AblateRecipe, EvalRecipe, ModelRecipe
from samcli.synth.command import parse_shard
from tests.test_kill import recipe as kill_recipe

small_recipe = kill_recipe  # a small random model, twelve pairs of plain pictures, and the recipe that trains on them


@dataclass(frozen=True)
class Ended:
    """How a command ended; white space in `err` is evened out, since messages are wrapped."""

    code: int
    out: str
    err: str


Sam = Callable[..., Ended]


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Sam:
    """Run `sam` with these arguments in an empty directory; give exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAM_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sam", *map(str, arguments)])
        monkeypatch.setattr(cli, "_debug", False)
        monkeypatch.setattr(stderr, "quiet", False)
        code: int | str | None = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Ended(int(code or 0), captured.out, " ".join(captured.err.split()))

    return run


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['sam', '--help']\n"
        "from samcli import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'transformers', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert all(command in done.stdout for command in ("synth", "train", "eval", "ablate", "caption"))


EVERYWHERE = "device dtype batch_size beams max_length seed quiet debug"


@pytest.mark.parametrize("command", ["synth", "train", "eval", "ablate", "caption"])
def test_what_is_for_every_command_is_taken_by_each(command: str) -> None:
    taken = {parameter.name for parameter in typer.main.get_command(cli.app).commands[command].params}  # type: ignore[attr-defined]
    assert set(EVERYWHERE.split()) <= taken


def test_version(sam: Sam) -> None:
    assert sam("--version").out.strip() == f"sam {__version__}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["caption"], "no pictures were given"),
        (["caption", "a.png"], "no prompt was given"),
        (["caption", "a.png", "--prompt", "x"], "a.png: no such image file"),
        (["train", "ful", "--dry-run"], "did you mean full"),
        (["train", "full", "--set", "optim.lr=1", "--dry-run"], "optim.lr: unknown key"),
        (["train", "full", "--batch-size", "0", "--dry-run"], "command line: optim.batch_size: must be above 0"),
        (["train", "tiny/sam", "--set", "guidance.from_layer=12", "--set", "guidance.to_layer=3"], "must not be above"),
        (["eval", "--task", "storytelling", "--datasets", "aesop"], "expected: data/AESOP/annotations.json"),
        (["eval", "--task", "storyteling"], "did you mean storytelling"),
        (["eval", "--format", "xml"], "--format xml: expected one of table, md, csv, latex, json"),
        (["ablate", "tiny/table3", "--only", "two"], "--only two: no such row; the recipe has 1, 2, 3, 4, 4b"),
        (["train", "tiny/base", "--set", "sizes.queries=16", "--dry-run"], "sizes.queries: 16, but 17 words are said"),
        (["train", "full", "--set", "optim.optimizer=muon", "--dry-run"], "none trains here; use adamw"),
        (["train", "tiny/base", "--resume", "--overwrite"], "--overwrite removes it: give one of the two"),
        (["train", "full", "--json"], "--json prints the plan of a training: give --dry-run with it"),
        (["caption", "a.png", "--prompt", "x", "--beams", "0"], "beams: must be above 0"),
        (["caption", "a.png", "--prompt", "x", "--batch-size", "2"], "--batch-size are for --batch FILE.jsonl"),
        (["caption", "a.png", "--prompt", "x", "--image-root", "y"], "--image-root and --batch-size are for --batch"),
        (
            ["eval", "--predictions", "p", "--model", "nowhere", "--adapter", "/none", "--beams", "3"],
            "--predictions scores answers that are there, and no model runs: leave out --model, --adapter, --beams",
        ),
        (
            ["eval", "--export-requests", "r", "--predictions", "p", "--dtype", "float16", "--batch-size", "2"],
            "--predictions scores answers that are there, and no model runs: leave out --dtype, --batch-size",
        ),
        (["eval", "--export-requests", "r", "--predictions", "p"], "what is to be asked, no more: leave out --predict"),
        (["eval", "--export-requests", "r", "--max-length", "9"], "what is to be asked, no more: leave out --max-leng"),
        (["synth"], "synth needs --out DIR"),
        (["synth", "--out", "x", "--engine", "spark"], "--engine spark: there are local"),
        (["synth", "--out", "x", "--shard", "3/3"], "--shard 3/3: expected I/N"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_two(sam: Sam, arguments: list[str], message: str) -> None:
    ended = sam(*arguments)
    assert ended.code == 2
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("more", [(), ("--debug",)])
def test_a_message_commands_no_terminal(sam: Sam, more: tuple[str, ...]) -> None:
    ended = sam("caption", "\x1b]0;title\x07\x9b2J\u202egpj.png", "--prompt", "x", *more)
    assert ended.code == 2
    assert "error: ]0;title2Jgpj.png: no such image file" in ended.err
    assert all(mark.isprintable() for mark in ended.err)


def test_notices_warnings_and_results_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for tell in (say, warn, cli._print):
        tell("a \x1b[31mred\x07 cat")
    captured = capsys.readouterr()
    assert captured.out == "a [31mred cat\n"
    assert captured.err == "a [31mred cat\nwarning: a [31mred cat\n"


def test_a_stopped_run_says_what_is_saved_and_exits_with_the_signals_code(
    sam: Sam, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise Interrupted(signal.SIGTERM, "stopped at step 3, saved in runs/x")

    monkeypatch.setattr("samcli.training.run.run_training", stop)
    ended = sam("train", "tiny/sam")
    assert (ended.code, ended.out, ended.err) == (143, "", "stopped at step 3, saved in runs/x")


def test_debug_shows_the_traceback(sam: Sam) -> None:
    ended = sam("train", "ful", "--dry-run", "--debug")
    assert ended.code == 2
    assert "Traceback" in ended.err


def test_the_plan_as_json_is_all_that_is_printed(sam: Sam) -> None:
    ended = sam("train", "full", "--dry-run", "--json")
    plan = json.loads(ended.out)
    assert ended.code == 0
    assert plan["parameters"]["trained"] == 4_332_417
    assert plan["missing"]


def test_the_plan_for_people_names_what_is_missing(sam: Sam) -> None:
    assert "4,332,417" in sam("train", "full", "--dry-run").out


def test_training_is_resumed_only_when_asked(sam: Sam, small_recipe: Path, tmp_path: Path) -> None:
    short = ("--set", "optim.steps=4", "--set", "checkpoint.every_steps=2", "--out", tmp_path / "run", "--quiet")
    assert sam("train", small_recipe, *short).code == 0
    assert (tmp_path / "run/adapter/adapter.safetensors").exists()
    assert json.loads((tmp_path / "run/environment.json").read_text())["seed"] == 0
    (tmp_path / "run/results.json").unlink()
    refused = sam("train", small_recipe, *short)
    assert refused.code == 2
    assert "--resume goes on with it" in refused.err
    assert sam("train", small_recipe, *short, "--resume").code == 0
    record = (tmp_path / "run/recipe.yaml").read_bytes()
    assert "is finished" in sam("train", small_recipe, *short[:-1], "--set", "optim.accumulate=2").err
    assert (tmp_path / "run/recipe.yaml").read_bytes() == record
    other = sam("train", small_recipe, *short, "--set", "seed=3")
    assert "seed: 0 -> 3" in other.err
    assert sam("train", small_recipe, *short, "--set", "seed=3", "--overwrite").code == 0


def test_a_finished_training_goes_on_when_more_steps_are_wanted(sam: Sam, small_recipe: Path, tmp_path: Path) -> None:
    out = ("--set", "checkpoint.every_steps=2", "--out", tmp_path / "run", "--set", "optim.schedule=constant")
    assert sam("train", small_recipe, *out, "--set", "optim.steps=2").code == 0
    longer = (*out, "--set", "optim.steps=4", "--resume")
    refused = sam("train", small_recipe, *longer)
    assert refused.code == 2
    assert "optim.steps: 2 -> 4" in refused.err
    assert "--accept-changes goes on with the run" in refused.err
    gone_on = sam("train", small_recipe, *longer, "--accept-changes")
    assert gone_on.code == 0
    assert "going on from step 2 of 4" in gone_on.err
    assert "4 steps in" in gone_on.err
    assert json.loads((tmp_path / "run/results.json").read_text())["step"] == 4
    assert "is finished" in sam("train", small_recipe, *longer).err
    before = (tmp_path / "run/results.json").read_bytes()
    for change in ("optim.steps=2", "optim.learning_rate=0.5"):
        refused = sam("train", small_recipe, *longer, "--set", change, "--accept-changes")
        assert refused.code == 2
        assert "there is nothing left to train" in refused.err
    assert (tmp_path / "run/results.json").read_bytes() == before


def test_what_only_watches_may_change_between_two_calls(sam: Sam, small_recipe: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run", "--set", "optim.steps=2")
    assert sam("train", small_recipe, *out).code == 0
    assert sam("train", small_recipe, *out, "--resume", "--set", "log_every=1").code == 0


def test_a_schedule_of_warm_up_alone_is_told(sam: Sam, small_recipe: Path, tmp_path: Path) -> None:
    settings = ("--set", "optim.steps=2", "--set", "optim.warmup_steps=50")
    told = "all of its steps (2) are warm-up (optim.warmup_steps: 50)"
    said = sam("train", small_recipe, *settings, "--out", tmp_path / "run").err
    assert told in said
    assert "peak; lower that or raise optim.steps" in said
    assert told in " ".join(sam("train", small_recipe, *settings, "--dry-run").out.split())


@pytest.mark.parametrize(
    ("command", "text", "told"),
    [
        (
            "train",
            "optim: {steps: 1}",
            "kind: missing; a recipe says what it is for, here kind: sam or kind: llava or kind: base",
        ),
        ("train", "kind: ablate", "is a recipe of kind ablate: sam ablate takes it"),
        ("ablate", "kind: sam", "is a recipe of kind sam: sam train takes it"),
        ("eval", "kind: synth", "is a recipe of kind synth: sam synth takes it"),
    ],
)
def test_a_recipe_of_another_command_is_told_so(sam: Sam, tmp_path: Path, command: str, text: str, told: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    ended = sam(command, tmp_path / "mine.yaml")
    assert ended.code == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


def test_the_default_directory_is_called_like_the_recipe(tmp_path: Path) -> None:
    from samcli.cli import _default_out

    names = {"full": "full", "tiny/sam": "tiny-sam", "recipes/full.yaml": "full", str(tmp_path / "a.yaml"): "a"}
    assert {name: str(_default_out(name)) for name in names} == {name: f"runs/{out}" for name, out in names.items()}


def test_a_set_is_made_shown_counted_and_previewed(sam: Sam, tmp_path: Path) -> None:
    made = sam("synth", "--out", "set", "--samples", "2", "--workers", "1", "--preview", "--report", "--quiet")
    assert made.code == 0
    assert "2 of 2 samples of world-mmlink, complete" in made.out
    assert (tmp_path / "set/preview.html").exists()
    record = json.loads((tmp_path / "set/annotations.json").read_text())[1]
    assert record["output"] in sam("synth", "--out", "set", "--show", "1").out
    assert "would go on with 2 samples" in sam("synth", "--out", "set", "--samples", "2", "--dry-run").out
    assert "samples: 2 -> 3" in sam("synth", "--out", "set", "--samples", "3", "--dry-run").err
    anew = sam("synth", "--out", "set", "--samples", "3", "--dry-run", "--overwrite").out
    assert "would remove the run that is there, if any, and make 3 samples" in anew


def test_predictions_are_scored_without_a_model(sam: Sam, tmp_path: Path) -> None:
    goldens = Path(__file__).parent / "goldens" / "scores-a"
    arguments = ("eval", "--task", "storytelling", "--datasets", "aesop,vist", "--predictions", goldens, "--quiet")
    ended = sam(*arguments, "--format", "json", "--out", "scores")
    results = json.loads(ended.out)
    assert results["protocol"] == "released"
    assert round(results["datasets"]["AESOP"]["cider"], 2) == 529.08
    table = sam(*arguments, "--out", "scores")
    assert "AESOP" in table.out
    assert "SAM" in table.out
    for form, mark in (("md", "|"), ("csv", ","), ("latex", "tabular")):
        assert mark in sam(*arguments, "--out", "scores", "--format", form).out


def test_an_ablation_lists_its_runs(sam: Sam, small_recipe: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(
        f"kind: ablate\nbase: {small_recipe}\nseeds: 2\nrows:\n- {{row: 2, name: data, overrides: "
        "{guidance.enabled: false}}\n- {row: 7, name: SAM}\n"
    )
    text = sam("ablate", path, "--dry-run").out
    assert text.count("to train and evaluate") == 4
    plan = json.loads(sam("ablate", path, "--dry-run", "--format", "json", "--only", "7").out)
    assert {run["row"] for run in plan["runs"]} == {"7"}


def test_shards_are_read() -> None:
    assert parse_shard("2/4") == (2, 4)
    assert parse_shard(None) is None


def test_a_signal_within_a_command_exits_with_130() -> None:
    code = (
        "import signal, sys, time, samcli.caption\n"
        "from samcli import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in what a shell starts in the background
        "samcli.caption.run_caption = lambda *_, **__: (print('at work', flush=True), time.sleep(60))\n"
        "sys.argv = ['sam', 'caption', 'a.png', '--prompt', 'x']\n"
        "cli.main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at work\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_the_first_seed_and_the_device_of_an_ablation_can_be_chosen(
    sam: Sam, small_recipe: Path, tmp_path: Path
) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(f"kind: ablate\nbase: {small_recipe}\nrows:\n- {{row: 7, name: SAM, overrides: {{seed: 1}}}}\n")
    more = ("--dry-run", "--format", "json", "--seeds", "2")
    assert [run["seed"] for run in json.loads(sam("ablate", path, *more).out)["runs"]] == [1, 2]
    chosen = json.loads(sam("ablate", path, *more, "--seed", "5", "--device", "cpu").out)["runs"]
    assert [(run["seed"], Path(run["folder"]).name) for run in chosen] == [(5, "seed-5"), (6, "seed-6")]
    refused = sam("ablate", path, *more, "--dtype", "int4")
    assert refused.code == 2
    assert "model.dtype" in refused.err


def test_an_ablation_takes_settings_of_its_training_where_rows_say_nothing(
    sam: Sam, small_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.yaml"
    rows = "[{row: 2, name: data, overrides: {guidance.enabled: false}}, {row: 7, name: SAM}]"
    path.write_text(f"kind: ablate\nbase: {small_recipe}\nrows: {rows}\n")
    seen = []

    def note(recipe: AblateRecipe, *_: Any, **__: Any) -> dict[str, Any]:
        seen.append(recipe)
        return {"rows": [], "n": {}}

    monkeypatch.setattr("samcli.evaluation.ablate.ablate", note)
    settings = ("--set", "optim.epochs=2", "--set", "guidance.enabled=true", "--set", "limit=3")
    assert sam("ablate", path, *settings, "--format", "json").code == 0
    (recipe,) = seen
    assert recipe.limit == 3
    assert [row.overrides for row in recipe.rows] == [
        {"optim.epochs": 2, "guidance.enabled": False},
        {"optim.epochs": 2, "guidance.enabled": True},
    ]


def test_evaluations_have_directories_of_their_own(sam: Sam, tmp_path: Path) -> None:
    goldens = Path(__file__).parent / "goldens" / "scores-a"
    common = ("eval", "--task", "storytelling", "--quiet", "--predictions", goldens)
    for more in (("--datasets", "aesop"), ("--datasets", "vist"), ("--datasets", "vist", "--limit", "5")):
        assert sam(*common, *more).code == 0
        assert sam(*common, *more).code == 0  # the same again goes on in the same directory
    found = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(found) == 3
    assert all(name.startswith("eval-storytelling-") for name in found)
    recipes = [EvalRecipe(adapter=adapter) for adapter in (None, "runs/a/adapter", "runs/b/adapter")]
    recipes.append(EvalRecipe(model=ModelRecipe(base="org/other")))
    assert len({default_out(recipe, None) for recipe in recipes}) == 4
    assert "runs-b-adapter" in default_out(recipes[2], None).name


def test_recipe_names_are_completed() -> None:
    assert cli._complete_recipe("tiny/s") == ["tiny/sam"]
