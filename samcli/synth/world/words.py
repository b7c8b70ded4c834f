"""Every word of the world's language, in a fixed order: the vocabulary of the embedded model."""

import random
import re
from functools import lru_cache

from samcli.synth.world import instructions
from samcli.synth.world.lessons import draw_lesson
from samcli.synth.world.scenes import LIGHTS, SCENES, WEATHERS
from samcli.synth.world.tasks import NAMES, plural
from samcli.synth.world.things import CATEGORIES

_SAMPLED = 8000
_PLAIN = (
    "a an and are as at be both by can caption captions common describe different do each five four from group has "
    "have how image images in is it its last look many me of on one or out photo photos picture pictures same say "
    "see share shared short show shows some story summarise tell that the their them there these they thing things "
    "this three to two what where which who with you"
)


@lru_cache(maxsize=1)
def world_words() -> tuple[str, ...]:
    """All words, as they are written: attributes, names, plain English, and what a fixed draw of lessons uses."""
    words = dict.fromkeys(_PLAIN.split())
    for category in CATEGORIES.values():
        for options in category.attributes.values():
            words |= dict.fromkeys(options)
        words |= dict.fromkeys(plural(kind) for kind in category.attributes["kind"])
        words |= dict.fromkeys(_split(f"{category.noun} {category.plural}"))
    words |= dict.fromkeys((*SCENES, *LIGHTS, *WEATHERS, *NAMES))
    words |= dict.fromkeys(_split(" ".join(_instructions())))
    rng = random.Random("words")
    for _ in range(_SAMPLED):
        lesson = draw_lesson(rng, lambda _thing: True)
        words |= dict.fromkeys(_split(f"{lesson.question} {lesson.answer}"))
    return tuple(words)


def _split(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+", text)


def _instructions() -> list[str]:
    pools = [*instructions.LINKING.values(), instructions.LINKING_ANSWERS, instructions.GROUPS, instructions.STORIES]
    texts = [text for pool in (*pools, instructions.CHANGES) for text in pool]
    return [re.sub(r"\{\w+\}", "", text) for text in texts]
