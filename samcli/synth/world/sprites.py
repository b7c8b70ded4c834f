"""Things as pictures: one finished, transparent drawing of a thing in one of its poses."""

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

from PIL import Image, ImageOps

from samcli.synth.world import animals, books, characters, furniture, icons, vehicles
from samcli.synth.world.pen import PERIOD, Pen
from samcli.synth.world.things import Thing

VARIANTS = 4
_ARTISTS: dict[str, ModuleType] = {
    "character": characters,
    "furniture": furniture,
    "icon": icons,
    "book": books,
    "animal": animals,
    "vehicle": vehicles,
}


@dataclass(frozen=True)
class Pose:
    """How a thing is seen: one of its variants, perhaps mirrored."""

    variant: int = 0
    mirrored: bool = False


def aspect(thing: Thing) -> float:
    """Width over height of the thing's drawing."""
    return float(_ARTISTS[thing.category].aspect(thing))


def may_mirror(category: str) -> bool:
    """Whether the category can be seen from the other side; books can't, since their titles would be mirrored."""
    return bool(getattr(_ARTISTS[category], "MIRROR", True))


@lru_cache(maxsize=64)
def draw_sprite(thing: Thing, pose: Pose, height: int) -> Image.Image:
    """The thing `height` pixels high, RGBA, colours multiplied by their alpha; don't change it in place."""
    artist = _ARTISTS[thing.category]
    pen = Pen(height, aspect(thing), getattr(artist, "PERIOD", PERIOD))
    artist.draw(pen, thing, pose.variant)
    sprite = pen.finish()
    return ImageOps.mirror(sprite) if pose.mirrored else sprite
