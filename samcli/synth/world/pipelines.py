"""Which pipeline makes which set of the embedded world."""

from samcli.synth.pipeline import Pipeline
from samcli.synth.world.painted import painted_pipeline
from samcli.synth.world.stages import GROUPS, linking_pipeline


def set_pipeline(name: str, split: str, seed: int, size: int) -> Pipeline:
    """The pipeline of a set; each sample depends on set, split, seed and its index alone (`size`: pixels a side)."""
    if name == "world-mmlink":
        return linking_pipeline(split, seed, size)
    if name == "world-links":
        return linking_pipeline(split, seed, size, GROUPS)
    return painted_pipeline(name, split, seed, size)
