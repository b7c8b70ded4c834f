"""What a run is: every setting, typed, with its default, its unit and a line of help.

A recipe file names only what differs from these defaults; `recipe_file.py` reads it and explains what is wrong with it.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from samcli.errors import UserError
from samcli.recipe_api import ApiRecipe
from samcli.recipe_method import GuidanceRecipe, LinearRecipe, MethodRecipe, MmiclRecipe, VpgcRecipe, check_context
from samcli.recipe_reading import ReadingRecipe
from samcli.recipe_section import Positive, Section, Share


class ModelRecipe(Section):
    """Which InstructBLIP is the frozen base, and in what numbers it is held."""

    base: str = Field("tiny", description="`tiny` (embedded), a directory or hub id of any InstructBLIP, a `.pth`")
    revision: str | None = Field(None, description="commit or tag on the hub; null: the newest, recorded in results")
    dtype: Literal["float32", "bfloat16", "float16"] = Field("float32", description="numbers of the frozen parts")
    device: str = Field(
        "auto", description="auto (a GPU where there is one), cpu, cuda, cuda:N, mps; spread: the LLM over all GPUs"
    )
    llm_bits: Literal[4, 8] | None = Field(None, description="hold the LLM alone in so many bits (bitsandbytes)")
    completed_from: str | None = Field(
        None, description="base of the parts that a `.pth` lacks; null: Salesforce/instructblip-vicuna-7b"
    )


class TrainedModelRecipe(ModelRecipe):
    """The base of a training, and how it is shared out."""

    shard: bool = Field(
        False, description="training in several processes: the LLM's layers shared out among them (FSDP)"
    )
    recompute_activations: bool = Field(
        False, description="training: compute the LLM's layers twice instead of keeping what is inside them"
    )

    @model_validator(mode="after")
    def _one_way_to_share_out(self) -> Self:
        if self.shard and (self.llm_bits is not None or self.device == "spread"):
            raise ValueError("shard goes neither with llm_bits nor with device: spread; choose one of them")
        return self


class TextRecipe(Section):
    """Lengths of the texts, in tokens."""

    qformer_tokens: Positive = Field(128, description="instruction in the Q-Former, tokens; longer ones are cut left")
    prompt_tokens: Positive | None = Field(128, description="prompt in the LLM while training, tokens; null: no limit")
    answer_tokens: Positive = Field(256, description="answer while training, tokens")


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML reads a bare off as false


class DataRecipe(Section):
    """Where training samples come from."""

    train: str = Field("world-mmlink", description="a world set, or a directory in the released format")
    root: str | None = Field(None, description="directory of the datasets; null: $SAM_DATA, else ./data")
    samples: Positive | None = Field(None, description="samples used, from the start; null: all (world sets: 20000)")
    seed: int = Field(0, description="seed of a world set that has to be made")
    augment: Literal["none", "released"] = Field("none", description="released: random crop of 0.5 to 1 and flip")
    image_root: str | None = Field(
        None, description="directory that images and links may lead to; null: none but the dataset's own"
    )
    workers: int = Field(0, ge=0, description="processes that make a world set; 0: as many as cores")
    features: Annotated[Literal["off", "ram", "disk"], BeforeValidator(_off)] = Field(
        "off", description="where frozen vision features are kept once they are computed; augment must be none"
    )
    features_as: Literal["own", "float16"] = Field(
        "own", description="numbers that features are kept in: the tower's own, or rounded to float16"
    )
    features_gb: Annotated[float, Field(gt=0)] | None = Field(None, description="most that they may take; null: all")
    group_by_length: int = Field(
        0, ge=0, description="batches whose samples are sorted by length before they are cut; 0: chance alone"
    )

    @model_validator(mode="after")
    def _kept_features_need_fixed_pictures(self) -> Self:
        if self.features != "off" and self.augment != "none":
            raise ValueError(
                f"features: {self.features} needs augment: none, since augmented pictures differ each time"
            )
        return self


class OptimRecipe(Section):
    """Optimiser, batches and schedule."""

    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="muon: orthogonalised momentum for the layers' matrices, AdamW for the rest"
    )
    batch_size: Positive = Field(20, description="samples of one optimiser step")
    batch_is: Literal["global", "per-device"] = Field("global", description="whether batch_size is for all devices")
    accumulate: Positive = Field(1, description="passes of batch_size / accumulate samples a step")
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="passes over the data, ignored when steps is set")
    steps: Positive | None = Field(None, description="optimiser steps; null: from epochs")
    learning_rate: Annotated[float, Field(gt=0)] = Field(2e-5, description="peak, per step")
    min_learning_rate: Annotated[float, Field(ge=0)] = Field(0.0, description="at the end of the cosine")
    schedule: Literal["cosine", "cosine-by-epoch", "constant"] = Field(
        "cosine", description="cosine over steps; cosine-by-epoch: as LAVIS, the rate falls between epochs only"
    )
    warmup_steps: int = Field(240, ge=0, description="steps of linear warm-up")
    warmup_learning_rate: Annotated[float, Field(ge=0)] = Field(0.0, description="where the warm-up starts")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.05, description="AdamW's decoupled decay")
    decay_biases: bool = Field(False, description="whether biases and norms decay too")
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="AdamW's moment decay rates")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(None, description="largest gradient norm; null: no limit")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="numbers of the matrix products")

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of accumulate {self.accumulate}")
        return self


class CheckpointRecipe(Section):
    """When a run is saved."""

    every_steps: Positive | None = Field(500, description="optimiser steps between checkpoints; null: not by steps")
    every_minutes: Annotated[float, Field(gt=0)] | None = Field(10.0, description="minutes; null: not by time")
    keep: Positive = Field(2, description="finished checkpoints kept, the newest")
    keep_best: bool = Field(True, description="keep that of the lowest validation loss too")


class ValidationRecipe(Section):
    """What is looked at while training, of samples that it doesn't learn from: `samples.html` in --out."""

    data: str | None = Field(None, description="a world set (its validation split) or a directory; null: nothing")
    samples: Positive = Field(64, description="samples for the loss, from the start")
    shown: int = Field(4, ge=0, description="samples that are answered on the page, from the start")
    every_steps: Positive = Field(250, description="optimiser steps between two looks; there is one at the end")


