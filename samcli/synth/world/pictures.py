"""Pictures of the world as records: which things stand where, in which scene; and their drawing."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count as count_from
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.synth.compose import Box, arrange
from samcli.synth.cutout import paste
from samcli.synth.world.scenes import INDOOR, LIGHTS, SCENES, WEATHERS, paint_ground
from samcli.synth.world.sprites import VARIANTS, Pose, aspect, draw_sprite, may_mirror
from samcli.synth.world.things import CATEGORIES, Thing, draw_near_miss, draw_thing
from samcli.synth.world.veils import veil

MOST_THINGS = 2  # in a picture: the main one and a distractor, as in MmLINK
EXTENTS = {1: (0.44, 0.64), 2: (0.42, 0.56)}  # of the canvas, by number of things
RELATED = 0.6  # of the families are stars
STAR_TRIES = 500  # a thing of a small split may have no near miss there at all


@dataclass(frozen=True)
class Setting:
    """Where and when a picture is."""

    scene: str
    light: str
    weather: str

    @property
    def words(self) -> tuple[str, str, str]:
        """Weather, scene and light."""
        return self.weather, self.scene, self.light


@dataclass(frozen=True)
class Placed:
    """A thing in a picture: its pose and its box."""

    thing: Thing
    pose: Pose
    box: Box

    @property
    def is_of_the_world(self) -> bool:
        """Whether every word and the pose exist, and the box lies on the canvas."""
        options = CATEGORIES[self.thing.category].attributes
        box = self.box
        return (
            all(word in options[name] for name, word in self.thing.attributes.items())
            and (self.pose.variant in range(VARIANTS) and type(self.pose.mirrored) is bool)
            and (box.left >= 0 and box.top >= 0 and box.left + box.width <= 1 and box.bottom <= 1)
            and (box.width > 0 and box.height > 0)
        )


@dataclass(frozen=True)
class Picture:
    """Everything that a picture shows; `placed` runs from left to right, `seed` fixes what is left to chance."""

    setting: Setting
    placed: tuple[Placed, ...]
    seed: int

    @property
    def things(self) -> tuple[Thing, ...]:
        """The things from left to right."""
        return tuple(entry.thing for entry in self.placed)

    def to_json(self) -> dict[str, Any]:
        """An exact record of the picture: what `from_json` makes of it is drawn pixel by pixel the same."""
        placed = [
            {"thing": entry.thing.to_json(), "pose": asdict(entry.pose), "box": list(entry.box)}
            for entry in self.placed
        ]
        return {"setting": asdict(self.setting), "placed": placed, "seed": self.seed}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Picture":
        """Rebuild a picture from the record of `to_json`; raises ValueError when it isn't one."""
        try:
            placed = tuple(
                Placed(Thing.from_json(entry["thing"]), Pose(**entry["pose"]), Box(*entry["box"]))
                for entry in record["placed"]
            )
            picture = cls(Setting(**record["setting"]), placed, record["seed"])
            whole = picture._is_of_the_world()
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of a picture: {error!r}") from None
        if not whole:
            raise ValueError("no record of a picture of this world: a word, a pose or a box is none of it")
        return picture

    def _is_of_the_world(self) -> bool:
        """Whether it can be drawn: a record from a file may hold anything, such as a thing a mile high."""
        setting = self.setting
        return (
            (setting.scene in SCENES and setting.light in LIGHTS and setting.weather in WEATHERS)
            and type(self.seed) is int
            and all(entry.is_of_the_world for entry in self.placed)
        )


def draw_setting(rng: random.Random) -> Setting:
    """A scene with light and weather; indoors the weather is clear."""
    scene = rng.choice(SCENES)
    return Setting(scene, rng.choice(LIGHTS), "clear" if scene in INDOOR else rng.choice(WEATHERS))


def draw_pose(rng: random.Random, thing: Thing) -> Pose:
    """Any pose that the thing can take."""
    return Pose(rng.randrange(VARIANTS), may_mirror(thing.category) and rng.random() < 0.5)


