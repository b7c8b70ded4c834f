"""A run of kind `mmlink` as it lies on disk, made by hand: world things as photographs, with their masks."""

import json
import random
from pathlib import Path
from typing import Any

from PIL import Image

from samcli.files import sha256
from samcli.recipe_file import dump_recipe
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.photos.canvas import foreground, over
from samcli.synth.photos.compose import Compose
from samcli.synth.photos.photographs import photograph
from samcli.synth.photos.record import Photo, Record, Subject, Verdict, View
from samcli.synth.photos.stage import Setting
from samcli.synth.world.scenes import LIGHTS, SCENES, paint_ground
from samcli.synth.world.sprites import Pose, draw_sprite
from samcli.synth.world.things import Thing, draw_thing

KINDS = ("character", "furniture", "icon", "cover")
HEIGHT = 120  # pixels of an object in its photograph
OBJECTS = 7  # of each kind
# How samples end, over and over: status, reason, detail.
ENDINGS: tuple[tuple[str, str, str], ...] = (
    ("accepted", "", ""),
    ("accepted", "", ""),
    ("rejected", "segment: nothing was segmented", "character/3/1.png"),
    ("accepted", "", ""),
    ("rejected", "compose: no room for the objects", ""),
    ("rejected", "check: backgrounds are the same", ""),
    ("accepted", "", ""),
    ("failed", "describe: the language model can't be reached", "http://127.0.0.1:8000 refused the connection"),
    ("accepted", "", ""),
    ("rejected", "inpaint: background is of one colour", ""),
)
PERIOD = 2 * len(ENDINGS)
STAGES = ("group", "segment", "compose", "inpaint", "describe", "check")


