"""The embedded world's sets as directories in the released format, made on first use and kept in a cache."""

from pathlib import Path
from typing import get_args

from samcli.console import say
from samcli.errors import UserError
from samcli.files import cache_root
from samcli.lock import locked
from samcli.names import did_you_mean
from samcli.recipe import SynthRecipe
from samcli.synth.ledger import is_complete
from samcli.synth.run import synthesise

SETS: tuple[str, ...] = get_args(SynthRecipe.model_fields["dataset"].annotation)
VERSION = 2  # of the world: raised when any picture or sentence changes, so that no old set is taken for a new one


def no_such_set(name: str) -> UserError:
    """What to tell who asks for a set of the embedded world that there isn't."""
    hint = did_you_mean(name, SETS) or f"; there are {', '.join(SETS)}"
    return UserError(f"{name}: no such set of the embedded world{hint}")


def world_set(
    name: str, split: str = "test", count: int = 500, seed: int = 0, size: int = 192, workers: int = 0
) -> Path:
    """The directory of a world set in the released format, complete; processes that ask at once make it once.

    `size` is pixels a side, `workers` the number of processes (0: one for each core). Raises UserError when it can't
    be written, Interrupted after a signal; the next call goes on where this one stopped.
    """
    fields = {"dataset": name, "split": split, "samples": count, "seed": seed, "size": size, "workers": workers}
    recipe = SynthRecipe.model_validate(fields)
    out = _place(name, split, count, seed, size)
    with locked(out.with_name(f"{out.name}.lock"), wait=True):
        if not is_complete(out):
            say(f"making {name} ({split}, {count} samples) in {out}")
            synthesise(recipe, out)
    return out


def is_made(name: str, split: str, count: int, seed: int = 0, size: int = 192) -> bool:
    """Whether a world set is in the cache, complete."""
    return is_complete(_place(name, split, count, seed, size))


def _place(name: str, split: str, count: int, seed: int, size: int) -> Path:
    return cache_root() / "world" / f"{name}-{split}-{count}-seed{seed}-{size}px-v{VERSION}"
