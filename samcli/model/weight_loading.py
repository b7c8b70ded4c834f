"""Weights from safetensors into a model: each straight into its numbers and onto its device, without a second copy."""

import logging
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, BitsAndBytesConfig, InstructBlipForConditionalGeneration
from transformers.utils import logging as transformers_logging

from samcli.console import stderr
from samcli.errors import UserError
from samcli.recipe import ModelRecipe

_OUTSIDE_LLM = ("vision_model", "qformer", "query_tokens", "language_projection")
_IN_ONE_PIECE = ["LlamaDecoderLayer", "T5Block"]


def load_weights(
    directory: Path, settings: ModelRecipe, place: torch.device, *, small: bool
) -> InstructBlipForConditionalGeneration:
    """The model, complete; what its files lack transformers would fill with chance, and only warn.

    Raises ValueError for missing tensors, UserError when the LLM's bits can't be had.
    """
    show_no_bar(small=small)
    more: dict[str, Any] = {"attn_implementation": "eager"} if small else {}  # the faster one on CPUs at its sizes
    dtype = getattr(torch, settings.dtype)
    if settings.llm_bits is not None:
        more["quantization_config"] = _bits(settings.llm_bits, dtype)
    if settings.device == "spread":
        more["device_map"] = _spread(directory, dtype)
    elif place.type != "cpu" or settings.llm_bits is not None:
        more["device_map"] = {"": place}
    more |= {"dtype": dtype, "use_safetensors": True}
    complete: InstructBlipForConditionalGeneration = complete_model(
        InstructBlipForConditionalGeneration, directory, **more
    )
    if settings.llm_bits == 4:
        _keep_gradients(complete)
    return complete


def complete_model(kind: Any, directory: Path, lacking: str = "its files lack", **more: Any) -> Any:
    """A model of a class of transformers, in `eval()`; `more` is what `from_pretrained` takes.

    Raises ValueError, which begins with `lacking`, for one whose files lack tensors: transformers would fill them with
    chance, and only warn.
    """
    model, report = kind.from_pretrained(directory, output_loading_info=True, trust_remote_code=False, **more)
    if absent := sorted(report["missing_keys"]):
        raise ValueError(
            f"{lacking} {len(absent)} of the model's tensors, such as {absent[0]}; copy or download them again"
        )
    return model.eval()


@contextmanager
def tensors_alone(directory: Path) -> Iterator[dict[str, bool]]:
    """Options by which transformers reads a directory's weights: safetensors, or of pickles the tensors alone.

    Raises UserError for a pickle that holds anything else; nothing of it is run.
    """
    try:
        yield {"use_safetensors": any(directory.glob("*.safetensors")), "weights_only": True}
    except pickle.UnpicklingError as error:
        raise UserError(f"{directory}: its .bin files hold more than tensors, so they aren't read") from error


def show_no_bar(*, small: bool) -> None:
    """Keep transformers from drawing a bar where nobody would see it, or it would be over at once."""
    if small or stderr.quiet or not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()


def _bits(bits: int, dtype: torch.dtype) -> BitsAndBytesConfig:
    """The LLM alone in 8 or 4 bits: vision tower and Q-Former would lose more than they save."""
    try:
        import bitsandbytes  # noqa: F401  transformers would say less clearly that it isn't there
    except ImportError as error:
        raise UserError("model.llm_bits needs bitsandbytes: pip install 'samcli[bits]'") from error
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it would warn of rounding at every single product
    outside = [*_OUTSIDE_LLM, "lm_head"]
    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=outside)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, llm_int8_skip_modules=outside
    )


def _keep_gradients(model: InstructBlipForConditionalGeneration) -> None:
    """Forbid the layout into which bitsandbytes puts 4-bit weights when they first answer on a CPU.

    Its products pass no gradients, and nothing brings the weights back: a training would go on and learn nothing.
    """
    part: Any
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False


def _spread(directory: Path, dtype: torch.dtype) -> dict[str, Any]:
    """A place for every part: what comes before the LLM on the first GPU, the LLM's layers over all of them."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    with torch.device("meta"):
        empty = InstructBlipForConditionalGeneration(AutoConfig.from_pretrained(directory, trust_remote_code=False))
    memory = get_balanced_memory(empty, no_split_module_classes=_IN_ONE_PIECE, dtype=dtype)
    memory = {
        place: size for place, size in memory.items() if isinstance(place, int)
    }  # GPUs alone, nothing is offloaded
    found: dict[str, Any] = infer_auto_device_map(
        empty, max_memory=memory, no_split_module_classes=[*_IN_ONE_PIECE, *_whole(empty)], dtype=dtype
    )
    return found


def _whole(model: InstructBlipForConditionalGeneration) -> list[str]:
    """The classes of the parts that stay on one GPU, since their layers are called one by one."""
    return [type(model.vision_model).__name__, type(model.qformer).__name__]
