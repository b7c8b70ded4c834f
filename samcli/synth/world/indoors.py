"""The three scenes of a house, each with a window on the weather."""

import math
from itertools import pairwise

from samcli.synth.world.canvas import Canvas, toned
from samcli.synth.world.pen import RGB, Box, Point, darker
from samcli.synth.world.sky import paint_luminary, paint_stars


def _window(canvas: Canvas, box: Box, frame: RGB) -> None:
    """A window on the sky, with hills far away."""
    left, top, right, bottom = box
    canvas.box((left - 0.018, top - 0.018, right + 0.018, bottom + 0.018), frame)
    canvas.shaded(box, canvas.sky)
    if canvas.weather == "clear" and canvas.light == "night":
        paint_stars(canvas, (left + 0.02, top + 0.02, right - 0.02, bottom - 0.1), 12)
    across = left + (right - left) * canvas.sky_rng.choice((0.25, 0.75))
    radius = 0.15 * (right - left)
    if canvas.weather == "clear":
        paint_luminary(canvas, (across, top + 1.8 * radius), radius)
    hill = toned((168, 202, 164), canvas.light, canvas.weather, False, 0.7)
    middle = (left + right) / 2
    skyline = ((left, bottom - 0.05), (middle, bottom - 0.085), (right, bottom - 0.04))
    canvas.shape((*skyline, (right, bottom), (left, bottom)), hill)
    canvas.box((middle - 0.007, top, middle + 0.007, bottom), frame)
    canvas.box((left, (top + bottom) / 2 - 0.007, right, (top + bottom) / 2 + 0.007), frame)


def paint_kitchen(canvas: Canvas) -> None:
    """Cupboards around a window, a counter, a chequered floor."""
    rng, ground = canvas.rng, canvas.horizon
    counter = ground - 0.17
    canvas.box((0, 0, 1, ground), canvas.far((246, 236, 206)))
    _tiles(canvas, 0.1, counter)
    side = rng.choice((-1, 1))
    middle = 0.5 - side * rng.uniform(0.08, 0.14)
    _cupboards(canvas, middle, rng.uniform(0.17, 0.21))
    _window(canvas, (middle - 0.19, 0.05, middle + 0.19, counter - 0.05), canvas.far((252, 250, 244)))
    canvas.box((0, counter, 1, ground), canvas.far((178, 208, 200)))
    width = rng.uniform(0.15, 0.19)
    for step in range(7):
        x = middle + (step - 3.5) * width
        canvas.box((x + 0.01, counter + 0.05, x + width - 0.01, ground - 0.03), canvas.far((196, 222, 214)), 0.008)
        canvas.box((x + 0.05, counter + 0.065, x + width - 0.05, counter + 0.077), canvas.far((160, 186, 180)))
    canvas.box((0, counter, 1, counter + 0.035), canvas.far((222, 196, 164)))
    canvas.box((0, ground - 0.02, 1, ground), canvas.far((158, 186, 180)))
    _chequers(canvas, ground, canvas.near((240, 240, 234)), canvas.near((216, 227, 224)))


def _tiles(canvas: Canvas, top: float, bottom: float) -> None:
    joint = canvas.far((226, 218, 190))
    for step in range(1, 12):
        canvas.line(((step / 12, top), (step / 12, bottom)), joint, 0.005)
    y = bottom
    while y > top:
        canvas.line(((0, y), (1, y)), joint, 0.005)
        y -= 1 / 14


def _cupboards(canvas: Canvas, middle: float, width: float) -> None:
    """Pale wall units left and right of the window."""
    for side in (-1, 1):
        for number in range(4):
            x = middle + side * (0.24 + (number + 0.5) * width)
            canvas.box((x - 0.5 * width, 0, x + 0.5 * width, 0.2), canvas.far((178, 208, 200)))
            canvas.box((x - 0.5 * width + 0.01, 0, x + 0.5 * width - 0.01, 0.185), canvas.far((196, 222, 214)), 0.008)
            canvas.box((x - 0.025, 0.155, x + 0.025, 0.167), canvas.far((160, 186, 180)))


def _chequers(canvas: Canvas, top: float, first: RGB, second: RGB) -> None:
    """A tiled floor that runs away from the viewer."""
    canvas.box((0, top, 1, 1), first)
    shift = canvas.rng.uniform(-0.05, 0.05)
    rows = (0.0, 0.12, 0.27, 0.46, 0.7, 1.0)
    for number, (above, below) in enumerate(pairwise(rows)):
        near, far = 0.13 * (1 + 0.9 * below), 0.13 * (1 + 0.9 * above)
        y, bottom = top + (1 - top) * above, top + (1 - top) * below
        for column in range(-5 + number % 2, 5, 2):
            corners = ((0, far, y), (1, far, y), (1, near, bottom), (0, near, bottom))
            canvas.shape([(0.5 + shift + (column + over) * step, line) for over, step, line in corners], second)


_SPINES: tuple[RGB, ...] = (
    (198, 150, 138),
    (160, 172, 164),
    (212, 190, 150),
    (158, 164, 184),
    (186, 160, 170),
    (176, 152, 128),
)


