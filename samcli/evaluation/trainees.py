"""The models of an ablation's runs, of either family: how each is trained, and how it answers afterwards."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from samcli.evaluation.ablation_plan import ALIGNED, FINAL
from samcli.evaluation.own_answers import SeenBatches
from samcli.model.adapter import find_adapter
from samcli.model.captioner import Captioner
from samcli.model.llava.load import load_patch_base, load_patch_model
from samcli.model.llava.model import PatchAlignedModel
from samcli.model.load import load_base, resolve_device
from samcli.recipe import ModelRecipe, SamRecipe
from samcli.recipe_alignment import LlavaModelRecipe, LlavaRecipe
from samcli.training.llava_run import MODEL, PROJECTOR, train_llava
from samcli.training.loop import new_accelerator
from samcli.training.sam_run import SharedBase, lent, train_sam
from samcli.training.shared import Shared

Opened = Callable[[], AbstractContextManager[Captioner]]
"""Opens a context in which a model is loaded and ready."""


class Trainee(Protocol):
    """A base and what rows on it share."""

    seen: SeenBatches

    def train(self, recipe: Any, out: Path) -> None:
        """Carry out, or go on with, the training of a recipe in `out`."""
        ...

    def captioners(self, recipe: Any, trained: Path | None) -> dict[str, Opened]:
        """The models that were trained in a directory, or the bare base; `FINAL` first."""
        ...


class SamTrainee:
    """InstructBLIP with what a method adds; all rows use one base in memory, one after the other."""

    def __init__(self, model: ModelRecipe) -> None:
        self.shared = SharedBase(load_base(model, resolve_device(model.device)))
        self.seen: SeenBatches = {}

    def train(self, recipe: SamRecipe, out: Path) -> None:
        """Write `out/adapter`."""
        train_sam(recipe, out, shared=self.shared)

    def captioners(self, recipe: SamRecipe, trained: Path | None) -> dict[str, Opened]:
        """The one model of a run; the base gets its own projection back afterwards."""
        return {FINAL: partial(self._captioner, recipe, trained)}

    @contextmanager
    def _captioner(self, recipe: SamRecipe, trained: Path | None) -> Iterator[Captioner]:
        base = self.shared.base
        adapter = find_adapter(str(trained / "adapter")) if trained is not None else None
        with lent(base, adapter.method if adapter is not None else recipe.method) as model:
            if adapter is not None:
                adapter.load_into(model)
            model.eval().place(resolve_device(recipe.model.device))
            name = adapter.name if adapter is not None else None
            yield Captioner(model, base.processor, base.name, name, base.traits, recipe.text)


class LlavaTrainee:
    """LLaVAs of one base; each row has weights of its own, but the frozen tower sees the same for all."""

    def __init__(self, model: LlavaModelRecipe) -> None:
        self.shared, self.seen = Shared(), SeenBatches()

    def train(self, recipe: LlavaRecipe, out: Path) -> None:
        """Write `out/model`."""
        train_llava(recipe, out, new_accelerator(recipe.model.device), shared=self.shared)

    def captioners(self, recipe: LlavaRecipe, trained: Path | None) -> dict[str, Opened]:
        """The model after both stages and, where it was kept, after the first; or the base with a new projector."""
        if trained is None:
            return {FINAL: partial(_untrained, recipe)}
        between = {ALIGNED: trained / PROJECTOR / MODEL} if recipe.keep_aligned else {}
        return {name: partial(_loaded, recipe, path) for name, path in ({FINAL: trained / MODEL} | between).items()}


@contextmanager
def _loaded(recipe: LlavaRecipe, directory: Path) -> Iterator[Captioner]:
    yield load_patch_model(str(directory), None, recipe.model.dtype, resolve_device(recipe.model.device))


@contextmanager
def _untrained(recipe: LlavaRecipe) -> Iterator[Captioner]:
    base = load_patch_base(recipe.model, recipe.seed)
    model = PatchAlignedModel(base.model).eval().place(resolve_device(recipe.model.device))
    yield Captioner(model, base.processor, base.name, None, base.traits, recipe.text)


def trainee_of(recipe: SamRecipe | LlavaRecipe) -> Trainee:
    """What trains a recipe's model; its base is loaded or found."""
    return LlavaTrainee(recipe.model) if isinstance(recipe, LlavaRecipe) else SamTrainee(recipe.model)
