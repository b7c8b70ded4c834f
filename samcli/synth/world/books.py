"""Books, notebooks and albums: a patterned cover with a title in capitals and an emblem."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from samcli.synth.world.pen import MODEL, PALETTE, RGB, Box, Fill, Format, Pen, Point, Stamp, darker, outline_of, shaded
from samcli.synth.world.symbols import CREAM, INK, Line, backing, draw_symbol, oval, turned
from samcli.synth.world.things import Thing

MIRROR = False

ASPECTS = {"book": 0.86, "notebook": 0.86, "album": 1.15}

# The strokes of each capital: pairs of digits are points, column 0 to 4 and row 0 to 6.
LETTERS: dict[str, str] = {
    "A": "062046 1434",
    "B": "06003041423303 3344453606",
    "C": "401001051646",
    "D": "06002042442606",
    "E": "40000646 0333",
    "F": "400006 0333",
    "G": "4010010516464434",
    "H": "0006 4046 0343",
    "I": "0006",
    "J": "4045361605",
    "K": "0006 400346",
    "L": "000646",
    "M": "0600244046",
    "N": "06004640",
    "O": "103041453616050110",
    "P": "06003041423303",
    "R": "06003041423303 2346",
    "S": "40100102133344453606",
    "T": "0040 2026",
    "U": "000516364540",
    "V": "002640",
    "W": "0016223640",
    "X": "0046 4006",
    "Y": "002340 2326",
    "Z": "00400646",
}
LETTER_WIDTHS = {"I": 0.0, "G": 1.15, "M": 1.3, "W": 1.4, "J": 0.85, "L": 0.85, "E": 0.9, "F": 0.9}
BOLD = 0.046
GAP = 0.075


@dataclass(frozen=True)
class Pose:
    """How a cover stands on its sheet: turned and sheared, which way its thickness shows, what comes on top."""

    turn: float
    shear: float
    depth: Point
    title_first: bool


POSES = (
    Pose(0.0, 0.0, (0.055, 0.0), True),
    Pose(0.0, 0.0, (0.045, 0.04), False),
    Pose(-5.0, 0.0, (0.055, 0.0), True),
    Pose(0.0, 0.07, (0.045, -0.04), False),
)


@dataclass(frozen=True)
class Frame:
    """Places points of an upright cover (x to `width`, y to 1) on the sheet, posed and scaled to fill it."""

    width: float
    pose: Pose
    scale: float

    @classmethod
    def fitted(cls, width: float, pose: Pose) -> "Frame":
        """The largest frame that keeps a posed cover within the sheet's margins."""
        corners = [_posed((x, y), pose) for x in (-width / 2, width / 2) for y in (-0.5, 0.5)]
        wide, high = max(x for x, _ in corners), max(y for _, y in corners)
        return cls(width, pose, min((width / 2 - 0.015) / wide, 0.485 / high))

    def point(self, point: Point) -> Point:
        """Where a point of the cover lies on the sheet."""
        x, y = _posed((point[0] - self.width / 2, point[1] - 0.5), self.pose)
        return self.width / 2 + x * self.scale, 0.5 + y * self.scale

    def line(self, points: Sequence[Point]) -> Line:
        """Where several points of the cover lie on the sheet."""
        return tuple(map(self.point, points))


def _posed(point: Point, pose: Pose) -> Point:
    x, y = turned(point, pose.turn)
    return x, y - x * pose.shear


def aspect(thing: Thing) -> float:
    """Width of a book's sheet in heights."""
    return ASPECTS[thing["kind"]]


def _box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Line:
    """A rectangle's outline, its corners rounded."""
    if not radius:
        return (left, top), (right, top), (right, bottom), (left, bottom)
    corners = (
        *((right - radius, bottom - radius), (left + radius, bottom - radius)),
        *((left + radius, top + radius), (right - radius, top + radius)),
    )
    return tuple(p for k, c in enumerate(corners) for p in oval(c, radius, radius, 90 * k, 90 * k + 90, 4))


def _letter_widths(title: str, width: float, height: float) -> list[float]:
    """How far each letter's strokes reach sideways when the title fills `width`, never wider than pleasant."""
    shares = [LETTER_WIDTHS.get(letter, 1.0) for letter in title]
    unit = (width - BOLD - GAP * (len(title) - 1)) / sum(shares)
    return [share * min(unit, 0.72 * height) for share in shares]


@lru_cache(maxsize=256)
def _title(sheet: Format, frame: Frame, title: str, centre: Point, width: float, height: float) -> Stamp:
    """The title's capitals, as wide as the box allows."""
    pen = Pen(*sheet)
    widths = _letter_widths(title, width, height)
    tall = height - BOLD
    left = centre[0] - (sum(widths) + GAP * (len(title) - 1)) / 2
    for letter, wide in zip(title, widths, strict=True):
        for stroke in LETTERS[letter].split():
            grid = [(int(stroke[k]) / 4, int(stroke[k + 1]) / 6 - 0.5) for k in range(0, len(stroke), 2)]
            pen.line(frame.line([(left + x * wide, centre[1] + y * tall) for x, y in grid]), INK, BOLD * frame.scale)
        left += wide + GAP
    return pen.stamp()


