"""Objects cut out of photographs: every segmenter through its real classes, the care of masks, and the cache."""

import io
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from samcli.errors import UserError
from samcli.frozen import loading
from samcli.frozen.box_segmenter import BoxSegmenter, best_masks
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.photographs import photograph
from samcli.synth.photos.record import Photo, Record, Subject, Verdict, View
from samcli.synth.photos.segment.grounded import Grounded, detector_of
from samcli.synth.photos.segment.masks import Mask, Segmented, cleaned
from samcli.synth.photos.segment.plain import Plain, lab
from samcli.synth.photos.segment.sam3 import Sam3, best_instances
from samcli.synth.photos.segment.segmenter import Identity, Opened
from samcli.synth.photos.segment.stage import Segment
from samcli.synth.photos.stage import Rejected, Setting
from samcli.synth.world.sprites import Pose, draw_sprite
from samcli.synth.world.things import Thing, draw_thing
from tests.small_segmenters import SAM3_SIDE, SAM_SIDE, sam2, sam3, save_detector, save_sam, save_sam2, save_sam3

TOLERANCE = 10.0
WHITE, STUDIO, BLUE = (255, 255, 255), (236, 236, 232), (150, 180, 215)
Colour = tuple[int, int, int]


def disc(size: int, radius: float, middle: tuple[float, float] | None = None) -> Mask:
    y, x = np.mgrid[:size, :size]
    across, down = middle or (size / 2, size / 2)
    inside: Mask = (x - across) ** 2 + (y - down) ** 2 <= radius**2
    return inside


def overlap(found: Mask, true: Mask) -> float:
    return float((found & true).sum() / (found | true).sum())


def shop_photograph(
    thing: Thing, height: int, ground: Colour, *, fall: float = 0.0, shadow: bool = False, noise: float = 1.5
) -> tuple[Image.Image, Mask]:
    """A world thing on plain ground whose light falls off, as a JPEG; and its exact mask."""
    sprite = np.asarray(draw_sprite(thing, Pose(0, False), height), dtype=np.float64)
    margin = round(0.12 * max(sprite.shape[:2]))
    alpha = np.pad(sprite[..., 3] / 255, margin)
    colours = np.pad(sprite[..., :3], ((margin, margin), (margin, margin), (0, 0)))
    high, wide = alpha.shape
    light = np.linspace(1, 1 - fall, high)[:, None, None] * np.ones((high, wide, 3))
    if shadow:
        sheet = Image.new("L", (wide, high))
        foot = high - margin
        ImageDraw.Draw(sheet).ellipse(
            (margin * 0.8, foot - 0.04 * high, wide - margin * 0.4, foot + 0.04 * high), fill=120
        )
        light *= 1 - 0.8 * np.asarray(sheet.filter(ImageFilter.GaussianBlur(0.02 * high)))[..., None] / 255
    pixels = colours + np.asarray(ground) * light * (1 - alpha[..., None])
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return Image.open(buffer).convert("RGB"), alpha >= 0.5


def on_ground(mask: Mask, colour: Colour, ground: Colour) -> Image.Image:
    return Image.fromarray(np.where(mask[..., None], colour, ground).astype(np.uint8))


# Masks


def test_a_speck_is_filled_and_the_hole_of_a_ring_stays() -> None:
    ring = disc(100, 40) & ~disc(100, 20)
    speckled = ring & ~disc(100, 2, (50, 20))

    result = cleaned(speckled, score=0.9)

    assert (result.mask == ring).all()
    assert 0 < result.measures["holes"] < 0.01
    assert result.measures["score"] == 0.9
    assert result.measures["area"] == pytest.approx(ring.mean(), abs=1e-5)


def test_dust_is_dropped_large_parts_stay_and_the_share_of_the_largest_is_measured_before() -> None:
    large, second = disc(200, 40, (60, 60)), disc(200, 20, (150, 150))
    dust = disc(200, 1, (20, 180))

    result = cleaned(large | second | dust, score=1.0)

    assert (result.mask == (large | second)).all()
    assert result.measures["components"] == 3
    assert result.measures["main_part"] == pytest.approx(large.sum() / (large | second | dust).sum(), abs=1e-5)


