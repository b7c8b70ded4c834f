"""Row 6 of the paper's Table 3: MMICL's training, in which queries and values of the LLM's attention learn too.

Literally that is four 4096-wide matrices of Vicuna-7B for the first two layers, 67 million numbers. The low-rank form
trains a sum beside each of them instead (LoRA, from peft), with about as many numbers as SAM's guidance has.
"""

from collections.abc import Callable

from torch import Tensor, nn
from transformers import InstructBlipForConditionalGeneration

from samcli.model.language import attention_matrices, reading_layers
from samcli.recipe_method import MmiclRecipe


class OwnNumbers(nn.Linear):
    """A trained copy of a linear layer, in single precision inside a model of other numbers."""

    def __init__(self, frozen: nn.Linear) -> None:
        bias = frozen.bias is not None
        super().__init__(frozen.in_features, frozen.out_features, bias, device=frozen.weight.device)
        self.load_state_dict(frozen.state_dict())

    def forward(self, values: Tensor) -> Tensor:
        """As a linear layer, in the numbers of the values."""
        return super().forward(values.to(self.weight.dtype)).to(values.dtype)


def train_attention(base: InstructBlipForConditionalGeneration, settings: MmiclRecipe) -> Callable[[], None]:
    """Put trained layers in the frozen ones' places; return what puts the frozen ones back.

    Raises ValueError for more layers than there are, and for matrices of quantised weights, which only the low-rank
    form can train beside.
    """
    layers = reading_layers(base)
    if settings.layers > len(layers):
        raise ValueError(f"mmicl.layers is {settings.layers}, but the language model has {len(layers)} layers")
    places = [place for layer in layers[: settings.layers] for place in attention_matrices(layer)]
    frozen = [(holder, name, getattr(holder, name)) for holder, name in places]
    if settings.form == "low-rank":
        _add_low_rank(base, [linear for _, _, linear in frozen], settings.rank)
    else:
        for holder, name, linear in frozen:
            if type(linear) is not nn.Linear:
                raise ValueError(f"mmicl.form: {type(linear).__name__} weights can't train themselves; use low-rank")
            setattr(holder, name, OwnNumbers(linear))

    def put_back() -> None:
        for holder, name, linear in frozen:
            setattr(holder, name, linear)
        if settings.form == "low-rank":
            del base.language_model.peft_config

    return put_back


def _add_low_rank(base: InstructBlipForConditionalGeneration, chosen: list[nn.Linear], rank: int) -> None:
    from peft import LoraConfig, inject_adapter_in_model  # takes a second to import, for this row alone

    names = [name for name, module in base.language_model.named_modules() if any(module is one for one in chosen)]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=names), base.language_model)
    for parameter in base.language_model.parameters():
        if parameter.requires_grad:  # small steps would round away in half precision
            parameter.data = parameter.data.float()
