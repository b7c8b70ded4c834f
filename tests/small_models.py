"""Small InstructBLIPs of random weights, which tests train and ask in moments."""

from pathlib import Path
from typing import Any

import torch
from transformers import InstructBlipConfig, InstructBlipForConditionalGeneration, T5Config

from samcli.model.processor import Processor
from samcli.model.small import build_small, small_config
from samcli.model.tokenizers import build_llm_tokenizer, build_qformer_tokenizer
from samcli.recipe import SizesRecipe
from samcli.training.small.base import save_base

WORDS = "what do both pictures show a red blue cat and the dog on sofa is shared".split()
LLM_WORDS, QFORMER_WORDS = 50, 40  # vocabularies of models that are never given text


def small_sizes(**changes: int) -> SizesRecipe:
    """The smallest sizes that work, but for `changes`."""
    smallest = {
        "image_size": 32,
        "vision_width": 16,
        "vision_layers": 1,
        "vision_heads": 2,
        "qformer_width": 16,
        "qformer_layers": 2,
        "qformer_heads": 2,
        "queries": 4,
        "llm_width": 16,
        "llm_layers": 1,
        "llm_heads": 2,
        "llm_mlp": 32,
    }
    return SizesRecipe.model_validate(smallest | changes)


def small_processor(sizes: SizesRecipe) -> Processor:
    """Pictures of that size, and tokenizers over `WORDS`."""
    return Processor(sizes.image_size, build_llm_tokenizer(WORDS), build_qformer_tokenizer(WORDS))


def small_base(sizes: SizesRecipe, seed: int = 0) -> InstructBlipForConditionalGeneration:
    """A model with the vocabularies of `small_processor`."""
    processor = small_processor(sizes)
    return build_small(sizes, len(processor.tokenizer), len(processor.qformer_tokenizer), seed)


def textless_base(sizes: SizesRecipe) -> InstructBlipForConditionalGeneration:
    """A model that is given ids below `LLM_WORDS` and `QFORMER_WORDS`."""
    return build_small(sizes, LLM_WORDS, QFORMER_WORDS, seed=0)


def save_small(directory: Path, sizes: SizesRecipe, seed: int = 0) -> Path:
    """Write such a model in the hub's format; return its directory."""
    save_base(small_base(sizes, seed), small_processor(sizes), directory)
    return directory


def t5_base(sizes: SizesRecipe, llm_words: int, qformer_words: int) -> InstructBlipForConditionalGeneration:
    """The same sizes with a T5 for the LLaMA, as InstructBLIP-FLAN-T5 has one."""
    llama = small_config(sizes, llm_words, qformer_words)
    heads = sizes.llm_heads
    shape: dict[str, Any] = {
        "d_model": sizes.llm_width,
        "d_kv": sizes.llm_width // heads,
        "d_ff": sizes.llm_mlp,
        "num_heads": heads,
    }
    form = {"vocab_size": llm_words, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 0}
    t5: Any = T5Config(**shape | form | ids | {"num_layers": sizes.llm_layers, "d_ff": sizes.llm_mlp})
    parts: dict[str, Any] = {"vision_config": llama.vision_config, "qformer_config": llama.qformer_config}
    config = InstructBlipConfig(**parts, text_config=t5, num_query_tokens=sizes.queries)
    torch.manual_seed(0)
    base: InstructBlipForConditionalGeneration = InstructBlipForConditionalGeneration(config).eval()
    return base


def save_t5(directory: Path, sizes: SizesRecipe) -> Path:
    """Write such a model in the hub's format; return its directory."""
    processor = small_processor(sizes)
    base = t5_base(sizes, len(processor.tokenizer), len(processor.qformer_tokenizer))
    save_base(base, processor, directory)
    return directory