@pytest.mark.parametrize(
    ("mask", "reason"), [(np.zeros, "nothing was segmented"), (np.ones, "everything was segmented")]
)
def test_masks_with_nothing_or_everything_in_them_are_rejected(mask: Callable[..., Mask], reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        cleaned(mask((50, 40), dtype=bool), score=1.0)
    assert caught.value.reason == reason
    assert "%" in caught.value.detail


def test_cleaning_random_masks() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        mask = ndimage.gaussian_filter(rng.normal(size=(60, 80)), 1 + seed % 4) > 0.02
        result = cleaned(mask, score=0.5)
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        assert (result.mask & largest).sum() == largest.sum()
        assert result.measures["components"] <= count
        again = cleaned(result.mask, score=0.5)
        assert (again.mask == result.mask).all()
        assert again.measures["holes"] == 0
        assert all(0 <= result.measures[name] <= 1 for name in ("score", "area", "holes", "main_part"))


# Plain backdrops


def test_lab_is_that_of_scikit_image() -> None:
    from skimage.color import rgb2lab

    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert np.abs(lab(pixels) - rgb2lab(pixels)).max() < 0.05


@pytest.mark.parametrize("shadow", [False, True])
@pytest.mark.parametrize(("ground", "fall"), [(STUDIO, 0.0), (WHITE, 0.0), (STUDIO, 0.25), (BLUE, 0.15)])
def test_things_are_cut_out_of_plain_ground_with_light_that_falls_off_and_shadows(
    ground: Colour, fall: float, shadow: bool
) -> None:
    rng = random.Random(3)
    for category, height in (("character", 300), ("furniture", 520), ("animal", 240), ("vehicle", 420)):
        photo, true = shop_photograph(draw_thing(rng, category), height, ground, fall=fall, shadow=shadow)
        result = Plain(TOLERANCE).cut(photo)
        assert result.mask.shape == (photo.height, photo.width)
        assert overlap(result.mask, true) > 0.95, category
        assert result.measures["score"] > 0.8


def test_outlines_of_large_photographs_are_drawn_at_their_own_size() -> None:
    true = disc(1500, 500)
    result = Plain(TOLERANCE).cut(on_ground(true, (180, 40, 60), STUDIO))
    assert overlap(result.mask, true) > 0.999


def test_a_white_object_on_white_ground_is_rejected_or_unsure() -> None:
    with pytest.raises(Rejected, match="nothing was segmented"):
        Plain(TOLERANCE).cut(on_ground(disc(300, 100), (252, 252, 252), WHITE))

    y, x = np.mgrid[:300, :300]
    shade = np.clip(255 - np.hypot(x - 100, y - 100) * 0.6, 0, 255)  # its light side runs into the ground
    pixels = np.where(disc(300, 110)[..., None], shade[..., None], 250.0)
    ball = Image.fromarray(np.repeat(pixels, 1 if pixels.shape[-1] == 3 else 3, axis=-1).astype(np.uint8))
    assert Plain(TOLERANCE).cut(ball).measures["score"] < 0.7


def test_white_parts_within_an_object_stay_on_white_ground() -> None:
    card = disc(300, 120)
    pixels = np.asarray(on_ground(card, (30, 60, 120), WHITE)).copy()
    pixels[disc(300, 70)] = 255
    assert overlap(Plain(TOLERANCE).cut(Image.fromarray(pixels)).mask, card) > 0.98


def test_the_backdrop_is_seen_through_a_ring_unless_it_is_pure_white() -> None:
    ring = disc(300, 120) & ~disc(300, 70)
    assert overlap(Plain(TOLERANCE).cut(on_ground(ring, (30, 60, 120), STUDIO)).mask, ring) > 0.98
    painted = np.asarray(on_ground(ring, (30, 60, 120), STUDIO)).copy()
    painted[disc(300, 60)] = 255  # white paint on grey ground is told from it
    assert Plain(TOLERANCE).cut(Image.fromarray(painted)).mask[150, 150]


def test_an_object_may_reach_the_photographs_border() -> None:
    body = np.zeros((300, 300), dtype=bool)
    body[60:, 100:200] = True
    assert overlap(Plain(TOLERANCE).cut(on_ground(body, (40, 90, 50), STUDIO)).mask, body) > 0.98


def test_a_border_that_is_not_plain_is_rejected_with_what_was_measured() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3)).astype(np.uint8)
    with pytest.raises(Rejected) as caught:
        Plain(TOLERANCE).cut(Image.fromarray(noise))
    assert caught.value.reason == "backdrop is not plain"
    assert "median distance" in caught.value.detail


