"""InstructBLIP built small, from sizes: the embedded model before it has learnt anything, and test models."""

import torch
from torch import nn
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
)

from samcli.recipe import SizesRecipe


def small_config(sizes: SizesRecipe, llm_vocabulary: int, qformer_vocabulary: int) -> InstructBlipConfig:
    """The configuration of an InstructBLIP with a LLaMA of these sizes."""
    vision = InstructBlipVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=4 * sizes.vision_width,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=sizes.vision_heads,
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        initializer_range=0.02,
    )
    qformer = InstructBlipQFormerConfig(
        vocab_size=qformer_vocabulary,
        hidden_size=sizes.qformer_width,
        num_hidden_layers=sizes.qformer_layers,
        num_attention_heads=sizes.qformer_heads,
        intermediate_size=2 * sizes.qformer_width,
        max_position_embeddings=128,
        layer_norm_eps=1e-12,
        cross_attention_frequency=2,
        encoder_hidden_size=sizes.vision_width,
    )
    llm = LlamaConfig(
        vocab_size=llm_vocabulary,
        hidden_size=sizes.llm_width,
        intermediate_size=sizes.llm_mlp,
        num_hidden_layers=sizes.llm_layers,
        num_attention_heads=sizes.llm_heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return InstructBlipConfig(
        vision_config=vision, qformer_config=qformer, text_config=llm, num_query_tokens=sizes.queries
    )


def build_small(
    sizes: SizesRecipe, llm_vocabulary: int, qformer_vocabulary: int, seed: int
) -> InstructBlipForConditionalGeneration:
    """A small InstructBLIP with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    config = small_config(sizes, llm_vocabulary, qformer_vocabulary)
    config._attn_implementation = "eager"  # the faster one on CPUs at these sizes, and the same on all machines
    model = InstructBlipForConditionalGeneration(config)
    nn.init.normal_(model.query_tokens, std=0.02)
    model.float()
    return model