BeamRules = Literal["released", "transformers"]
_RULES = "when beams end and how they compare: as the release's, or as generate of transformers 5"
_TOP_P = "only the likeliest tokens are drawn, up to this share of probability"
_NGRAM = "no run of so many tokens comes twice in an answer"
_TEMPERATURE = (
    "above 0, tokens are drawn by chance, with one beam alone: near 0 the likely ones, above 1 more of the others; "
    "0: always the likeliest"
)
_COMPILED = (
    "steps of fixed shapes, compiled and on a GPU captured, once a minute or so has gone into it; rounding, and so a "
    "tie, may come out otherwise"
)
_DRAWN = "of what is drawn, together with the sample's id"
_COLDEST = 1e-3  # below, scores divided by it overflow


class DecodingRecipe(Section):
    """How answers are generated; the defaults are the released ones."""

    beams: Positive = Field(5, description="beams; 1 is greedy, and then text streams")
    max_length: Annotated[int, Field(gt=1)] = Field(256, description="tokens counting BOS, so one less are new")
    min_length: Positive = Field(1, description="tokens counting BOS")
    repetition_penalty: Annotated[float, Field(gt=0)] = Field(1.5, description="over BOS and generated tokens")
    length_penalty: float = Field(1.0, description="exponent of a beam's length; 1 is the mean log-probability")
    rules: BeamRules = Field("released", description=_RULES)
    no_repeat_ngram: int = Field(0, ge=0, description=f"{_NGRAM}; 0: any may")
    temperature: float = Field(0.0, ge=0, description=_TEMPERATURE)
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description=_TOP_P)
    seed: int = Field(0, ge=0, description=_DRAWN)
    compiled: bool = Field(False, description=_COMPILED)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        _check_lengths(self.min_length, self.max_length)
        _check_chance(self.beams, self.temperature, self.top_p)
        return self

    def in_effect(self) -> "DecodingRecipe":
        """The same answers, with what changes none of them at its default."""
        without_chance = () if self.temperature else ("top_p", "seed")
        without_beams = () if self.beams > 1 else ("rules", "length_penalty")
        idle = {name: type(self).model_fields[name].default for name in (*without_chance, *without_beams)}
        return self.model_copy(update=idle)

    def in_words(self) -> str:
        """In what it differs from the released way."""
        released = type(self)()
        changed = [f"{name} {value}" for name, value in self if value != getattr(released, name)]
        return ", ".join(changed) or "as released"


