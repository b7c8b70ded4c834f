"""What people are shown of a set from photographs."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from samcli.data.image import open_image
from samcli.errors import UserError
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.ledger import Entry
from samcli.synth.look.limits import held_against, limits
from samcli.synth.look.outline import outlined
from samcli.synth.look.seen import Loss, Panel, Row, Seen, inside, loss_of
from samcli.synth.look.world_set import falling
from samcli.synth.photos.canvas import foreground, on_ground, placed
from samcli.synth.photos.photographs import photograph
from samcli.synth.photos.record import Place, Record, Subject, View
from samcli.synth.photos.stage import Rejected, Setting

STAGES = ("group", "segment", "compose", "inpaint", "describe", "check")
_QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # per cent


class PhotoSet:
    """A run of kind `mmlink`."""

    def __init__(self, directory: Path, recipe: MmlinkRecipe) -> None:
        self.setting, self.wanted = Setting(recipe, directory), recipe.samples
        self.limits = limits(recipe.accept)
        self.title = f"MmLINK from photographs, {recipe.split}"

    def see(self, entry: Entry) -> Seen:
        """Its objects with their masks, canvases, pictures, texts and scores, and why it isn't there."""
        record = _record(entry)
        verdict = record.failed or record.rejected
        captions = [(f"caption of picture {number}", view.caption) for number, view in enumerate(record.views, start=1)]
        return Seen(
            id=record.id,
            status=entry.manifest["status"],
            kind=record.object,
            asked=record.instruction,
            answer=record.answer,
            rows=tuple(self._row(number, view) for number, view in enumerate(record.views, start=1)),
            scores=tuple(held_against(self.limits, name, value) for name, value in sorted(record.scores.items())),
            reasons=tuple(entry.manifest["reasons"]),
            earlier=tuple(entry.manifest.get("rejections", ())),
            detail=verdict.detail if verdict else "",
            texts=tuple((name, text) for name, text in captions if text)
            + tuple((name.replace("_", " "), text) for name, text in record.notes.items()),
        )

    def _row(self, number: int, view: View) -> Row:
        panels = [self._source(subject) for subject in view.subjects]
        if view.subjects and all(subject.place and subject.mask for subject in view.subjects):
            panels.append(self._canvas(view))
        if view.picture is not None:
            panels.append(self._picture(view.picture))
        return Row(f"picture {number}: {view.scene}" if view.scene else f"picture {number}", tuple(panels))

    def _source(self, subject: Subject) -> Panel:
        photo, mask = subject.photo, subject.mask

        def paint(side: int) -> Image.Image:
            picture, _ = photograph(self.setting.root, photo)
            if mask is None:
                return _within(picture, side)
            whole = open_image(inside(self.setting.out, mask)).convert("L")
            if whole.size != picture.size:
                raise Rejected("photograph changed", f"{photo.path} is {picture.size}, its mask {whole.size}")
            return outlined(picture, whole, side)

        return Panel(
            "source",
            " ".join((*filter(None, (photo.identity, photo.view)), *["(warped)"] * (subject.warp is not None))),
            _key("source", *self._stamps(subject)),
            paint,
            tuple(
                held_against(self.limits, f"mask_{name}", value, name)
                for name, value in sorted(subject.measures.items())
            ),
        )

    def _canvas(self, view: View) -> Panel:
        recipe = self.setting.recipe

        def paint(side: int) -> Image.Image:
            for subject in view.subjects:
                inside(self.setting.out, subject.mask or "")
            side = min(side, recipe.size)
            small = Setting(recipe.model_copy(update={"size": side}), self.setting.out)
            return on_ground(foreground(small, _scaled(view, side / recipe.size)))

        stamps = [stamp for subject in view.subjects for stamp in (subject.model_dump_json(), *self._stamps(subject))]
        return Panel(
            "canvas", "canvas", _key("canvas", str(recipe.size), recipe.compose.model_dump_json(), *stamps), paint
        )

    def _picture(self, path: str) -> Panel:
        def paint(side: int) -> Image.Image:
            return _within(open_image(inside(self.setting.out, path)), side)

        return Panel("picture", "result", _key("picture", _stamp(self.setting.out / path)), paint, file=path)

    def _stamps(self, subject: Subject) -> tuple[str, str]:
        """What changes when the photograph or its mask does."""
        mask = "" if subject.mask is None else _stamp(self.setting.out / subject.mask)
        return _stamp(self.setting.root / subject.photo.path), mask

    def stages(self, entry: Entry) -> Sequence[str]:
        """The same for all."""
        return STAGES

    def losses(self, entry: Entry) -> list[Loss | None]:
        """The earliest stage at which anything is against it; before the set is finished, what is made isn't judged."""
        if entry.status in ("accepted", "made"):
            return [None]
        found = [loss_of(reason, failed=entry.status == "failed") for reason in entry.manifest["reasons"]]
        return [min(found, key=_place_of, default=Loss(STAGES[-1], "unknown"))]

    def count(self, entries: Iterable[Entry]) -> dict[str, dict[str, Any]]:
        """Samples by status, reason and kind; objects and photographs of accepted ones; quantiles of all scores."""
        status, rejected, failed, tried, accepted = (Counter[str]() for _ in range(5))
        objects, photographs = Counter[str](), Counter[str]()
        scores: dict[str, list[float]] = {}
        for entry in entries:
            record, ending = _record(entry), entry.manifest["status"]
            status[ending] += 1
            tried[record.object] += 1
            {"rejected": rejected, "failed": failed}.get(ending, Counter()).update(entry.manifest["reasons"])
            if ending == "accepted":
                accepted[record.object] += 1
                photos = [subject.photo for subject in record.subjects]
                objects.update({f"{record.object} {photo.identity}" for photo in photos})
                photographs.update({photo.path for photo in photos})
            for name, value in record.scores.items():
                scores.setdefault(name, []).append(value)
            for subject in record.subjects:
                for name, value in subject.measures.items():
                    scores.setdefault(f"mask_{name}", []).append(value)
        counts: dict[str, dict[str, Any]] = {
            "samples": falling(status),
            "rejected because": falling(rejected),
            "failed because": falling(failed),
            "kinds of objects, tried": falling(tried),
            "kinds of objects, accepted": falling(accepted),
            "sources of accepted samples": {"objects": len(objects), "photographs": len(photographs)},
            "objects by how many accepted samples show them": _by_use(objects),
            "accepted samples that show an object": falling(objects),
            "scores": {name: _quantiles(values) for name, values in sorted(scores.items())},
        }
        return {title: found for title, found in counts.items() if any(found.values())}

    def describe(self, entry: Entry) -> list[str]:
        """All that is known of it."""
        record = _record(entry)
        lines = [f"sample {record.id}: {entry.manifest['status']}, {record.object}"]
        lines += [f"reason: {reason}" for reason in entry.manifest["reasons"]]
        verdicts = [verdict for verdict in (record.rejected, record.failed) if verdict and verdict.detail]
        lines += [f"  {verdict.stage}: {verdict.detail}" for verdict in verdicts]
        texts = (("instruction", record.instruction), ("output", record.answer))
        lines += [f"{name}: {text}" for name, text in texts if text]
        for number, view in enumerate(record.views, start=1):
            lines += self._view_lines(number, view, entry.images)
        for score in (held_against(self.limits, name, value) for name, value in record.scores.items()):
            limit = f" ({score.limit}{'; not met' if score.is_out else ''})" if score.limit else ""
            lines.append(f"score {score.name}: {score.value:g}{limit}")
        lines += [f"hash {name}: {text}" for name, text in record.hashes.items()]
        lines += [f"note {name}: {text}" for name, text in record.notes.items()]
        return lines + [f"seed: {record.seed}"]

    def _view_lines(self, number: int, view: View, digests: dict[str, str]) -> list[str]:
        lines = [f"picture {number}: {self.setting.out / view.picture if view.picture else 'not made'}"]
        if view.picture in digests:
            lines.append(f"  sha256: {digests[view.picture]}")
        lines += [f"  {name}: {text}" for name, text in (("scene", view.scene), ("caption", view.caption)) if text]
        for subject in view.subjects:
            warped = ", warped" if subject.warp else ""
            lines.append(f"  shows: {subject.photo.identity}, {subject.photo.path}{warped}")
            if subject.mask:
                measures = [f"{name} {value:g}" for name, value in subject.measures.items()]
                lines.append(f"    mask: {', '.join((subject.mask, *measures))}")
            if place := subject.place:
                lines.append(f"    place: {place.width} x {place.height} at {place.left}, {place.top}")
        return lines