def test_an_alpha_channel_is_taken_as_it_is_unless_it_hides_nothing() -> None:
    scene = Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8))
    ring = disc(100, 40) & ~disc(100, 3)
    result = Plain(TOLERANCE).cut(scene, Image.fromarray(ring.astype(np.uint8) * 255))
    assert (result.mask == ring).all()
    assert result.measures["score"] == 1

    whole = disc(100, 30)
    opaque = Image.new("L", (100, 100), 254)
    assert overlap(Plain(TOLERANCE).cut(on_ground(whole, (200, 0, 0), WHITE), opaque).mask, whole) > 0.97


# The stage and its cache


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return setting_of(tmp_path)


def setting_of(home: Path, **segment: Any) -> Setting:
    root = home / "photos"
    root.mkdir(exist_ok=True)
    objects = {"person": {}, "icon": {"form": "grid"}, "cover": {"form": "covers"}}
    recipe = {"root": str(root), "segment": segment, "device": "cpu", "objects": objects}
    return Setting(MmlinkRecipe.model_validate(recipe), home / "run")


def save_photo(setting: Setting, name: str, *, side: int = 120, radius: float = 40, seed: int = 0, **how: Any) -> Photo:
    path = setting.root / name
    colour = tuple(int(value) for value in np.random.default_rng(seed).integers(0, 120, 3))
    on_ground(disc(side, radius), (colour[0], colour[1], colour[2]), STUDIO).save(path, **how)
    return Photo(identity=name, path=name)


def record_of(*photos: Photo, kind: str = "person", number: int = 0) -> Record:
    views = [View(subjects=[Subject(photo=photo)]) for photo in photos]
    return Record(id=number, seed=str(number), object=kind, views=views)


def count_cuts(monkeypatch: pytest.MonkeyPatch) -> list[Image.Image]:
    seen: list[Image.Image] = []
    cut = Plain.cut

    def counted(self: Plain, photo: Image.Image, alpha: Image.Image | None = None) -> Segmented:
        seen.append(photo)
        return cut(self, photo, alpha)

    monkeypatch.setattr(Plain, "cut", counted)
    return seen


def test_the_stage_sets_masks_measures_and_scores(setting: Setting) -> None:
    large, small = save_photo(setting, "large.png", radius=50), save_photo(setting, "small.png", radius=20)
    record = record_of(large, small)

    assert Segment(setting)([record]) == [record]

    for subject, radius in zip(record.subjects, (50, 20), strict=True):
        assert subject.mask is not None
        assert subject.mask.startswith("masks/")
        mask = Image.open(setting.out / subject.mask)
        assert (mask.mode, mask.size) == ("L", (120, 120))
        assert set(np.unique(np.asarray(mask))) == {0, 255}
        assert subject.measures["area"] == pytest.approx(disc(120, radius).mean(), rel=0.03)
        assert (setting.out / subject.mask).with_suffix(".json").is_file()
    first, second = (subject.measures for subject in record.subjects)
    assert record.scores == {
        "mask_score": 1.0,
        "mask_area_least": second["area"],
        "mask_area_most": first["area"],
        "mask_holes": 0.0,
        "mask_main_part": 1.0,
    }


