"""Small LLaVAs of random weights: a CLIP or SigLIP tower, a LLaMA, and the tokenizer of the small models."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaForConditionalGeneration,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from samcli.model.llava.parts import join_parts
from samcli.model.llava.processor import PatchProcessor
from samcli.model.tokenizers import build_llm_tokenizer
from tests.small_models import WORDS

SIDE, PATCH, WIDTH = 32, 8, 16
SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": PATCH,
}


def small_tower(kind: str) -> Any:
    """A vision tower of `clip` or `siglip`."""
    torch.manual_seed(1)
    if kind == "clip":
        return CLIPVisionModel(CLIPVisionConfig(**SHAPE)).eval()
    return SiglipVisionModel(SiglipVisionConfig(**SHAPE, vision_use_head=False)).eval()


def small_images(kind: str) -> Any:
    """The image processor that comes with such a tower."""
    if kind == "clip":
        return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    return SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})


def small_llm(words: int, *, tied: bool = True) -> LlamaForCausalLM:
    """A language model of so many words."""
    torch.manual_seed(2)
    settings = LlamaConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    llm = LlamaForCausalLM(settings)
    llm.eval()
    with torch.no_grad():  # one that attends to what it is shown, and doesn't repeat itself
        for parameter in llm.model.layers.parameters():
            parameter.mul_(10)
    return llm


def small_llava(
    kind: str = "clip", *, tied: bool = True, layer: int = -2
) -> tuple[LlavaForConditionalGeneration, PatchProcessor]:
    """A LLaVA and its processor."""
    tokenizer = build_llm_tokenizer(WORDS)
    llava = join_parts(small_tower(kind), small_llm(len(tokenizer), tied=tied), tokenizer, layer, seed=3)
    return llava, PatchProcessor(small_images(kind), tokenizer)


def save_small_llava(directory: Path, kind: str = "clip") -> Path:
    """Write one in the hub's format; return its directory."""
    llava, processor = small_llava(kind)
    llava.save_pretrained(directory)
    processor.save(directory)
    return directory
