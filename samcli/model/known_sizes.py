"""Sizes of published InstructBLIPs, so that a run can be planned where neither their weights nor a network are."""

from typing import Any

from transformers import (
    InstructBlipConfig,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
    T5Config,
)

_VICUNA = {  # width, feed-forward width, layers, heads of LLaMA 7B and 13B
    "Salesforce/instructblip-vicuna-7b": (4096, 11008, 32, 32),
    "Salesforce/instructblip-vicuna-13b": (5120, 13824, 40, 40),
}
_FLAN_T5 = {  # width, feed-forward width, heads of FLAN-T5 XL and XXL, both of 24 layers
    "Salesforce/instructblip-flan-t5-xl": (2048, 5120, 32),
    "Salesforce/instructblip-flan-t5-xxl": (4096, 10240, 64),
}
KNOWN = (*_VICUNA, *_FLAN_T5)
"""Hub ids whose sizes are known."""


def known_config(hub_id: str) -> InstructBlipConfig | None:
    """The configuration of a published InstructBLIP, built from its sizes; None for an id that isn't in `KNOWN`.

    EVA's ViT-g over 224 pixels, a Q-Former of BERT's base size with 32 queries, and Vicuna 1.1 with a padding token or
    FLAN-T5.
    """
    if hub_id not in KNOWN:
        return None
    llm = _vicuna(*_VICUNA[hub_id]) if hub_id in _VICUNA else _flan_t5(*_FLAN_T5[hub_id])
    return InstructBlipConfig(vision_config=_vision(), qformer_config=_qformer(), text_config=llm, num_query_tokens=32)


def _vicuna(width: int, feed_forward: int, layers: int, heads: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=32001,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=2048,
    )


def _flan_t5(width: int, feed_forward: int, heads: int) -> T5Config:
    start: dict[str, Any] = {"decoder_start_token_id": 0, "tie_word_embeddings": False}
    return T5Config(
        vocab_size=32128,
        d_model=width,
        d_kv=64,
        d_ff=feed_forward,
        num_layers=24,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        **start,
    )


def _vision() -> InstructBlipVisionConfig:
    return InstructBlipVisionConfig(
        hidden_size=1408,
        intermediate_size=6144,
        num_hidden_layers=39,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
    )


def _qformer() -> InstructBlipQFormerConfig:
    return InstructBlipQFormerConfig(
        vocab_size=30523,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        cross_attention_frequency=2,
        encoder_hidden_size=1408,
    )
