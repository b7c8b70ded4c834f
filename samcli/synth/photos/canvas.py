"""A picture's canvas, drawn anew from its record whenever a stage needs it: objects on grey ground, and their mask."""

from PIL import Image

from samcli.synth.cutout import NEUTRAL
from samcli.synth.photos.kept import kept
from samcli.synth.photos.layers import blended, scaled
from samcli.synth.photos.photographs import KEPT, Cut, cut_of, cutout_of
from samcli.synth.photos.record import Place, Subject, View
from samcli.synth.photos.stage import Setting

WHITE = (255, 255, 255)


def placed(subject: Subject) -> Place:
    """Where the subject stands; raises RuntimeError before the stage that composes."""
    if subject.place is None:
        raise RuntimeError("objects are placed before anything is painted around them")
    return subject.place


def foreground(setting: Setting, view: View) -> Image.Image:
    """All objects of a picture on a transparent sheet of the canvas's size, the nearer (lower) ones in front.

    RGBA with colours multiplied by alpha; it is kept for others who ask, so it mustn't be changed in place. Raises
    Rejected as `cutout` does.
    """
    nearest_last = sorted(view.subjects, key=lambda each: placed(each).top + placed(each).height)
    shown = tuple((cut_of(setting, subject), tuple(placed(subject).model_dump().values())) for subject in nearest_last)
    return _foreground(shown, setting.recipe.size)


@kept(KEPT)
def _foreground(shown: tuple[tuple[Cut, tuple[int, ...]], ...], size: int) -> Image.Image:
    sheet = Image.new("RGBA", (size, size))
    for cut, (left, top, width, height) in shown:
        box = (left, top, left + width, top + height)
        sheet.paste(blended(scaled(cutout_of(cut), (width, height)), sheet.crop(box)), box)
    return sheet


def over(objects: Image.Image, ground: Image.Image) -> Image.Image:
    """Objects, RGBA with colours multiplied by alpha, in front of an RGB picture of the same size."""
    return blended(objects, ground.convert("RGBA")).convert("RGB")


def on_ground(objects: Image.Image, colour: tuple[int, int, int] = NEUTRAL) -> Image.Image:
    """Objects on one colour, RGB: what the composing stage hands on, and what the captioner is shown."""
    return over(objects, Image.new("RGB", objects.size, colour))
