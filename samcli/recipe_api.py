"""How a model behind an OpenAI-compatible endpoint is asked, and what it may cost."""

from typing import Annotated, Any

from pydantic import Field

from samcli.recipe_section import Positive, Section

NotNegative = Annotated[float, Field(ge=0)]


class ApiRecipe(Section):
    """`api:MODEL`: requests at once, patience and spending; base URL and key come from the environment."""

    requests: Positive = Field(4, description="requests at once")
    timeout: Annotated[float, Field(gt=0)] = Field(120.0, description="seconds until a request is given up")
    tries: Positive = Field(6, description="times that a request is made before its sample is left for the next call")
    picture_side: Positive = Field(1024, description="longest side of a picture that is sent; larger ones are shrunk")
    most_dollars: NotNegative | None = Field(None, description="what a run may spend; null: no limit")
    dollars_in: NotNegative | None = Field(None, description="price of a million tokens sent; null: not known")
    dollars_out: NotNegative | None = Field(None, description="price of a million tokens received; null: not known")
    extra: dict[str, Any] = Field({}, description="keys of the request's body; null takes one out (temperature: null)")
