"""The stage that paints what is behind the objects, and writes the pictures."""

from collections.abc import Sequence

from PIL import Image

from samcli.files import atomic_write
from samcli.synth.photos.background.painting import Painted, Painter, Task, spread
from samcli.synth.photos.background.scenes import choose_scenes
from samcli.synth.photos.canvas import WHITE, foreground, on_ground, over
from samcli.synth.photos.photographs import photograph, warped
from samcli.synth.photos.record import Record, Subject
from samcli.synth.photos.stage import Rejected, Setting, Stage, for_each

NAME = "inpaint"
FAST = 1  # of zlib's levels; photographs hardly shrink further


def build_background(setting: Setting) -> Stage:
    """The stage with the painter that the recipe names, its model loaded.

    Raises UserError for a model that can't be had, a size that it can't paint, and unusable directories of scenes.
    """
    if setting.recipe.background.kind == "diffusion":
        from samcli.synth.photos.background.diffusion import Diffusion

        return Inpaint(setting, Diffusion(setting))
    from samcli.synth.photos.background.backdrop import Backdrops

    return Inpaint(setting, Backdrops(setting))


class Inpaint:
    """Gives every view its picture: objects in a scene, a grid of objects on white, or the photograph as it is.

    Only the first is painted (the paper's section 3: icons and covers go without). Of scenes the record keeps `drift`,
    how much of the objects' own pixels the painter changed before they were put back, and `spread`, the contrast of
    what was painted, each of the view that is worst off.
    """

    name = NAME

    def __init__(self, setting: Setting, painter: Painter) -> None:
        self.setting, self.painter = setting, painter

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """The records with pictures; those of which one view can't be painted are rejected and have none."""
        tasks: list[Task] = []

        def begin(record: Record) -> None:
            if self._is_painted(record):  # by an earlier try, which failed later
                return
            if self.setting.kind(record).form == "scenes":
                tasks.extend(self._tasks(record))
            else:
                self._draw(record)

        for_each(self.name, records, begin)
        made: dict[int, list[tuple[Task, Painted | Rejected]]] = {}
        for task, painted in zip(tasks, self.painter(tasks), strict=True):
            made.setdefault(task.record.id, []).append((task, painted))
        for_each(self.name, records, lambda record: self._finish(record, made.get(record.id, [])))
        return list(records)

    def _is_painted(self, record: Record) -> bool:
        return all(view.picture and (self.setting.out / view.picture).exists() for view in record.views)

    def _tasks(self, record: Record) -> list[Task]:
        """What is to be painted of a record."""
        choose_scenes(self.setting, record)
        return [Task(record, number, foreground(self.setting, view)) for number, view in enumerate(record.views, 1)]

    def _finish(self, record: Record, made: Sequence[tuple[Task, Painted | Rejected]]) -> None:
        """Measure and write the pictures of a record, once all are painted."""
        paintings: list[tuple[Task, Painted]] = []
        for task, painted in made:
            if isinstance(painted, Rejected):
                raise painted
            paintings.append((task, painted))
        if paintings:
            spreads = [spread(painted.ground, task.objects.getchannel("A")) for task, painted in paintings]
            record.scores |= {"drift": max(painted.drift for _, painted in paintings), "spread": min(spreads)}
        for task, painted in paintings:
            self._write(record, task.number, over(painted.objects, painted.ground))

    def _draw(self, record: Record) -> None:
        """Make and write the pictures of a record that isn't painted."""
        covers = self.setting.kind(record).form == "covers"
        drawn = [
            self._whole(view.subjects[0]) if covers else on_ground(foreground(self.setting, view), WHITE)
            for view in record.views
        ]
        for number, picture in enumerate(drawn, 1):
            self._write(record, number, picture)

    def _whole(self, subject: Subject) -> Image.Image:
        """The whole photograph, its longer side as long as the canvas's."""
        picture, _ = photograph(self.setting.root, subject.photo)
        if subject.warp is not None:
            picture = on_ground(warped(picture.convert("RGBA"), subject.warp), WHITE)
        factor = self.setting.recipe.size / max(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)

    def _write(self, record: Record, number: int, picture: Image.Image) -> None:
        """Write a picture below the run's directory and note where."""
        name = f"images/{record.id:08d}_{number}.png"
        with atomic_write(self.setting.out / name, "wb") as file:
            picture.save(file, "PNG", compress_level=FAST)
        record.views[number - 1].picture = name