def place_things(rng: random.Random, things: Sequence[Thing], setting: Setting) -> Picture:
    """A picture of `things` in new poses and places."""
    boxes = arrange(rng, [aspect(thing) for thing in things], EXTENTS[len(things)])
    placed = [Placed(thing, draw_pose(rng, thing), box) for thing, box in zip(things, boxes, strict=True)]
    return Picture(setting, tuple(sorted(placed, key=lambda entry: entry.box.centre)), rng.getrandbits(32))


def render(picture: Picture, size: int) -> Image.Image:
    """The picture, RGB, `size` pixels a side."""
    setting = picture.setting
    canvas = paint_ground(setting.scene, setting.light, setting.weather, size, picture.seed)
    for entry in sorted(picture.placed, key=lambda entry: entry.box.bottom):
        sprite, corner = _sprite(entry, size)
        paste(canvas, sprite, corner)
    return veil(canvas, setting.light, setting.weather, picture.seed)


def patch_owners(picture: Picture, size: int, patch: int, least: float = 0.15) -> NDArray[np.intp]:
    """Which thing each patch shows, (size / patch, size / patch): its index from the left, or -1 for the ground.

    A patch belongs to the thing that covers most of it, if that is at least the share `least`; what of the picture
    fills no whole patch, at the right and the bottom, is left out.
    """
    side = size // patch
    cover = np.full((len(picture.placed) + 1, side, side), least * 255, dtype=np.float32)
    for index, entry in enumerate(picture.placed):
        sheet = Image.new("L", (size, size), 0)
        sprite, corner = _sprite(entry, size)
        sheet.paste(sprite.getchannel("A"), corner)
        cover[index + 1] = np.asarray(sheet.reduce(patch), dtype=np.float32)[:side, :side]
    owners: NDArray[np.intp] = cover.argmax(axis=0) - 1
    return owners


def _sprite(entry: Placed, size: int) -> tuple[Image.Image, tuple[int, int]]:
    sprite = draw_sprite(entry.thing, entry.pose, max(8, round(entry.box.height * size)))
    return sprite, (round(entry.box.left * size), round(entry.box.bottom * size) - sprite.height)


def draw_family(
    rng: random.Random,
    category: str,
    count: int,
    accept: Callable[[Thing], bool],
    member: Thing | None = None,
    related: float = RELATED,
) -> list[Thing]:
    """`count` different things of a category, `member` among them if given, in chance order.

    With probability `related` they form a star, if `accept` leaves `member` enough near misses: one of them, not told
    which, differs from each other in one attribute only. Every place in the star is equally likely for `member`, so
    nothing in the family gives it away.
    """
    star = rng.random() < related
    for attempt in count_from(0):
        first = member or draw_accepted(rng, category, accept)
        if star and attempt < STAR_TRIES:
            family = _star(rng, first, count)
        else:
            family = [first, *(draw_thing(rng, category) for _ in range(count - 1))]
        if len(set(family)) == count and all(accept(thing) for thing in family if thing != member):
            rng.shuffle(family)
            return family
    raise AssertionError("unreachable")


def _star(rng: random.Random, first: Thing, count: int) -> list[Thing]:
    """`first` and `count` - 1 relatives; `first` is the centre once in `count` times."""
    if count == 1:
        return [first]
    if rng.randrange(count) == 0:
        return [first, *(draw_near_miss(rng, first) for _ in range(count - 1))]
    centre = draw_near_miss(rng, first)
    return [first, centre, *(draw_near_miss(rng, centre) for _ in range(count - 2))]


def draw_accepted(rng: random.Random, category: str, accept: Callable[[Thing], bool]) -> Thing:
    """A thing of the category that `accept` takes."""
    while not accept(thing := draw_thing(rng, category)):
        pass
    return thing


def draw_company(rng: random.Random, accept: Callable[[Thing], bool], most: int = MOST_THINGS) -> list[Thing]:
    """One to `most` things: a family, or a mixed company."""
    count = rng.randint(1, most)
    if rng.random() < 0.5:
        return draw_family(rng, rng.choice(list(CATEGORIES)), count, accept)
    return [draw_accepted(rng, rng.choice(list(CATEGORIES)), accept) for _ in range(count)]


def draw_any(rng: random.Random, accept: Callable[[Thing], bool], most: int = MOST_THINGS) -> Picture:
    """A picture of one to `most` things in some scene."""
    return place_things(rng, draw_company(rng, accept, most), draw_setting(rng))