def test_a_photograph_is_asked_about_once_whatever_it_is_called(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = count_cuts(monkeypatch)
    photo, same = save_photo(setting, "a.png"), save_photo(setting, "copy.png")
    bad = Photo(identity="bad", path="bad.png")
    Image.new("RGB", (60, 60), STUDIO).save(setting.root / bad.path)
    records = [record_of(photo, same), record_of(photo, bad, number=1)]

    Segment(setting)(records)
    again = Segment(setting)([record_of(photo, same), record_of(photo, bad, number=1)])

    assert len(seen) == 2  # the object, and the photograph of nothing
    assert again == records
    assert records[0].subjects[0].mask == records[0].subjects[1].mask
    assert records[1].rejected == Verdict(
        stage="segment", reason="nothing was segmented", detail="bad.png: 0.00% of the photograph"
    )


@pytest.mark.parametrize("damaged", [".png", ".json"])
@pytest.mark.parametrize("damage", [b"", b"{not what it was"])
def test_a_damaged_file_is_made_anew(setting: Setting, damaged: str, damage: bytes) -> None:
    photo = save_photo(setting, "a.png")
    record = record_of(photo)
    Segment(setting)([record])
    mask = setting.out / str(record.subjects[0].mask)
    before = mask.read_bytes(), mask.with_suffix(".json").read_bytes()
    mask.with_suffix(damaged).write_bytes(damage)

    again = record_of(photo)
    Segment(setting)([again])

    assert again == record
    assert (mask.read_bytes(), mask.with_suffix(".json").read_bytes()) == before
    assert not list(mask.parent.glob(".*"))


def test_other_settings_and_other_photographs_get_other_masks(tmp_path: Path) -> None:
    masks = set()
    for tolerance, seed in ((10.0, 0), (12.0, 0), (10.0, 1)):
        setting = setting_of(tmp_path, tolerance=tolerance)
        record = record_of(save_photo(setting, "a.png", seed=seed))
        Segment(setting)([record])
        masks.add(record.subjects[0].mask)
    assert len(masks) == 3


def test_a_photograph_that_cannot_be_read_is_rejected_by_name_until_it_is_mended(setting: Setting) -> None:
    missing, outside = Photo(identity="m", path="missing.png"), Photo(identity="o", path="../outside.png")
    on_ground(disc(60, 20), (0, 0, 0), WHITE).save(setting.root.parent / "outside.png")
    records = [record_of(missing), record_of(outside, number=1)]

    Segment(setting)(records)

    for record, name in zip(records, ("missing.png", "outside.png"), strict=True):
        assert record.rejected is not None
        assert record.rejected.reason == "photograph unreadable"
        assert name in record.rejected.detail
    save_photo(setting, "missing.png")
    mended = record_of(missing)
    Segment(setting)([mended])
    assert mended.is_open


def test_masks_fit_photographs_that_exif_data_turns_and_alpha_channels_count(setting: Setting) -> None:
    body = np.zeros((80, 160), dtype=bool)
    body[20:60, 10:70] = True  # the left of the stored picture, the top of the turned one
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    on_ground(body, (200, 30, 30), STUDIO).save(setting.root / "turned.jpg", exif=exif, quality=95, subsampling=0)
    cut = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3)).astype(np.uint8))
    hole = np.zeros((90, 70), dtype=np.uint8)
    hole[10:80, 10:60] = 255
    cut.putalpha(Image.fromarray(hole))
    cut.save(setting.root / "cut.png")
    record = record_of(Photo(identity="t", path="turned.jpg"), Photo(identity="c", path="cut.png"))

    Segment(setting)([record])

    turned, own = (np.asarray(Image.open(setting.out / str(subject.mask))) > 0 for subject in record.subjects)
    assert turned.shape == (160, 80)
    assert overlap(turned, np.rot90(body, -1)) > 0.95
    assert photograph(setting.root, record.subjects[0].photo)[0].size == (80, 160)
    assert (own == (hole > 0)).all()


