"""Backgrounds without weights: seeded crops of pictures of scenes, or, where there are none, painted scenes."""

import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from PIL import Image, ImageOps

from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.synth.photos.background.light import cast_shadows, match_light
from samcli.synth.photos.background.painting import Painted, Task, drift
from samcli.synth.photos.kept import kept
from samcli.synth.photos.sources.items import Account
from samcli.synth.photos.sources.reading import BACKDROPS
from samcli.synth.photos.sources.tree import Tree
from samcli.synth.photos.stage import Rejected, Setting
from samcli.synth.world.scenes import paint_ground
from samcli.synth.world.veils import veil

PAINTED = "painted: "
LARGEST_SIDE = 2048  # pixels; larger backdrops are shrunk to it
LEAST_SHARE = 0.5  # of a backdrop's shorter side that is shown
SHARED_SHARE = 0.7  # at most, where one backdrop serves two views
_DRAWS = 32  # of crops for all views, among which those that have least in common are taken
Box = tuple[int, int, int, int]


def backdrops(setting: Setting) -> tuple[str, ...]:
    """The pictures of scenes, as paths below the root, in order; none where there is no directory of them.

    Raises UserError for a directory that the recipe names and that isn't there, lies outside the root or is empty.
    """
    named = setting.recipe.background.backdrops
    if named is None and not (setting.root / BACKDROPS).is_dir():
        return ()
    return _listed(setting.root, named or BACKDROPS)


@kept(4)  # listed once, however many records ask
def _listed(root: Path, name: str) -> tuple[str, ...]:
    folder, tree = root / name, Tree(root)
    if not tree.holds(folder):
        raise UserError(f"background.backdrops: {name} leads out of {root}; put the scenes below it")
    listings = tree.walk(folder, Account())
    found = tuple(tree.relative(place, picture) for place, listing in listings for picture in listing.pictures)
    if not found:
        raise UserError(f"{folder}: no pictures of scenes in it; without this directory backgrounds are painted")
    return found


class Backdrops:
    """A painter that puts pictures of scenes behind objects; the objects take on a little of the scene's light."""

    def __init__(self, setting: Setting) -> None:
        backdrops(setting)  # a directory that can't be used is told before anything is made
        self.setting = setting

    def __call__(self, tasks: Sequence[Task]) -> list[Painted | Rejected]:
        """A painting for each task."""
        return [self._painted(task) for task in tasks]

    def _painted(self, task: Task) -> Painted | Rejected:
        try:
            ground = self._ground(task)
        except UserError as error:
            return Rejected("backdrop unreadable", str(error))
        objects = match_light(task.objects, ground) if self.setting.recipe.background.match_light else task.objects
        alpha = objects.getchannel("A")
        changed = drift(task.objects, objects, alpha, inset=0)
        return Painted(objects, cast_shadows(ground, alpha, task.view), changed)

    def _ground(self, task: Task) -> Image.Image:
        """The scene of a picture, RGB, as large as the canvas."""
        size, scene = self.setting.recipe.size, task.view.scene or ""
        if scene.startswith(PAINTED):
            place, light, weather = scene.removeprefix(PAINTED).split(", ")
            seed = random.Random(task.seed).getrandbits(32)
            return veil(paint_ground(place, light, weather, size, seed), light, weather, seed)
        picture = _opened(self.setting.root, scene)
        same = [number for number, view in enumerate(task.record.views, 1) if view.scene == scene]
        rng = random.Random(f"{task.record.seed}/inpaint/{same[0]}")
        box, mirrored = crops(rng, picture.size, size, len(same))[same.index(task.number)]
        shown = picture.resize((size, size), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
        return ImageOps.mirror(shown) if mirrored else shown


def crops(rng: random.Random, size: tuple[int, int], wanted: int, count: int) -> list[tuple[Box, bool]]:
    """`count` square crops of a picture of that size, and whether they are mirrored, as unlike each other as can be.

    A crop takes half of the shorter side or more, all of it if need be so as not to be enlarged to the `wanted` side;
    if there are several, they leave each other room.
    """
    short = min(size)
    least = max(LEAST_SHARE * short, min(short, wanted))
    most = short if count == 1 else max(least, SHARED_SHARE * short)
    draws = ([_crop(rng, size, round(rng.uniform(least, most))) for _ in range(count)] for _ in range(_DRAWS))
    boxes = min(draws, key=lambda drawn: sum(_shared(*pair) for pair in combinations(drawn, 2)))
    mirrored = rng.random() < 0.5
    return [(box, mirrored ^ bool(number % 2)) for number, box in enumerate(boxes)]


def _crop(rng: random.Random, size: tuple[int, int], side: int) -> Box:
    left, top = rng.randint(0, size[0] - side), rng.randint(0, size[1] - side)
    return left, top, left + side, top + side


def _shared(one: Box, other: Box) -> float:
    """How much of the smaller of two crops the other one shows, too."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height) / min((box[2] - box[0]) ** 2 for box in (one, other))


@kept(8)
def _opened(root: Path, path: str) -> Image.Image:
    """A backdrop, RGB, at most `LARGEST_SIDE` pixels a side.

    Raises UserError for one that is unreadable or outside the root.
    """
    if not Tree(root).holds(root / path):
        raise UserError(f"{path} leads out of {root}")
    picture = open_image(root / path)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture
