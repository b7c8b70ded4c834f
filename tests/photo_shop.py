"""Photographs to make small sets of: world things on plain ground, icons with alpha, covers with authors, backdrops."""

import csv
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.cutout import paste
from samcli.synth.world.scenes import SCENES, paint_ground
from samcli.synth.world.sprites import Pose, draw_sprite
from samcli.synth.world.things import draw_thing

OBJECTS = 5
HEIGHT = 150
WHOLE = ("sofa", "chair", "bed", "cabinet")  # furniture that hangs together
GROUND = (214, 216, 219)
COLUMNS = ("kind", "identity", "path", "description", "author", "genre")


def open_shop(root: Path) -> Path:
    """Write five pieces of furniture, five icons, four covers and four backdrops below `root`."""
    rng, rows = random.Random(7), []
    for number in range(OBJECTS):
        thing = next(thing for thing in iter(lambda: draw_thing(rng, "furniture"), None) if thing["kind"] in WHOLE)
        for view in range(2):
            picture = Image.new("RGB", (200, 200), GROUND)
            sprite = draw_sprite(thing, Pose(view), HEIGHT)
            sprite = ImageOps.contain(sprite, (180, HEIGHT))
            paste(picture, sprite, ((200 - sprite.width) // 2, 190 - sprite.height))
            rows.append(_saved(root, picture, "furniture", f"{number}/{view}.png", thing.phrase))
        icon = draw_thing(rng, "icon")
        rows.append(_saved(root, _straight(draw_sprite(icon, Pose(), 90)), "icon", f"{number}.png", icon.phrase))
    for number in range(4):
        cover = Image.new("RGB", (120, 160), (40 * number, 90, 200 - 30 * number))
        cover.paste((250, 240, 60), (10 + 20 * number, 20, 60 + 10 * number, 90 + 15 * number))
        author, genre = f"Author {number // 2}", "travel"
        rows.append(_saved(root, cover, "cover", f"{number}.png", "", author, genre))
    (root / "backdrops").mkdir()
    for number, scene in enumerate(SCENES[:4]):
        paint_ground(scene, "day", "clear", 256, number).save(root / "backdrops" / f"{scene}.png")
    with open(root / "groups.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return root


def _straight(sprite: Image.Image) -> Image.Image:
    """A sprite, whose colours are multiplied by alpha, as files have them."""
    return Image.frombytes("RGBa", sprite.size, sprite.tobytes()).convert("RGBA")


def _saved(root: Path, picture: Image.Image, kind: str, name: str, *told: str) -> tuple[str, ...]:
    path = root / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return (kind, f"{kind}-{Path(name).parts[0]}", f"{kind}/{name}", *told, *[""] * (3 - len(told)))


def shop_recipe(root: Path, **settings: Any) -> MmlinkRecipe:
    """A light recipe of small pictures; one process unless told otherwise."""
    small = {"samples": 10, "size": 128, "chunk": 2, "workers": 1}
    furniture = {"noun": "piece of furniture", "distractors": 1, "share": 2}
    kinds = {"furniture": furniture, "icon": {"form": "grid"}, "cover": {"form": "covers", "noun": "book"}}
    return MmlinkRecipe.model_validate({"root": str(root), "objects": kinds} | small | settings)
