"""From a name in the recipe to a language model."""

from samcli.files import cache_root
from samcli.synth.photos.language.model import Backend, LanguageModel
from samcli.synth.photos.language.names import API
from samcli.synth.photos.stage import Setting
from samcli.text_store import TextStore

USAGE = "api-usage.sqlite"
_TRIES_AT_FIRST = 3  # some seconds, where nobody listens


def language_model(name: str, revision: str | None, setting: Setting) -> LanguageModel:
    """`api:MODEL`, a directory or a hub id; raises UserError for one that can't be had."""
    return LanguageModel(name, _backend(name, revision, setting), TextStore(cache_root() / "written.sqlite"))


def check_endpoint(setting: Setting) -> None:
    """Ask the endpoint that is to write answers, if one is; raises UserError where it doesn't reply.

    Before anything is painted: answers come late in the making of a sample. With less patience than they are asked for
    with, since somebody may be waiting.
    """
    recipe = setting.recipe
    if recipe.describe.writer.startswith(API):
        api = recipe.api.model_copy(update={"tries": min(recipe.api.tries, _TRIES_AT_FIRST)})
        soon = Setting(recipe.model_copy(update={"api": api}), setting.out)
        language_model(recipe.describe.writer, None, soon).check()


def _backend(name: str, revision: str | None, setting: Setting) -> Backend:
    if name.startswith(API):
        from samcli.synth.photos.language.endpoint import EndpointBackend
        from samcli.synth.photos.language.purse import Purse

        api = setting.recipe.api
        purse = Purse(api, setting.out / USAGE) if api.most_dollars is not None else None
        return EndpointBackend(name.removeprefix(API), api, purse)
    from samcli.synth.photos.language.local import LocalBackend

    return LocalBackend(name, revision, setting.recipe.device, setting.recipe.dtype)
