"""The nine scenes under the sky, pale, so that things painted with the strong palette of the pen stand out."""

import math
from itertools import pairwise

from samcli.synth.world.canvas import Canvas
from samcli.synth.world.pen import RGB, Box, darker, lighter


def _fir(canvas: Canvas, x: float, foot: float, height: float, colour: RGB) -> None:
    half = 0.22 * height
    canvas.box((x - 0.03 * height, foot - 0.2 * height, x + 0.03 * height, foot), canvas.far((140, 116, 98)))
    for low, high, width in ((0.12, 0.58, 1.0), (0.36, 0.8, 0.78), (0.6, 1.0, 0.54)):
        reach, y = half * width, foot - low * height
        canvas.shape(((x - reach, y), (x, foot - high * height), (x + reach, y)), colour)


def _round_tree(canvas: Canvas, x: float, foot: float, height: float, colour: RGB) -> None:
    radius = 0.33 * height
    canvas.box((x - 0.05 * height, foot - 0.5 * height, x + 0.05 * height, foot), canvas.far((164, 136, 112)))
    canvas.oval((x - 0.2 * height, foot - 0.5 * height), 0.7 * radius, 0.62 * radius, colour)
    canvas.oval((x + 0.2 * height, foot - 0.52 * height), 0.7 * radius, 0.62 * radius, colour)
    canvas.oval((x, foot - 0.68 * height), radius, radius, colour)
    canvas.oval((x - 0.08 * height, foot - 0.76 * height), 0.5 * radius, 0.44 * radius, lighter(colour, 0.14))


_WALLS: tuple[RGB, ...] = ((232, 200, 180), (214, 218, 196), (198, 212, 222), (236, 220, 182), (220, 202, 214))
_ROOFS: tuple[RGB, ...] = ((190, 142, 126), (156, 150, 160), (178, 152, 128))


def _panes(canvas: Canvas, box: Box, columns: int, rows: int, colour: RGB) -> None:
    """A grid of small windows that fills `box`."""
    left, top, right, bottom = box
    across, down = (right - left) / columns, (bottom - top) / rows
    for column in range(columns):
        for row in range(rows):
            x, y = left + (column + 0.22) * across, top + (row + 0.2) * down
            canvas.box((x, y, x + 0.56 * across, y + 0.6 * down), colour)


def _house(canvas: Canvas, box: Box, wall: RGB, roof: RGB, gable: bool) -> None:
    left, top, right, bottom = box
    middle, rise = (left + right) / 2, 0.3 * (right - left)
    canvas.box(box, canvas.far(wall, 0.12))
    colour = canvas.far(roof, 0.85)
    if gable:
        canvas.shape(((left - 0.01, top), (middle, top - rise), (right + 0.01, top)), colour)
    else:
        canvas.box((left - 0.01, top - 0.025, right + 0.01, top + 0.012), colour)
    rows = max(2, round((bottom - top) / 0.13))
    _panes(canvas, (left + 0.015, top + 0.02, right - 0.015, bottom - 0.02), 2, rows, canvas.glow((170, 190, 204)))


def paint_street(canvas: Canvas) -> None:
    """Houses along a road, with a pavement before them."""
    rng, ground = canvas.rng, canvas.horizon
    left = -rng.uniform(0.02, 0.14)
    number = rng.randrange(5)
    while left < 1:
        right = left + rng.uniform(0.19, 0.29)
        top = rng.uniform(0.14, ground - 0.2)
        _house(canvas, (left, top, right, ground), _WALLS[number % 5], _ROOFS[number % 3], rng.random() < 0.6)
        left, number = right + rng.choice((0.0, 0.0, 0.035)), number + 1
    canvas.ground(ground, (214, 208, 202))
    canvas.box((0, ground + 0.035, 1, ground + 0.155), canvas.near((166, 166, 174), 0.5))
    for step in range(7):
        x = step / 6 - rng.uniform(0.04, 0.06)
        canvas.box((x, ground + 0.088, x + 0.08, ground + 0.1), canvas.near((232, 230, 222), 0.5))
    canvas.box((0, ground + 0.155, 1, ground + 0.178), canvas.near((230, 226, 220)))
    _slabs(canvas, ground + 0.178, canvas.near((198, 192, 188), 0.66), 7)


