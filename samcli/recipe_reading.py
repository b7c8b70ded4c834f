"""How a dataset is read from disk: the choices that move scores, so they are settings and recorded with the results."""

from typing import Literal

from pydantic import Field

from samcli.recipe_section import Positive, Section

Layout = Literal["annotations", "demon", "release"]


class ReadingRecipe(Section):
    """How a dataset is read from disk."""

    layout: Literal["auto"] | Layout = Field(
        "auto",
        description="annotations (the paper's annotations.json), demon (DEMON's core.json), release (the dataset's "
        "own files); auto: the first of them that is there",
    )
    split: Literal["test", "val", "train"] = Field("test", description="release: which of its splits")
    references: Literal["merged", "each", "all"] = Field(
        "merged",
        description="release: alternative texts joined into one reference as DEMON does; each one a sample; or all of "
        "them references of one sample",
    )
    text: Literal["original", "tokenised"] = Field(
        "original", description="release, VIST: original_text, or text (lower case, names masked)"
    )
    change: Literal["change", "no_change", "both"] = Field(
        "change", description="release, CLEVR-Change: pairs that differ, pairs that don't, or both"
    )
    instructions: int = Field(0, description="release: seed by which each sample gets one of our instructions")
    missing: Literal["fail", "drop"] = Field(
        "fail", description="samples whose pictures aren't there: failed answers, or left out and counted"
    )
    stand_ins: bool = Field(
        False,
        description="release, Animal and Vehicle: references made of class and context, since texts aren't public",
    )
    group: Positive = Field(5, description="release, Animal and Vehicle: pictures in a group")
