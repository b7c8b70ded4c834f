"""What the world can be asked about several pictures at once: records of what they show, what is asked, what is true.

Everything here is words. `sets.py` draws the pictures; the small language model's first training reads the words alone.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from samcli.synth.world.grammar import article, capital, name, place
from samcli.synth.world.pictures import (
    MOST_THINGS,
    RELATED,
    Setting,
    draw_accepted,
    draw_company,
    draw_family,
    draw_setting,
)
from samcli.synth.world.scenes import INDOOR
from samcli.synth.world.things import CATEGORIES, Thing, draw_near_miss

Accept = Callable[[Thing], bool]
PAIR_TRIES = 20  # the shared thing's few relatives may all be in the first view already
NEAR_MISS_TRIES = 200  # a thing of a small split may have no near miss there at all
NAMES = tuple("Anna Ben Clara David Ella Felix Greta Hugo Ida Jonas Lena Max Nora Oscar Paula Theo".split())


@dataclass(frozen=True)
class View:
    """What one picture shows, from left to right, and where."""

    things: tuple[Thing, ...]
    setting: Setting

    @property
    def place(self) -> str:
        """Where and when, in words."""
        return place(self.setting.scene, self.setting.light, self.setting.weather)


def draw_any_view(rng: random.Random, accept: Accept, most: int = MOST_THINGS) -> View:
    """One to `most` things, a family or a mixed company, anywhere."""
    return View(tuple(draw_company(rng, accept, most)), draw_setting(rng))


@dataclass(frozen=True)
class Linking:
    """Views that share exactly one thing, all of them, and nothing else with one another."""

    views: tuple[View, ...]
    shared: Thing


def draw_linking(
    rng: random.Random, category: str, accept: Accept, count: int = MOST_THINGS, pictures: int = 2
) -> Linking:
    """As many families as `pictures`, each of `count` things, with one in common; scenes differ.

    Nothing in a view alone tells which of its things is shared (see `draw_family`). All families are stars or none is:
    a thing from a star has near misses in its split more often than others, so that a star drawn around
    any thing would give it away. (With three things in a small split it still would, a little: few stars are left.)
    """
    related = float(rng.random() < RELATED)
    first = draw_family(rng, category, count, accept, related=related)
    shared = rng.choice(first)
    families = [first]
    while len(families) < pictures:
        seen = {thing for family in families for thing in family}
        others = (draw_family(rng, category, count, accept, shared, related) for _ in range(PAIR_TRIES))
        another = next((family for family in others if len(set(family) & seen) == 1), None)
        if another is None:
            return draw_linking(rng, category, accept, count, pictures)
        families.append(another)
    settings: list[Setting] = []
    while len(settings) < pictures:
        setting = draw_setting(rng)
        if setting.scene not in {other.scene for other in settings}:
            settings.append(setting)
    views = (View(tuple(family), setting) for family, setting in zip(families, settings, strict=True))
    return Linking(tuple(views), shared)


@dataclass(frozen=True)
class Group:
    """Several views, the phrase that says what they have in common, and which category it is about, or `place`."""

    views: tuple[View, ...]
    phrase: str
    about: str


_PLURALS = {"man": "men", "woman": "women", "sheep": "sheep"}


def plural(thing_kind: str) -> str:
    """The plural of a kind of thing."""
    if thing_kind.endswith(("x", "s", "ch")):
        return f"{thing_kind}es"
    return _PLURALS.get(thing_kind, f"{thing_kind}s")


def _kinds(thing: Thing) -> str:
    return f"{thing['kind']} icons" if thing.category == "icon" else plural(thing["kind"])


def factor_phrase(thing: Thing, attribute: str) -> str:
    """What things of one kind have in common when they share `attribute` as well: `striped dogs`, `women in red`."""
    word, kinds = thing[attribute], _kinds(thing)
    tails = {"garment": f"in {word}s" if word != "dress" else "in dresses", "hair": f"with {word} hair"}
    tails |= {
        "style": f"with {word} hair",
        "title": f"titled {word}",
        "ground": f"on {word}",
        "badge": f"on {article(word)}",
    }
    tails |= {"trim": f"with {word} legs"}
    if thing.category == "character" and attribute in ("colour", "pattern"):
        return f"{kinds} in {word} clothes"
    if attribute in ("colour", "pattern"):
        return f"{word} {kinds}"
    if attribute in ("ink", "accent"):
        owned = thing["emblem" if attribute == "ink" else ("wear" if thing.category == "animal" else "load")]
        return f"{kinds} with {article(word)} {owned}"
    return f"{kinds} {tails.get(attribute, f'with {article(word)}')}"


def draw_group(rng: random.Random, accept: Accept, count: int = 5) -> Group:
    """`count` views with a common factor: things of one kind that share an attribute, or the same sort of place."""
    if rng.random() < 0.2:
        return _draw_place_group(rng, accept, count)
    model = draw_accepted(rng, rng.choice(list(CATEGORIES)), accept)
    attribute = rng.choice([key for key in model.attributes if key != "kind"])
    fixed = {"kind", attribute} | ({"emblem", "wear", "load"} if attribute in ("ink", "accent") else set())
    things = [_vary(rng, model, fixed, accept) for _ in range(count)]
    others = [key for key in model.attributes if key not in fixed]
    if any(len({thing[key] for thing in things}) == 1 for key in others):  # they would share more than the phrase says
        return draw_group(rng, accept, count)
    views = [View(_with_company(rng, thing, accept), draw_setting(rng)) for thing in things]
    return Group(tuple(views), factor_phrase(model, attribute), model.category)


def _vary(rng: random.Random, model: Thing, fixed: set[str], accept: Accept) -> Thing:
    """A thing like `model` in the fixed attributes, by chance in the others."""
    category = CATEGORIES[model.category]
    while True:
        words = {k: model[k] if k in fixed else rng.choice(options) for k, options in category.attributes.items()}
        thing = Thing(model.category, tuple(words.values()))
        if category.allows(words) and accept(thing):
            return thing


def _with_company(rng: random.Random, thing: Thing, accept: Accept) -> tuple[Thing, ...]:
    """The thing alone or beside one of another category, in chance order."""
    others = [name for name in CATEGORIES if name != thing.category]
    company = [draw_accepted(rng, rng.choice(others), accept)] if rng.random() < 0.5 else []
    things = [thing, *company]
    rng.shuffle(things)
    return tuple(things)


def _draw_place_group(rng: random.Random, accept: Accept, count: int) -> Group:
    """Views of one sort of scene that share its light or its weather; the other one varies."""
    model = draw_setting(rng)
    share_light = model.scene in INDOOR or rng.random() < 0.5
    settings = [_vary_setting(rng, model, share_light) for _ in range(count)]
    things = [draw_accepted(rng, rng.choice(list(CATEGORIES)), accept) for _ in range(count)]
    views = [View(_with_company(rng, thing, accept), setting) for thing, setting in zip(things, settings, strict=True)]
    phrase = place(model.scene, light=model.light) if share_light else place(model.scene, weather=model.weather)
    return Group(tuple(views), phrase, "place")


def _vary_setting(rng: random.Random, model: Setting, share_light: bool) -> Setting:
    other = draw_setting(rng)
    while other.scene != model.scene:
        other = draw_setting(rng)
    return replace(other, light=model.light) if share_light else replace(other, weather=model.weather)


def near_miss_within(rng: random.Random, thing: Thing, accept: Accept) -> Thing | None:
    """A near miss that `accept` takes; None when (almost certainly) there is none."""
    tries = (draw_near_miss(rng, thing) for _ in range(NEAR_MISS_TRIES))
    return next((near for near in tries if accept(near)), None)


@dataclass(frozen=True)
class Change:
    """Two almost equal views, what happens (turn, leave, come, setting), in words, and to which thing.

    `where` counts in the view that has more things; None when light or weather change.
    """

    before: View
    after: View
    what: str
    where: int | None
    sentence: str


def draw_change(rng: random.Random, accept: Accept, count: int = MOST_THINGS) -> Change:
    """One change: a thing turns into a near miss of itself, leaves or comes, or the light or the weather changes."""
    category = rng.choice(list(CATEGORIES))
    things = [draw_accepted(rng, rng.choice((category, rng.choice(list(CATEGORIES)))), accept) for _ in range(count)]
    view = View(tuple(things), draw_setting(rng))
    what = rng.choice(("turn", "turn", "turn", "leave", "come", "setting"))
    if what == "setting":
        return _change_setting(rng, view)
    where = rng.randrange(count)
    old = things[where]
    if what == "turn":
        new = near_miss_within(rng, old, accept)
        if new is None:
            return draw_change(rng, accept, count)
        sentence = f"{capital(name(old))} has become {name(new)}."
        return Change(view, replace(view, things=_swap(view.things, where, new)), what, where, sentence)
    fewer = replace(view, things=view.things[:where] + view.things[where + 1 :])
    if what == "leave":
        return Change(view, fewer, what, where, f"{capital(name(old))} has gone.")
    return Change(fewer, view, what, where, f"{capital(name(old))} has come.")


def _swap(things: tuple[Thing, ...], where: int, new: Thing) -> tuple[Thing, ...]:
    return (*things[:where], new, *things[where + 1 :])


def _change_setting(rng: random.Random, view: View) -> Change:
    """Another light or weather over the same scene."""
    while True:
        other = draw_setting(rng)
        changed = replace(view.setting, light=other.light, weather=other.weather)
        if other.scene == view.setting.scene and changed != view.setting:
            after = replace(view, setting=changed)
            return Change(view, after, "setting", None, f"It is now {after.place}.")


@dataclass(frozen=True)
class Story:
    """Views of a story with a caption for each, the last of which is asked for; and who is called what."""

    views: tuple[View, ...]
    captions: tuple[str, ...]
    names: dict[Thing, str]


def draw_story(rng: random.Random, accept: Accept, panels: int | None = None) -> Story:
    """A story of three to five panels about two people, each introduced by name in a panel without the other.

    The last caption names whoever is there, so that a name must be matched to a face seen before.
    """
    count = panels or rng.randint(3, 5)
    first, second = draw_family(rng, "character", 2, accept, related=0.5)
    names = dict(zip((first, second), rng.sample(NAMES, 2), strict=True))
    casts: list[tuple[Thing, ...]] = [(first,), (second,)]
    rng.shuffle(casts)
    casts += [rng.choice([(first,), (second,), (first, second)]) for _ in range(count - 2)]
    views, captions = [], []
    for cast in casts:
        view, caption = _tell(rng, list(cast), names, accept)
        views.append(view)
        captions.append(caption)
    return Story(tuple(views), tuple(captions), names)


def _tell(rng: random.Random, cast: list[Thing], names: dict[Thing, str], accept: Accept) -> tuple[View, str]:
    """One panel: its people, perhaps with something that they find, and the caption."""
    rng.shuffle(cast)
    setting = draw_setting(rng)
    if len(cast) == 2:
        view = View(tuple(cast), setting)
        return view, f"{names[cast[0]]} and {names[cast[1]]} meet in {view.place}."
    hero = names[cast[0]]
    if rng.random() < 0.35:
        view = View(tuple(cast), setting)
        return view, f"{hero} walks through {view.place}."
    found = draw_accepted(rng, rng.choice([key for key in CATEGORIES if key != "character"]), accept)
    things = [cast[0], found]
    rng.shuffle(things)
    view = View(tuple(things), setting)
    return view, f"{hero} finds {name(found)} in {view.place}."