def _slabs(canvas: Canvas, top: float, joint: RGB, columns: int) -> None:
    """Joints of a paved floor that runs away from the viewer."""
    for column in range(-columns, 2 * columns + 1):
        x = column / columns
        canvas.line(((0.5 + (x - 0.5) * 0.62, top), (0.5 + (x - 0.5) * 1.2, 1)), joint, 0.004)
    for share in (0.2, 0.46, 0.78):
        y = top + (1 - top) * share
        canvas.line(((0, y), (1, y)), joint, 0.004)


def _patches(canvas: Canvas, top: float, colour: RGB, count: int = 6) -> None:
    """Flat pale ovals that give a ground some life."""
    for _ in range(count):
        y = canvas.rng.uniform(top, 0.98)
        size = 0.04 + 0.1 * (y - top)
        canvas.oval((canvas.rng.random(), y), size * 1.8, size * 0.32, colour)


def _path(canvas: Canvas, top: float, colour: RGB) -> None:
    """A winding path from the skyline to the lower edge."""
    rng = canvas.rng
    start, end, swing = rng.uniform(0.3, 0.7), rng.uniform(0.15, 0.85), rng.choice((-0.16, 0.16))
    left, right = [], []
    for step in range(13):
        share = step / 12
        x = start + (end - start) * share + swing * math.sin(5.5 * share) * (0.35 + share)
        half = 0.018 + 0.13 * share**1.4
        y = top + (1 - top) * share
        left.append((x - half, y))
        right.append((x + half, y))
    canvas.shape(left + right[::-1], colour)


def paint_park(canvas: Canvas) -> None:
    """A lawn with a winding path, a pond and round trees."""
    rng, ground = canvas.rng, canvas.horizon
    canvas.ridge(ground, 0.1, canvas.far((170, 204, 172)), ground + 0.02)
    for step in range(7):
        centre = (step / 6 + rng.uniform(-0.05, 0.05), ground)
        canvas.oval(centre, 0.11, rng.uniform(0.05, 0.09), canvas.far((146, 192, 142)))
    canvas.ground(ground, (184, 218, 152))
    _path(canvas, ground, canvas.near((234, 220, 186)))
    pond = rng.choice((0.16, 0.84))
    canvas.oval((pond, ground + 0.1), 0.2, 0.042, canvas.near((204, 224, 170)))
    canvas.oval((pond, ground + 0.1), 0.18, 0.034, canvas.near((160, 206, 222), 0.4))
    for slot in rng.sample((0.08, 0.26, 0.44, 0.62, 0.78, 0.94), rng.randint(3, 4)):
        green = canvas.far(rng.choice(((136, 190, 124), (156, 200, 128), (122, 180, 132))), 0.5)
        _round_tree(canvas, slot + rng.uniform(-0.04, 0.04), ground + 0.05, rng.uniform(0.3, 0.46), green)


def _palm(canvas: Canvas, x: float, foot: float, height: float, lean: float) -> None:
    head = (x + lean, foot - height)
    middle = (x + 0.25 * lean, foot - 0.5 * height)
    canvas.line(((x, foot), middle, head), canvas.far((186, 154, 122)), 0.028)
    green = canvas.far((128, 182, 134), 0.45)
    for across, down in ((-0.21, 0.07), (0.21, 0.07), (-0.16, -0.08), (0.16, -0.08), (-0.1, 0.16), (0.1, 0.16)):
        tip = (head[0] + across, head[1] + down)
        side = (head[0] + across * 0.45, head[1] + down * 0.3 - 0.06)
        canvas.shape((head, side, tip, (head[0] + across * 0.5, head[1] + down * 0.5)), green)


