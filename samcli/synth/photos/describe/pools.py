"""Which pool of instructions a kind of object draws from."""

from samcli.recipe_mmlink import ObjectRecipe
from samcli.synth.photos.kinds import kind_called
from samcli.synth.photos.record import Record
from samcli.synth.photos.stage import Setting
from samcli.synth.photos.texts import Pool, read_pool, shipped

NOUNS = ("noun", "nouns", "a_noun")
_BY_FORM = {"grid": "icon", "covers": "cover", "scenes": "object"}


def pool_name(setting: Setting, record: Record) -> str:
    """The recipe's pool for the record's kind, else the shipped one called as the kind, else that of its form."""
    return _named(record.object, setting.kind(record))


def instruction_pool(setting: Setting, record: Record) -> Pool:
    """The instructions for the record's kind of object."""
    return read_pool("instructions", pool_name(setting, record), NOUNS)


def check_pools(setting: Setting) -> None:
    """Read the pools of all kinds that the recipe names; raises UserError for what is wrong with them."""
    for name in setting.recipe.objects:
        read_pool("instructions", _named(name, kind_called(setting.recipe, name)), NOUNS)


def _named(name: str, kind: ObjectRecipe) -> str:
    if kind.instructions is not None:
        return kind.instructions
    return name if name in shipped("instructions") else _BY_FORM[kind.form]
