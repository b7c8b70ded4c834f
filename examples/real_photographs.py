"""Real photographs to try `sam synth` with: those that the scikit-image package brings along, nothing is downloaded.

    python examples/real_photographs.py --out DIR

The README that is written beside them says what follows, and whose photographs they are.

There are few, and no object was photographed twice but the motorcycle (a stereo pair). So each object is cut out along
an outline drawn by hand, whose edge a random walker settles (Grady 2006), the motorcycle by its measured depth; and its
other views are made by geometry: the flat cut-out turned to either side, in other light. Coins stay uncut, on the plain
ground they were photographed on, enlarged. Backdrops are photographs too: textures laid out as walls and floors, grey
ones tinted, and a dusk from which the rocket was taken out.
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from scipy import ndimage
from skimage.segmentation import random_walker
from skimage.transform import warp

Points = Sequence[tuple[float, float]]
Mask = NDArray[np.bool_]
BAND = 5  # pixels to either side of a drawn outline that the random walker settles
COIN_SCALE = 4
SIDE = 768  # of backdrops
VIEWS = {  # turned by degrees to a side, tilted, brighter
    "front": (0.0, 0.0, 1.0),
    "left": (-32.0, -4.0, 0.9),
    "right": (34.0, 5.0, 1.08),
}
DESCRIPTIONS = {
    "astronaut": "smiling astronaut in an orange space suit with a black helmet",
    "cameraman": "man in a black coat who looks through a camera",
    "coffee": "red cup of coffee with a spoon on a red saucer",
    "motorcycle": "red motorcycle with a black seat",
    "rocket": "white rocket on its launch pad",
    "shuttle": "model of a white space shuttle with a brown tank",
    "coin-helmet": "ancient silver coin with a helmeted head in profile",
    "coin-figure": "ancient silver coin with a standing figure",
    "coin-profile": "ancient silver coin with a large head in profile",
}
OUTLINES: dict[str, Points] = {
    "astronaut": (
        *((153, 70), (160, 50), (175, 38), (190, 30), (205, 20), (235, 15), (260, 20), (280, 35), (292, 52), (300, 80)),
        *((298, 100), (285, 125), (272, 135), (262, 150), (258, 172), (280, 188), (298, 212), (304, 235), (335, 255)),
        *((345, 275), (355, 300), (360, 345), (375, 346), (400, 343), (430, 352), (460, 375), (485, 405), (495, 450)),
        *((503, 460), (520, 475), (520, 520), (48, 520), (27, 475), (23, 430), (25, 380), (27, 340), (35, 300)),
        *((45, 280), (55, 260), (75, 240), (100, 220), (113, 208), (113, 190), (122, 180), (128, 165), (145, 152)),
        *((165, 148), (185, 149), (180, 130), (172, 128), (165, 115), (157, 100)),
    ),
    "cameraman": (
        *((-8, 262), (15, 240), (25, 222), (30, 210), (40, 190), (55, 165), (75, 138), (100, 125), (130, 122)),
        *((155, 106), (163, 108), (165, 92), (180, 75), (200, 65), (220, 68), (240, 82), (258, 98), (269, 112)),
        *(
            (269, 126),
            (257, 135),
            (262, 139),
            (280, 140),
            (318, 138),
            (325, 142),
            (325, 155),
            (321, 168),
            (330, 174),
            (332, 186),
        ),
        *((326, 210), (310, 222), (298, 226), (298, 250), (305, 272), (297, 282), (290, 287), (270, 300), (250, 313)),
        *((240, 313), (222, 305), (206, 294), (195, 312), (175, 338), (150, 368), (141, 380), (147, 420), (150, 465)),
        *((152, 520), (-8, 520)),
    ),
    "rocket": (
        *((321, 127), (330, 135), (334, 148), (334, 172), (335, 190), (336, 345), (357, 364), (357, 407), (372, 408)),
        *((376, 440), (267, 440), (267, 408), (287, 406), (288, 364), (306, 345), (309, 290), (309, 172), (311, 148)),
        *((314, 137),),
    ),
    "shuttle": (
        *((405, -8), (424, -8), (432, 12), (437, 40), (442, 39), (448, 48), (454, 65), (455, 205), (456, 228)),
        *((453, 236), (456, 262), (460, 265), (470, 272), (470, 278), (440, 283), (428, 282), (410, 289), (372, 289)),
        *((367, 280), (366, 268), (372, 250), (380, 232), (355, 222), (354, 210), (362, 195), (378, 183), (377, 120)),
        *((380, 100), (380, 70), (385, 42), (390, 45), (395, 60), (396, 30), (400, 12)),
    ),
    "spoon": ((398, 72), (405, 66), (418, 66), (424, 74), (420, 92), (412, 125), (402, 130)),
}
GAPS: dict[str, Sequence[Points]] = {  # where the ground is seen through the object
    "cameraman": (
        ((248, 216), (262, 215), (266, 224), (257, 237), (250, 240)),
        (
            (255, 167),
            (258, 152),
            (261, 156),
            (260, 178),
            (267, 186),
            (271, 201),
            (250, 204),
            (241, 202),
            (243, 193),
            (249, 181),
        ),
    )
}
ELLIPSES = {"coffee": ((278, 220, 201, 169), (290.5, 112.5, 117.5, 95))}  # centre and half axes of saucer and cup
COINS = {
    "coin-figure": (304, 8, 372, 78),
    "coin-helmet": (309, 150, 382, 224),
    "coin-profile": (10, 226, 84, 294),
}
CREDITS = """\
As scikit-image's documentation has it: astronaut: NASA, public domain. brick, gravel: CC0Textures, CC0. camera: Lav
Varshney, CC0. coffee: Rachel Michetti, CC0. coins: Brooklyn Museum, no known copyright restrictions. grass: linolafett,
CC0. hubble_deep_field: NASA, public domain. moon: not stated. motorcycle: Middlebury 2014 stereo benchmark (Scharstein
et al., GCPR 2014), terms not stated. rocket: SpaceX, public domain.
"""


def bundled(name: str) -> Path:
    """A photograph of the installed package."""
    return Path(skimage.__file__).parent / "data" / name


def opened(name: str) -> Image.Image:
    """A photograph of the installed package, RGB."""
    return Image.open(bundled(name)).convert("RGB")


# Cut-outs


def drawn(size: tuple[int, int], outline: Points) -> Mask:
    """The inside of an outline."""
    sheet = Image.new("1", size)
    ImageDraw.Draw(sheet).polygon(list(outline), fill=1)
    inside: Mask = np.array(sheet)
    return inside


def ellipse(size: tuple[int, int], x: float, y: float, across: float, down: float) -> Mask:
    """The inside of an ellipse."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    inside: Mask = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
    return inside