class DecodingChanges(Section):
    """What is generated otherwise than the model's own way; null leaves it."""

    beams: Positive | None = Field(None, description="beams; null: the model's own (released: 5, tiny: 1)")
    max_length: Annotated[int, Field(gt=1)] | None = Field(
        None, description="tokens counting BOS; null: the model's own (released: 256, tiny: 64)"
    )
    min_length: Positive | None = Field(None, description="tokens counting BOS; null: the model's own (1)")
    repetition_penalty: Annotated[float, Field(gt=0)] | None = Field(
        None, description="null: the model's own (released: 1.5, tiny: 1.0)"
    )
    length_penalty: float | None = Field(None, description="exponent of a beam's length; null: the model's own (1)")
    rules: BeamRules | None = Field(None, description=f"{_RULES}; null: the model's own (released)")
    no_repeat_ngram: int | None = Field(None, ge=0, description=f"{_NGRAM}; null: the model's own (0, any may)")
    temperature: float | None = Field(None, ge=0, description=f"{_TEMPERATURE}; null: the model's own (0)")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description=f"{_TOP_P}; null: own (1)")
    seed: int | None = Field(None, ge=0, description=f"{_DRAWN}; null: the model's own (0)")
    compiled: bool | None = Field(None, description=f"{_COMPILED}; null: the model's own (false)")

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.min_length is not None and self.max_length is not None:
            _check_lengths(self.min_length, self.max_length)
        _check_chance(self.beams, self.temperature, self.top_p)
        return self

    def over(self, own: DecodingRecipe) -> DecodingRecipe:
        """The model's own way with these changes; raises UserError when the two don't go together."""
        changed = own.model_copy(update=self.model_dump(exclude_none=True))
        try:
            _check_lengths(changed.min_length, changed.max_length)
            _check_chance(changed.beams, changed.temperature, changed.top_p)
        except ValueError as error:
            raise UserError(f"decoding: {error} (one of the two is the model's own)") from error
        return changed.in_effect()


def _check_chance(beams: int | None, temperature: float | None, top_p: float | None) -> None:
    if temperature and temperature < _COLDEST:
        raise ValueError(f"temperature {temperature:g} must be 0, or at least {_COLDEST:g}")
    if temperature and beams is not None and beams > 1:
        raise ValueError(
            f"temperature {temperature}: tokens are drawn by chance with one beam alone, not with {beams}; "
            "set beams to 1 or temperature to 0"
        )
    if temperature == 0 and top_p is not None and top_p < 1:
        raise ValueError(f"top_p {top_p} is of tokens that are drawn by chance; set temperature above 0")


def _check_lengths(least: int, most: int) -> None:
    if least > most:
        raise ValueError(f"min_length {least} must not be above max_length {most}; lower the one or raise the other")


class SamRecipe(Section):
    """`sam train`: the paper's training; frozen is all but the projection and what the method adds."""

    kind: Literal["sam"] = Field("sam", description="sam: training as in the paper, on a trained base")
    seed: int = Field(0, description="of data order, augmentation and initial weights")
    model: TrainedModelRecipe = TrainedModelRecipe()
    guidance: GuidanceRecipe = GuidanceRecipe()
    linear: LinearRecipe = LinearRecipe()
    vpgc: VpgcRecipe = VpgcRecipe()
    mmicl: MmiclRecipe = MmiclRecipe()
    text: TextRecipe = TextRecipe()
    data: DataRecipe = DataRecipe()
    optim: OptimRecipe = OptimRecipe()
    checkpoint: CheckpointRecipe = CheckpointRecipe()
    validation: ValidationRecipe = ValidationRecipe()
    log_every: Positive = Field(10, description="steps between lines of log.jsonl")
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = Field(
        (), description="where figures go beside log.jsonl; each is a package of its own"
    )

    @model_validator(mode="after")
    def _one_source_of_context(self) -> Self:
        check_context(self.guidance, self.linear)
        return self

    @property
    def method(self) -> MethodRecipe:
        """What is added to the base."""
        return MethodRecipe(guidance=self.guidance, linear=self.linear, vpgc=self.vpgc, mmicl=self.mmicl)


RESUMED_WITH = (
    "workers",
    "checkpoint",
    "log_every",
    "validation.every_steps",
    "validation.shown",
    "data.workers",
    "data.features_gb",
    "model.device",
    "model.recompute_activations",
    "model.shard",
    "optim.accumulate",
    "trackers",
    *(f"{stage}.data.{key}" for stage in ("projector", "instruction") for key in ("workers", "features_gb")),
    *("objective.labels.gb", "objective.labels.batch_size"),
)
"""What a training may be resumed with other values of: where and how fast it runs, not what comes out of it."""


