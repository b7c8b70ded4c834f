"""`sam synth` from photographs: which objects, which models or none, and what is accepted (the paper's section 3)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from samcli.recipe_api import ApiRecipe
from samcli.recipe_section import Positive, Section, Share

NotNegative = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]
Heights = tuple[Share, Share]


class ObjectRecipe(Section):
    """One kind of object: where its pictures are, and what is made of them."""

    share: NotNegative = Field(1.0, description="how many of the samples, beside the shares of the other kinds")
    sources: str | None = Field(
        None, description="directory or CSV below `root`; null: the directory called as the kind"
    )
    layout: Literal["auto", "deepfashion", "groups", "table"] = Field(
        "auto",
        description="DeepFashion In-shop; a directory for each object, or a CSV with columns identity and path; auto: "
        "as it looks",
    )
    form: Literal["scenes", "grid", "covers"] = Field(
        "scenes", description="put into two scenes; among five others on a grid; or pictures as they are, related"
    )
    noun: str = Field("", description="what the segmenter looks for and texts speak of; empty: the kind's name")
    distractors: Annotated[int, Field(ge=0, le=2)] = Field(1, description="scenes: other objects in each picture")
    instructions: str | None = Field(
        None, description="pool of instructions: a shipped one or a text file; null: as the kind, else as the form"
    )
    second_view: Literal["never", "missing", "always"] = Field(
        "missing", description="another view made by geometry and light: never, for objects with one view, for all"
    )


class SegmentRecipe(Section):
    """How objects are cut out of their photographs."""

    kind: Literal["plain", "grounded", "sam3"] = Field(
        "plain",
        description="plain: no weights, for plain backdrops and alpha channels; grounded: a box, a mask in it; "
        "sam3: a noun phrase",
    )
    tolerance: Above = Field(10.0, description="plain: distance of a colour from the backdrop that is no backdrop")
    detector: str = Field("IDEA-Research/grounding-dino-base", description="grounded: hub id or directory")
    detector_revision: str | None = Field(None, description="commit or tag of the detector")
    model: str = Field(
        "facebook/sam2.1-hiera-large", description="grounded: Segment Anything 1 or 2; sam3: Segment Anything 3"
    )
    model_revision: str | None = Field(None, description="commit or tag of the segmenter")
    box_threshold: Share = Field(0.25, description="grounded: least score of a box; sam3: least score of a mask")
    text_threshold: Share = Field(0.25, description="grounded: least score of a word")
    mask_threshold: Share = Field(0.5, description="sam3: least probability of a mask's pixel")

    @model_validator(mode="after")
    def _right_segmenter(self) -> Self:
        if self.kind == "sam3" and "sam2" in self.model:
            raise ValueError(
                f"sam3 needs model: facebook/sam3 or a directory of it ({self.model} is Segment Anything 2)"
            )
        return self


class ComposeRecipe(Section):
    """How objects are placed on the canvas."""

    main: Heights = Field((0.45, 0.9), description="height of the main object, least and most, in shares of the canvas")
    other: Heights = Field((0.35, 0.75), description="height of the others")
    gap: Annotated[int, Field(ge=0)] = Field(8, description="between two objects' masks")
    erode: Annotated[int, Field(ge=0)] = Field(
        1, description="taken off a mask's edge, where the backdrop shines through"
    )
    feather: NotNegative = Field(1.0, description="softness of the edge")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("main", "other"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: expected two heights, the smaller one above 0 first (got {low}, {high})")
        return self


class BackgroundRecipe(Section):
    """What is painted around the objects."""

    kind: Literal["backdrop", "diffusion"] = Field(
        "backdrop", description="backdrop: crops of pictures of scenes, no weights; diffusion: an inpainting model"
    )
    backdrops: str | None = Field(
        None, description="backdrop: directory of scenes below `root`; null: `backdrops` if it is there, else painted"
    )
    match_light: bool = Field(True, description="backdrop: objects take on the light of the scene, in part")
    model: str = Field(
        "stable-diffusion-v1-5/stable-diffusion-inpainting", description="diffusion: hub id or directory"
    )
    revision: str | None = Field(None, description="commit or tag of the inpainting model")
    steps: Positive = Field(50, description="diffusion: denoising steps")
    guidance_scale: NotNegative = Field(7.5, description="diffusion: weight of the prompt")
    scenes: str | None = Field(
        None, description="diffusion: text file with a scene in each line; null: the shipped ones"
    )
    writer: str = Field("list", description="who writes the scenes: list, api:MODEL, or a local language model")
    pool: Positive = Field(1000, description="scenes that a language model writes, once, before anything is painted")


class DescribeRecipe(Section):
    """Who writes instruction and answer."""

    captioner: str | None = Field(
        None, description="InstructBLIP that describes the object; null: metadata and colours"
    )
    captioner_revision: str | None = Field(None, description="commit or tag of the captioner")
    writer: str = Field(
        "template", description="who turns descriptions into the answer: template, api:MODEL, or a local language model"
    )
    writer_revision: str | None = Field(None, description="commit or tag of a local language model")
    answer_tokens: Positive = Field(120, description="longest answer of captioner and local language model")


class CheckRecipe(Section):
    """What is measured besides what needs no model."""

    embedder: str | None = Field(
        None, description="CLIP, SigLIP or DINOv2 that compares objects and pictures; null: none"
    )
    embedder_revision: str | None = Field(None, description="commit or tag of the embedder")
    counter: str | None = Field(
        None,
        description="GroundingDINO that counts the objects in the pictures, since inpainting may add some; null: none",
    )
    counter_revision: str | None = Field(None, description="commit or tag of the counter")


class GpusRecipe(Section):
    """What an actor of each stage takes of a GPU on a cluster, where the stage has a model."""

    segment: NotNegative = Field(0.25, description="share of a GPU")
    inpaint: NotNegative = Field(1.0, description="share of a GPU; most of the work is here, so whole ones")
    describe: NotNegative = Field(0.5, description="share of a GPU")
    check: NotNegative = Field(0.25, description="share of a GPU")


class AcceptRecipe(Section):
    """What a sample must keep to; these may change afterwards, and nothing is made anew."""

    mask_score: Share = Field(0.5, description="least score of an object's mask, where the segmenter gives one")
    mask_area: tuple[Share, Share] = Field((0.05, 0.95), description="a mask's share of its photograph, least and most")
    instances: Positive = Field(1, description="most objects of its name in a photograph, where the segmenter counts")
    mask_holes: Share = Field(0.02, description="most of a mask that was a hole and was filled")
    mask_main_part: Share = Field(0.95, description="least share of a mask in its largest connected part")
    least_side: Share = Field(0.125, description="smallest side of a placed object")
    drift: Share = Field(
        0.05, description="most that inpainting changed the object's own pixels, before they are put back"
    )
    least_spread: Share = Field(
        0.02, description="least standard deviation of what was painted: black frames have none"
    )
    view_distance: Annotated[int, Field(ge=0, le=64)] = Field(
        4, description="least distance of the perceptual hashes of the shared object's two views"
    )
    scene_distance: Annotated[int, Field(ge=0, le=64)] = Field(
        20, description="least distance of the perceptual hashes of the two pictures' backgrounds"
    )
    distractor_distance: Annotated[int, Field(ge=0, le=64)] = Field(
        5, description="least distance of the perceptual hashes of objects that aren't meant to be the same"
    )
    duplicate_distance: Annotated[int, Field(ge=-1, le=64)] = Field(
        6, description="pictures of two samples are the same up to this distance of perceptual hashes; -1: not asked"
    )
    identity: Share = Field(0.55, description="least similarity of the shared object's two views")
    identity_margin: Annotated[float, Field(ge=-1, le=1)] = Field(
        -1.0, description="least by which the views are more alike than the main object and a distractor"
    )
    picture_similarity: Share = Field(1.0, description="most similarity of the two pictures, with an embedder")
    scene_match: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.2, description="least similarity of a picture and its scene's line, with an embedder that reads text"
    )
    extra_objects: Annotated[int, Field(ge=0)] = Field(
        0, description="most objects of the kind in a picture that nobody put there, with a counter"
    )
    answer_words: tuple[int, int] = Field((4, 60), description="words of an answer, least and most")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name in ("mask_area", "answer_words"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: expected the smaller one first (got {low}, {high})")
        return self


class MmlinkRecipe(Section):
    """`sam synth`: MmLINK from photographs: pairs of pictures that share one object."""

    kind: Literal["mmlink"] = Field("mmlink", description="what the recipe is for")
    root: str = Field("data/photographs", description="directory that holds all sources")
    objects: dict[str, ObjectRecipe] = Field(
        {}, description="kinds of objects by name, and no others; none: a kind for each directory below `root`"
    )
    split: Literal["train", "val", "test"] = Field(
        "train", description="objects of which split, where sources have any"
    )
    samples: Positive = Field(1000, description="samples that are tried; those that the checks reject count as tried")
    seed: int = Field(0, description="of everything left to chance; the same seed gives the same bytes")
    size: Annotated[int, Field(ge=128)] = Field(512, description="pixels a side of the pictures")
    segment: SegmentRecipe = SegmentRecipe()
    compose: ComposeRecipe = ComposeRecipe()
    background: BackgroundRecipe = BackgroundRecipe()
    describe: DescribeRecipe = DescribeRecipe()
    check: CheckRecipe = CheckRecipe()
    accept: AcceptRecipe = AcceptRecipe()
    api: ApiRecipe = ApiRecipe()
    gpus: GpusRecipe = GpusRecipe()
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N, for all models")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="of all models")
    chunk: Positive = Field(8, description="samples that go through the stages together; what a killed process loses")
    workers: int = Field(0, ge=0, description="processes; 0: one for each GPU, else as many as cores")

    @model_validator(mode="after")
    def _something_to_make(self) -> Self:
        if self.objects and not any(each.share for each in self.objects.values()):
            raise ValueError("objects: all shares are 0; give one of them a share above 0")
        return self
