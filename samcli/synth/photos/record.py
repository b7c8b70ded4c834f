"""A sample in the making, as stages hand it on: paths, seeds, texts and scores, never pixels."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Plain(BaseModel):
    """A record that can be changed and written as JSON; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class Photo(Plain):
    """A photograph of one object; `path` is relative to the sources' root."""

    identity: str  # photographs of the same object, identically dressed, share it
    path: str
    view: str = ""  # the pose, as far as the source tells it
    description: str = ""  # what the source says of the object
    title: str = ""
    author: str = ""
    genre: str = ""


class Place(Plain):
    """Where an object stands on the canvas, in pixels."""

    left: int
    top: int
    width: int
    height: int


class Subject(Plain):
    """An object in a picture."""

    photo: Photo
    warp: str | None = None  # seed of the geometry and light that turn the photograph into another view
    mask: str | None = None  # path of its mask, relative to the run's directory; of the photograph's size
    measures: dict[str, float] = {}  # of the mask: score, area, holes, main_part, components
    place: Place | None = None


class View(Plain):
    """One of a sample's pictures; the first subject is the main one, the object that the pictures share."""

    subjects: list[Subject]
    scene: str | None = None  # a line that describes the background, or the path of the backdrop below the root
    picture: str | None = None  # its file, relative to the run's directory
    caption: str | None = None  # what the captioner says of the main object


class Verdict(Plain):
    """Why a sample isn't there: the stage, the reason in words that are counted, and what more is known."""

    stage: str
    reason: str
    detail: str = ""


class Record(Plain):
    """A sample in the making."""

    id: int
    seed: str
    object: str
    views: list[View]
    earlier: list[str] = []  # why earlier attempts failed
    instruction: str = ""
    answer: str = ""
    scores: dict[str, float] = {}
    hashes: dict[str, str] = {}  # perceptual hashes, hexadecimal
    faults: list[str] = []  # what rules say against its texts
    notes: dict[str, str] = {}  # which pool, template, prompt and model made it
    rejected: Verdict | None = None
    failed: Verdict | None = None  # what another try may mend: a model that can't be reached

    @property
    def is_open(self) -> bool:
        """Whether stages go on with it."""
        return self.rejected is None and self.failed is None

    @property
    def subjects(self) -> list[Subject]:
        """All objects in all its pictures."""
        return [subject for view in self.views for subject in view.subjects]


Status = Literal["made", "rejected", "failed"]


def status_of(record: Record) -> Status:
    """How the making ended."""
    if record.failed is not None:
        return "failed"
    return "rejected" if record.rejected is not None else "made"