def _waves(canvas: Canvas, top: float, bottom: float, colour: RGB, count: int) -> None:
    for _ in range(count):
        x, y = canvas.rng.random(), canvas.rng.uniform(top, bottom)
        half = 0.02 + 0.3 * (y - top)
        canvas.box((x - half, y, x + half, y + 0.008), colour)


def _sea(canvas: Canvas, top: float, bottom: float, colour: RGB) -> None:
    shade = canvas.far(colour, 0.1)
    canvas.shaded((0, top, 1, bottom), (lighter(shade, 0.2), shade))
    _waves(canvas, top + 0.02, bottom - 0.02, lighter(shade, 0.35), 12)


def paint_beach(canvas: Canvas) -> None:
    """Sand, surf and an island, with a palm at one side."""
    rng, ground = canvas.rng, canvas.horizon
    sea = ground - 0.17
    island = rng.uniform(0.2, 0.8)
    canvas.oval((island, sea + 0.01), rng.uniform(0.12, 0.2), rng.uniform(0.035, 0.06), canvas.far((158, 190, 178)))
    _sea(canvas, sea, ground + 0.06, (120, 198, 214))
    canvas.ridge(ground + 0.03, 0.025, canvas.far((244, 250, 250), 0.1), 1, 1.4)
    state = rng.getstate()
    canvas.ridge(ground + 0.07, 0.025, canvas.near((226, 206, 164)), 1, 1.4)
    rng.setstate(state)
    canvas.ridge(ground + 0.1, 0.025, canvas.near((246, 228, 184)), 1, 1.4)
    _patches(canvas, ground + 0.16, canvas.near((240, 218, 170)))
    left = rng.random() < 0.5
    x, lean = (rng.uniform(0.04, 0.12), 0.1) if left else (rng.uniform(0.88, 0.96), -0.1)
    _palm(canvas, x, ground + 0.12, rng.uniform(0.42, 0.5), lean)


def paint_forest(canvas: Canvas) -> None:
    """Firs in three depths."""
    rng, ground = canvas.rng, canvas.horizon
    pale, middle, deep = canvas.far((158, 196, 176)), canvas.far((118, 166, 142), 0.42), canvas.far((88, 138, 116), 0.5)
    for step in range(11):
        _fir(canvas, step / 10 + rng.uniform(-0.03, 0.03), ground + 0.01, rng.uniform(0.24, 0.4), pale)
    for step in range(8):
        _fir(canvas, step / 7 + rng.uniform(-0.05, 0.05), ground + 0.03, rng.uniform(0.22, 0.42), middle)
    canvas.ground(ground, (168, 184, 138))
    _patches(canvas, ground + 0.08, canvas.near((182, 196, 150)), 7)
    for x in (rng.uniform(-0.02, 0.1), rng.uniform(0.9, 1.02), rng.choice((0.24, 0.76)) + rng.uniform(-0.05, 0.05)):
        _fir(canvas, x, ground + rng.uniform(0.05, 0.1), rng.uniform(0.58, 0.7), deep)


def _saguaro(canvas: Canvas, x: float, foot: float, height: float, mirror: int) -> None:
    green = canvas.far((150, 184, 146), 0.4)
    half = 0.075 * height
    canvas.box((x - half, foot - height, x + half, foot), green, half)
    for side, low, high in ((mirror, 0.38, 0.78), (-mirror, 0.54, 0.88)):
        arm = x + side * 0.27 * height
        canvas.box((min(x, arm), foot - (low + 0.11) * height, max(x, arm), foot - low * height), green)
        canvas.box((arm - 0.8 * half, foot - high * height, arm + 0.8 * half, foot - low * height), green, 0.8 * half)


