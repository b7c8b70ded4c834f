"""What a recipe adds to InstructBLIP: SAM's guidance, or one of the methods that the paper compares it with."""

from typing import Literal, Self

from pydantic import Field, model_validator

from samcli.recipe_section import Positive, Section


class GuidanceRecipe(Section):
    """The paper's section 4: bidirectional semantic guidance and adaptive adjustment."""

    enabled: bool = Field(True, description="false: no W-Former, as in all rows of Table 3 but 3 and 7")
    context: Literal["all", "others"] = Field(
        "all", description="images merged for image i: all (released code) or others (Eq. 1: m != i)"
    )
    weights: Literal["softmax-images", "softmax-patches", "mean"] = Field(
        "softmax-images", description="patch weights: softmax over images, over patches, or the mean (row 3 of Table 3)"
    )
    normalize: Literal["others", "all"] = Field(
        "others", description="softmax-images with context others: normalised over the others, or over all images"
    )
    from_layer: int = Field(12, ge=1, description="l, 1-based: the layer at which part A guides part B")
    to_layer: int = Field(12, ge=1, description="k, 1-based, at least l: the layer at which semantics return to part A")
    single_image: Literal["plain", "guided"] = Field(
        "plain", description="one image: plain InstructBLIP, or merged with itself (the released five-dimensional path)"
    )

    @model_validator(mode="after")
    def _layers_in_order(self) -> Self:
        if self.from_layer > self.to_layer:
            raise ValueError(
                f"from_layer (l = {self.from_layer}) must not be above to_layer (k = {self.to_layer}): "
                "guidance enters the W-Former before its semantics return; lower from_layer or raise to_layer"
            )
        return self


class LinearRecipe(Section):
    """Row 4 of Table 3: one linear layer takes the W-Former's place."""

    enabled: bool = Field(False, description="true: context through a linear layer; guidance must be off then")
    reads: Literal["patches", "queries"] = Field(
        "patches",
        description="mean over the other images of their patch features, one for all tokens, or of their Q-Former "
        "tokens at the layer, token by token",
    )
    layer: int = Field(12, ge=1, description="Q-Former layer, 1-based, to whose input the context is added")
    init: Literal["zero", "default"] = Field("zero", description="zero: starts as InstructBLIP; default: torch's own")


class VpgcRecipe(Section):
    """Row 5 of Table 3: VPG-C, whose Q-Former looks again at what the LLM's middle layer asks for (Cheetah)."""

    enabled: bool = Field(False, description="true: a second look at every image, added to the LLM's middle layer")
    layer: int | None = Field(None, ge=0, description="LLM layer, 0-based, before which it is added; null: the middle")
    train_projection: bool = Field(True, description="whether the projection into the LLM trains too")


class MmiclRecipe(Section):
    """Row 6 of Table 3: MMICL's training, which reaches into the LLM's attention."""

    enabled: bool = Field(False, description="true: queries and values of the LLM's first layers train")
    form: Literal["weights", "low-rank"] = Field(
        "weights", description="the matrices themselves, or a low-rank sum beside each (LoRA, for an equal budget)"
    )
    layers: Positive = Field(2, description="LLM layers, from the first, that train")
    rank: Positive = Field(36, description="of low-rank; 36 gives Vicuna-7B as many numbers as SAM's guidance has")
    declarations: bool = Field(False, description="prompts say `image 0 is`, then that image's visual tokens, for each")


def check_context(guidance: GuidanceRecipe, linear: LinearRecipe) -> None:
    """Raise ValueError when both would add context to the Q-Former's tokens."""
    if guidance.enabled and linear.enabled:
        raise ValueError("linear.enabled takes the W-Former's place: set guidance.enabled to false with it")


class MethodRecipe(Section):
    """What is added to InstructBLIP: SAM's guidance, or one of the methods that it is compared with."""

    guidance: GuidanceRecipe = GuidanceRecipe()
    linear: LinearRecipe = LinearRecipe()
    vpgc: VpgcRecipe = VpgcRecipe()
    mmicl: MmiclRecipe = MmiclRecipe()

    @model_validator(mode="after")
    def _one_source_of_context(self) -> Self:
        check_context(self.guidance, self.linear)
        return self


NO_METHOD = MethodRecipe(guidance=GuidanceRecipe(enabled=False))
"""InstructBLIP as it is, projection alone training."""