class SizesRecipe(Section):
    """Sizes of the small InstructBLIP."""

    image_size: Positive = Field(128, description="pixels a side")
    patch_size: Positive = Field(16, description="pixels a side")
    vision_width: Positive = Field(192, description="channels of a patch")
    vision_layers: Positive = Field(6, description="transformer layers")
    vision_heads: Positive = Field(4, description="attention heads; must divide vision_width")
    qformer_width: Positive = Field(144, description="channels of a query or text token")
    qformer_layers: Positive = Field(12, description="12, so that every l and k of the paper exists")
    qformer_heads: Positive = Field(4, description="attention heads; must divide qformer_width")
    queries: Positive = Field(17, description="visual tokens an image: one for each word that names what it shows")
    llm_width: Positive = Field(256, description="channels of a token")
    llm_layers: Positive = Field(5, description="transformer layers")
    llm_heads: Positive = Field(4, description="attention heads; must divide llm_width")
    llm_mlp: Positive = Field(640, description="hidden channels of the feed-forward part")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        parts = (("vision", self.vision_width, self.vision_heads), ("qformer", self.qformer_width, self.qformer_heads))
        for part, width, heads in (*parts, ("llm", self.llm_width, self.llm_heads)):
            if width % heads:
                raise ValueError(f"{part}_width {width} must be a multiple of {part}_heads {heads}")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} must be a multiple of patch_size {self.patch_size}")
        return self


class BaseRecipe(Section):
    """`sam train`: stage 0, the small InstructBLIP from nothing, in three steps on the world's single pictures."""

    kind: Literal["base"] = Field("base", description="what the recipe is for")
    seed: int = Field(0, description="of weights, pictures, texts and data order")
    sizes: SizesRecipe = SizesRecipe()
    pictures: Positive = Field(80_000, description="single pictures drawn for the vision tower and the Q-Former")
    held_out: Positive = Field(1000, description="pictures and lessons that each step is judged on, never trained on")
    workers: int = Field(0, ge=0, description="processes that draw pictures; 0: as many as cores")
    vision: OptimRecipe = Field(OptimRecipe(), description="first step: the vision tower; batches count pictures")
    language: OptimRecipe = Field(OptimRecipe(), description="second step: the LLM; batches count lessons")
    alignment: OptimRecipe = Field(OptimRecipe(), description="third step: Q-Former and projection; pictures")
    word_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="of the visual tokens' words beside the answers"
    )
    checkpoint: CheckpointRecipe = CheckpointRecipe()
    log_every: Positive = Field(50, description="steps between lines of log.jsonl")


class SynthRecipe(Section):
    """`sam synth`: which set is made, how large, from which seed."""

    kind: Literal["synth"] = Field("synth", description="what the recipe is for")
    dataset: Literal[
        "world-mmlink",
        "world-links",
        "world-groups",
        "world-stories",
        "world-changes",
        "world-captions",
        "world-questions",
        "world-grounding",
        "world-instructions",
    ] = Field("world-mmlink", description="which set of the embedded world")
    split: Literal["train", "val", "test"] = Field("train", description="splits share no object, scene seed or story")
    samples: Positive = Field(20_000, description="samples in the set")
    seed: int = Field(0, description="of everything left to chance; the same seed gives the same bytes")
    size: Annotated[int, Field(ge=128)] = Field(192, description="pixels a side of the pictures on disk")
    attempts: Positive = Field(5, description="tries for a sample that the checks reject, before it counts as failed")
    workers: int = Field(0, ge=0, description="processes; 0: as many as cores")


NO_ADAPTER = "none"
"""What `adapter` says for the bare base."""
Protocol = Literal["released", "coco"]
Control = Literal["shuffle", "blank"]
Task = Literal[
    "group-captioning",
    "storytelling",
    "change-captioning",
    "linking",
    "captioning",
    "questions",
    "grounding",
    "alignment",
]


