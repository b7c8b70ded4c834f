"""CLIP and SigLIP of random weights, saved as the hub's are: real classes, configurations and processors."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from samcli.model.tokenizers import build_llm_tokenizer

SIDE, PATCH, WIDTH = 32, 8, 16
_TEXT = 12  # tokens
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PART: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def _configs(vocabulary: int) -> dict[str, Any]:
    vision = _PART | {"image_size": SIDE, "patch_size": PATCH}
    text = _PART | {"vocab_size": vocabulary, "max_position_embeddings": _TEXT, "projection_size": WIDTH}
    return {"vision_config": vision, "text_config": text}


def save_clip(directory: Path, seed: int = 0) -> Path:
    """A CLIP whose texts are spelt; return its directory."""
    words = ("<|startoftext|>", "<|endoftext|>", *_LETTERS, *(f"{letter}</w>" for letter in _LETTERS))
    parts = _configs(len(words))
    parts["text_config"] |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(**parts, projection_dim=WIDTH))
    _spread(model)
    model.save_pretrained(directory)
    CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[]).save_pretrained(directory)
    square = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square).save_pretrained(directory)
    return directory


def save_siglip(directory: Path, seed: int = 0) -> Path:
    """A SigLIP that knows some words; return its directory."""
    tokenizer: PreTrainedTokenizerFast = build_llm_tokenizer("red blue sofa dog sky".split())
    torch.manual_seed(seed)
    model = SiglipModel(SiglipConfig(**_configs(len(tokenizer))))
    _spread(model)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(directory)
    return directory


def _spread(model: torch.nn.Module) -> None:
    """Let random layers tell pictures and words apart: as they are drawn they hardly change what passes through."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