def _record(entry: Entry) -> Record:
    try:
        return Record.model_validate(entry.manifest["record"])
    except KeyError:
        raise UserError(f"sample {entry.id}: the manifest holds no record of it") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise UserError(f"sample {entry.id}: its record isn't understood: {where}: {fault['msg']}") from error


def _place_of(loss: Loss) -> int:
    return STAGES.index(loss.stage) if loss.stage in STAGES else len(STAGES)


def _within(picture: Image.Image, side: int) -> Image.Image:
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return small


def _scaled(view: View, factor: float) -> View:
    """The picture's objects placed on a smaller canvas: it is quicker drawn small than drawn and shrunk."""
    subjects = []
    for subject in view.subjects:
        place = placed(subject)
        numbers = {name: round(factor * number) for name, number in place}
        sides = {name: max(1, numbers[name]) for name in ("width", "height")}
        subjects.append(subject.model_copy(update={"place": Place(**(numbers | sides))}))
    return view.model_copy(update={"subjects": subjects})


def _stamp(path: Path) -> str:
    try:
        state = path.stat()
    except (OSError, ValueError):
        return f"{path}: missing"
    return f"{path}:{state.st_size}:{state.st_mtime_ns}"


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _by_use(objects: Counter[str]) -> dict[str, int]:
    """How many objects are used once, twice and so on."""
    return {f"in {uses}": number for uses, number in sorted(Counter(objects.values()).items())}


def _quantiles(values: list[float]) -> dict[str, float]:
    """Least, median, most and what lies between, by per cent."""
    found = np.quantile(np.asarray(values, dtype=np.float64), [share / 100 for share in _QUANTILES])
    return {f"{share} %": round(float(value), 6) for share, value in zip(_QUANTILES, found, strict=True)}