def test_covers_stay_whole_and_icons_may_be_of_several_parts_and_fill_their_pictures(setting: Setting) -> None:
    dots = disc(120, 20, (40, 40)) | disc(120, 20, (80, 80))
    on_ground(dots, (20, 20, 200), STUDIO).save(setting.root / "dots.png")
    icon = record_of(Photo(identity="d", path="dots.png"), kind="icon")
    cover = record_of(Photo(identity="missing", path="missing.png"), kind="cover", number=1)

    Segment(setting)([icon, cover])

    assert cover.subjects[0].mask is None
    assert cover.is_open
    assert set(icon.scores) == {"mask_score", "mask_area_least", "mask_holes"}
    assert icon.subjects[0].measures["main_part"] < 0.6


def test_records_that_are_rejected_already_are_left_alone(setting: Setting) -> None:
    record = record_of(Photo(identity="m", path="missing.png"))
    record.rejected = Verdict(stage="group", reason="too few views")
    before = record.model_copy(deep=True)
    assert Segment(setting)([record]) == [before]


def test_models_are_given_photographs_of_one_size_and_noun_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = setting_of(tmp_path, kind="grounded")
    batches: list[tuple[str, list[tuple[int, int]]]] = []

    class Spy:
        batch = 3

        def identity(self, noun: str) -> Identity:
            return {"segmenter": "spy", "noun": noun}

        def __call__(self, photos: Sequence[Opened], noun: str) -> list[Segmented | Rejected]:
            batches.append((noun, [photo.size for photo, _ in photos]))
            return [cleaned(disc(photo.width, 20), 1.0) for photo, _ in photos]

    monkeypatch.setattr("samcli.synth.photos.segment.stage.build_segmenter", lambda recipe: Spy())
    photos = [save_photo(setting, f"{i}.png", side=side, seed=i) for i, side in enumerate((90, 90, 90, 90, 60, 60))]
    last = save_photo(setting, "chair.png", side=60, seed=9)

    Segment(setting)([record_of(*photos), record_of(last, kind="chair", number=1)])

    assert batches == [
        ("person", [(90, 90)] * 3),
        ("person", [(90, 90)]),
        ("person", [(60, 60)] * 2),
        ("chair", [(60, 60)]),
    ]


# Models


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("weights")
    save_detector(home / "dino")
    save_sam(home / "sam")
    return home


def grounded(home: Path, weights: Path, **more: Any) -> Setting:
    models = {"detector": str(weights / "dino"), "model": str(weights / "sam")}
    return setting_of(home, kind="grounded", **models | more)


def scene(seed: int, size: tuple[int, int] = (80, 100)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8))


def test_grounding_dino_and_segment_anything_give_a_mask(tmp_path: Path, weights: Path) -> None:
    setting = grounded(tmp_path, weights)
    for number in range(2):
        scene(number).save(setting.root / f"{number}.png")
    photos = [Photo(identity=str(number), path=f"{number}.png") for number in range(2)]
    record = record_of(*photos)

    Segment(setting)([record])

    assert record.is_open, record.rejected
    for number, subject in enumerate(record.subjects):
        mask = np.asarray(Image.open(setting.out / str(subject.mask))) > 0
        assert mask.shape == (80, 100)
        (boxes,) = detector_of(setting.recipe, str(weights / "dino"), None)([scene(number)], "person")
        ((own, fit),) = BoxSegmenter(str(weights / "sam"), None, "cpu", "float32")([scene(number)], [boxes.corners[0]])
        assert (mask == cleaned(own, fit).mask).all()
        assert subject.measures["box_score"] == pytest.approx(float(boxes.scores[0]), abs=1e-5)
        assert subject.measures["instances"] == len(boxes.scores)


def test_a_mask_does_not_depend_on_the_other_photographs(tmp_path: Path, weights: Path) -> None:
    files = []
    for name, alone in (("alone", True), ("together", False)):
        home = tmp_path / name
        home.mkdir()
        setting = grounded(home, weights)
        for number in range(3):
            scene(number).save(setting.root / f"{number}.png")
        records = [record_of(Photo(identity=str(i), path=f"{i}.png"), number=i) for i in range(3)]
        stage = Segment(setting)
        for batch in [[record] for record in records] if alone else [records]:
            stage(batch)
        files.append({path.name: path.read_bytes() for path in (setting.out / "masks").rglob("*.*")})
    assert len(files[0]) == 6
    assert files[0] == files[1]