def _mesa(canvas: Canvas, x: float, foot: float, width: float, height: float) -> None:
    top = foot - height
    red = canvas.far((220, 164, 134), 0.35)
    canvas.shape(((x - width, foot), (x - 0.6 * width, top), (x + 0.6 * width, top), (x + width, foot)), red)
    band = ((x - 0.68 * width, top + 0.2 * height), (x - 0.6 * width, top), (x + 0.6 * width, top))
    canvas.shape((*band, (x + 0.68 * width, top + 0.2 * height)), lighter(red, 0.25))


def paint_desert(canvas: Canvas) -> None:
    """Mesas behind dunes, with tall cacti."""
    rng, ground = canvas.rng, canvas.horizon
    for base in rng.sample((0.12, 0.45, 0.8), 2):
        x = base + rng.uniform(-0.08, 0.08)
        _mesa(canvas, x, ground + 0.02, rng.uniform(0.13, 0.22), rng.uniform(0.14, 0.25))
    canvas.ridge(ground + 0.02, 0.06, canvas.far((240, 204, 152), 0.5), 1, 1.1)
    canvas.ground(ground + 0.06, (241, 212, 162))
    canvas.ridge(ground + 0.07, 0.03, lighter(canvas.near((241, 212, 162)), 0.22), ground + 0.08, 0.8)
    for share in (0.28, 0.55, 0.82):
        y = ground + 0.07 + (0.93 - ground) * share
        _dune_line(canvas, y, canvas.near((230, 196, 144)))
    for slot in rng.sample((0.08, 0.3, 0.52, 0.74, 0.93), rng.randint(2, 3)):
        foot = ground + rng.uniform(0.04, 0.09)
        _saguaro(canvas, slot + rng.uniform(-0.03, 0.03), foot, rng.uniform(0.2, 0.32), rng.choice((-1, 1)))


def _dune_line(canvas: Canvas, y: float, colour: RGB) -> None:
    start, end = sorted((canvas.rng.uniform(-0.2, 0.5), canvas.rng.uniform(0.6, 1.2)))
    points = []
    for step in range(9):
        share = step / 8
        points.append((start + (end - start) * share, y - 0.025 * math.sin(3.14 * share)))
    canvas.line(points, colour, 0.009)


def _peak(canvas: Canvas, x: float, top: float, half: float, foot: float, rock: RGB) -> None:
    share = 0.36
    drop, reach = (foot - top) * share, half * share
    canvas.shape(((x - half, foot), (x, top), (x + half, foot)), rock)
    canvas.shape(((x, top), (x + half, foot), (x + 0.16 * half, foot)), darker(rock, 0.1))
    snow = lighter(canvas.far((250, 251, 252)), 0.34)
    teeth = ((x + 0.4 * reach, top + 0.72 * drop), (x, top + 1.1 * drop), (x - 0.45 * reach, top + 0.74 * drop))
    canvas.shape(((x - reach, top + drop), (x, top), (x + reach, top + drop), *teeth), snow)


def paint_mountain(canvas: Canvas) -> None:
    """Snowy peaks above a meadow."""
    rng, ground = canvas.rng, canvas.horizon
    for x in (0.02, 0.34, 0.7, 1.0):
        top, half = rng.uniform(0.2, 0.28), rng.uniform(0.26, 0.32)
        _peak(canvas, x + rng.uniform(-0.08, 0.08), top, half, ground + 0.02, canvas.far((184, 196, 216)))
    for x in rng.sample((0.16, 0.5, 0.84), 2):
        top, half = rng.uniform(0.08, 0.17), rng.uniform(0.28, 0.36)
        _peak(canvas, x + rng.uniform(-0.06, 0.06), top, half, ground + 0.02, canvas.far((152, 164, 190)))
    canvas.ridge(ground + 0.02, 0.035, canvas.far((156, 186, 166), 0.5), ground + 0.06, 1.2)
    for _ in range(6):
        _fir(canvas, rng.random(), ground + 0.03, rng.uniform(0.07, 0.12), canvas.far((126, 162, 146), 0.5))
    canvas.ground(ground + 0.03, (190, 206, 178))
    _patches(canvas, ground + 0.1, canvas.near((204, 217, 192)))
    for _ in range(5):
        centre = (rng.random(), rng.uniform(ground + 0.07, 0.96))
        canvas.oval(centre, 0.03, 0.016, canvas.near((190, 192, 196), 0.5))