def settled(photo: Image.Image, inside: Mask, band: int = BAND) -> NDArray[np.float32]:
    """The object's share of each pixel, 0 to 1: as drawn, but within `band` of the outline as the colours say."""
    padded = np.pad(inside, band, mode="edge")  # what reaches the photograph's edge goes on behind it
    core = ndimage.binary_erosion(padded, iterations=band)[band:-band, band:-band]
    around = ndimage.binary_dilation(inside, iterations=band)
    labels = np.where(core, 1, np.where(around, 0, 2))
    colours = np.asarray(photo, dtype=np.float64) / 255
    walker = {"beta": 300, "mode": "cg_j", "prob_tol": 0.1, "channel_axis": -1, "return_full_prob": True}
    share = random_walker(colours, labels, **walker)[0]
    settled_share: NDArray[np.float32] = np.clip((share - 0.25) * 2, 0, 1).astype(np.float32)
    return settled_share


def cut(photo: Image.Image, share: NDArray[np.float32]) -> Image.Image:
    """The photograph with the share as alpha, cropped to it."""
    whole = photo.convert("RGBA")
    whole.putalpha(Image.fromarray((share * 255).round().astype(np.uint8)))
    return whole.crop(whole.getchannel("A").getbbox())


def motorcycle() -> dict[str, Image.Image]:
    """Both views of the stereo pair: what is nearer than the floor below it and the shelves behind."""
    with np.load(bundled("motorcycle_disp.npz")) as file:
        depth = np.nan_to_num(file["arr_0"], posinf=0.0)  # disparity in pixels, 0 where it isn't known
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    free = (depth > 0) & (((rows > 320) & (columns > 700)) | ((rows > 420) & (columns < 500) & (rows < 490)))
    terms = np.stack([np.ones_like(rows), rows, columns], axis=-1).astype(np.float64)
    floor = terms @ np.linalg.lstsq(terms[free], depth[free], rcond=None)[0]
    near = main_part((depth > floor + 1.6) & (depth > 32))
    left = main_part(ndimage.binary_closing(near, iterations=2))
    nearest = ndimage.distance_transform_edt(~near, return_distances=False, return_indices=True)
    shift = ndimage.median_filter(depth[tuple(nearest)], 7)
    right = np.zeros_like(left)
    right[rows[left], np.clip((columns - shift).round().astype(int)[left], 0, depth.shape[1] - 1)] = True
    right = main_part(ndimage.binary_opening(ndimage.binary_closing(right, iterations=2)))
    photos = opened("motorcycle_left.png"), opened("motorcycle_right.png")
    return {
        name: cut(photo, settled(photo, mask, band=1))
        for name, photo, mask in zip(("left camera", "right camera"), photos, (left, right), strict=True)
    }


