"""What makes an object look as if it stood in a scene: a little of the scene's light, and a shadow at its foot."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from samcli.synth.photos.canvas import placed
from samcli.synth.photos.record import Place, View

LEAST_GAIN, MOST_GAIN = 0.8, 1.2  # of a channel, in linear light
MOST_CHANGE = 0.04  # mean change of an object's pixels, 0 to 1: colours tell objects apart
TINT, BRIGHTNESS = 0.3, 0.15  # how much of the scene's hue and brightness an object takes on, as exponents
MIDDLE = 0.2  # mean linear brightness of a scene that changes nothing
SHADOW = 0.45  # how dark a shadow is at its middle
_LUMINANCE = np.asarray([0.2126, 0.7152, 0.0722])  # of linear sRGB
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4)  # of sRGB's 256 levels
Table = NDArray[np.float64]


def match_light(objects: Image.Image, ground: Image.Image) -> Image.Image:
    """Objects (RGBA, colours multiplied by alpha) in some of the light of a scene (RGB); alpha stays as it is.

    Each channel is multiplied, in linear light, by a gain between `LEAST_GAIN` and `MOST_GAIN` that follows the scene's
    mean colour; nothing is driven into white, and the mean change of the pixels is at most `MOST_CHANGE`.
    """
    pixels = np.asarray(objects)
    alpha = pixels[..., 3:]
    seen = alpha[..., 0] > 0
    if not seen.any():
        return objects
    cover = alpha[seen].astype(np.float32) / 255
    own = np.minimum((pixels[seen][:, :3] / cover).round(), 255).astype(np.uint8)
    table = _table(_gains(_mean_light(ground), own), own)
    lit = pixels.copy()
    lit[seen, :3] = (np.stack([table[own[:, channel], channel] for channel in range(3)], axis=-1) * cover).round()
    return Image.fromarray(lit, "RGBA")


def _mean_light(ground: Image.Image) -> Table:
    """The mean linear light of each channel."""
    counts = np.asarray(ground.convert("RGB").histogram(), dtype=np.float64).reshape(3, 256)
    light: Table = counts @ _LINEAR / counts.sum(axis=1)
    return light


def _gains(scene: Table, own: NDArray[np.uint8]) -> Table:
    """What each channel of the objects' colours (pixels, 3) is multiplied by."""
    brightness = max(float(scene @ _LUMINANCE), 1e-4)
    tint = np.maximum(scene / brightness, 1e-4)
    gains: Table = np.clip(tint**TINT * (brightness / MIDDLE) ** BRIGHTNESS, LEAST_GAIN, MOST_GAIN)
    lights = _LINEAR[np.percentile(own, 99, axis=0).astype(np.uint8)]
    room = 1 / max(1.0, float((gains * lights).max()))
    return np.maximum(gains * room, LEAST_GAIN)


def _table(gains: Table, own: NDArray[np.uint8]) -> Table:
    """What each of the 256 levels becomes in each channel, (256, 3)."""
    linear = np.minimum(_LINEAR[:, None] * gains, 1)
    levels = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    change = levels - _LEVELS[:, None]
    mean = np.mean([np.abs(change[own[:, channel], channel]).mean() for channel in range(3)])
    table: Table = (_LEVELS[:, None] + change * min(1.0, MOST_CHANGE / max(float(mean), 1e-9))) * 255
    return table


def cast_shadows(ground: Image.Image, alpha: Image.Image, view: View) -> Image.Image:
    """The ground with a soft shadow where each of the view's objects (of this alpha) touches it."""
    shade = Image.new("L", ground.size)
    for subject in view.subjects:
        _add_shadow(shade, alpha, placed(subject))
    return Image.composite(Image.new("RGB", ground.size), ground, shade)


def _add_shadow(shade: Image.Image, alpha: Image.Image, place: Place) -> None:
    """Draw a blurred ellipse below the object's lowest part, where the sheet isn't darker yet."""
    bottom = place.top + place.height
    foot = alpha.crop((place.left, bottom - max(2, place.height // 12), place.left + place.width, bottom))
    if (box := foot.point(lambda level: 255 * (level > 127)).getbbox()) is None:
        return
    middle, across = place.left + (box[0] + box[2]) / 2, 0.55 * (box[2] - box[0]) + 0.02 * place.height
    down = min(max(0.16 * across, 0.012 * place.height), 0.06 * place.height)
    left, top = round(middle - across - 2 * down), round(bottom - 3 * down)
    ellipse = (middle - across - left, bottom - 1.2 * down - top, middle + across - left, bottom + 0.8 * down - top)
    sheet = Image.new("L", (round(2 * across + 4 * down), round(6 * down)))
    ImageDraw.Draw(sheet).ellipse(ellipse, fill=round(255 * SHADOW))
    soft = sheet.filter(ImageFilter.GaussianBlur(0.5 * down))
    there = shade.crop((left, top, left + soft.width, top + soft.height))
    shade.paste(ImageChops.lighter(there, soft), (left, top))