def _lighthouse(canvas: Canvas, x: float, foot: float, height: float) -> None:
    white, red = canvas.far((244, 240, 234)), canvas.far((226, 156, 146))
    half = 0.13 * height
    for band in range(5):
        low, high = half * (1 - 0.1 * band), half * (0.9 - 0.1 * band)
        y, top = foot - height * 0.15 * band, foot - height * 0.15 * (band + 1)
        canvas.shape(((x - low, y), (x - high, top), (x + high, top), (x + low, y)), white if band % 2 else red)
    lamp, top = canvas.glow((250, 232, 170)), foot - 0.87 * height
    canvas.box((x - 0.5 * half, top - 0.01 * height, x + 0.5 * half, foot - 0.75 * height), lamp)
    canvas.shape(((x - 0.7 * half, top), (x, foot - height), (x + 0.7 * half, top)), red)


def _sails(canvas: Canvas, foot: float) -> None:
    """Sails so far away that their hulls are below the skyline."""
    colour = canvas.far((246, 246, 244))
    for _ in range(canvas.rng.randint(2, 3)):
        x, height = canvas.rng.uniform(0.1, 0.9), canvas.rng.uniform(0.05, 0.09)
        canvas.shape(((x, foot), (x, foot - height), (x + 0.6 * height, foot)), colour)
        canvas.shape(((x - 0.008, foot), (x - 0.008, foot - 0.8 * height), (x - 0.4 * height, foot)), colour)


def _crane(canvas: Canvas, x: float, foot: float, height: float, side: int) -> None:
    colour = canvas.far((176, 170, 176))
    top = foot - height
    canvas.line(((x - 0.03, foot), (x, top), (x + 0.03, foot)), colour, 0.012)
    canvas.line(((x - side * 0.09, top - 0.01), (x, top), (x + side * 0.2, top - 0.05)), colour, 0.014)
    canvas.line(((x + side * 0.19, top - 0.05), (x + side * 0.19, top + 0.08)), colour, 0.006)


def paint_harbour(canvas: Canvas) -> None:
    """Sails, a crane and a lighthouse beyond a quay."""
    rng, ground = canvas.rng, canvas.horizon
    sea, side = ground - 0.16, rng.choice((-1, 1))
    _sails(canvas, sea + 0.005)
    edge = 0.0 if side < 0 else 1.0
    canvas.oval((1 - edge, sea + 0.02), 0.24, 0.06, canvas.far((170, 186, 176), 0.6))
    _lighthouse(canvas, abs(1 - edge - rng.uniform(0.07, 0.16)), sea, rng.uniform(0.26, 0.32))
    _crane(canvas, edge - side * rng.uniform(0.34, 0.4), sea, rng.uniform(0.18, 0.24), -side)
    for number in range(3):
        x, top = edge - side * (0.05 + 0.11 * number), sea - rng.uniform(0.06, 0.12)
        _house(canvas, (x - 0.055, top, x + 0.055, sea + 0.01), _WALLS[(number * 2 + 1) % 5], _ROOFS[number], True)
    _sea(canvas, sea, ground + 0.01, (126, 172, 204))
    canvas.ground(ground, (212, 194, 170))
    canvas.box((0, ground, 1, ground + 0.022), canvas.near((176, 154, 132), 0.4))
    _planks(canvas, ground + 0.022, canvas.near((192, 172, 146), 0.6))
    _bollards(canvas, ground + 0.03)


