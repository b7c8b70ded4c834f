"""Sun, moon, stars and clouds."""

from collections.abc import Sequence

from samcli.synth.world.canvas import Canvas
from samcli.synth.world.pen import RGB, Box, Point, darker, mix


def paint_stars(canvas: Canvas, box: Box, count: int) -> None:
    """`count` small stars within the box."""
    left, top, right, bottom = box
    for number in range(count):
        x, y = canvas.star_rng.uniform(left, right), canvas.star_rng.uniform(top, bottom)
        radius = 0.004 + 0.0035 * (number % 3 == 0)
        canvas.oval((x, y), radius, radius, (246, 242, 214))


def _cloud(canvas: Canvas, centre: Point, width: float, colour: RGB) -> None:
    x, y = centre
    for shift, rise, radius in ((-0.30, 0.0, 0.20), (-0.06, 0.10, 0.27), (0.22, 0.02, 0.23)):
        canvas.oval((x + shift * width, y - rise * width), radius * width, radius * width * 0.8, colour)
    canvas.box((x - 0.5 * width, y - 0.02 * width, x + 0.5 * width, y + 0.17 * width), colour, 0.09 * width)


def _cloud_colour(canvas: Canvas) -> RGB:
    if canvas.weather == "rain":
        return darker(canvas.sky[0], 0.14)
    if canvas.light == "night":
        return mix(canvas.sky[1], canvas.sky[2], 0.6)
    return mix(canvas.sky[2], (255, 255, 255), 0.6)


def _clouds(canvas: Canvas, slots: Sequence[float]) -> None:
    """One cloud around the x of every slot; rain clouds are twice as wide."""
    rng, colour = canvas.sky_rng, _cloud_colour(canvas)
    breadth = 2.0 if canvas.weather == "rain" else 1.0
    for slot in slots:
        centre = (slot + rng.uniform(-0.1, 0.1), rng.uniform(0.06, 0.2))
        _cloud(canvas, centre, breadth * rng.uniform(0.17, 0.26), colour)


def paint_luminary(canvas: Canvas, centre: Point, radius: float) -> None:
    """Sun or moon with a halo."""
    colour: RGB = {"day": (255, 246, 204), "evening": (255, 236, 176), "night": (250, 244, 214)}[canvas.light]
    halo = mix(canvas.sky[1], colour, 0.28 if canvas.light == "night" else 0.42)
    canvas.oval(centre, radius * 1.5, radius * 1.5, halo)
    canvas.oval(centre, radius, radius, colour)


def paint_sky(canvas: Canvas) -> None:
    """What the weather and the light put into the sky: sun, moon, stars or clouds."""
    left, shift, pair = canvas.sky_rng.random() < 0.5, canvas.sky_rng.uniform(-0.1, 0.1), canvas.sky_rng.random() < 0.6
    x = (0.2 if left else 0.8) + shift
    if canvas.weather == "clear":
        if canvas.light == "night":
            paint_stars(canvas, (0.02, 0.02, 0.98, 0.42), 34)
        low = canvas.light == "evening"
        paint_luminary(canvas, (x, canvas.horizon - 0.2 if low else 0.14), 0.085 if low else 0.066)
    if canvas.weather == "rain":
        _clouds(canvas, (0.1, 0.36, 0.64, 0.9))
    elif canvas.weather != "fog":
        _clouds(canvas, (0.52, 0.84 if left else 0.16) if pair else (0.66 if left else 0.34,))
