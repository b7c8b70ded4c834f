"""A LLaVA put together: from a vision tower and a language model, or small, from the parts of the embedded model."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    InstructBlipForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from samcli.errors import UserError
from samcli.model.llava.processor import IMAGE_TOKEN

FEATURE_DEVIATION = 24.0  # of the embedded tower's features before its last norm, which LLaVAs read; layers expect 1
_TOWERS = ("clip_vision_model", "siglip_vision_model")
LAST_LAYER = -1  # of the embedded tower, which a small LLaVA reads


def join_parts(tower: Any, llm: Any, tokenizer: Any, feature_layer: int, seed: int) -> LlavaForConditionalGeneration:
    """A LLaVA of a CLIP or SigLIP tower and a causal language model, with a new projector drawn from `seed`.

    `tokenizer` gets `<image>`, if it doesn't know it, and the LLM an embedding for it. The parts are taken over, not
    copied.
    """
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    _make_room(llm, len(tokenizer))
    image_token = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    with torch.device("meta"):
        llava = LlavaForConditionalGeneration(joined_config(tower.config, llm.config, image_token, feature_layer))
    llava.model.vision_tower = tower
    llava.model.language_model = llm.get_decoder()
    llava.lm_head = llm.get_output_embeddings()
    llava.model.multi_modal_projector.to_empty(device=llm.device)
    draw_projector(llava, seed)
    llava.generation_config = llm.generation_config
    llava.eval()
    return llava


def _make_room(llm: Any, words: int) -> None:
    """Give a language model so many words; new ones are the mean of the others, which no chance decides."""
    known = llm.get_input_embeddings().num_embeddings
    if words <= known:
        return
    llm.resize_token_embeddings(words, mean_resizing=False)
    with torch.no_grad():
        for table in (llm.get_input_embeddings(), llm.get_output_embeddings()):
            table.weight[known:] = table.weight[:known].float().mean(dim=0).to(table.weight)


def joined_config(vision: Any, text: Any, image_token: int, feature_layer: int) -> LlavaConfig:
    """The configuration of a LLaVA from those of its tower and its language model.

    Raises UserError for a tower of another kind, and for a layer that it lacks.
    """
    if vision.model_type not in _TOWERS:
        raise UserError(f"model.vision is a {vision.model_type}; needed is a CLIP or a SigLIP")
    layers = int(vision.num_hidden_layers) + 1  # what goes into the first is the 0th
    if not -layers <= feature_layer < layers:
        raise UserError(f"model.feature_layer: {feature_layer}, but the tower has layers {-layers} to {layers - 1}")
    has_class_token = vision.model_type.startswith("clip")
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=image_token,
        image_seq_length=(vision.image_size // vision.patch_size) ** 2,
        vision_feature_layer=feature_layer,
        vision_feature_select_strategy="default" if has_class_token else "full",
        tie_word_embeddings=text.tie_word_embeddings,
    )


def draw_projector(llava: LlavaForConditionalGeneration, seed: int, deviation: float = 1.0) -> None:
    """New numbers for the projector, the same for the same seed: torch's own for linear layers.

    `deviation` is that of the features, which the first layer is scaled by.
    """
    generator = torch.Generator().manual_seed(seed)
    projector = llava.model.multi_modal_projector
    for layer in (projector.linear_1, projector.linear_2):
        bound = layer.in_features**-0.5
        for parameter in layer.parameters():
            drawn = torch.rand(parameter.shape, generator=generator) * 2 * bound - bound
            parameter.data = drawn.to(parameter)
    projector.linear_1.weight.data /= deviation


def siglip_of(vision: nn.Module) -> SiglipVisionModel:
    """InstructBLIP's vision tower as one of SigLIP's, with the same weights but without its class token.

    On the embedded model's tower linear probes of the patches find the same with and without the token, to a quarter
    of a point.
    """
    own: Any = vision.config
    config = siglip_config(own)
    config._attn_implementation = own._attn_implementation
    tower = SiglipVisionModel(config)
    tower.load_state_dict(_renamed(vision.state_dict()))
    nn.Module.to(tower, next(vision.parameters()).dtype)
    tower.eval()
    return tower


def siglip_config(own: Any) -> SiglipVisionConfig:
    """The configuration of `siglip_of` a tower with the configuration `own`."""
    return SiglipVisionConfig(
        hidden_size=own.hidden_size,
        intermediate_size=own.intermediate_size,
        num_hidden_layers=own.num_hidden_layers,
        num_attention_heads=own.num_attention_heads,
        image_size=own.image_size,
        patch_size=own.patch_size,
        hidden_act=own.hidden_act,
        layer_norm_eps=own.layer_norm_eps,
        vision_use_head=False,
    )


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name == "embeddings.class_embedding":
            continue
        if name == "embeddings.position_embedding":
            renamed[f"{name}.weight"] = value[0, 1:]  # the first is the class token's
        elif ".self_attn.qkv." in name:
            for part, piece in zip("qkv", value.chunk(3), strict=True):
                renamed[name.replace(".qkv.", f".{part}_proj.")] = piece
        else:
            renamed[name.replace(".self_attn.projection.", ".self_attn.out_proj.")] = value
    return renamed


def of_instructblip(
    base: InstructBlipForConditionalGeneration, tokenizer: Any, seed: int
) -> LlavaForConditionalGeneration:
    """A small LLaVA of an InstructBLIP's tower and LLM; Q-Former and projection are left behind."""
    llava = join_parts(siglip_of(base.vision_model), base.language_model, tokenizer, LAST_LAYER, seed)
    draw_projector(llava, seed, FEATURE_DEVIATION)
    return llava