def main_part(mask: Mask) -> Mask:
    """The largest connected part."""
    parts, _ = ndimage.label(mask)
    largest: Mask = parts == np.bincount(parts[mask]).argmax()
    return largest


def cut_outs() -> dict[str, Image.Image]:
    """All objects that are cut out of one photograph."""
    coffee = opened("coffee.png")
    table = drawn(coffee.size, OUTLINES["spoon"])
    for x, y, across, down in ELLIPSES["coffee"]:
        table |= ellipse(coffee.size, x, y, across, down)
    found = {"coffee": cut(coffee, settled(coffee, table))}
    for name, file in {
        "astronaut": "astronaut.png",
        "cameraman": "camera.png",
        "rocket": "rocket.jpg",
        "shuttle": "astronaut.png",
    }.items():
        photo = opened(file)
        inside = drawn(photo.size, OUTLINES[name])
        for gap in GAPS.get(name, ()):
            inside &= ~drawn(photo.size, gap)
        found[name] = cut(photo, settled(photo, inside))
    return found


def turned(flat: Image.Image, yaw: float, roll: float, gain: float) -> Image.Image:
    """The flat cut-out seen from a side (`yaw`, degrees), tilted (`roll`, degrees), in brighter or dimmer light."""
    pixels = np.asarray(flat, dtype=np.float64) / 255
    pixels[..., :3] *= pixels[..., 3:] * gain
    height, width = pixels.shape[:2]
    side, far = 1.5 * max(width, height), 2.5 * max(width, height)
    sine, cosine = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    seen = np.asarray([[far * cosine, 0, 0], [0, far, 0], [sine, 0, far]])
    lean, sway = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    tilted = np.asarray([[lean, -sway, 0], [sway, lean, 0], [0, 0, 1]])
    to_middle = np.asarray([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    from_middle = np.asarray([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]])
    whole = from_middle @ tilted @ seen @ to_middle
    view = warp(pixels, np.linalg.inv(whole), output_shape=(round(side), round(side)), order=3)  # type: ignore[no-untyped-call]
    cover = view[..., 3:].clip(0, 1)
    view[..., :3] = view[..., :3] / np.maximum(cover, 1e-6)
    picture = Image.fromarray((np.concatenate([view[..., :3].clip(0, 1), cover], -1) * 255).round().astype(np.uint8))
    return picture.crop(picture.getchannel("A").point(lambda value: 255 * (value > 127)).getbbox())


# Backdrops


def upright(picture: Image.Image, height: int) -> Image.Image:
    """A picture as the upper part of a backdrop, its middle."""
    return ImageOps.fit(picture, (SIDE, height), Image.Resampling.LANCZOS)


def tinted(name: str, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Image.Image:
    """A grey photograph in two colours."""
    return ImageOps.colorize(ImageOps.autocontrast(Image.open(bundled(name)).convert("L"), 1), dark, light)


def with_floor(wall: Image.Image, texture: Image.Image) -> Image.Image:
    """A wall or sky, and below it a texture laid on the floor, as a camera at eye level sees it."""
    picture = Image.new("RGB", (SIDE, SIDE))
    picture.paste(wall)
    rows, columns = np.mgrid[wall.height : SIDE, :SIDE].astype(np.float64)
    away = 340 / (rows - wall.height + 90)  # the horizon lies 90 pixels above the floor's edge
    places = np.stack([away * 400, (columns - SIDE / 2) * away + texture.width / 2])
    bands = [
        ndimage.map_coordinates(np.asarray(band, dtype=np.float64), places, order=1, mode="mirror")
        for band in texture.split()
    ]
    floor = np.stack(bands, axis=-1).round().clip(0, 255).astype(np.uint8)
    picture.paste(Image.fromarray(floor), (0, wall.height))
    return picture


def dusk() -> Image.Image:
    """The sky of the rocket's photograph, without the rocket: each row runs on from one side of it to the other."""
    sky = np.asarray(opened("rocket.jpg"), dtype=np.float64)[:330].copy()
    left, right = 288, 356
    ends = sky[:, left - 8 : left].mean(axis=1), sky[:, right : right + 8].mean(axis=1)
    share = np.linspace(0, 1, right - left)[None, :, None]
    filled = ends[0][:, None] * (1 - share) + ends[1][:, None] * share
    sky[:, left:right] = filled + np.random.default_rng(0).normal(0, 1.5, filled.shape)
    return Image.fromarray(sky.round().clip(0, 255).astype(np.uint8))


def backdrops() -> dict[str, Image.Image]:
    """Scenes made of photographs, by name."""
    brick = tinted("brick.png", (66, 30, 22), (226, 158, 128)).rotate(90, expand=True)
    grass = tinted("grass.png", (14, 30, 6), (168, 186, 100))
    gravel = tinted("gravel.png", (44, 40, 36), (220, 214, 204))
    moon = opened("moon.png")
    garage = opened("motorcycle_left.png").crop((0, 0, 325, 150))
    concrete = opened("motorcycle_left.png").crop((330, 440, 600, 500))
    wood = opened("coffee.png").crop((490, 130, 600, 400))
    stars = opened("hubble_deep_field.jpg")
    return {
        "brick wall and gravel": with_floor(upright(brick, 470), gravel),
        "brick wall and lawn": with_floor(upright(brick, 430), grass),
        "dusk and lawn": with_floor(upright(dusk(), 420), grass),
        "dusk and gravel": with_floor(upright(dusk().crop((60, 0, 600, 330)), 460), gravel),
        "garage": with_floor(upright(garage, 400), concrete.resize((810, 180), Image.Resampling.LANCZOS)),
        "moon and stars": with_floor(upright(stars, 400), moon),
        "table before bricks": with_floor(upright(brick, 380), wood.resize((440, 1080), Image.Resampling.LANCZOS)),
        "lawn": grass.resize((SIDE, SIDE), Image.Resampling.LANCZOS),
        "gravel": gravel.resize((SIDE, SIDE), Image.Resampling.LANCZOS),
    }


# Files


def views() -> dict[str, dict[str, Image.Image]]:
    """The pictures of each object by view."""
    found = {name: {view: turned(flat, *how) for view, how in VIEWS.items()} for name, flat in cut_outs().items()}
    pair = motorcycle()
    found["motorcycle"] = pair | {"turned": turned(pair["left camera"], *VIEWS["left"])}
    for name, box in COINS.items():
        coin = opened("coins.png").crop(box)
        size = coin.width * COIN_SCALE, coin.height * COIN_SCALE
        found[name] = {"front": coin.resize(size, Image.Resampling.LANCZOS)}
    return found


def main() -> None:
    """Read the arguments and write the directory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to make")
    out: Path = parser.parse_args().out
    if out.exists():
        parser.error(f"{out} is already there")
    rows = []
    for identity, pictures in sorted(views().items()):
        for view, picture in pictures.items():
            path = f"object/{identity}/{view}.png"
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            picture.save(out / path)
            rows.append(("object", identity, path, view, DESCRIPTIONS[identity]))
    (out / "backdrops").mkdir()
    for name, scene in backdrops().items():
        scene.save(out / "backdrops" / f"{name}.png")
    with open(out / "groups.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("kind", "identity", "path", "view", "description"), *rows])
    notes = (__doc__ or "").split("\n\n")[-1]
    (out / "README.md").write_text(f"# Photographs of the scikit-image package\n\n{notes}\n{CREDITS}", encoding="utf-8")
    print(f"{len(rows)} pictures of {len(DESCRIPTIONS)} objects: {out}")


if __name__ == "__main__":
    main()
