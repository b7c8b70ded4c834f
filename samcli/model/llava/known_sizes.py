"""Sizes of published LLaVAs and of their parts, so that a run can be planned without their weights or a network."""

from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, SiglipVisionConfig

from samcli.model.llava.parts import joined_config

_CLIP, _SIGLIP = "openai/clip-vit-large-patch14-336", "google/siglip-so400m-patch14-384"
_VICUNA = {  # width, feed-forward width, layers, heads
    "lmsys/vicuna-7b-v1.5": (4096, 11008, 32, 32),
    "lmsys/vicuna-13b-v1.5": (5120, 13824, 40, 40),
}
_WHOLE = {"llava-hf/llava-1.5-7b-hf": "lmsys/vicuna-7b-v1.5", "llava-hf/llava-1.5-13b-hf": "lmsys/vicuna-13b-v1.5"}
_WORDS = 32_001  # LLaMA's, and `<image>` as the last
_WORDS_OF_WHOLE = 32_064
KNOWN_TOWERS, KNOWN_LLMS, KNOWN_LLAVAS = (_CLIP, _SIGLIP), tuple(_VICUNA), tuple(_WHOLE)
"""Hub ids whose sizes are known: of vision towers, of language models, of whole LLaVAs."""


def known_tower(hub_id: str) -> CLIPVisionConfig | SiglipVisionConfig | None:
    """The configuration of a published vision tower; None for an id that isn't in `KNOWN_TOWERS`."""
    if hub_id == _CLIP:
        return CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
        )
    if hub_id == _SIGLIP:
        return SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=27,
            num_attention_heads=16,
            image_size=384,
            patch_size=14,
        )
    return None


def known_llm(hub_id: str) -> LlamaConfig | None:
    """The configuration of a published language model with room for `<image>`; None for others."""
    return _vicuna(hub_id, _WORDS) if hub_id in _VICUNA else None


def known_llava(hub_id: str) -> LlavaConfig | None:
    """The configuration of a published LLaVA-1.5; None for an id that isn't in `KNOWN_LLAVAS`."""
    if hub_id not in _WHOLE:
        return None
    return joined_config(known_tower(_CLIP), _vicuna(_WHOLE[hub_id], _WORDS_OF_WHOLE), _WORDS - 1, feature_layer=-2)


def _vicuna(hub_id: str, words: int) -> LlamaConfig:
    width, feed_forward, layers, heads = _VICUNA[hub_id]
    return LlamaConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=4096,
    )
