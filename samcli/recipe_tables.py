"""`sam eval` of several models at once: the paper's tables, its case study, and its comparison of datasets."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from samcli.recipe import Control, DecodingChanges, EvalRecipe, ModelRecipe, Protocol, Task
from samcli.recipe_api import ApiRecipe
from samcli.recipe_reading import ReadingRecipe
from samcli.recipe_section import Positive, Section


class EntryRecipe(Section):
    """One model of a table: one that is asked, or answers that are there."""

    name: str = Field(description="what the row is called; must be given")
    model: ModelRecipe = ModelRecipe()
    adapters: tuple[str, ...] = Field(
        (), description="adapters, one for each training seed; none: the bare base; empty: as `sam eval` without one"
    )
    predictions: str | None = Field(None, description="file or directory of answers made elsewhere; no model runs then")
    decoding: DecodingChanges = DecodingChanges()
    api: ApiRecipe = ApiRecipe()


class _Asked(Section):
    """What tables and case studies have in common: models, and how they are asked."""

    models: tuple[EntryRecipe, ...] = Field((), description="the models, in the order of the rows")
    device: str | None = Field(None, description="for all models; null: as each says")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(None, description="for all; null: as each says")
    reading: ReadingRecipe = ReadingRecipe()
    batch_size: Positive = Field(20, description="samples answered at once")
    workers: Positive = Field(1, description="processes that answer, each with a model of its own")
    engine: Literal["local", "ray"] = Field("local", description="where answers are made, see `sam eval`")
    reuse_answers: bool = Field(True, description="take answers from the cache")
    seed: int = Field(0, description="of the bootstrap")
    data_root: str | None = Field(None, description="directory of the datasets; null: $SAM_DATA, else ./data")
    image_root: str | None = Field(None, description="directory that images and links may lead to; null: none")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [entry.name for entry in self.models]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"models: {repeated[0]} is there twice; give each a name of its own")
        return self

    def evaluation(self, entry: EntryRecipe, adapter: str | None, task: Task, datasets: tuple[str, ...]) -> EvalRecipe:
        """The `sam eval` of one model."""
        changes = {key: value for key in ("device", "dtype") if (value := getattr(self, key)) is not None}
        return EvalRecipe(
            task=task,
            datasets=datasets,
            model=entry.model.model_copy(update=changes),
            adapter=adapter,
            decoding=entry.decoding,
            api=entry.api,
            reading=self.reading,
            batch_size=self.batch_size,
            workers=self.workers,
            engine=self.engine,
            reuse_answers=self.reuse_answers,
            seed=self.seed,
            data_root=self.data_root,
            image_root=self.image_root,
        )


class TableRecipe(_Asked):
    """`sam eval`: several models on the datasets of a task, as Tables 2 and 4 of the paper have them."""

    kind: Literal["table"] = Field("table", description="what the recipe is for")
    task: Task = Field("group-captioning", description="what is asked of the models")
    datasets: tuple[str, ...] = Field((), description="datasets of the task; those that aren't there are left out")
    protocol: Protocol = Field("released", description="how answers are scored, see `sam eval`")
    limit: Positive | None = Field(None, description="samples of each dataset, from the start; null: all")
    controls: tuple[Control, ...] = Field((), description="rows with other or black pictures, see `sam eval`")
    controlled: tuple[str, ...] = Field((), description="models that the controls are made with; empty: the last one")
    baseline: str | None = Field(None, description="model that the others are compared with; null: the first")

    @model_validator(mode="after")
    def _answers_are_asked_for(self) -> Self:
        if self.task == "alignment":
            raise ValueError("task: alignment is measured model by model; use sam eval --task alignment --baseline RUN")
        return self

    @model_validator(mode="after")
    def _named_models_exist(self) -> Self:
        names = [entry.name for entry in self.models]
        for key, wanted in (("controlled", self.controlled), ("baseline", (self.baseline,) if self.baseline else ())):
            if unknown := [name for name in wanted if name not in names]:
                raise ValueError(f"{key}: there is no model {unknown[0]}; models: {', '.join(names)}")
        return self


class CasesRecipe(_Asked):
    """`sam eval`: a few chosen samples with the answers of all models side by side, as Figure 4 of the paper."""

    kind: Literal["cases"] = Field("cases", description="what the recipe is for")
    samples: dict[str, tuple[int | str, ...]] = Field({}, description="ids of the chosen samples, by dataset")


class SurveyRecipe(Section):
    """`sam eval`: datasets beside one another, as Table 1 of the paper, with what it only asserts measured."""

    kind: Literal["survey"] = Field("survey", description="what the recipe is for")
    datasets: tuple[str, ...] = Field((), description="the datasets; those that aren't there are left out")
    model: ModelRecipe = ModelRecipe()
    samples: Annotated[int, Field(ge=2)] = Field(200, description="samples of each that distances are measured on")
    reading: ReadingRecipe = ReadingRecipe()
    seed: int = Field(0, description="of the choice of samples")
    data_root: str | None = Field(None, description="directory of the datasets; null: $SAM_DATA, else ./data")
    image_root: str | None = Field(None, description="directory that images and links may lead to; null: none")
