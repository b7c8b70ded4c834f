"""A picture's canvas, drawn anew from its record whenever a stage needs it: objects on grey ground, and their mask."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Place, Subject, View
from samcli.synth.photos.stage import Setting

NEUTRAL = (200, 200, 200)
WHITE = (255, 255, 255)


def layer(setting: Setting, subject: Subject) -> Image.Image:
    """The object at its place on a transparent sheet of the canvas's size, RGBA with colours multiplied by alpha."""
    size = setting.recipe.size
    place = placed(subject)
    sheet = Image.new("RGBA", (size, size))
    scaled = cutout(setting, subject).resize((place.width, place.height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    sheet.paste(scaled, (place.left, place.top))
    return sheet


def placed(subject: Subject) -> Place:
    """Where the subject stands; raises RuntimeError before the stage that composes."""
    if subject.place is None:
        raise RuntimeError("objects are placed before anything is painted around them")
    return subject.place


def foreground(setting: Setting, view: View) -> Image.Image:
    """All objects of a picture on a transparent sheet, the nearer (lower) ones in front."""
    size = setting.recipe.size
    sheet: NDArray[np.float32] = np.zeros((size, size, 4), dtype=np.float32)
    one = np.float32(1)
    for subject in sorted(view.subjects, key=lambda each: placed(each).top + placed(each).height):
        top = np.asarray(layer(setting, subject), dtype=np.float32)
        sheet = top + sheet * (one - top[..., 3:] / np.float32(255))
    return Image.fromarray(sheet.round().clip(0, 255).astype(np.uint8), "RGBA")


def over(objects: Image.Image, ground: Image.Image) -> Image.Image:
    """Objects, RGBA with colours multiplied by alpha, in front of an RGB picture of the same size."""
    front: NDArray[np.float32] = np.asarray(objects, dtype=np.float32)
    behind: NDArray[np.float32] = np.asarray(ground.convert("RGB"), dtype=np.float32)
    blended = front[..., :3] + behind * (1 - front[..., 3:] / 255)
    return Image.fromarray(blended.round().clip(0, 255).astype(np.uint8), "RGB")


def on_ground(objects: Image.Image, colour: tuple[int, int, int] = NEUTRAL) -> Image.Image:
    """Objects on one colour, RGB: what the composing stage hands on, and what the captioner is shown."""
    return over(objects, Image.new("RGB", objects.size, colour))
