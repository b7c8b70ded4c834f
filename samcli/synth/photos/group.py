"""Which objects a sample's pictures show: the first stage, decided by the sample's number and the seed alone."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from samcli.recipe_mmlink import MmlinkRecipe, ObjectRecipe
from samcli.synth.photos.kinds import COLUMNS, PICTURES, ROWS, kind_called
from samcli.synth.photos.record import Photo, Record, Subject, View
from samcli.synth.photos.sources import Item
from samcli.synth.work import Job

_AUTHORS = 0.5  # of the pairs of covers share their author, where the sources allow both
Drawing = Callable[[random.Random], list[View]]


class Group:
    """Draws the objects of each sample: the shared one in two views, and what stands beside it."""

    name = "group"

    def __init__(self, recipe: MmlinkRecipe, items: dict[str, tuple[Item, ...]]) -> None:
        """`items`: the objects of the recipe's split, by kind; `read_items` sees to it that they are enough."""
        self.recipe = recipe
        self._drawings = {name: _drawing(kind_called(recipe, name), own) for name, own in items.items()}
        self._shares = [kind_called(recipe, name).share for name in items]

    def __call__(self, jobs: Sequence[Job]) -> list[Record]:
        """A record for each job."""
        return [self._draw(job) for job in jobs]

    def _draw(self, job: Job) -> Record:
        if job.begun is not None:
            return Record(**job.begun | {"failed": None, "earlier": list(job.rejections)})
        seed = f"mmlink/{self.recipe.split}/{self.recipe.seed}/{job.index}"
        rng = random.Random(f"{seed}/{self.name}")
        kind = rng.choices(list(self._drawings), self._shares)[0]
        views = self._drawings[kind](rng)
        return Record(id=job.index, seed=seed, object=kind, views=views, earlier=list(job.rejections))


def _drawing(kind: ObjectRecipe, items: Sequence[Item]) -> Drawing:
    if kind.form == "scenes":
        return _Scenes(kind, items)
    return _Grid(items) if kind.form == "grid" else _Covers(items)


class _Scenes:
    """One object in two views, in each picture beside others that are nowhere else."""

    def __init__(self, kind: ObjectRecipe, items: Sequence[Item]) -> None:
        self.kind, self.items = kind, list(items)

    def __call__(self, rng: random.Random) -> list[View]:
        main = rng.choice(self.items)
        others = _others(rng, self.items, {main.identity}, PICTURES * self.kind.distractors)
        views = []
        for number, subject in enumerate(self._views_of(rng, main)):
            beside = others[number * self.kind.distractors : (number + 1) * self.kind.distractors]
            views.append(View(subjects=[subject, *(Subject(photo=rng.choice(item.photos)) for item in beside)]))
        return views

    def _views_of(self, rng: random.Random, item: Item) -> list[Subject]:
        """Two views of an object: two photographs of different poses if there are, else one of them warped."""
        warp = f"warp/{rng.getrandbits(64):016x}"
        if self.kind.second_view == "always" or len(item.photos) < PICTURES:
            photo = rng.choice(item.photos)
            return [Subject(photo=photo), Subject(photo=photo, warp=warp)]
        first = rng.choice(item.photos)
        rest = [photo for photo in item.photos if photo.path != first.path]
        posed = [photo for photo in rest if photo.view != first.view]
        return [Subject(photo=first), Subject(photo=rng.choice(posed or rest))]


class _Grid:
    """One icon on both grids, among others that are on one only; of another sort of icon one example on each."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = list(items)
        self.sorts = [item for item in items if len(item.photos) >= PICTURES]
        self.each = min(COLUMNS * ROWS - 1, (len(self.items) - 1) // PICTURES)

    def __call__(self, rng: random.Random) -> list[View]:
        main = rng.choice(self.items)
        near = [item for item in self.sorts if item.identity != main.identity]
        taken = {main.identity}
        misses: list[Photo] = []
        if near:
            sort = rng.choice(near)
            taken.add(sort.identity)
            misses = rng.sample(sort.photos, PICTURES)
        fillers = _others(rng, self.items, taken, PICTURES * (self.each - bool(misses)))
        shared = rng.choice(main.photos)
        views = []
        for number in range(PICTURES):
            beside = [rng.choice(item.photos) for item in fillers[number::PICTURES]] + misses[number : number + 1]
            views.append(View(subjects=[Subject(photo=photo) for photo in (shared, *beside)]))
        return views


class _Covers:
    """Two whole pictures that share their author or their genre."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.authors = _shared_by(items, lambda photo: photo.author)
        self.genres = _shared_by(items, lambda photo: photo.genre)

    def __call__(self, rng: random.Random) -> list[View]:
        by_author = bool(self.authors) and (not self.genres or rng.random() < _AUTHORS)
        pair = rng.sample(rng.choice(self.authors if by_author else self.genres), PICTURES)
        return [View(subjects=[Subject(photo=rng.choice(item.photos))]) for item in pair]


def _shared_by(items: Iterable[Item], key: Callable[[Photo], str]) -> list[list[Item]]:
    """Families of items with the same key, those of one left out."""
    families: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if value := key(item.photos[0]).strip():
            families[value].append(item)
    return [family for family in families.values() if len(family) >= PICTURES]


def _others(rng: random.Random, items: Sequence[Item], but: set[str], count: int) -> list[Item]:
    """So many different items, none of those excepted, drawn without listing all of them."""
    if count * 4 > len(items):
        return rng.sample([item for item in items if item.identity not in but], count)
    drawn: dict[str, Item] = {}
    while len(drawn) < count:
        item = rng.choice(items)
        if item.identity not in but:
            drawn[item.identity] = item
    return list(drawn.values())
