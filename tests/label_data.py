"""Pictures of the world as samples on disk, for tests of labels."""

import random
from pathlib import Path

from samcli.alignment.labels.eye import Eye
from samcli.data.sample import Sample, write_annotations
from samcli.synth.world.pictures import Picture, draw_any, render

SIDE, PATCH = 64, 8
EYE = Eye(side=SIDE, patch=PATCH, crop=False)


def draw_pictures(count: int, seed: int = 0) -> list[Picture]:
    rng = random.Random(seed)
    return [draw_any(rng, lambda _thing: True) for _ in range(count)]


def world_samples(directory: Path, count: int, seed: int = 0) -> list[Sample]:
    """Samples of one picture each, written under `directory`, with the records of their pictures."""
    root = directory.resolve()
    (root / "images").mkdir(parents=True)
    samples = []
    for number, picture in enumerate(draw_pictures(count, seed)):
        path = root / "images" / f"{number}.png"
        render(picture, SIDE).save(path)
        told = " and ".join(thing.phrase for thing in picture.things)
        records = {"pictures": [picture.to_json()]}
        samples.append(Sample(number, (path,), "Describe the picture.", (f"There is {told}.",), records))
    write_annotations(root, samples)
    return samples