def _planks(canvas: Canvas, top: float, joint: RGB) -> None:
    """Joints of boards that lie across the picture, with a few staggered ends."""
    rows = (0.0, 0.09, 0.2, 0.34, 0.51, 0.72, 1.0)
    for above, below in pairwise(rows):
        y, bottom = top + (1 - top) * above, top + (1 - top) * below
        canvas.line(((0, bottom), (1, bottom)), joint, 0.005)
        for x in (canvas.rng.uniform(0.05, 0.45), canvas.rng.uniform(0.55, 0.95)):
            canvas.line(((x, y), (0.5 + (x - 0.5) * 1.06, bottom)), joint, 0.005)


def _bollards(canvas: Canvas, foot: float) -> None:
    colour = canvas.near((150, 144, 150), 0.35)
    shift = canvas.rng.uniform(0.05, 0.2)
    for step in range(4):
        x = shift + 0.27 * step
        canvas.box((x - 0.014, foot - 0.07, x + 0.014, foot), colour)
        canvas.oval((x, foot - 0.07), 0.024, 0.014, lighter(colour, 0.2))


def _barn(canvas: Canvas, x: float, foot: float, size: float, side: int) -> None:
    red, white = canvas.far((220, 152, 140), 0.2), canvas.far((246, 238, 230))
    half, silo = 0.5 * size, x + side * 0.72 * size
    canvas.box((silo - 0.14 * size, foot - 0.95 * size, silo + 0.14 * size, foot), canvas.far((206, 206, 204)))
    canvas.oval((silo, foot - 0.95 * size), 0.14 * size, 0.13 * size, canvas.far((178, 180, 184), 0.8))
    canvas.box((x - half, foot - 0.52 * size, x + half, foot), red)
    roof = ((-0.56, 0.5), (-0.36, 0.84), (0.0, 1.0), (0.36, 0.84), (0.56, 0.5))
    canvas.shape([(x + across * size, foot - up * size) for across, up in roof], canvas.far((168, 140, 132), 0.85))
    canvas.shape([(x + across * size * 0.8, foot - 0.08 * size - up * size * 0.8) for across, up in roof], red)
    door = (x - 0.2 * size, foot - 0.36 * size, x + 0.2 * size, foot)
    canvas.box(door, white)
    canvas.line((door[:2], door[2:]), red, 0.01)
    canvas.line(((door[0], door[3]), (door[2], door[1])), red, 0.01)
    canvas.box((x - 0.08 * size, foot - 0.68 * size, x + 0.08 * size, foot - 0.54 * size), canvas.glow((246, 238, 230)))


def _fence(canvas: Canvas, foot: float) -> None:
    colour = canvas.far((238, 228, 212))
    for step in range(13):
        x = step / 12
        canvas.box((x - 0.009, foot - 0.075, x + 0.009, foot), colour)
    for rise in (0.06, 0.032):
        canvas.box((0, foot - rise, 1, foot - rise + 0.012), colour)


def paint_farm(canvas: Canvas) -> None:
    """A barn and a fence before furrowed fields."""
    rng, ground = canvas.rng, canvas.horizon
    canvas.ridge(ground, 0.15, canvas.far((186, 208, 170)), ground, 1.3)
    canvas.ridge(ground, 0.08, canvas.far((228, 214, 150)), ground, 1.0)
    canvas.ridge(ground + 0.02, 0.035, canvas.far((178, 204, 150)), ground + 0.04, 1.6)
    side = rng.choice((-1, 1))
    barn = 0.5 - side * rng.uniform(0.16, 0.26)
    _barn(canvas, barn, ground + 0.02, rng.uniform(0.28, 0.34), side)
    tree, green = 0.5 + side * rng.uniform(0.3, 0.42), canvas.far((152, 192, 134), 0.5)
    _round_tree(canvas, tree, ground + 0.02, rng.uniform(0.22, 0.3), green)
    canvas.ground(ground + 0.02, (228, 218, 168))
    _furrows(canvas, ground + 0.03, canvas.near((216, 205, 152), 0.66))
    _fence(canvas, ground + 0.06)


