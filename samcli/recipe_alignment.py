"""What a recipe of kind llava is: patch tokens into an LLM, in two stages, with objectives that align each of them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from samcli.recipe import CheckpointRecipe, DataRecipe, OptimRecipe
from samcli.recipe_section import Positive, Section, Share


class LlavaModelRecipe(Section):
    """The model: a vision tower whose every patch becomes a token, a projector of two layers, an LLM."""

    kind: Literal["llava"] = Field("llava", description="the projector family: one visual token for each patch")
    base: str | None = Field(
        "tiny", description="`tiny` (of the embedded model's parts), a directory or hub id of any LLaVA; null: of parts"
    )
    vision: str | None = Field(None, description="where base is null: directory or hub id of a CLIP or SigLIP")
    llm: str | None = Field(None, description="where base is null: directory or hub id of a language model")
    revision: str | None = Field(None, description="commit or tag of base on the hub; null: the newest")
    new_projector: bool = Field(True, description="whether training starts from a new projector, not from the base's")
    feature_layer: int = Field(-2, description="of parts: layer of the tower whose patches are read; -1 is the last")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="numbers of the frozen parts")
    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda, cuda:N, mps")

    @model_validator(mode="after")
    def _whole_or_of_parts(self) -> Self:
        parts = [one for one in (self.vision, self.llm) if one is not None]
        if (self.base is not None and parts) or (self.base is None and len(parts) < 2):
            raise ValueError("give either base, or vision and llm with base: null")
        if self.base is None and (self.revision is not None or not self.new_projector):
            raise ValueError("parts have no projector yet and no common revision: leave revision and new_projector out")
        return self


class PatchTextRecipe(Section):
    """How texts are put to the LLM, and their lengths in tokens."""

    template: Literal["plain", "vicuna"] = Field(
        "plain", description="plain: images, then the instruction as it is; vicuna: USER: ... ASSISTANT: around both"
    )
    prompt_tokens: Positive | None = Field(None, description="instruction while training, tokens; null: no limit")
    answer_tokens: Positive = Field(256, description="answer while training, tokens")


class LabelsRecipe(Section):
    """Which words are true of each patch, found once, before training."""

    source: Literal["none", "world", "clip", "regions"] = Field(
        "none",
        description="none: no labels, for trainings without objectives; world: what the embedded world knows; "
        "clip: words nearest to a patch in a paired CLIP or SigLIP; "
        "regions: tagger, detector, segmenter",
    )
    directory: str | None = Field(None, description="where labels are kept; null: in the cache, for all runs")
    words: str = Field(
        "captions", description="captions: the words of the data's answers; else a file of words, a line each"
    )
    least_count: Positive = Field(1, description="captions: times that a word must be there to be taken")
    top: Positive = Field(10, description="clip: words kept of each patch, the best")
    least_score: float = Field(0.0, description="clip: words with a lower score are dropped")
    clip: str = Field("openai/clip-vit-large-patch14-336", description="directory or hub id of a CLIP or SigLIP")
    clip_sign: Literal["auto", "plain", "flipped"] = Field(
        "auto", description="score is the cosine (plain) or its negative (flipped); auto: flipped for CLIP alone"
    )
    tags: Positive = Field(20, description="regions: words that are looked for in an image, by similarity to all of it")
    detector: str = Field("IDEA-Research/grounding-dino-base", description="regions: open-vocabulary detector")
    segmenter: str = Field("facebook/sam-vit-huge", description="regions: segmenter that is prompted with boxes")
    box_threshold: Share = Field(0.3, description="regions: least score of a box")
    covered: Share = Field(0.5, description="regions: share of a patch that a mask must cover")
    batch_size: Positive = Field(8, description="images at once")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="numbers of the models that label")
    gb: Annotated[float, Field(gt=0)] | None = Field(None, description="most that labels may take on disk; null: all")


class SeaRecipe(Section):
    """Supervised embedding alignment (arXiv 2408.11813): patch tokens against their words, contrastively."""

    enabled: bool = Field(False, description="true: added to the loss of the projector's stage")
    weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="what its loss counts beside that of captions, lambda; the paper gives no value"
    )
    temperature: Annotated[float, Field(gt=0)] = Field(
        1.0,
        description="tau at the start, which cosines are divided by: the smaller, the more the nearest pairs count; "
        "the paper contradicts itself",
    )
    learn_temperature: bool = Field(True, description="whether tau is trained, as a logarithm")
    window: Positive = Field(2, description="k: of k x k patches one is drawn")


class PatchRecipe(Section):
    """Patch-aligned training (arXiv 2505.17316) in our own definition: patch tokens towards all of their words."""

    enabled: bool = Field(False, description="true: added to the loss of the projector's stage")
    weight: Annotated[float, Field(ge=0)] = Field(1.0, description="what its loss counts beside that of captions")
    ramp_steps: int = Field(0, ge=0, description="steps over which the weight rises from nothing")


class ObjectiveRecipe(Section):
    """What is added to the caption loss of the projector's stage."""

    sea: SeaRecipe = SeaRecipe()
    patch: PatchRecipe = PatchRecipe()
    labels: LabelsRecipe = LabelsRecipe()

    @property
    def enabled(self) -> bool:
        """Whether anything is added."""
        return self.sea.enabled or self.patch.enabled

    @model_validator(mode="after")
    def _labels_are_had(self) -> Self:
        if self.enabled and self.labels.source == "none":
            raise ValueError("labels.source: an objective needs labels; set it to world, clip or regions")
        return self


class StageRecipe(Section):
    """One of the two stages: its data and how it is optimised."""

    data: DataRecipe = DataRecipe()
    optim: OptimRecipe = OptimRecipe()


class InstructionRecipe(StageRecipe):
    """Stage 2, ordinary instruction tuning."""

    enabled: bool = Field(True, description="false: the projector's stage alone")
    train_llm: bool = Field(True, description="whether the LLM trains beside the projector")


class LlavaRecipe(Section):
    """`sam train`: a LLaVA in two stages, the projector alone and then, by instructions, projector and LLM."""

    kind: Literal["llava"] = Field("llava", description="patch tokens, and objectives that align each of them")
    seed: int = Field(0, description="of data order, drawn words and a new projector")
    model: LlavaModelRecipe = LlavaModelRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    text: PatchTextRecipe = PatchTextRecipe()
    projector: StageRecipe = Field(StageRecipe(), description="stage 1: captions, and the objectives")
    instruction: InstructionRecipe = Field(InstructionRecipe(), description="stage 2")
    keep_aligned: bool = Field(
        False, description="whether the model as it is after stage 1 is kept too, in projector/model"
    )
    checkpoint: CheckpointRecipe = CheckpointRecipe()
    log_every: Positive = Field(10, description="steps between lines of log.jsonl")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="where figures go beside log.jsonl; each is a package of its own"
    )

    @model_validator(mode="after")
    def _labelled_pictures_stay_as_they_are(self) -> Self:
        if self.objective.enabled and self.projector.data.augment != "none":
            raise ValueError("projector.data.augment must be none with an objective: labels are of the whole picture")
        return self
