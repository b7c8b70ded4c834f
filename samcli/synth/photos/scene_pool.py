"""Scene lines that a language model writes, once for a run, before anything is painted (the paper's Fig. 2)."""

import re
from pathlib import Path

from samcli.console import progress, warn
from samcli.errors import UserError
from samcli.files import write_text
from samcli.lock import locked
from samcli.synth.photos.background.scenes import WRITTEN
from samcli.synth.photos.language.load import language_model
from samcli.synth.photos.language.model import LanguageModel
from samcli.synth.photos.language.names import LIST
from samcli.synth.photos.language.question import Form, Question, Text
from samcli.synth.photos.stage import Failed, Rejected, Setting
from samcli.synth.photos.texts import Prompt, read_prompt

_BATCH = 25  # lines asked for at once
_TOKENS_A_LINE = 40
_SHOWN = 30  # lines that the model is told not to repeat
_IN_VAIN = 8  # batches in a row that bring nothing
_WORDS = (3, 20)
_THEMES = (
    "places by the sea or a river", "streets and squares of a town", "rooms of a home", "woods and meadows",
    "shops and markets after closing", "mountains and valleys", "stations, harbours and airports, all empty",
    "gardens and parks", "halls, libraries and museums", "farms and villages", "workshops and factories at rest",
    "roofs, terraces and balconies", "deserts, ice and other far places", "cafes and restaurants without guests",
    "schools and offices at night", "bridges, stairs and gates", "places in snow", "places in rain or fog",
    "places at dawn or dusk", "old ruins and castles",
)  # fmt: skip
_PEOPLE = re.compile(
    r"\b(?:person|persons|people|man|men|woman|women|boys?|girls?|child|children|kids?|bab(?:y|ies)|crowds?|crowded|"
    r"(?:by)?passers?-?by|tourists?|shoppers?|pedestrians?|commuters?|guests?|customers?|workers?|farmers?|"
    r"fishermen|fisherman|vendors?|couples?|famil(?:y|ies)|lovers?|figures?|someone|somebody|dogs?|cats?|horses?|"
    r"statues?|dancers?|musicians?|cyclists?|swimmers?|students?|children's)\b",
    re.IGNORECASE,
)
_HEADER = re.compile(r"# version 1; .*; batches (\d+)")


class Scenes(Form):
    """What the language model returns."""

    scenes: list[Text]


def write_scene_pool(setting: Setting) -> Path | None:
    """Fill `scenes-written.txt` in the run's directory with `background.pool` lines; its path, None without a writer.

    The file grows batch by batch, and a call that was stopped goes on where it was; of several processes one writes
    and the others wait. The first line is a comment with the version. Raises UserError when the writer can't be
    reached, or has nothing new to say before there are two lines.
    """
    background = setting.recipe.background
    if background.writer == LIST or background.kind != "diffusion":
        return None
    path = setting.out / WRITTEN
    with locked(setting.out / ".scenes.lock", wait=True):
        batches, lines = _read(path)
        if len(lines) < background.pool:
            describe = setting.recipe.describe
            revision = describe.writer_revision if describe.writer == background.writer else None
            model = language_model(background.writer, revision, setting)
            _fill(path, model, background.pool, batches, lines)
    return path


def _fill(path: Path, model: LanguageModel, wanted: int, batches: int, lines: list[str]) -> None:
    prompt = read_prompt("scenes", ("count", "theme", "known"))
    reason, in_vain = "nothing new", 0
    with progress("writing scenes", wanted, len(lines)) as advance:
        while len(lines) < wanted and in_vain < _IN_VAIN:
            reply = model.ask([_question(prompt, batches, lines)])[0]
            if isinstance(reply, Failed):
                raise UserError(f"{model.name}: {reply.reason} ({reply.detail}); the same command goes on from here")
            new = [] if isinstance(reply, Rejected) else _new(reply.scenes, lines)[: wanted - len(lines)]
            reason = reply.reason if isinstance(reply, Rejected) else "nothing new"
            in_vain = 0 if new else in_vain + 1
            batches += 1
            lines += new
            header = f"# version 1; by {model.name} with {prompt.name}; batches {batches}"
            write_text(path, "\n".join([header, *lines]) + "\n")
            advance(len(new))
    if len(lines) < 2:
        raise UserError(f"{model.name} wrote no scenes ({reason}); take another background.writer, or `{LIST}`")
    if len(lines) < wanted:
        warn(f"{model.name} wrote {len(lines)} scenes of {wanted} ({reason} in {_IN_VAIN} tries); going on with them")


def _question(prompt: Prompt, batch: int, lines: list[str]) -> Question[Scenes]:
    """The batch's own theme, and the newest lines, which it shouldn't repeat."""
    known = "; ".join(lines[-_SHOWN:]) or "none so far"
    theme = f"{_THEMES[batch % len(_THEMES)]} (round {batch // len(_THEMES) + 1}: be inventive)"
    return Question(prompt.text.format(count=_BATCH, theme=theme, known=known), Scenes, _BATCH * _TOKENS_A_LINE)


def _new(scenes: list[str], lines: list[str]) -> list[str]:
    """Lines that are scenes without people and aren't there yet, whatever their articles and order of words."""
    seen, new = {_key(line) for line in lines}, []
    for scene in scenes:
        line = re.sub(r"^\s*(?:\d+[.)]|[-*\u2022#])\s*", "", scene).strip(" .\"'")
        fits = _WORDS[0] <= len(line.split()) <= _WORDS[1]
        if fits and not _PEOPLE.search(line) and (key := _key(line)) not in seen:
            seen.add(key)
            new.append(line)
    return new


def _key(line: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", line.lower())) - {"a", "an", "the", "with", "and", "of", "in", "at", "by"}


def _read(path: Path) -> tuple[int, list[str]]:
    """Batches that were asked for, and lines that came of them; raises UserError for a file of something else."""
    try:
        head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    except FileNotFoundError:
        return 0, []
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read ({error}); remove it") from error
    if (match := _HEADER.fullmatch(head)) is None:
        raise UserError(f"{path}: not a pool of scenes that was written here; remove it")
    return int(match[1]), [line for line in lines if line.strip()]
