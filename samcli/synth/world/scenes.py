"""Where the things stand: twelve pale scenes, each in three lights and four weathers.

The same seed gives the same layout in every light and weather.
"""

from collections.abc import Callable

from PIL import Image

from samcli.synth.world.canvas import OVERSAMPLING, Canvas
from samcli.synth.world.indoors import paint_bedroom, paint_kitchen, paint_library
from samcli.synth.world.outdoors import (
    paint_beach,
    paint_desert,
    paint_farm,
    paint_forest,
    paint_harbour,
    paint_mountain,
    paint_park,
    paint_station,
    paint_street,
)
from samcli.synth.world.sky import paint_sky

_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "street": paint_street,
    "park": paint_park,
    "beach": paint_beach,
    "forest": paint_forest,
    "kitchen": paint_kitchen,
    "library": paint_library,
    "station": paint_station,
    "desert": paint_desert,
    "mountain": paint_mountain,
    "harbour": paint_harbour,
    "farm": paint_farm,
    "bedroom": paint_bedroom,
}
SCENES: tuple[str, ...] = tuple(_PAINTERS)  # everything drawn by chance depends on their order
INDOOR = frozenset({"kitchen", "library", "bedroom"})
LIGHTS = ("day", "evening", "night")
WEATHERS = ("clear", "rain", "snow", "fog")


def paint_ground(scene: str, light: str, weather: str, size: int, seed: int) -> Image.Image:
    """The empty scene, `size` x `size`, RGB; the seed decides its layout. Raises KeyError for an unknown word."""
    canvas = Canvas(scene, light, weather, size, seed, indoor=scene in INDOOR)
    if not canvas.indoor:
        paint_sky(canvas)
    _PAINTERS[scene](canvas)
    return canvas.image.reduce(OVERSAMPLING)
