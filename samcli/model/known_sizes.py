"""Sizes of published InstructBLIPs, so that a run can be planned where neither their weights nor a network are."""

from transformers import InstructBlipConfig, InstructBlipQFormerConfig, InstructBlipVisionConfig, LlamaConfig

_VICUNA = {  # width, feed-forward width, layers, heads of LLaMA 7B and 13B
    "Salesforce/instructblip-vicuna-7b": (4096, 11008, 32, 32),
    "Salesforce/instructblip-vicuna-13b": (5120, 13824, 40, 40),
}
KNOWN = tuple(_VICUNA)
"""Hub ids whose sizes are known."""


def known_config(hub_id: str) -> InstructBlipConfig | None:
    """The configuration of a published InstructBLIP, built from its sizes; None for an id that isn't in `KNOWN`.

    EVA's ViT-g over 224 pixels, a Q-Former of BERT's base size with 32 queries, and Vicuna 1.1 with a padding token.
    """
    if hub_id not in _VICUNA:
        return None
    width, feed_forward, layers, heads = _VICUNA[hub_id]
    llm = LlamaConfig(
        vocab_size=32001,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=2048,
    )
    return InstructBlipConfig(vision_config=_vision(), qformer_config=_qformer(), text_config=llm, num_query_tokens=32)


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
