"""Detectors and segmenters of random weights, saved as the hub's are: real classes, configurations and processors."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoProcessor,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
    Sam3Config,
    Sam3Model,
    SamConfig,
    SamMaskDecoderConfig,
    SamModel,
    SamProcessor,
    SamPromptEncoderConfig,
    SamVisionConfig,
    SwinConfig,
)
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

SAM_SIDE = 64  # pixels
SAM3_SIDE = 112
# where the model looks for the tokens that part its phrases
BERT_PLACES = {
    "[PAD]": 0,
    "[UNK]": 100,
    "[CLS]": 101,
    "[SEP]": 102,
    ".": 1012,
    "?": 1029,
    "person": 1030,
    "chair": 1031,
}


def save_detector(directory: Path, seed: int = 0) -> Path:
    """A GroundingDINO; return its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    words = {place: word for word, place in BERT_PLACES.items()}
    vocabulary = directory / "vocab.txt"
    vocabulary.write_text("".join(f"{words.get(place, f'[unused{place}]')}\n" for place in range(1040)))
    tokenizer = BertTokenizer(vocab=str(vocabulary))
    images = GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})
    levels: dict[str, Any] = {"out_indices": [2, 3, 4]}
    swin = SwinConfig(image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, **levels)
    bert = BertConfig(vocab_size=1040, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=10,
        num_feature_levels=3,
    )
    torch.manual_seed(seed)
    GroundingDinoForObjectDetection(config).save_pretrained(directory)
    GroundingDinoProcessor(images, tokenizer).save_pretrained(directory)
    return directory


def save_sam(directory: Path, seed: int = 0) -> Path:
    """A Segment Anything 1; return its directory."""
    width = 32
    config = SamConfig(
        vision_config=SamVisionConfig(
            hidden_size=width,
            output_channels=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=SAM_SIDE,
            patch_size=8,
            window_size=4,
            global_attn_indexes=[0],
            num_pos_feats=width // 2,
            mlp_dim=width,
            initializer_range=0.02,
        ),
        prompt_encoder_config=SamPromptEncoderConfig(
            hidden_size=width, image_size=SAM_SIDE, patch_size=8, mask_input_channels=4
        ),
        mask_decoder_config=SamMaskDecoderConfig(
            hidden_size=width, mlp_dim=width, num_attention_heads=2, iou_head_hidden_dim=width
        ),
    )
    torch.manual_seed(seed)
    SamModel(config).save_pretrained(directory)
    square = {"height": SAM_SIDE, "width": SAM_SIDE}
    low = SAM_SIDE // 4
    images = SamImageProcessorPil(
        size={"longest_edge": SAM_SIDE},
        pad_size=square,
        mask_size={"longest_edge": low},
        mask_pad_size={"height": low, "width": low},
    )
    SamProcessor(images).save_pretrained(directory)
    return directory


def sam2(seed: int = 0) -> Sam2Model:
    """A Segment Anything 2 for pictures of `SAM_SIDE` pixels a side."""
    width = 32
    config = Sam2Config(
        vision_config=Sam2VisionConfig(
            backbone_config=Sam2HieraDetConfig(
                hidden_size=8,
                image_size=[SAM_SIDE, SAM_SIDE],
                blocks_per_stage=[1, 1, 2, 1],
                embed_dim_per_stage=[8, 16, 32, 64],
                num_attention_heads_per_stage=[1, 1, 1, 1],
                window_size_per_stage=[4, 4, 2, 2],
                global_attention_blocks=[3],
            ),
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=width,
        ),
        prompt_encoder_config=Sam2PromptEncoderConfig(
            hidden_size=width, image_size=SAM_SIDE, patch_size=16, mask_input_channels=4
        ),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=width, mlp_dim=width, num_attention_heads=2, iou_head_hidden_dim=width
        ),
    )
    torch.manual_seed(seed)
    model: Sam2Model = Sam2Model(config).eval()
    return model


def sam3(seed: int = 0) -> Sam3Model:
    """A Segment Anything 3 for pictures of `SAM3_SIDE` pixels a side."""
    width = 32
    part = {"hidden_size": width, "num_attention_heads": 2}
    layers = part | {"num_layers": 1, "intermediate_size": width}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "hidden_size": width,
                "intermediate_size": width,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "image_size": SAM3_SIDE,
                "patch_size": 14,
                "window_size": 4,
                "global_attn_indexes": [1],
                "pretrain_image_size": 56,
            },
            "fpn_hidden_size": width,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "model_type": "clip_text_model",
            "vocab_size": 64,
            "hidden_size": width,
            "intermediate_size": width,
            "projection_dim": width,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "eos_token_id": 1,
            "bos_token_id": 0,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config=layers | {"num_queries": 5},
        mask_decoder_config=part,
    )
    torch.manual_seed(seed)
    model: Sam3Model = Sam3Model(config).eval()
    return model


def save_sam2(directory: Path) -> Path:
    """A Segment Anything 2 with its processor, which wants torchvision; return its directory."""
    from transformers import Sam2Processor
    from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor

    sam2().save_pretrained(directory)
    square, low = ({"height": side, "width": side} for side in (SAM_SIDE, SAM_SIDE // 4))
    Sam2Processor(Sam2ImageProcessor(size=square, mask_size=low)).save_pretrained(directory)
    return directory


def save_sam3(directory: Path) -> Path:
    """A Segment Anything 3 with its processor, which wants torchvision; return its directory."""
    from transformers import CLIPTokenizer, Sam3Processor
    from transformers.models.sam3.image_processing_sam3 import Sam3ImageProcessor

    sam3().save_pretrained(directory)
    square, low = ({"height": side, "width": side} for side in (SAM3_SIDE, SAM3_SIDE // 4))
    words = ("<|startoftext|>", "<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "nor"))
    tokenizer = CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    Sam3Processor(Sam3ImageProcessor(size=square, mask_size=low), tokenizer).save_pretrained(directory)
    return directory
