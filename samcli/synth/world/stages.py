"""The world's exact stages for `world-mmlink` and `world-links`: no weights, true by construction."""

import random

import numpy as np
from PIL import Image, ImageChops

from samcli.synth.cutout import NEUTRAL, Composer, coloured, overlap
from samcli.synth.pipeline import Draft, Frame, Pipeline, Source
from samcli.synth.world import instructions
from samcli.synth.world.grammar import NUMBERS, name, read_mentions
from samcli.synth.world.pictures import EXTENTS, MOST_THINGS, Setting, draw_pose
from samcli.synth.world.scenes import paint_ground
from samcli.synth.world.splits import belongs_to, rng_for
from samcli.synth.world.sprites import Pose, draw_sprite
from samcli.synth.world.tasks import draw_linking
from samcli.synth.world.things import CATEGORIES, MMLINK_CATEGORIES, Thing
from samcli.synth.world.veils import veil

PHOTO_HEIGHT = 160
STUDIO = (236, 236, 232)
_BEHIND = bytes(level * (255 - alpha) // 255 for alpha in range(256) for level in STUDIO)
MARGIN = 8
LEAST_SIDE = 0.12  # of the canvas (the 64 of 512 pixels that photographs are held to)
_GREY = np.asarray(NEUTRAL, dtype=np.float32)
_ELSEWHERE = ("animal", "vehicle")


POSES = 4
PAIRS = (2,)
GROUPS = (2, 3, 4, 5)


class WorldGrouper:
    """Families of things that share one, in different scenes; the shared one in different poses, up to four.

    `sizes` are the numbers of pictures that samples may have.
    """

    def __init__(self, split: str, seed: int, sizes: tuple[int, ...] = PAIRS, things: int = MOST_THINGS) -> None:
        self.split, self.seed, self.sizes, self.things = split, seed, sizes, things
        self.purpose = "linking" if sizes == PAIRS else "links"

    def __call__(self, index: int, attempt: int) -> Draft:
        """Choose kind, things, poses and scenes of sample `index`."""
        rng = rng_for(self.split, f"{self.purpose}/{attempt}", self.seed, index)
        pictures = self.sizes[0] if len(self.sizes) == 1 else rng.choice(self.sizes)
        kind = draw_linking_category(rng)
        linking = draw_linking(rng, kind, belongs_to(self.split), self.things, pictures)
        frames = []
        for view, variant in zip(linking.views, draw_variants(rng, pictures), strict=True):
            subjects = [self._source(rng, thing, variant if thing == linking.shared else None) for thing in view.things]
            frames.append(Frame(subjects, view.setting))
        seed = f"{self.split}/{self.purpose}/{self.seed}/{index}/{attempt}"
        sources = [[source.label for source in frame.sources] for frame in frames]
        return Draft(index, seed, kind, linking.shared, frames, sources)

    def _source(self, rng: random.Random, thing: Thing, variant: int | None) -> Source:
        pose = draw_pose(rng, thing)
        pose = pose if variant is None else Pose(variant, pose.mirrored)
        return Source((thing, pose), thing.phrase, photograph(thing, pose))


def draw_linking_category(rng: random.Random) -> str:
    """The category of a shared thing: MmLINK's own more often than the world's others."""
    return rng.choice(MMLINK_CATEGORIES + (_ELSEWHERE if rng.random() < 0.5 else ()))


def draw_variants(rng: random.Random, pictures: int) -> list[int]:
    """The variant of the shared thing's pose in each picture: all of them differ, as long as there are that many."""
    return (rng.sample(range(POSES), min(pictures, POSES)) * 2)[:pictures]


def photograph(thing: Thing, pose: Pose) -> Image.Image:
    """The thing on plain studio ground."""
    sprite = draw_sprite(thing, pose, PHOTO_HEIGHT)
    photo = Image.new("RGB", (sprite.width + 2 * MARGIN, sprite.height + 2 * MARGIN), STUDIO)
    photo.paste(ImageChops.add(coloured(sprite.getchannel("A"), _BEHIND), sprite.convert("RGB")), (MARGIN, MARGIN))
    return photo


def segment(draft: Draft) -> Draft:
    """Give every source the exact mask of its subject."""
    for frame in draft.frames:
        for source in frame.sources:
            thing, pose = source.subject
            source.mask = Image.new("L", source.photo.size, 0)
            source.mask.paste(draw_sprite(thing, pose, PHOTO_HEIGHT).getchannel("A"), (MARGIN, MARGIN))
    return draft


def inpaint(draft: Draft) -> Draft:
    """Paint each frame's scene around its subjects, and the weather in front of them."""
    for number, frame in enumerate(draft.frames):
        canvas, mask = frame.composition()
        setting: Setting = frame.background
        seed = random.Random(f"{draft.seed}/inpaint/{number}").getrandbits(32)
        scene = paint_ground(setting.scene, setting.light, setting.weather, canvas.width, seed)
        frame.picture = veil(_stand_in(canvas, mask, scene), setting.light, setting.weather, seed)
    return draft


def _stand_in(canvas: Image.Image, mask: Image.Image, scene: Image.Image) -> Image.Image:
    """The canvas's subjects before the scene; the canvas's grey, which shines through at soft edges, is taken out."""
    if box := mask.getbbox():
        shown = np.asarray(scene.crop(box)).astype(np.float32)
        shown -= _GREY
        shown *= 1 - np.asarray(mask.crop(box), dtype=np.float32)[..., None] / 255
        shown += np.asarray(canvas.crop(box))
        scene.paste(Image.fromarray(shown.round().clip(0, 255).astype(np.uint8)), box)
    return scene


def word_linking(rng: random.Random, shared: Thing, pictures: int) -> tuple[str, str]:
    """What is asked of so many pictures that share a thing, and the answer."""
    pair = pictures == 2
    pool = instructions.LINKING[shared.category] if pair else instructions.LINKING_GROUPS
    forms = instructions.LINKING_ANSWERS if pair else instructions.LINKING_GROUPS_ANSWERS
    which = rng.randrange(len(pool))
    words = {"noun": CATEGORIES[shared.category].noun, "count": NUMBERS[pictures], "shared": name(shared)}
    return pool[which].format_map(words), forms[which % len(forms)].format_map(words)


def describe(draft: Draft) -> Draft:
    """Write instruction and answer: the world's own captioner, exact and independent of the backgrounds."""
    rng = random.Random(f"{draft.seed}/describe")
    draft.instruction, draft.answer = word_linking(rng, draft.shared, len(draft.frames))
    draft.provenance |= {
        "kind": draft.kind,
        "shared": draft.shared.to_json(),
        "things": [[thing.to_json() for thing in _from_left(frame)] for frame in draft.frames],
        "settings": [list(frame.background.words) for frame in draft.frames],
    }
    return draft


def _from_left(frame: Frame) -> list[Thing]:
    """What the frame shows, from left to right."""
    placed = zip(frame.sources, frame.boxes, strict=True)
    return [source.subject[0] for source, _ in sorted(placed, key=lambda pair: pair[1].centre)]


def check(draft: Draft) -> Draft:
    """Score the sample and reject what can't be learnt from."""
    boxes = [box for frame in draft.frames for box in frame.boxes]
    mentions = read_mentions(draft.answer)
    families = [{source.subject[0] for source in frame.sources} for frame in draft.frames]
    draft.scores = {
        "least_side": min(min(box.width, box.height) for box in boxes),
        "overlap": max(overlap(frame.boxes) for frame in draft.frames),
        "shared_things": float(len(set.intersection(*families))),
        "answer_names_it": float(len(mentions) == 1 and mentions[0].names_in_full(draft.shared)),
    }
    if draft.scores["least_side"] < LEAST_SIDE:
        draft.rejected = f"a thing has a side below {LEAST_SIDE} of the canvas"
    elif draft.scores["overlap"] > 0:
        draft.rejected = "things overlap"
    elif draft.scores["shared_things"] != 1 or not draft.scores["answer_names_it"]:
        draft.rejected = "the answer does not name the one shared thing"
    return draft


def linking_pipeline(split: str, seed: int, size: int, sizes: tuple[int, ...] = PAIRS) -> Pipeline:
    """All stages of `world-mmlink`, or of `world-links` with `sizes` of its groups."""
    stages = (
        ("segment", segment),
        ("compose", Composer(size, EXTENTS)),
        ("inpaint", inpaint),
        ("describe", describe),
        ("check", check),
    )
    return Pipeline(WorldGrouper(split, seed, sizes), stages)