def test_the_second_run_asks_no_model(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = grounded(tmp_path, weights)
    scene(0).save(setting.root / "0.png")
    record = record_of(Photo(identity="0", path="0.png"))
    Segment(setting)([record])

    def refuse(*_: Any) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Grounded, "__call__", refuse)
    again = record_of(Photo(identity="0", path="0.png"))
    Segment(setting)([again])
    assert again == record


def test_masks_are_made_anew_for_another_noun_threshold_or_weights(tmp_path: Path, weights: Path) -> None:
    def identity(noun: str = "person", detector: str = "dino", **more: Any) -> str:
        setting = grounded(tmp_path, weights, detector=str(weights / detector), **more)
        return json.dumps(Grounded(setting.recipe).identity(noun), sort_keys=True)

    save_detector(weights / "other", seed=1)
    save_detector(weights / "same")
    assert identity() == identity(detector="same")  # by what they hold, not by what they are called
    assert len({identity(), identity("chair"), identity(box_threshold=0.3), identity(detector="other")}) == 4


def test_boxes_are_within_the_picture_the_surest_first_and_counted(tmp_path: Path, weights: Path) -> None:
    setting = grounded(tmp_path, weights)
    detector = detector_of(setting.recipe, str(weights / "dino"), None)
    (boxes,) = detector([scene(0)], "Person.")
    assert len(boxes.scores) > 1
    assert (np.diff(boxes.scores) <= 0).all()
    assert (boxes.scores > setting.recipe.segment.box_threshold).all()
    assert (boxes.corners >= 0).all()
    assert (boxes.corners <= [100, 80, 100, 80]).all()
    assert (boxes.corners[:, :2] < boxes.corners[:, 2:]).all()
    assert detector.count(scene(0), "person") == len(boxes.scores)


def test_where_no_box_is_sure_enough_no_object_was_found(tmp_path: Path, weights: Path) -> None:
    setting = grounded(tmp_path, weights, box_threshold=1.0)
    scene(0).save(setting.root / "0.png")
    record = record_of(Photo(identity="0", path="0.png"))
    Segment(setting)([record])
    assert record.rejected == Verdict(stage="segment", reason="object not found", detail="0.png: no box for 'person'")


def test_models_work_in_bfloat16(tmp_path: Path, weights: Path) -> None:
    recipe = grounded(tmp_path, weights).recipe.model_copy(update={"dtype": "bfloat16"})
    (result,) = Grounded(recipe)([(scene(0), None)], "person")
    assert isinstance(result, Segmented)


def test_segment_anything_1_and_2_give_the_mask_that_fits_best(weights: Path) -> None:
    from transformers import SamModel

    pixels = torch.randn(2, 3, SAM_SIDE, SAM_SIDE, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[[4.0, 5, 30, 40]], [[20, 10, 60, 60]]])
    model: Any
    for model in (SamModel.from_pretrained(weights / "sam").eval(), sam2()):
        logits, fits = best_masks(model, pixels, boxes)
        with torch.inference_mode():
            outputs = model(pixel_values=pixels, input_boxes=boxes, multimask_output=True)
        for number in range(2):
            best = int(outputs.iou_scores[number, 0].argmax())
            assert outputs.iou_scores.shape[-1] == 3
            assert torch.equal(logits[number, 0, 0], outputs.pred_masks[number, 0, best])
            assert float(fits[number, 0]) == pytest.approx(float(outputs.iou_scores[number, 0, best].clamp(0, 1)))


def sam3_outputs() -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        return sam3()(
            pixel_values=torch.randn(2, 3, SAM3_SIDE, SAM3_SIDE, generator=generator),
            input_ids=torch.randint(2, 60, (2, 32), generator=generator),
            attention_mask=torch.ones(2, 32, dtype=torch.long),
        )


