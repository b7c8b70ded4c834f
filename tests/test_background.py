"""Backgrounds, painted by a real inpainting pipeline of random weights or cropped from scenes; objects stay."""

import colorsys
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage import data as photographs

from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.background.backdrop import crops
from samcli.synth.photos.background.diffusion import Diffusion, to_repaint
from samcli.synth.photos.background.light import LEAST_GAIN, MOST_CHANGE, MOST_GAIN, cast_shadows, match_light
from samcli.synth.photos.background.painting import Painted, Task, drift, spread
from samcli.synth.photos.background.scenes import WRITTEN, choose_scenes, pool_file, read_pool
from samcli.synth.photos.background.stage import Inpaint, build_background
from samcli.synth.photos.canvas import foreground, on_ground
from samcli.synth.photos.record import Photo, Place, Record, Subject, Verdict, View
from samcli.synth.photos.stage import Setting
from tests.small_inpainting import save_inpainting

SIZE = 128
RED, BLUE = (220, 20, 30), (20, 40, 210)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    save_inpainting(directory / "nine")
    save_inpainting(directory / "four", channels=4)
    save_inpainting(directory / "strict", strict=True)
    save_inpainting(directory / "lenient", strict=False)
    return directory


def a_setting(place: Path, out: str = "out", **sections: Any) -> Setting:
    """A root with a photograph of a red ball and its mask."""
    setting = Setting(MmlinkRecipe.model_validate({"root": str(place / "root"), "size": SIZE, **sections}), place / out)
    setting.root.mkdir(exist_ok=True)
    setting.out.mkdir(exist_ok=True)
    photo, mask = Image.new("RGB", (100, 120), "white"), Image.new("L", (100, 120))
    ImageDraw.Draw(photo).ellipse((10, 10, 90, 110), RED)
    ImageDraw.Draw(mask).ellipse((10, 10, 90, 110), 255)
    photo.save(setting.root / "ball.png")
    mask.save(setting.out / "mask.png")
    return setting


def inpainting(place: Path, model: Path, out: str = "out", **background: Any) -> Setting:
    background = {"kind": "diffusion", "model": str(model), "steps": 2, **background}
    return a_setting(place, out, background=background, device="cpu")


def with_backdrops(place: Path, **pictures: Image.Image) -> Path:
    for name, picture in pictures.items():
        file = place / "root" / "backdrops" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
    return place


def a_record(number: int = 0, kind: str = "toy") -> Record:
    rng = random.Random(number)
    views = [
        View(subjects=[Subject(photo=Photo(identity="ball", path="ball.png"), mask="mask.png", place=place)])
        for place in (Place(left=rng.randint(5, 60), top=rng.randint(10, 40), width=50, height=62) for _ in range(2))
    ]
    return Record(id=number, seed=f"seed {number}", object=kind, views=views)


def picture(setting: Setting, view: View) -> Image.Image:
    assert view.picture is not None
    return Image.open(setting.out / view.picture).convert("RGB")


def array(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, dtype=np.float32)


def tasks_of(setting: Setting, *records: Record) -> list[Task]:
    for record in records:
        choose_scenes(setting, record)
    return [Task(record, n, foreground(setting, view)) for record in records for n, view in enumerate(record.views, 1)]


def all_bytes(setting: Setting) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((setting.out / "images").iterdir())}


@pytest.mark.parametrize("model", ["nine", "four"])
def test_inpainting_keeps_the_objects_pixels_and_measures_what_it_would_have_done_to_them(
    models: Path, tmp_path: Path, model: str
) -> None:
    setting = inpainting(tmp_path, models / model)
    record = a_record()
    assert build_background(setting)([record]) == [record]
    assert record.rejected is None
    assert [view.picture for view in record.views] == ["images/00000000_1.png", "images/00000000_2.png"]
    for view in record.views:
        made, objects = picture(setting, view), foreground(setting, view)
        canvas, alpha = on_ground(objects), np.asarray(objects)[..., 3]
        assert made.size == (SIZE, SIZE)
        assert np.array_equal(np.asarray(made)[alpha == 255], np.asarray(canvas)[alpha == 255])
        assert np.abs(array(made) - array(canvas))[alpha == 0].mean() > 5
    assert 0.02 < record.scores["drift"] <= 1
    assert record.scores["spread"] > 0
    assert str(models / model) in record.notes["inpaint"]


