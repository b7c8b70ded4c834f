"""Which scene stands behind each view: two distant lines of a pool, or two backdrops."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

from samcli.amounts import counted
from samcli.errors import UserError
from samcli.synth.photos.background.backdrop import PAINTED, backdrops
from samcli.synth.photos.kept import kept
from samcli.synth.photos.language.names import LIST
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Setting
from samcli.synth.world.scenes import INDOOR, LIGHTS, SCENES, WEATHERS

WRITTEN = "scenes-written.txt"  # in the run's directory: the pool that a language model wrote
SHIPPED = "mmlink/scenes.txt"
_CANDIDATES = 100  # lines that are compared before the second scene is chosen
_SAME_PLACE = 100  # more words than any two lines share
_SMALL_WORDS = frozenset(
    "a an the of in on at by to with and or from under over above below behind before after between beside near "
    "into onto along across through against outside inside still not its".split()
)


@dataclass(frozen=True)
class Scene:
    """A line of a pool of scenes, and the sort of place under whose heading it stands, if any."""

    line: str
    place: str = ""

    @cached_property
    def words(self) -> frozenset[str]:
        """The words that say what is to be seen, without plural endings."""
        words = re.findall(r"[^\W\d_]{2,}", self.line.lower())
        return frozenset(word.removesuffix("s") for word in words if word not in _SMALL_WORDS)

    def resembles(self, other: "Scene") -> int:
        """How much two scenes have in common: the number of shared words; the same sort of place outweighs them."""
        same_place = bool(self.place) and self.place == other.place
        return len(self.words & other.words) + _SAME_PLACE * same_place


def choose_scenes(setting: Setting, record: Record) -> None:
    """Give every view of a record of scenes, unless it has one, a scene unlike those of the other views.

    With an inpainting model a scene is a line of the pool, else the path of a backdrop below the root, or
    `painted: SCENE, LIGHT, WEATHER`. Raises UserError where the pool or the directory of backdrops can't be read.
    """
    if setting.kind(record).form != "scenes" or all(view.scene is not None for view in record.views):
        return
    background = setting.recipe.background
    rng = random.Random(f"{record.seed}/scenes")
    if background.kind == "diffusion":
        scenes = _distant(rng, read_pool(pool_file(setting)), len(record.views))
    elif files := backdrops(setting):
        scenes = _different(rng, files, len(record.views))
    else:
        scenes = _painted(rng, len(record.views))
    for view, scene in zip(record.views, scenes, strict=True):
        view.scene = view.scene or scene


def pool_file(setting: Setting) -> Path:
    """Where the pool of scenes is: what a language model wrote, the recipe's own file, or the shipped one."""
    background = setting.recipe.background
    if background.writer != LIST:
        return setting.out / WRITTEN
    if background.scenes is not None:
        return Path(background.scenes).expanduser()
    return Path(str(resources.files("samcli"))) / "assets" / SHIPPED


@kept(4)
def read_pool(path: Path) -> tuple[Scene, ...]:
    """The scenes in a text file, one a line; lines that begin with # are headings, or say which version it is.

    Raises UserError for a file that can't be read or holds fewer than two scenes.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: scenes can't be read: {error}") from error
    scenes: dict[str, Scene] = {}
    place = ""
    for line in filter(None, map(str.strip, lines)):
        if line.startswith("#"):
            place = line.lstrip("# ")
        else:
            scenes.setdefault(line, Scene(line, place))
    if len(scenes) < 2:
        raise UserError(f"{path}: {counted(len(scenes), 'scene')}; two different ones are the least, one a line")
    return tuple(scenes.values())


def _distant(rng: random.Random, pool: Sequence[Scene], count: int) -> list[str]:
    """Lines that have as little in common as chance finds: none if possible, in other sorts of places."""
    chosen = [rng.choice(pool)]
    while len(chosen) < count:
        candidates = rng.sample(pool, min(len(pool), _CANDIDATES))
        chosen.append(min(candidates, key=lambda scene: sum(scene.resembles(other) for other in chosen)))
    return [scene.line for scene in chosen]


def _different(rng: random.Random, files: Sequence[str], count: int) -> list[str]:
    """Files that differ, as far as there are so many."""
    drawn = rng.sample(files, min(count, len(files)))
    return (drawn * count)[:count]


def _painted(rng: random.Random, count: int) -> list[str]:
    """Scenes of the embedded world in different places."""
    scenes = []
    for scene in rng.sample(SCENES, count):
        weather = "clear" if scene in INDOOR else rng.choice(WEATHERS)
        scenes.append(f"{PAINTED}{scene}, {rng.choice(LIGHTS)}, {weather}")
    return scenes
