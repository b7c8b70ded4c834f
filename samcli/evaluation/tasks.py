"""What is asked of a model, and on which data: the paper's datasets, the world's sets, and directories like them."""

from collections.abc import Sequence
from pathlib import Path

from samcli.data.dataset import DatasetOnDisk, read_dataset
from samcli.data.sample import Sample
from samcli.data.sources import CHANGES, GROUPS, SOURCES, STORIES
from samcli.errors import UserError
from samcli.names import plain_name
from samcli.recipe_reading import ReadingRecipe
from samcli.synth.world.things import Thing

LINKING = "linking"
CAPTIONING, QUESTIONS, GROUNDING = "captioning", "questions", "grounding"
ALIGNMENT = "alignment"
"""No answers are asked for: what visual tokens mean is measured, on the datasets of any task."""
WORLD_SETS = {
    GROUPS: "world-groups",
    STORIES: "world-stories",
    CHANGES: "world-changes",
    LINKING: "world-mmlink",
    CAPTIONING: "world-captions",
    QUESTIONS: "world-questions",
    GROUNDING: "world-grounding",
}
"""The set of the embedded world that each task is asked on when no dataset is named."""
_OF_THE_WORLD = {name: task for task, name in WORLD_SETS.items()} | {"world-links": LINKING}
_USUAL: dict[str, list[str]] = {task: [name] for task, name in WORLD_SETS.items()}
_USUAL[ALIGNMENT] = [WORLD_SETS[CAPTIONING], WORLD_SETS[LINKING]]  # of one picture and of several
_TASKS = {source.directory: source.task for source in SOURCES} | _OF_THE_WORLD


def known_datasets(task: str) -> list[str]:
    """The datasets of a task that are known by name, as they are written in results: the paper's, then the world's."""
    return [name for name, of in _TASKS.items() if of == task]


def is_published(name: str) -> bool:
    """Whether a dataset, named as in results, is one of the paper's."""
    return name in _TASKS and not is_of_the_world(name)


def is_of_the_world(name: str) -> bool:
    """Whether a dataset, named as in results, is a set of the embedded world."""
    return name in _OF_THE_WORLD


def datasets_of(task: str, names: Sequence[str]) -> list[str]:
    """The datasets asked for, each once, as results name them; the task's world set when none is.

    A name that isn't known stays: it is a directory in the released format. Raises UserError for a dataset of another
    task, and for world sets that don't exist.
    """
    found = [_canonical(name.strip()) for name in names if name.strip()] or _USUAL[task]
    for name in found if task != ALIGNMENT else ():
        if (of := _TASKS.get(name, task)) != task:
            raise UserError(f"{name} belongs to {of}, not to {task} ({', '.join(known_datasets(task))}): --task {of}")
    return list(dict.fromkeys(found))


def task_of(name: str) -> str | None:
    """The task of a dataset that is known by name, whatever its case."""
    return _TASKS.get(_canonical(name))


def load_dataset(
    name: str,
    root: str | None = None,
    image_root: str | None = None,
    reading: ReadingRecipe | None = None,
) -> DatasetOnDisk:
    """A dataset, in whichever layout it lies; a world set is made on first use (500 test samples).

    Raises UserError when it isn't there (where it was looked for and where it is to be had), and when it is faulty.
    """
    return read_dataset(name, root, reading, image_root, world_directory(name))


def world_directory(name: str) -> Path | None:
    """Where a set of the embedded world lies; None for other datasets."""
    if not is_of_the_world(name):
        return None
    from samcli.synth.world.sets import world_set  # draws pictures: only for who needs them

    directory: Path = world_set(name)
    return directory


def shared_thing(sample: Sample) -> Thing:
    """The thing that a linking sample's pictures share; raises KeyError or TypeError where it isn't recorded."""
    return Thing.from_json(sample.provenance["shared"])


def first_things(sample: Sample) -> list[Thing]:
    """All things of a linking sample's first picture, the shared one among them."""
    return [Thing.from_json(record) for record in sample.provenance["things"][0]]


def _canonical(name: str) -> str:
    plain = {plain_name(known): known for known in _TASKS}
    if plain_name(name) in plain:
        return plain[plain_name(name)]
    if name.casefold().startswith("world-"):
        from samcli.synth.world.sets import SETS, no_such_set  # draws pictures: only for who needs it

        if name.casefold() in SETS:
            raise UserError(f"{name} is to train on: no task asks it; there are {', '.join(_OF_THE_WORLD)}")
        raise no_such_set(name)
    return name