def _furrows(canvas: Canvas, top: float, colour: RGB) -> None:
    """Rows of a field that meet beyond the skyline."""
    centre = canvas.rng.uniform(0.3, 0.7)
    for row in range(-7, 8):
        left, right = (row - 0.22) * 0.075, (row + 0.22) * 0.075
        points = ((centre + left, top), (centre + right, top), (centre + 3.1 * right, 1), (centre + 3.1 * left, 1))
        canvas.shape(points, colour)


def _rails(canvas: Canvas, top: float, bottom: float) -> None:
    canvas.box((0, top, 1, bottom), canvas.near((186, 178, 172), 0.5))
    for step in range(17):
        x = step / 16
        canvas.box((x - 0.013, top + 0.012, x + 0.013, bottom - 0.012), canvas.near((160, 142, 126), 0.4))
    for share in (0.22, 0.68):
        y = top + (bottom - top) * share
        canvas.box((0, y, 1, y + 0.014), canvas.near((134, 138, 150), 0.1))


def _canopy(canvas: Canvas) -> None:
    """The platform roof: glass panes, a toothed edge and pillars with brackets."""
    rng, ground = canvas.rng, canvas.horizon
    steel, glass = canvas.far((134, 160, 164), 0.1), canvas.far((196, 216, 218), 0.5)
    edge = rng.uniform(0.09, 0.14)
    canvas.box((0, 0, 1, edge), glass)
    for step in range(11):
        canvas.line(((0.5 + (step - 5) * 0.13, 0), (0.5 + (step - 5) * 0.1, edge)), steel, 0.008)
    canvas.box((0, edge, 1, edge + 0.028), steel)
    for step in range(16):
        x = step / 16
        canvas.shape(((x, edge + 0.026), (x + 1 / 16, edge + 0.026), (x + 1 / 32, edge + 0.062)), steel)
    for x in (rng.uniform(0.06, 0.14), rng.uniform(0.44, 0.56), rng.uniform(0.86, 0.94)):
        canvas.box((x - 0.015, edge, x + 0.015, ground + 0.14), steel)
        canvas.box((x - 0.026, ground + 0.11, x + 0.026, ground + 0.145), steel)
        canvas.line(((x - 0.1, edge + 0.02), (x, edge + 0.13), (x + 0.1, edge + 0.02)), steel, 0.014)


def paint_station(canvas: Canvas) -> None:
    """A platform with its roof, the rails behind it."""
    rng, ground = canvas.rng, canvas.horizon
    for step in range(7):
        x, top = step / 6 + rng.uniform(-0.04, 0.04), ground - rng.uniform(0.1, 0.2)
        canvas.box((x - 0.09, top, x + 0.09, ground), canvas.far(((206, 206, 214), (218, 210, 206))[step % 2]))
    for height in (0.25, 0.29):
        canvas.box((0, height, 1, height + 0.006), canvas.far((120, 124, 136), 0.1))
    canvas.box((0, ground - 0.05, 1, ground), canvas.far((206, 176, 158), 0.2))
    canvas.box((0, ground - 0.06, 1, ground - 0.042), canvas.far((226, 220, 212), 0.85))
    _rails(canvas, ground, ground + 0.1)
    canvas.ground(ground + 0.1, (206, 208, 214))
    canvas.box((0, ground + 0.1, 1, ground + 0.122), canvas.near((232, 230, 228)))
    canvas.box((0, ground + 0.142, 1, ground + 0.172), canvas.near((246, 224, 140), 0.45))
    _slabs(canvas, ground + 0.2, canvas.near((192, 195, 203), 0.66), 5)
    _canopy(canvas)
