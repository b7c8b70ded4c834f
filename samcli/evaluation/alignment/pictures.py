"""The first samples of a dataset drawn: the word that each visual token is nearest to, and which of them are true."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from samcli.alignment.drawing import Mark, Said, patch_picture, stacked, token_picture
from samcli.alignment.lens import context_of
from samcli.alignment.measures import are_true
from samcli.data.sample import Sample
from samcli.evaluation.alignment.looking import Looked, look_at
from samcli.evaluation.alignment.sample_measures import Ruler
from samcli.evaluation.alignment.truth import Named
from samcli.files import atomic_write
from samcli.model.captioner import Captioner
from samcli.model.llava.model import PatchAlignedModel

SHOWN = 12  # samples of a dataset
Lines = list[list[Said]]  # of each image the words of its tokens


@dataclass(frozen=True)
class Shown:
    """A sample that was drawn, and where."""

    sample: Sample
    picture: Path
    words: str  # what stands in the picture, for those who can't see it


def draw_samples(captioner: Captioner, ruler: Ruler, samples: Sequence[Sample], directory: Path) -> list[Shown]:
    """Write `N.png` into a directory for each of the first samples; none where no words are known to compare with."""
    looked = look_at(captioner, samples[:SHOWN])
    if looked.seen is None or not ruler.truth.words:
        return []
    own = _lines(ruler, looked, looked.seen.tokens)
    alone = _lines(ruler, looked, looked.alone.tokens) if looked.alone is not None else [None] * len(own)
    found = []
    parts = zip(looked.samples, looked.pictures, own, alone, strict=True)
    for number, (sample, pictures, lines, former) in enumerate(parts, start=1):
        if isinstance(captioner.model, PatchAlignedModel):
            drawn = stacked([patch_picture(*one) for one in zip(pictures, _grids(lines), strict=True)])
        elif former is None:
            drawn = token_picture(pictures, [[line] for line in lines], ["nearest words"])
        else:
            both = [list(pair) for pair in zip(former, lines, strict=True)]
            context = context_of(captioner.model)
            drawn = token_picture(pictures, both, [f"without {context}", f"with {context}"])
        path = directory / f"{number}.png"
        with atomic_write(path, "wb") as file:
            drawn.save(file, "PNG")
        found.append(Shown(sample, path, "; ".join(" ".join(said.word for said in line) for line in lines)))
    return found


def _lines(ruler: Ruler, looked: Looked, tokens: Tensor) -> list[Lines]:
    """For each sample and image, the nearest word of every token, marked by what is known to be true."""
    nearest = ruler.nearest(tokens)
    labels = ruler.truth.labels(looked.samples)
    hits = are_true(nearest, labels.to(nearest.device)).tolist() if labels is not None else None
    words = [[ruler.truth.words[place] for place in own] for own in nearest.tolist()]
    found: list[Lines] = []
    start = 0
    for sample, count in zip(looked.samples, looked.counts, strict=True):
        images = range(start, start + count)
        if hits is not None:
            marks: list[list[Mark]] = [["true" if hit else "none" for hit in hits[image]] for image in images]
        else:
            marks = _marks_by_names(Named.of(sample), [words[image] for image in images])
        lines = zip(images, marks, strict=True)
        found.append([[Said(*said) for said in zip(words[image], own, strict=True)] for image, own in lines])
        start += count
    return found


def _marks_by_names(named: Named | None, words: list[list[str]]) -> list[list[Mark]]:
    """True: of what the pictures share; other: of another thing of the picture alone."""
    if named is None:
        return [["none" for _ in own] for own in words]
    known = zip(words, named.others, strict=True)
    return [["true" if w in named.shared else "other" if w in others else "none" for w in own] for own, others in known]


def _grids(lines: Lines) -> list[Lines]:
    """The words of each image's patches as rows of columns."""
    side = round(len(lines[0]) ** 0.5)
    return [[line[start : start + side] for start in range(0, len(line), side)] for line in lines]