def test_segment_anything_3_gives_the_surest_instance() -> None:
    outputs, sizes = sam3_outputs(), [(70, 90), (60, 50)]
    scores = outputs.pred_logits.sigmoid() * outputs.presence_logits.sigmoid()

    found = best_instances(outputs, 0.1, 0.5, sizes)

    for number, (one, size) in enumerate(zip(found, sizes, strict=True)):
        assert one is not None
        best = int(scores[number].argmax())
        masks = torch.nn.functional.interpolate(
            outputs.pred_masks[number : number + 1].sigmoid(), size=size, mode="bilinear", align_corners=False
        )
        assert one.mask.shape == size
        assert (one.mask == (masks[0, best] > 0.5).numpy()).all()
        assert one.score == pytest.approx(float(scores[number, best]))
        assert one.instances == int((scores[number] > 0.1).sum())
    assert best_instances(outputs, 0.99, 0.5, sizes) == [None, None]


def test_newer_models_say_that_they_want_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    sam2().save_pretrained(tmp_path / "sam2")
    sam3().save_pretrained(tmp_path / "sam3")
    recipe = setting_of(tmp_path).recipe
    with pytest.raises(UserError, match=r"pip install torchvision, or use a Segment Anything 1"):
        BoxSegmenter(str(tmp_path / "sam2"), None, "cpu", "float32")
    recipe = setting_of(tmp_path, model=str(tmp_path / "sam3")).recipe
    with pytest.raises(UserError, match=r"pip install torchvision, or use segment\.kind grounded or plain"):
        Sam3(recipe)


def test_models_of_another_kind_and_models_that_are_nowhere_are_named(tmp_path: Path, weights: Path) -> None:
    recipe = setting_of(tmp_path).recipe
    with pytest.raises(UserError, match=r"dino is a grounding-dino model; needed is Segment Anything 1 or 2"):
        BoxSegmenter(str(weights / "dino"), None, "cpu", "float32")
    with pytest.raises(UserError, match=r"nowhere: neither a directory nor a hub id"):
        detector_of(recipe, "nowhere", None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: .*can't be loaded"):
        detector_of(recipe, str(tmp_path / "empty"), None)


def test_segment_anything_2_end_to_end(tmp_path: Path, weights: Path) -> None:
    pytest.importorskip("torchvision")
    setting = grounded(tmp_path, weights, model=str(save_sam2(tmp_path / "sam2")))
    (result,) = Grounded(setting.recipe)([(scene(0), None)], "person")
    assert isinstance(result, Segmented)
    assert result.mask.shape == (80, 100)


def test_segment_anything_3_end_to_end(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    recipe = setting_of(tmp_path, kind="sam3", model=str(save_sam3(tmp_path / "sam3")), box_threshold=0.01).recipe
    segmenter = Sam3(recipe)
    (result,) = segmenter([(scene(0), None)], "person")
    assert isinstance(result, Segmented)
    assert result.mask.shape == (80, 100)
    inputs = segmenter._processor(images=[scene(0)], text=["person"], return_tensors="pt")
    inputs = {name: inputs[name] for name in ("pixel_values", "input_ids", "attention_mask")}
    with torch.inference_mode():
        outputs = segmenter._model(**inputs)
    theirs = segmenter._processor.post_process_instance_segmentation(
        outputs, threshold=0.01, mask_threshold=0.5, target_sizes=[(80, 100)]
    )[0]
    (ours,) = best_instances(outputs, 0.01, 0.5, [(80, 100)])
    assert ours is not None
    best = int(theirs["scores"].argmax())
    assert ours.score == pytest.approx(float(theirs["scores"][best]))
    assert (ours.mask == theirs["masks"][best].bool().numpy()).all()


def test_nothing_heavy_is_imported_before_a_model_is_asked_for() -> None:
    code = (
        "import sys; import samcli.synth.photos.segment.stage, samcli.synth.photos.segment.grounded, "
        "samcli.synth.photos.segment.sam3; print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