class EvalRecipe(Section):
    """`sam eval`: which answers are scored on which data."""

    kind: Literal["eval"] = Field("eval", description="what the recipe is for")
    task: Task = Field("linking", description="what is asked of the model")
    datasets: tuple[str, ...] = Field((), description="datasets of the task; empty: its world set")
    model: ModelRecipe = ModelRecipe()
    adapter: str | None = Field(
        None, description="what `sam train` wrote; none: the bare base; null: tiny's own with tiny, else none"
    )
    decoding: DecodingChanges = DecodingChanges()
    reading: ReadingRecipe = ReadingRecipe()
    protocol: Protocol = Field(
        "released", description="how answers are scored: as the paper's scorer does, or as coco-caption does"
    )
    control: Control | None = Field(
        None,
        description="shuffle: pictures come from the next sample (linking: all but the first); blank: they are black",
    )
    batch_size: Positive = Field(20, description="samples answered at once")
    api: ApiRecipe = ApiRecipe()
    limit: Positive | None = Field(None, description="samples of each dataset, from the start; null: all")
    ids: tuple[int | str, ...] | None = Field(None, description="samples of these ids alone; null: all")
    seed: int = Field(0, description="of the bootstrap")
    workers: Positive = Field(1, description="processes (ray: actors) that answer, each with a model of its own")
    engine: Literal["local", "ray"] = Field(
        "local", description="local: processes of this machine; ray: actors of Ray Data, on a cluster"
    )
    reuse_answers: bool = Field(
        True, description="take answers that the same model gave to the same question before, from a cache"
    )
    data_root: str | None = Field(None, description="directory of the datasets; null: $SAM_DATA, else ./data")
    image_root: str | None = Field(
        None, description="directory that images and links may lead to; null: none but the dataset's own"
    )

    @model_validator(mode="after")
    def _protocols_are_for_captions(self) -> Self:
        if self.task in ("linking", "questions", "grounding", "alignment") and self.protocol != "released":
            raise ValueError(f"protocol: {self.task} is judged by a rule of its own; leave the protocol out")
        return self


def _row_label(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Row = Annotated[str, BeforeValidator(_row_label), Field(pattern=r"^[1-9]\d*[a-z]?$")]


class RowRecipe(Section):
    """One row of an ablation."""

    row: Row = Field(description="number, perhaps with a letter (4, 4b); must be given; 1 to 7: the paper's Table 3")
    name: str = Field(description="what the row is called; must be given, a table needs it")
    train: bool = Field(True, description="false: the base as it is, without training")
    overrides: dict[str, Any] = Field({}, description="dotted keys of the base recipe and their values in this row")


class AblateRecipe(Section):
    """`sam ablate`: rows that differ in a few settings, trained with several seeds and scored on the same data."""

    kind: Literal["ablate"] = Field("ablate", description="what the recipe is for")
    base: str = Field("tiny/sam", description="the training recipe that the rows change")
    rows: tuple[RowRecipe, ...] = Field((), description="the rows of the table")
    seeds: Positive = Field(3, description="training seeds: as many, from the training recipe's own on")
    tasks: tuple[Task, ...] = Field(("linking",), description="tasks, each on all of its datasets")
    datasets: tuple[str, ...] = Field((), description="datasets; empty: the world set of each task")
    measured: tuple[str, ...] = Field(
        (), description="datasets on which visual tokens are measured, as `sam eval --task alignment` does; empty: none"
    )
    decoding: DecodingChanges = DecodingChanges()
    batch_size: Positive = Field(20, description="samples answered at once")
    limit: Positive | None = Field(None, description="samples of each dataset; null: all")
    reading: ReadingRecipe = ReadingRecipe()
    data_root: str | None = Field(None, description="directory of the datasets; null: $SAM_DATA, else ./data")
    image_root: str | None = Field(
        None, description="directory that images and links may lead to; null: none but the dataset's own"
    )
    paper: Literal["table3", "figure5"] | None = Field(
        None, description="what the rows repeat: table3 prints the paper's beside them, figure5 draws layers l and k"
    )
    compare_with: tuple[Row, ...] = Field(
        (), description="rows that the others are compared with; empty: 2 and 7 where they are there, else the first"
    )

    @model_validator(mode="after")
    def _compared_rows_exist(self) -> Self:
        there = [row.row for row in self.rows]
        if unknown := [row for row in self.compare_with if row not in there]:
            raise ValueError(f"compare_with: there is no row {unknown[0]}; rows: {', '.join(there)}")
        return self

    @property
    def compared(self) -> tuple[Row, ...]:
        """The rows that the others are compared with."""
        there = [row.row for row in self.rows]
        usual = tuple(row for row in ("2", "7") if row in there)
        return self.compare_with or usual or tuple(there[:1])