class PhotoRun:
    """Writes photographs below `home/photos` and a run below `home/run`."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.recipe = MmlinkRecipe.model_validate(
            {"root": str(home / "photos"), "size": 128, "accept": {"least_side": 0.08}, **settings}
        )
        self.out = home / "run"
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "recipe.yaml").write_text(dump_recipe(self.recipe), "utf-8")
        self.setting = Setting(self.recipe, self.out)
        rng = random.Random(0)
        self.subjects = {kind: [self._subjects(rng, kind, number) for number in range(OBJECTS)] for kind in KINDS}

    def _subjects(self, rng: random.Random, kind: str, number: int) -> tuple[Subject, Subject]:
        """Two views of a new object."""
        thing = draw_thing(rng, "book" if kind == "cover" else kind)
        return self._subject(kind, number, thing, 0), self._subject(kind, number, thing, 1)

    def _subject(self, kind: str, number: int, thing: Thing, pose: int) -> Subject:
        sprite = draw_sprite(thing, Pose(pose), HEIGHT)
        mask = Image.new("L", (sprite.width + 60, sprite.height + 40))
        mask.paste(sprite.getchannel("A").point(lambda level: 255 if level > 127 else 0), (30, 20))
        photo = Image.new("RGB", mask.size, (236, 236, 232))
        photo.paste(sprite.convert("RGB"), (30, 20), sprite.getchannel("A"))
        path = f"{kind}/{number}/{pose}.png"
        for place, picture in ((Path(self.recipe.root) / path, photo), (self.out / "masks" / path, mask)):
            place.parent.mkdir(parents=True, exist_ok=True)
            picture.save(place)
        area = sum(mask.histogram()[255:]) / (mask.width * mask.height)
        return Subject(
            photo=Photo(identity=f"{kind}/{number}", path=path, view=("front", "side")[pose], description=thing.phrase),
            mask=f"masks/{path}",
            measures={"area": round(area, 4), "holes": 0.0, "main_part": 1.0, "components": 1.0},
        )

    def line(self, number: int) -> dict[str, Any]:
        """The manifest's line of a sample, its pictures written."""
        status, reason, detail = ENDINGS[number % len(ENDINGS)]
        stage, _, why = reason.partition(": ")
        reached = STAGES.index(stage) if status != "accepted" else len(STAGES)
        rng = random.Random(number)
        kind = KINDS[number % len(KINDS)]
        beside = {"character": 1, "furniture": 0, "icon": 5, "cover": 0}[kind]
        main, *others = rng.sample(self.subjects[kind], 1 + beside)
        views = [
            View(subjects=[each.model_copy(deep=True) for each in (main[place], *(other[place] for other in others))])
            for place in range(2)
        ]
        record = Record(id=number, seed=f"mmlink/train/0/{number}", object=kind, views=views)
        if reached <= STAGES.index("segment") or kind == "cover":
            for subject in record.subjects:
                subject.mask, subject.measures = None, {}
        if reached > STAGES.index("compose"):
            Compose(self.setting)([record])
            self._finish(record, rng, reached, status == "accepted")
        if status == "rejected" and stage != "check":
            record.rejected = Verdict(stage=stage, reason=why, detail=detail)
        if status == "failed":
            record.failed = Verdict(stage=stage, reason=why, detail=detail)
        return {
            "id": number,
            "status": status,
            "attempts": 1,
            "rejections": [],
            "reasons": [reason] if reason else [],
            "record": record.model_dump(),
            "images": {view.picture: sha256(self.out / view.picture) for view in record.views if view.picture},
        }

    def _finish(self, record: Record, rng: random.Random, reached: int, accepted: bool) -> None:
        scenes = rng.sample(sorted(SCENES), 2)
        for place, view in enumerate(record.views):
            if record.object in ("character", "furniture"):
                view.scene = f"{scenes[place]} at {rng.choice(LIGHTS)}"
            view.picture = f"images/{record.id:08d}_{place + 1}.png"
            self._paint(view, scenes[place], record.id)
            if reached > STAGES.index("inpaint"):
                view.caption = f"a {view.subjects[0].photo.description}"
        if reached > STAGES.index("describe"):
            record.instruction = "Which object do the two pictures share, and what does it look like?"
            record.answer = f"Both show the {record.views[0].subjects[0].photo.description}."
            record.scores |= {"view_distance": float(rng.randrange(6, 40)), "identity": rng.randrange(500, 999) / 1000}
            record.scores["scene_distance"] = float(rng.randrange(14, 40) if accepted else rng.randrange(2, 12))
        record.scores |= {"drift": rng.randrange(400) / 10000, "spread": 0.2}
        record.notes = {"instruction pool": "object, line 3", "inpaint": "backdrop"}

    def _paint(self, view: View, scene: str, seed: int) -> None:
        picture, _ = photograph(self.setting.root, view.subjects[0].photo)
        if view.subjects[0].place:
            ground = paint_ground(scene, LIGHTS[0], "clear", self.recipe.size, seed)
            white = Image.new("RGB", ground.size, "white")
            picture = over(foreground(self.setting, view), ground if view.scene else white)
        (self.out / "images").mkdir(exist_ok=True)
        picture.save(self.out / str(view.picture))

    def lines(self, count: int) -> list[dict[str, Any]]:
        """The manifest of so many samples, of all kinds and endings in turn; after `PERIOD` they repeat themselves."""
        first = [self.line(number) for number in range(min(count, PERIOD))]
        return [
            {**first[number % PERIOD], "id": number, "record": {**first[number % PERIOD]["record"], "id": number}}
            for number in range(count)
        ]

    def write(self, lines: list[dict[str, Any]]) -> Path:
        """Write the files of a finished run; returns its directory."""
        annotations = [
            {
                "id": line["id"],
                "img_list": list(line["images"]),
                "instruction": line["record"]["instruction"],
                "output": line["record"]["answer"],
            }
            for line in lines
            if line["status"] == "accepted"
        ]
        text = ",\n".join(json.dumps(annotation) for annotation in annotations)
        (self.out / "annotations.json").write_text(f"[\n{text}\n]\n", "utf-8")
        (self.out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return self.out
