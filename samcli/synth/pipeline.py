"""How training pairs are made: group, segment, compose, inpaint, describe, check; then written by `writer.py`.

Each stage is a callable that takes a draft and returns it further on; a stage that needs a model loads it when it is
built. The embedded world has exact implementations of all of them (`world/stages.py`); those for photographs take the
same places.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from samcli.synth.compose import Box


@dataclass
class Source:
    """A picture of one subject on plain ground, and what the subject is called."""

    subject: Any
    label: str
    photo: Image.Image
    mask: Image.Image | None = None  # L, 255 where the subject is; set by the segmenter


@dataclass
class Frame:
    """One of a draft's pictures in the making."""

    sources: list[Source]
    background: Any
    canvas: Image.Image | None = None  # RGB, subjects on neutral ground
    mask: Image.Image | None = None  # L, 255 where a subject stands
    boxes: list[Box] = field(default_factory=list)
    picture: Image.Image | None = None

    def composition(self) -> tuple[Image.Image, Image.Image]:
        """Canvas and mask; raises RuntimeError when no stage has composed the frame yet."""
        if self.canvas is None or self.mask is None:
            raise RuntimeError("a frame is composed before anything is painted around its subjects")
        return self.canvas, self.mask


@dataclass
class Draft:
    """A sample in the making; `rejected` says why it can't be used."""

    index: int
    seed: str
    kind: str
    shared: Any = None
    frames: list[Frame] = field(default_factory=list)
    sources: list[list[str]] = field(default_factory=list)  # for each picture, what went into it: things or files
    instruction: str = ""
    answer: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)  # what the sample's annotation says of its making
    scores: dict[str, float] = field(default_factory=dict)
    rejected: str | None = None


class Grouper(Protocol):
    """Chooses what the pictures of sample `index` show; `attempt` counts earlier rejections."""

    def __call__(self, index: int, attempt: int) -> Draft:
        """Start a draft."""
        ...


Stage = Callable[[Draft], Draft]


@dataclass(frozen=True)
class Pipeline:
    """The stages in their order; a draft that a stage rejects goes no further."""

    group: Grouper
    stages: Sequence[tuple[str, Stage]]

    def make(self, index: int, attempt: int) -> Draft:
        """Make sample `index`; look at `rejected` before using it."""
        draft = self.group(index, attempt)
        for name, stage in self.stages:
            draft = stage(draft)
            if draft.rejected:
                draft.rejected = f"{name}: {draft.rejected}"
                break
        return draft