def _shelf(canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """One row of pale spines on its board."""
    x = left
    while x < right - 0.012:
        width = min(canvas.rng.uniform(0.028, 0.052), right - x)
        height = (bottom - top) * canvas.rng.uniform(0.66, 0.92)
        canvas.box((x, bottom - height, x + width - 0.004, bottom), canvas.far(canvas.rng.choice(_SPINES)))
        x += width


def paint_library(canvas: Canvas) -> None:
    """Shelves of books at both sides of a window, a rug before it."""
    rng, ground = canvas.rng, canvas.horizon
    wood, back = canvas.far((186, 148, 116)), canvas.far((150, 118, 96))
    canvas.box((0, 0, 1, ground), back)
    middle, half = rng.uniform(0.32, 0.68), 0.14
    rows = (0.0, 0.16, 0.32, 0.48) if ground < 0.53 else (0.0, 0.18, 0.36, 0.54)
    for top, bottom in pairwise(rows):
        _shelf(canvas, 0.0, middle - half - 0.06, top, bottom - 0.02)
        _shelf(canvas, middle + half + 0.06, 1.0, top, bottom - 0.02)
        canvas.box((0, bottom - 0.02, 1, bottom), wood)
    for x in (middle - half - 0.36, middle + half + 0.36):
        canvas.box((x - 0.014, 0, x + 0.014, ground), wood)
    canvas.box((middle - half - 0.07, 0, middle + half + 0.07, ground), canvas.far((232, 212, 184)))
    canvas.box((0, ground - 0.03, 1, ground), wood)
    frame = canvas.far((250, 242, 228))
    canvas.oval((middle, 0.17), half - 0.012, half - 0.012, frame)
    canvas.oval((middle, 0.17), half - 0.03, half - 0.03, canvas.sky[0])
    _window(canvas, (middle - half + 0.03, 0.17, middle + half - 0.03, ground - 0.1), frame)
    canvas.ground(ground, (216, 184, 150))
    _boards(canvas, ground, canvas.near((200, 166, 132)))
    border, inner = canvas.near((214, 164, 152)), canvas.near((232, 198, 176))
    _rug(canvas, (rng.uniform(0.4, 0.6), 0.79), (0.36, 0.12), border, inner)


def _boards(canvas: Canvas, top: float, joint: RGB) -> None:
    """Joints of floor boards that run away from the viewer."""
    for step in range(-9, 10):
        canvas.line(((0.5 + step * 0.09, top), (0.5 + step * 0.15, 1)), joint, 0.005)


def _rug(canvas: Canvas, centre: Point, halves: Point, border: RGB, inner: RGB) -> None:
    across, down = halves
    canvas.oval(centre, across, down, border)
    canvas.oval(centre, 0.92 * across, 0.88 * down, inner)
    canvas.oval(centre, 0.74 * across, 0.66 * down, border)
    canvas.oval(centre, 0.7 * across, 0.61 * down, inner)


def _curtains(canvas: Canvas, box: Box, colour: RGB) -> None:
    """Two gathered curtains and their rod."""
    left, top, right, bottom = box
    fold = darker(colour, 0.08)
    for outer, side in ((left, 1), (right, -1)):
        waist, low = outer + side * 0.01, outer + side * 0.05
        points = ((outer - side * 0.06, top), (outer + side * 0.12, top), (outer + side * 0.08, top + 0.12))
        canvas.shape((*points, (waist, bottom - 0.12), (low, bottom), (outer - side * 0.06, bottom)), colour)
        for shift in (-0.035, -0.01, 0.02):
            canvas.line(((outer + side * shift * 1.3, top), (outer + side * shift, bottom)), fold, 0.008)
    canvas.box((left - 0.1, top - 0.022, right + 0.1, top), canvas.far((206, 176, 148)), 0.01)


def _bunting(canvas: Canvas, start: float, end: float, top: float) -> None:
    """A garland of pale pennants."""
    colours: tuple[RGB, ...] = ((246, 206, 200), (250, 236, 196), (200, 226, 214), (206, 212, 238))
    for number in range(8):
        ends = [start + (end - start) * (number + over) / 8 for over in (0.0, 1.0)]
        left, right = ((x, top + 0.06 * math.sin(3.14 * (x - start) / (end - start))) for x in ends)
        tip = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + 0.07)
        canvas.shape((left, right, tip), canvas.far(colours[number % 4]))


def paint_bedroom(canvas: Canvas) -> None:
    """A striped wall with a curtained window and bunting, a rug before it."""
    rng, ground = canvas.rng, canvas.horizon
    canvas.box((0, 0, 1, ground), canvas.far((226, 208, 230)))
    for step in range(0, 16, 2):
        canvas.box((step / 16, 0, (step + 1) / 16, ground), canvas.far((236, 222, 238)))
    left = rng.random() < 0.5
    middle = rng.uniform(0.3, 0.38) if left else rng.uniform(0.62, 0.7)
    _window(canvas, (middle - 0.2, 0.1, middle + 0.2, ground - 0.12), canvas.far((252, 248, 244)))
    _curtains(canvas, (middle - 0.21, 0.06, middle + 0.21, ground - 0.05), canvas.far((246, 196, 190)))
    _bunting(canvas, *((middle + 0.3, 1.04) if left else (-0.04, middle - 0.3)), rng.uniform(0.06, 0.12))
    canvas.box((0, ground - 0.045, 1, ground), canvas.far((250, 244, 246)))
    canvas.ground(ground, (232, 214, 200))
    _boards(canvas, ground, canvas.near((220, 200, 186)))
    border, inner = canvas.near((196, 190, 224)), canvas.near((222, 216, 238))
    _rug(canvas, (rng.uniform(0.38, 0.62), 0.77), (0.4, 0.14), border, inner)
