"""InstructBLIP describes the main object alone, on plain ground, so that no background leaks (the paper's Fig. 2)."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from samcli.errors import UserError
from samcli.memory import enough_memory
from samcli.model.captioner import Answered
from samcli.model.hub import FILES, STAGE, fetch, is_hub_id
from samcli.recipe_mmlink import DescribeRecipe
from samcli.synth.photos.canvas import on_ground
from samcli.synth.photos.describe.wording import tidy_caption
from samcli.synth.photos.layers import scaled
from samcli.synth.photos.photographs import cutout
from samcli.synth.photos.record import Record, Subject, View
from samcli.synth.photos.stage import Failed, Rejected, Setting, for_each
from samcli.synth.photos.texts import read_prompt

_MARGIN = 0.08  # of the longer side, around the object
_LARGEST = 512  # pixels a side of what is shown; models see less


class Captions:
    """Fills `view.caption` of all views but those of covers; loads the recipe's captioner when it is built.

    Raises UserError for one that can't be had.
    """

    def __init__(self, setting: Setting) -> None:
        from samcli.model.load import load_model

        recipe = setting.recipe.describe
        self._setting = setting
        try:
            _fetch(recipe)
            self._captioner = load_model(
                recipe.captioner,
                device=setting.recipe.device,
                dtype=setting.recipe.dtype,
                revision=recipe.captioner_revision,
            )
        except UserError as error:
            raise UserError(f"describe.captioner: {error}") from error
        own = self._captioner.traits.decoding
        self._decoding = own.model_copy(update={"max_length": min(own.max_length, recipe.answer_tokens + 1)})
        self._told = read_prompt("caption", ("noun",))
        self._name = "@".join(filter(None, [self._captioner.name, recipe.captioner_revision]))

    def __call__(self, stage: str, records: Sequence[Record]) -> None:
        """Caption all open records' main objects; those of one sample together, on an accelerator all at once."""
        shown: list[tuple[Record, list[tuple[View, Image.Image]]]] = []
        for_each(stage, records, lambda record: shown.append((record, self._shown(record))))
        faults: dict[int, str] = {}
        alone = self._captioner.device.type == "cpu"  # where what is computed depends on nothing but the sample
        for group in [[one] for one in shown] if alone else [shown]:
            pairs = [(record, view, picture) for record, views in group for view, picture in views]
            with enough_memory("describing", "use dtype bfloat16, a smaller chunk or another device"):
                texts = self._ask([(record, picture) for record, _, picture in pairs])
            for (_, view, _), (text, fault) in zip(pairs, texts, strict=True):
                view.caption = tidy_caption(text or "").strip(" .")
                if fault is not None:
                    faults[id(view)] = fault
        for_each(stage, [record for record, _ in shown], partial(self._check, faults))

    def _shown(self, record: Record) -> list[tuple[View, Image.Image]]:
        if self._setting.kind(record).form == "covers":
            return []
        return [(view, alone_on_ground(self._setting, view.subjects[0])) for view in record.views]

    def _ask(self, shown: Sequence[tuple[Record, Image.Image]]) -> list[Answered]:
        if not shown:
            return []
        prompts = [self._prompt(record) for record, _ in shown]
        return self._captioner.answers([picture for _, picture in shown], prompts, self._decoding)

    def _prompt(self, record: Record) -> str:
        record.notes |= {"captioner": self._name, "caption prompt": self._told.name}
        return self._told.text.format(noun=self._setting.noun(record))

    def _check(self, faults: Mapping[int, str], record: Record) -> None:
        for view in record.views:
            if id(view) in faults:
                raise Failed(faults[id(view)])
        if any(view.caption == "" for view in record.views):
            raise Rejected("the captioner said nothing")


def _fetch(recipe: DescribeRecipe) -> None:
    """Have the captioner's files here; of one that can't be had, say what to set in a recipe, not what `--model` is."""
    name = recipe.captioner or ""
    if is_hub_id(name) and not Path(name).expanduser().is_dir():
        fetch(name, STAGE, FILES, recipe.captioner_revision)


def alone_on_ground(setting: Setting, subject: Subject) -> Image.Image:
    """The object in the middle of a square of plain ground, RGB, at most 512 pixels a side."""
    cut = cutout(setting, subject)
    factor = min(1.0, _LARGEST / max(cut.size))
    cut = scaled(cut, (max(1, round(cut.width * factor)), max(1, round(cut.height * factor))))
    side = round(max(cut.size) * (1 + 2 * _MARGIN))
    sheet = Image.new("RGBA", (side, side))
    sheet.paste(cut, ((side - cut.width) // 2, (side - cut.height) // 2))
    return on_ground(sheet)
