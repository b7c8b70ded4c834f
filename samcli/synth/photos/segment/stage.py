"""The stage that finds every object in its photograph; each photograph is asked about once, whatever becomes of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from samcli.memory import enough_memory
from samcli.synth.photos.photographs import photograph
from samcli.synth.photos.record import Photo, Record
from samcli.synth.photos.segment.cache import Kept, MaskCache, key_of
from samcli.synth.photos.segment.plain import Plain
from samcli.synth.photos.segment.segmenter import Opened, Segmenter, build_segmenter
from samcli.synth.photos.stage import Rejected, Setting, for_each

LESS_MEMORY = "use --dtype bfloat16 or another --device"


@dataclass(frozen=True)
class Wanted:
    """A mask that the stage is asked for."""

    key: str
    photo: Photo
    noun: str
    segmenter: Segmenter


Case = tuple[Wanted, Opened]
Found = dict[str, Kept | Rejected]  # by key


class Segment:
    """Gives every object its mask; whole pictures, as covers are, have none."""

    name = "segment"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._masks = MaskCache(setting.out)
        self._plain = Plain(setting.recipe.segment.tolerance)
        self._segmenter = self._plain if setting.recipe.segment.kind == "plain" else build_segmenter(setting.recipe)

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """Set mask and measures of every object, and a record's scores: the worst of its masks' measures."""
        cut = [record for record in records if record.is_open and self._setting.kind(record).form != "covers"]
        wanted = {record.id: [self._wanted(record, subject.photo) for subject in record.subjects] for record in cut}
        found = self._masks_of(one for own in wanted.values() for one in own)
        for_each(self.name, cut, lambda record: self._note(record, wanted[record.id], found))
        return list(records)

    def _wanted(self, record: Record, photo: Photo) -> Wanted:
        """Icons are drawn on plain ground or bring an alpha channel along; the recipe's segmenter does all else."""
        noun = self._setting.noun(record)
        segmenter = self._plain if self._setting.kind(record).form == "grid" else self._segmenter
        return Wanted(key_of(self._setting.root / photo.path, segmenter.identity(noun)), photo, noun, segmenter)

    def _masks_of(self, wanted: Iterable[Wanted]) -> Found:
        """What is kept under each of the keys, or made now and kept."""
        found: Found = {}
        missing: dict[str, Wanted] = {}
        for key, one in {one.key: one for one in wanted}.items():
            kept = self._masks.find(key)
            if kept is None:
                missing[key] = one
            else:
                found[key] = kept
        for batch in self._batches(missing.values(), found):
            first, _ = batch[0]
            with enough_memory("while photographs were segmented", LESS_MEMORY):
                results = first.segmenter([opened for _, opened in batch], first.noun)
            for (one, _), result in zip(batch, results, strict=True):
                found[one.key] = self._masks.keep(one.key, result)
        return found

    def _batches(self, wanted: Iterable[Wanted], found: Found) -> Iterator[list[Case]]:
        """Photographs of one size and noun that follow one another, as many as their segmenter takes.

        One that can't be read goes straight to `found`; nothing is kept of it, since its file may be mended.
        """
        batch: list[Case] = []
        for one in wanted:
            try:
                opened = photograph(self._setting.root, one.photo)
            except Rejected as error:
                found[one.key] = error
                continue
            if batch and (len(batch) >= one.segmenter.batch or not _alike(batch[0], (one, opened))):
                yield batch
                batch = []
            batch.append((one, opened))
        if batch:
            yield batch

    def _note(self, record: Record, wanted: Sequence[Wanted], found: Found) -> None:
        for subject, one in zip(record.subjects, wanted, strict=True):
            kept = found[one.key]
            if isinstance(kept, Rejected):
                raise kept
            if kept.reason is not None:
                raise Rejected(kept.reason, f"{one.photo.path}: {kept.detail}")
            subject.mask, subject.measures = self._masks.path(one.key), dict(kept.measures)
        measures = [subject.measures for subject in record.subjects]
        record.scores |= {
            "mask_score": min(each["score"] for each in measures),
            "mask_area_least": min(each["area"] for each in measures),
            "mask_holes": max(each["holes"] for each in measures),
        }
        if counts := [each["instances"] for each in measures if "instances" in each]:
            record.scores["instances"] = max(counts)
        if self._setting.kind(record).form != "grid":  # icons fill their pictures, and are often of several parts
            record.scores |= {
                "mask_area_most": max(each["area"] for each in measures),
                "mask_main_part": min(each["main_part"] for each in measures),
            }


def _alike(first: Case, second: Case) -> bool:
    """Whether two photographs can go through a model together, without being padded to one size."""
    (one, (photo, _)), (other, (next_photo, _)) = first, second
    return (one.segmenter, one.noun, photo.size) == (other.segmenter, other.noun, next_photo.size)