def test_drift_is_that_of_the_models_own_picture_in_the_view_that_is_worst_off(models: Path, tmp_path: Path) -> None:
    setting = inpainting(tmp_path, models / "nine")
    record = a_record()
    painter = Diffusion(setting)
    painted = painter(tasks_of(setting, record))
    Inpaint(setting, painter)([record])
    drifts = [one.drift for one in painted if isinstance(one, Painted)]
    assert len(set(drifts)) == 2
    assert record.scores["drift"] == max(drifts)


def test_white_is_repainted_and_black_is_kept(models: Path, tmp_path: Path) -> None:
    setting = inpainting(tmp_path, models / "four")  # four channels: latents outside the mask are the canvas's own
    objects = foreground(setting, a_record().views[0])
    alpha, mask = np.asarray(objects)[..., 3], np.asarray(to_repaint(objects))
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[alpha == 255] == 0).all()
    assert (mask[alpha < 128] == 255).all()

    one, other = a_record(), a_record()
    other.seed = "another seed"
    first, _, second, _ = Diffusion(setting)(tasks_of(setting, one, other))
    assert isinstance(first, Painted)
    assert isinstance(second, Painted)
    kept = drift(first.ground, second.ground, objects.getchannel("A"))
    free = np.abs(array(first.ground) - array(second.ground))[alpha == 0].mean() / 255
    assert kept < 0.6 * free


def test_the_same_seed_gives_the_same_bytes_alone_and_in_company(models: Path, tmp_path: Path) -> None:
    together, alone = (inpainting(tmp_path, models / "nine", out) for out in ("together", "alone"))
    build_background(together)([a_record(number) for number in range(3)])
    stage = build_background(alone)
    for number in (2, 0, 1):
        stage([a_record(number)])
    assert all_bytes(together) == all_bytes(alone)
    assert len(set(all_bytes(alone).values())) == 6


def test_the_models_are_asked_for_the_scene_without_a_second_object(models: Path, tmp_path: Path) -> None:
    setting = a_setting(
        tmp_path,
        background={"kind": "diffusion", "model": str(models / "nine"), "guidance_scale": 3.5, "steps": 7},
        objects={"toy": {"noun": "ball"}},
    )
    asked: list[dict[str, Any]] = []
    painter = Diffusion(setting)

    def paint(**wishes: Any) -> SimpleNamespace:
        asked.append(wishes)
        return some_pictures(wishes)

    painter.pipeline = paint
    record = a_record()
    painter(tasks_of(setting, record))
    for wishes, view in zip(asked, record.views, strict=True):
        assert str(view.scene) in wishes["prompt"][0]
        assert "empty" in wishes["prompt"][0]
        assert "second ball" in wishes["negative_prompt"][0]
        assert (wishes["guidance_scale"], wishes["num_inference_steps"]) == (3.5, 7)
        assert (wishes["width"], wishes["height"]) == (SIZE, SIZE)


def some_pictures(wishes: dict[str, Any]) -> SimpleNamespace:
    noise = [torch.rand(SIZE, SIZE, 3, generator=generator).numpy() for generator in wishes["generator"]]
    return SimpleNamespace(images=np.stack(noise), nsfw_content_detected=None)


def test_a_black_frame_is_told_by_its_spread(models: Path, tmp_path: Path) -> None:
    painter = Diffusion(setting := inpainting(tmp_path, models / "nine"))
    painter.pipeline.vae.decoder.conv_out.weight.data.zero_()
    painter.pipeline.vae.decoder.conv_out.bias.data.fill_(-1)
    Inpaint(setting, painter)([record := a_record()])
    assert record.is_open
    assert record.scores["spread"] == 0


def test_pixels_that_are_no_numbers_are_no_picture(models: Path, tmp_path: Path) -> None:
    painter = Diffusion(setting := inpainting(tmp_path, models / "lenient"))
    painter.pipeline.vae.decoder.conv_out.bias.data.fill_(float("nan"))
    Inpaint(setting, painter)([record := a_record()])
    assert record.rejected is not None
    assert (record.rejected.stage, record.rejected.reason) == ("inpaint", "the inpainting model returned no picture")