def _cover(pen: Pen, frame: Frame, box: Box, radius: float, fill: Fill) -> None:
    """A back cover, pages and the patterned front cover, each a step nearer."""
    left, top, right, bottom = box
    across, down = frame.pose.depth
    inset = 0.022
    pages = (left + across * 0.6, top + down * 0.6 + inset, right + across * 0.75, bottom + down * 0.75 - inset)
    behind = _box(left + across, top + down, right + across, bottom + down, radius)
    pen.polygon(frame.line(behind), shaded(fill.rgb))
    pen.polygon(frame.line(_box(*pages, radius)), CREAM)
    front = frame.line(_box(left, top, right, bottom, radius))
    pen.polygon(front, fill)
    pen.line((*front, front[0]), darker(fill.rgb, 0.5), 0.016)


def _rings(pen: Pen, frame: Frame, left: float, right: float, top: float) -> None:
    """The spiral along a notebook's top edge."""
    count = 7
    for ring in range(count):
        x = left + (right - left) * (ring + 0.5) / count
        pen.line(frame.line(((x, top - 0.045), (x, top + 0.06))), INK, 0.05)
        pen.line(frame.line(((x, top - 0.045), (x, top + 0.05))), PALETTE["grey"], 0.024)


def _corners(pen: Pen, frame: Frame, box: Box, colour: RGB) -> None:
    """The four photo corners of an album."""
    left, top, right, bottom = box
    reach = 0.17
    for x, y, across, down in ((left, top, 1, 1), (right, top, -1, 1), (right, bottom, -1, -1), (left, bottom, 1, -1)):
        pen.polygon(frame.line(((x, y), (x + across * reach, y), (x, y + down * reach))), shaded(colour))


def _front(frame: Frame, kind: str) -> Box:
    """Where the front cover lies."""
    across, down = frame.pose.depth
    top = max(0.0, -down) + (0.06 if kind == "notebook" else 0.0)
    return 0.0, top, frame.width - across, 1 - max(0.0, down)


@lru_cache(maxsize=64)
def _outside(sheet: Format, frame: Frame, kind: str, pattern: str) -> Stamp:
    """Everything but label and emblem, in the tints of `MODEL`."""
    pen, fill = Pen(*sheet), Fill(MODEL, pattern)
    left, top, right, bottom = box = _front(frame, kind)
    radius = {"book": 0.03, "notebook": 0.1, "album": 0.0}[kind]
    _cover(pen, frame, box, radius, fill)
    if kind == "book":
        pen.polygon(frame.line(_box(left, top, left + 0.1, bottom, radius)), shaded(fill.rgb))
    elif kind == "notebook":
        _rings(pen, frame, left + 0.04, right - 0.04, top)
    else:
        _corners(pen, frame, box, fill.rgb)
    return pen.stamp()


def _tints(fill: Fill) -> tuple[RGB, ...]:
    side = shaded(fill.rgb)
    return *fill.tints, side, outline_of(side), darker(fill.rgb, 0.5)


def draw(pen: Pen, thing: Thing, variant: int) -> None:
    """Draw a book, notebook or album; the pose decides whether the title is above or below the emblem."""
    words = thing.attributes
    kind, fill = words["kind"], Fill(words["colour"], words["pattern"])
    frame = Frame.fitted(ASPECTS[kind], POSES[variant])
    stamp = _outside(pen.format, frame, kind, fill.pattern)
    pen.lay(stamp, dict(zip(_tints(Fill(MODEL, fill.pattern)), _tints(fill), strict=True)))
    left, top, right, bottom = _front(frame, kind)
    face = (left + (0.1 if kind == "book" else 0.0), top + (0.06 if kind == "notebook" else 0.0), right, bottom)
    _label(pen, frame, words, face)


def _label(pen: Pen, frame: Frame, words: dict[str, str], face: Box) -> None:
    """The title on its plate and the emblem on its disc, one above the other on the cover's face."""
    left, top, right, bottom = face
    inset = 0.1 if words["kind"] == "album" else 0.02
    plate, disc = 0.28, 0.43
    space = (bottom - top - plate - disc) / 3
    first = frame.pose.title_first
    title_y = top + space + plate / 2 if first else bottom - space - plate / 2
    emblem_y = bottom - space - disc / 2 if first else top + space + disc / 2
    middle = (left + right) / 2
    sides = _box(left + inset, title_y - plate / 2, right - inset, title_y + plate / 2, 0.03)
    pen.polygon(frame.line(sides), PALETTE["white"])
    wide, tall = right - left - 2 * inset - 0.05, plate - 0.06
    pen.lay(_title(pen.format, frame, words["title"], (middle, title_y), wide, tall), {})
    ink = PALETTE[words["ink"]]
    centre = frame.point((middle, emblem_y))
    pen.circle(centre, disc / 2 * frame.scale, backing(ink))
    draw_symbol(pen, words["emblem"], centre, 0.34 * frame.scale, ink, turn=frame.pose.turn)
