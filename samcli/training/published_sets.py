"""Published training sets: how large they are and how they are to be had, to plan with where they aren't there."""

from dataclasses import dataclass, replace

from samcli.names import plain_name


@dataclass(frozen=True)
class Published:
    """A published training set's size, from which a plan is made where the set isn't there."""

    name: str
    samples: int
    images: int  # of a sample
    how_to_get: str
    stand_in: str  # of the embedded world


_OF_LLAVA = "LLaVA's data is on the hub (liuhaotian); examples/llava_data.py brings it into this form. "
MMLINK = Published(
    "MmLINK",
    69_000,  # section 3 of the paper
    2,
    "MmLINK isn't published; its authors are to be asked (github.com/McCartney01/SAM). ",
    "world-mmlink",
)
CAPTIONS = Published("LLaVA-Pretrain", 558_128, 1, _OF_LLAVA, "world-captions")  # LLaVA-1.5's first stage
MIX = Published("LLaVA-mix665k", 624_610, 1, _OF_LLAVA, "world-instructions")  # its second, but for texts alone
_PUBLISHED = (MMLINK, CAPTIONS, MIX, replace(CAPTIONS, name="LLaVA-CC3M-Pretrain-595K", samples=595_375))


def published_size(name: str) -> Published | None:
    """The size of the published training set of that name."""
    return next((known for known in _PUBLISHED if plain_name(known.name) == plain_name(name)), None)
