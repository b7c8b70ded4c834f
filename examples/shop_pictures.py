"""Pictures as a shop would take them, of things of the embedded world: to try `sam synth` without any photographs.

    python examples/shop_pictures.py --out DIR [--objects N] [--seed S]

Things stand large on plain ground, in two to four of their poses, with a soft shadow; icons are cut out (alpha), two of
a sort, which differ in one respect; covers lie on white. `groups.csv` says what each shows, `backdrops/` has scenes to
put them in. The same arguments give the same bytes.
"""

import argparse
import csv
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage

from samcli.synth.cutout import paste
from samcli.synth.world.pictures import draw_setting
from samcli.synth.world.scenes import SCENES, paint_ground
from samcli.synth.world.sprites import VARIANTS, Pose, draw_sprite, may_mirror
from samcli.synth.world.things import Thing, draw_near_miss, draw_thing

KINDS = {
    "character": "character",
    "furniture": "furniture",
    "icon": "icon",
    "cover": "book",
    "animal": "animal",
    "vehicle": "vehicle",
}
AUTHORS = ("Ada Fenn", "Ivo Marsh", "Lena Holt", "Omar Reed", "Tess Varga", "Jonas Wilk")
GENRES = ("travel", "mystery", "science", "cooking")
HEIGHTS = (480, 700)
BACKDROPS, BACKDROP_SIDE = 3 * len(SCENES), 768
SHADOW = 16  # of 255, where it is deepest: a shop lights its ground well
Row = dict[str, str]


def draw_objects(rng: random.Random, kind: str, count: int) -> list[list[tuple[Thing, Pose]]]:
    """Different objects of a kind, each with what its pictures show."""
    drawn: dict[Thing, list[tuple[Thing, Pose]]] = {}
    while len(drawn) < count:
        thing = draw_thing(rng, KINDS[kind])
        if in_one_piece(thing):
            drawn[thing] = pictures(rng, kind, thing)
    return list(drawn.values())


def in_one_piece(thing: Thing) -> bool:
    """Whether the thing hangs together; lamps stand beside a plant, and a shop would sell them apart."""
    alpha = np.asarray(draw_sprite(thing, Pose(), 160).getchannel("A")) > 128
    parts, _ = ndimage.label(alpha)
    return bool(np.bincount(parts[alpha]).max() > 0.97 * alpha.sum())


def pictures(rng: random.Random, kind: str, thing: Thing) -> list[tuple[Thing, Pose]]:
    """Two to four poses of the thing; of a cover one; for icons, the thing and one that differs in one respect."""
    if kind == "cover":
        return [(thing, Pose())]
    if kind == "icon":
        return [(thing, Pose()), (draw_near_miss(rng, thing), Pose())]
    variants = rng.sample(range(VARIANTS), rng.randint(2, VARIANTS))
    return [(thing, Pose(variant, may_mirror(thing.category) and rng.random() < 0.5)) for variant in sorted(variants)]


def cut_out(sprite: Image.Image) -> Image.Image:
    """The drawing with an alpha channel as PNG has it: colours not multiplied by it."""
    pixels = np.asarray(sprite, dtype=np.float32).copy()
    pixels[..., :3] *= 255 / np.maximum(pixels[..., 3:], 1)
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8), "RGBA")


def on_white(sprite: Image.Image) -> Image.Image:
    """The drawing on white, with a narrow margin."""
    sheet = Image.new("RGB", (sprite.width + 16, sprite.height + 16), "white")
    paste(sheet, sprite, (8, 8))
    return sheet


def in_studio(rng: random.Random, sprite: Image.Image) -> Image.Image:
    """The drawing on plain ground, a little warmer or cooler, lighter or darker in each picture, and never white.

    White parts of a thing could not be told from white ground.
    """
    left, right = (round(rng.uniform(0.1, 0.3) * sprite.height) for _ in range(2))
    above, below = (round(rng.uniform(0.06, 0.14) * sprite.height) for _ in range(2))
    width, height = sprite.width + left + right, sprite.height + above + below
    grey, warmth, slope = rng.uniform(212, 234), rng.uniform(-3, 3), rng.uniform(-3, 3)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 0.8, (height, width, 1))
    down = np.linspace(-slope, slope, height)[:, None, None]
    ground = np.asarray((grey + warmth, grey, grey - warmth)) + noise + down
    ground -= np.asarray(_shadow(sprite, (left, above), (width, height)))[..., None] * (SHADOW / 255)
    picture = Image.fromarray(ground.round().clip(0, 255).astype(np.uint8), "RGB")
    paste(picture, sprite, (left, above))
    return picture


def _shadow(sprite: Image.Image, corner: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """Where the thing keeps the light off the ground: its outline, flattened to a puddle at its foot."""
    flat = sprite.getchannel("A").resize((sprite.width, round(0.07 * sprite.height)))
    sheet = Image.new("L", size)
    sheet.paste(flat, (corner[0], corner[1] + sprite.height - round(0.8 * flat.height)))
    return sheet.filter(ImageFilter.GaussianBlur(0.02 * sprite.height))


def photograph(rng: random.Random, kind: str, thing: Thing, pose: Pose) -> Image.Image:
    """The thing as the shop shows it."""
    sprite = draw_sprite(thing, pose, rng.randint(*HEIGHTS))
    if kind == "icon":
        return cut_out(sprite)
    return on_white(sprite) if kind == "cover" else in_studio(rng, sprite)


def metadata(rng: random.Random, thing: Thing) -> Row:
    """What is known of a book."""
    return {"title": thing["title"].title(), "author": rng.choice(AUTHORS), "genre": rng.choice(GENRES)}


def write_objects(out: Path, kind: str, count: int, seed: int) -> Iterator[Row]:
    """Write the pictures of a kind; give the lines of `groups.csv`."""
    rng = random.Random(f"shop/{seed}/{kind}")
    for number, views in enumerate(draw_objects(rng, kind, count)):
        first, _ = views[0]
        identity = f"{first['colour']}-{first['kind']}-{number:03d}"
        known = metadata(rng, first) if kind == "cover" else {}
        (out / kind / identity).mkdir(parents=True)
        for view, (thing, pose) in enumerate(views):
            path = f"{kind}/{identity}/{view}.png"
            photograph(rng, kind, thing, pose).save(out / path)
            row = {"kind": kind, "identity": identity, "path": path, "view": str(view), "description": thing.phrase}
            yield row | known


def write_backdrops(out: Path, seed: int) -> None:
    """Write scenes of the world, each of the places several times."""
    rng = random.Random(f"shop/{seed}/backdrops")
    (out / "backdrops").mkdir(parents=True)
    for number in range(BACKDROPS):
        scene, setting = SCENES[number % len(SCENES)], draw_setting(rng)
        painted = paint_ground(scene, setting.light, setting.weather, BACKDROP_SIDE, rng.getrandbits(32))
        painted.save(out / f"backdrops/{scene}-{number // len(SCENES)}.png")


def main() -> None:
    """Read the arguments and write the directory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to make")
    parser.add_argument("--objects", type=int, default=24, help="of each kind (default: 24)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    out: Path = arguments.out
    if out.exists():
        parser.error(f"{out} is already there")
    write_backdrops(out, arguments.seed)
    rows = [row for kind in KINDS for row in write_objects(out, kind, arguments.objects, arguments.seed)]
    with open(out / "groups.csv", "w", encoding="utf-8", newline="") as file:
        columns = ("kind", "identity", "path", "view", "description", "title", "author", "genre")
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} pictures of {len(KINDS) * arguments.objects} objects, {BACKDROPS} backdrops: {out}")


if __name__ == "__main__":
    main()
