"""Small Stable Diffusion inpainting pipelines of random weights, in the hub's format."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig

WIDTH = 16
library: Any = diffusers  # it has no types


def save_inpainting(directory: Path, channels: int = 9, *, strict: bool | None = None) -> Path:
    """Write a pipeline whose UNet takes so many channels; return its directory.

    `strict`: with a safety filter that finds fault with every picture, or with none.
    """
    torch.manual_seed(0)
    unet = library.UNet2DConditionModel(
        sample_size=8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(WIDTH, WIDTH),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        norm_num_groups=4,
    )
    vae = library.AutoencoderKL(
        block_out_channels=(WIDTH,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    _encode_without_noise(vae)
    tokenizer = _tokenizer(directory / "words")
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "intermediate_size": WIDTH,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = CLIPTextConfig(vocab_size=len(tokenizer), max_position_embeddings=77, **sizes, **ids)
    pipeline = library.StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=library.DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None if strict is None else _safety_checker(sizes, strict=strict),
        feature_extractor=None if strict is None else CLIPImageProcessor(size=32, crop_size=32),
        requires_safety_checker=strict is not None,
    )
    pipeline.save_pretrained(directory)
    return directory


def _encode_without_noise(vae: Any) -> None:
    """Let the latents' variances vanish, as those of trained encoders nearly do."""
    vae.quant_conv.weight.data[4:] = 0
    vae.quant_conv.bias.data[4:] = -30


def _tokenizer(directory: Path) -> CLIPTokenizer:
    """One that spells words out in letters."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    directory.mkdir(parents=True)
    (directory / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(directory, model_max_length=77)
    return tokenizer


def _safety_checker(sizes: dict[str, Any], *, strict: bool) -> StableDiffusionSafetyChecker:
    vision = CLIPVisionConfig(image_size=32, patch_size=16, projection_dim=WIDTH, **sizes)
    checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision.to_dict(), projection_dim=WIDTH))
    checker.concept_embeds_weights.data.fill_(-2.0 if strict else 2.0)
    checker.special_care_embeds_weights.data.fill_(2.0)
    return checker