def test_what_the_safety_filter_strikes_is_rejected_and_leaves_no_picture(models: Path, tmp_path: Path) -> None:
    record = a_record()
    setting = inpainting(tmp_path, models / "strict")
    build_background(setting)([record])
    assert record.rejected is not None
    assert record.rejected.reason == "the inpainting model's safety filter struck"
    assert not (setting.out / "images").exists()
    assert all(view.picture is None for view in record.views)
    build_background(inpainting(tmp_path, models / "lenient"))([fine := a_record()])
    assert fine.is_open


def test_fewer_are_painted_at_once_when_memory_runs_out(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = inpainting(tmp_path, models / "nine")
    painter, sizes = Diffusion(setting), []

    def small_memory(**wishes: Any) -> SimpleNamespace:
        sizes.append(len(wishes["prompt"]))
        made = some_pictures(wishes)  # draws from the generators, as a model does before it fails
        if len(wishes["prompt"]) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return made

    records = [a_record(number) for number in range(4)]
    expected = Diffusion(setting)
    expected.pipeline, painter.pipeline = lambda **wishes: some_pictures(wishes), small_memory
    painter.at_once = 8
    painted, again = painter(tasks_of(setting, *records)), painter(tasks_of(setting, *records))
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert [one.ground for one in painted] == [one.ground for one in expected(tasks_of(setting, *records))]  # type: ignore[union-attr]
    assert len(again) == 8
    assert capsys.readouterr().err.count("out of GPU memory") == 1


def test_memory_for_not_even_one_picture_stops_the_run(models: Path, tmp_path: Path) -> None:
    def no_memory(**_: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    painter = Diffusion(setting := inpainting(tmp_path, models / "nine"))
    painter.pipeline = no_memory
    with pytest.raises(UserError, match=f"out of memory painting a picture of {SIZE} x {SIZE} pixels; use dtype"):
        painter(tasks_of(setting, a_record()))
    painter.pipeline = lambda **_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        painter(tasks_of(setting, a_record()))


def test_inpainting_that_cant_be_begun_is_told_in_one_line(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for model, message in (
        (empty, "can't be loaded as an inpainting model"),
        (Path("/nowhere"), "neither a directory"),
    ):
        with pytest.raises(UserError, match=message):
            build_background(inpainting(tmp_path, model))
    odd = a_setting(tmp_path, size=132, background={"kind": "diffusion", "model": str(models / "nine")})
    with pytest.raises(UserError, match="size: 132 pixels; inpainting models need a multiple of 8"):
        build_background(odd)
    with pytest.raises(UserError, match=r"scenes can't be read"):
        build_background(inpainting(tmp_path, models / "nine", scenes=str(tmp_path / "none.txt")))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(UserError, match=r"pip install 'samcli\[inpaint\]'"):
        build_background(inpainting(tmp_path, models / "nine"))


def test_weights_that_would_be_unpickled_are_never_read(models: Path, tmp_path: Path) -> None:
    directory = save_inpainting(tmp_path / "pickled")
    torch.save({}, directory / "unet" / "diffusion_pytorch_model.bin")
    (directory / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(UserError, match="can't be loaded as an inpainting model"):
        build_background(inpainting(tmp_path, directory))


def test_the_shipped_scenes_are_many_and_empty_of_living_beings(tmp_path: Path) -> None:
    pool = read_pool(pool_file(a_setting(tmp_path)))
    living = "people person man woman child children crowd girl boy dog cat horse bird gull cow sheep bee fish".split()
    assert len(pool) >= 300
    assert len({scene.place for scene in pool}) >= 20
    assert "version 1" not in {scene.place for scene in pool}
    for scene in pool:
        assert not scene.words & set(living), scene.line
        assert 5 <= len(scene.line.split()) <= 20, scene.line


def test_the_two_scenes_of_a_record_have_nothing_in_common(tmp_path: Path) -> None:
    setting = a_setting(tmp_path, background={"kind": "diffusion"})
    known = {scene.line: scene for scene in read_pool(pool_file(setting))}
    chosen = []
    for number in range(200):
        record = a_record(number)
        choose_scenes(setting, record)
        one, other = (known[str(view.scene)] for view in record.views)
        assert one.place != other.place
        assert not one.words & other.words
        chosen += [one, other]
        again = a_record(number)
        choose_scenes(setting, again)
        assert [view.scene for view in again.views] == [one.line, other.line]
    assert len({scene.line for scene in chosen}) > 150
    kept = a_record()
    kept.views[0].scene = "a scene of before"
    choose_scenes(setting, kept)
    assert kept.views[0].scene == "a scene of before"
    assert kept.views[1].scene is not None


def test_scenes_may_come_from_a_file_or_from_a_language_model(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("# version 3\n# sea\na calm bay\n\na calm bay\n# wood\na dark wood\n")
    setting = a_setting(tmp_path, background={"kind": "diffusion", "scenes": str(own)})
    choose_scenes(setting, record := a_record())
    assert {view.scene for view in record.views} == {"a calm bay", "a dark wood"}

    written = a_setting(tmp_path, background={"kind": "diffusion", "writer": "api:any"})
    with pytest.raises(UserError, match="scenes can't be read"):
        choose_scenes(written, a_record())
    (written.out / WRITTEN).write_text("a long beach at noon\n")
    with pytest.raises(UserError, match="1 scene; two different ones are the least"):
        choose_scenes(written, a_record())
    (written.out / WRITTEN).write_text("a long beach at noon\na wide beach at noon\na cave\n")
    for number in range(10):
        choose_scenes(written, record := a_record(number))
        assert "a cave" in {view.scene for view in record.views}


READY: list[Any] = [photographs.coffee, photographs.chelsea]


def scenes(place: Path) -> Path:
    coffee, cat = (Image.fromarray(picture()) for picture in READY)
    return with_backdrops(place, coffee=coffee, cat=cat)


def test_backdrops_are_crops_of_two_pictures_the_same_for_the_same_seed(tmp_path: Path) -> None:
    with_scenes = scenes(tmp_path)
    together, alone = (a_setting(with_scenes, out) for out in ("together", "alone"))
    records = [a_record(number) for number in range(4)]
    build_background(together)(records)
    for number in (3, 1, 0, 2):
        build_background(alone)([a_record(number)])
    assert all_bytes(together) == all_bytes(alone)
    assert len(set(all_bytes(alone).values())) == 8
    for record in records:
        assert {view.scene for view in record.views} == {"backdrops/coffee.png", "backdrops/cat.png"}
        assert record.scores["spread"] > 0.05
        assert 0 < record.scores["drift"] <= MOST_CHANGE + 1 / 255


def test_without_light_matching_objects_stay_as_they_are(tmp_path: Path) -> None:
    setting = a_setting(scenes(tmp_path), background={"match_light": False})
    build_background(setting)([record := a_record()])
    assert record.scores["drift"] == 0
    for view in record.views:
        objects = np.asarray(foreground(setting, view))
        opaque = objects[..., 3] == 255
        assert np.array_equal(np.asarray(picture(setting, view))[opaque], objects[opaque][:, :3])


def test_one_backdrop_gives_two_crops_far_apart() -> None:
    for size in ((900, 600), (600, 600)):
        shared = []
        for number in range(50):
            rng = random.Random(number)
            (one, mirrored), (other, turned) = crops(rng, size, 128, 2)
            assert mirrored != turned
            for left, top, right, bottom in (one, other):
                assert min(left, top) >= 0
                assert (right, bottom) <= size
                assert bottom <= size[1]
                assert right - left == bottom - top >= 300
            width = min(one[2], other[2]) - max(one[0], other[0])
            height = min(one[3], other[3]) - max(one[1], other[1])
            shared.append(max(0, width) * max(0, height) / min((box[2] - box[0]) ** 2 for box in (one, other)))
        assert np.mean(shared) < 0.3


def test_backdrops_smaller_than_the_canvas_are_shown_whole_in_height() -> None:
    (box, _), *_ = crops(random.Random(0), (150, 100), 128, 1)
    assert box[3] - box[1] == 100


def test_without_backdrops_scenes_are_painted(tmp_path: Path) -> None:
    setting, again = a_setting(tmp_path), a_setting(tmp_path, "again")
    build_background(setting)([record := a_record()])
    build_background(again)([a_record()])
    assert all_bytes(setting) == all_bytes(again)
    first, second = (str(view.scene) for view in record.views)
    assert first.startswith("painted: ")
    assert first.split(", ")[0] != second.split(", ")[0]
    assert record.scores["spread"] > 0.02


def test_a_backdrop_that_cant_be_read_costs_its_records_only(tmp_path: Path) -> None:
    setting = a_setting(scenes(tmp_path))
    records = [a_record(0), a_record(1)]
    for record in records:
        choose_scenes(setting, record)
    (setting.root / "backdrops" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    records[0].views[1].scene = "backdrops/broken.png"
    build_background(setting)(records)
    assert records[0].rejected is not None
    assert records[0].rejected.reason == "backdrop unreadable"
    assert "broken.png" in records[0].rejected.detail
    assert [name for name in all_bytes(setting) if name.startswith("00000000")] == []
    assert records[1].is_open


def test_no_backdrop_is_read_outside_the_root(tmp_path: Path) -> None:
    Image.new("RGB", (200, 200)).save(tmp_path / "secret.png")
    setting = a_setting(with_backdrops(tmp_path, one=Image.new("RGB", (200, 200), "green")))
    record = a_record()
    choose_scenes(setting, record)
    record.views[0].scene = "../secret.png"
    build_background(setting)([record])
    assert record.rejected is not None
    assert record.rejected.reason == "backdrop unreadable"
    with pytest.raises(UserError, match="leads out of"):
        build_background(a_setting(tmp_path, background={"backdrops": ".."}))


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_directory_without_scenes_is_told_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "root" / "empty").mkdir(parents=True)
    with pytest.raises(UserError, match="no pictures of scenes in it"):
        build_background(a_setting(tmp_path, background={"backdrops": name}))


COLOURS = [RED, BLUE, (30, 160, 60), (250, 210, 40), (255, 255, 255), (20, 20, 20), (150, 90, 60)]


@pytest.mark.parametrize("scene", [(8, 10, 30), (255, 255, 255), (240, 120, 30), (20, 90, 30), (0, 0, 0)])
def test_light_changes_colours_a_little_and_keeps_their_hue(scene: tuple[int, int, int]) -> None:
    objects = Image.new("RGBA", (7, 4), (0, 0, 0, 0))
    for column, colour in enumerate(COLOURS):
        objects.paste((*colour, 255), (column, 0, column + 1, 3))
    ground = Image.new("RGB", objects.size, scene)
    lit = match_light(objects, ground)
    assert np.array_equal(np.asarray(lit.getchannel("A")), np.asarray(objects.getchannel("A")))
    assert not np.asarray(lit)[3].any()
    changed = drift(objects, lit, objects.getchannel("A"), inset=0)
    assert 0 <= changed <= MOST_CHANGE + 1 / 255
    assert changed > 0 or scene == (255, 255, 255)  # white things can't grow lighter
    for before, after in zip(COLOURS, np.asarray(lit)[0, :, :3].tolist(), strict=True):
        linear = [((level + 8) / 255) ** 2.2 for level in before], [((level + 8) / 255) ** 2.2 for level in after]
        for old, new in zip(*linear, strict=True):
            assert LEAST_GAIN - 0.05 < new / old < MOST_GAIN + 0.05
        (hue, vivid, _), (turned, *_) = (
            colorsys.rgb_to_hsv(*(level / 255 for level in rgb)) for rgb in (before, after)
        )
        if vivid > 0.3:
            assert abs((hue - turned + 0.5) % 1 - 0.5) < 0.04  # of the circle: 14 degrees


def test_objects_grow_lighter_in_light_and_darker_in_the_dark() -> None:
    objects = Image.new("RGBA", (4, 4), (120, 110, 100, 255))
    dark, neutral, light = (
        array(match_light(objects, Image.new("RGB", (4, 4), (level,) * 3)))[..., :3].mean() for level in (10, 124, 250)
    )
    assert dark < neutral < light
    assert neutral == pytest.approx(110, abs=1)


def test_soft_edges_show_object_and_backdrop_alone(tmp_path: Path) -> None:
    plain = with_backdrops(tmp_path, one=Image.new("RGB", (200, 200), BLUE), two=Image.new("RGB", (200, 200), BLUE))
    setting = a_setting(plain, background={"match_light": False})
    build_background(setting)([record := a_record()])
    for view in record.views:
        alpha = np.asarray(foreground(setting, view))[..., 3]
        soft = np.asarray(picture(setting, view))[(alpha > 0) & (alpha < 255)].astype(int)
        assert len(soft) > 100
        assert (
            soft[:, 1].max() < 80
        )  # green: 20 in the object, 40 in the scene; 110 where the canvas's grey shines through half


def test_shadows_lie_at_the_feet_and_nowhere_else(tmp_path: Path) -> None:
    setting = a_setting(tmp_path)
    view = a_record().views[0]
    place = view.subjects[0].place
    assert place is not None
    ground = Image.new("RGB", (SIZE, SIZE), "white")
    shaded = array(cast_shadows(ground, foreground(setting, view).getchannel("A"), view))[..., 0]
    bottom, middle = place.top + place.height, place.left + place.width // 2
    assert 120 < shaded[bottom, middle] < 220
    assert (shaded[: place.top + place.height // 2] == 255).all()
    assert shaded[bottom, place.left - 5] == 255


@pytest.mark.parametrize("corner", [(-20, 80), (100, 90)])
def test_shadows_may_leave_the_canvas(tmp_path: Path, corner: tuple[int, int]) -> None:
    setting = a_setting(tmp_path)
    view = a_record().views[0]
    view.subjects[0].place = Place(left=corner[0], top=corner[1], width=50, height=48)
    shaded = cast_shadows(Image.new("RGB", (SIZE, SIZE), "white"), foreground(setting, view).getchannel("A"), view)
    assert shaded.size == (SIZE, SIZE)


def test_grids_stand_on_white_and_covers_are_shown_whole(tmp_path: Path) -> None:
    setting = a_setting(tmp_path)
    grid, cover = a_record(1, "icon"), a_record(2, "cover")
    build_background(setting)([grid, cover])
    for view in grid.views:
        assert picture(setting, view) == on_ground(foreground(setting, view), (255, 255, 255))
    for view in cover.views:
        assert picture(setting, view).size == (round(100 / 120 * SIZE), SIZE)
    assert grid.scores == cover.scores == {}
    assert all(view.scene is None for view in grid.views + cover.views)
    cover.views[1].subjects[0].warp = "another view"
    cover.views[1].picture = None  # what is painted isn't painted again
    build_background(setting)([cover])
    assert picture(setting, cover.views[0]) != picture(setting, cover.views[1])


def test_records_that_are_closed_pass_untouched(tmp_path: Path) -> None:
    setting = a_setting(tmp_path)
    closed, broken = a_record(1), a_record(2)
    closed.rejected = Verdict(stage="segment", reason="nothing was segmented")
    broken.views[1].subjects[0].mask = None
    before = closed.model_copy(deep=True)
    assert build_background(setting)([closed, broken]) == [before, broken]
    assert broken.rejected is not None
    assert broken.rejected.stage == "inpaint"
    assert not (setting.out / "images").exists()


def test_spread_and_drift_look_at_ground_and_object_alone() -> None:
    alpha = Image.new("L", (40, 40))
    alpha.paste(255, (10, 10, 30, 30))
    ground = Image.new("RGB", (40, 40), "grey")
    ground.paste((255, 0, 0), (12, 12, 28, 28))
    assert spread(ground, alpha) == 0
    assert spread(Image.fromarray(np.eye(40, dtype=np.uint8) * 255).convert("RGB"), alpha) > 0.1
    assert spread(ground, Image.new("L", (40, 40), 255)) > 0.05
    moved = ground.copy()
    moved.paste("black", (0, 0, 40, 13))  # outside, and the three rows at the object's edge
    assert drift(ground, moved, alpha) == 0
    moved.paste("black", (0, 0, 40, 16))
    assert 0 < drift(ground, moved, alpha) < 0.2
    thin = Image.new("L", (40, 40))
    thin.paste(255, (0, 0, 40, 2))
    assert drift(ground, moved, thin) == pytest.approx(128 / 255, abs=0.01)
    assert drift(ground, moved, Image.new("L", (40, 40))) == 0
