"""Training speed and memory: a plain loop as the released code would train, ours, and ours with kept features.

    python benchmarks/train.py [--images 2 5] [--rounds 3] [--size middle|full] [--device cuda] [--json]

The plain loop passes one image position after the other through vision tower, Q-Former and W-Former, over the batch,
computes logits at all positions, and sees every picture anew. The three take turns in one process on the same batches,
with the same weights, optimiser, numbers and threads, and must agree about the loss. `full` is Vicuna-7B's size with
random weights in bfloat16, for a GPU; there the share of the device's measured matrix peak is printed too.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerConfig,
    InstructBlipVisionConfig,
    LlamaConfig,
)

from benchmarks.peak_memory import PeakMemory
from samcli.data.batch import Batch
from samcli.model.known_sizes import known_config
from samcli.model.sam import SemanticAlignmentModel
from samcli.recipe import OptimRecipe
from samcli.recipe_method import MethodRecipe
from samcli.training.cost_parts import Load
from samcli.training.costs import step_flops
from samcli.training.optim import build_optimizers

TEXT = 64  # tokens of prompt and of answer
BATCH = {"middle": 8, "full": 20}
FULL = "Salesforce/instructblip-vicuna-7b"


def middle_config() -> InstructBlipConfig:
    """Vision 384 wide, 12 layers, 257 positions; Q-Former 256 wide, 12 layers, 32 queries; LLM 512 wide, 8 layers."""
    return InstructBlipConfig(
        vision_config=InstructBlipVisionConfig(
            hidden_size=384,
            intermediate_size=1536,
            num_hidden_layers=12,
            num_attention_heads=6,
            image_size=224,
            patch_size=14,
        ),
        qformer_config=InstructBlipQFormerConfig(
            vocab_size=30523,
            hidden_size=256,
            num_hidden_layers=12,
            num_attention_heads=4,
            intermediate_size=1024,
            cross_attention_frequency=2,
            encoder_hidden_size=384,
        ),
        text_config=LlamaConfig(
            vocab_size=32000,
            hidden_size=512,
            intermediate_size=1376,
            num_hidden_layers=8,
            num_attention_heads=8,
            max_position_embeddings=2048,
            pad_token_id=0,
        ),
        num_query_tokens=32,
    )


def build(size: str, device: torch.device) -> SemanticAlignmentModel:
    """The model with random weights whose guide layers have learnt something, so that every path does its work."""
    torch.manual_seed(0)
    config = middle_config() if size == "middle" else known_config(FULL)
    if config is None:
        raise SystemExit(f"no sizes of {FULL}")
    dtype = torch.float32 if size == "middle" else torch.bfloat16
    former = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with device:
        base = InstructBlipForConditionalGeneration(config)
    torch.set_default_dtype(former)
    nn.init.normal_(base.query_tokens, std=0.02)
    base.eval()
    model = SemanticAlignmentModel(base, MethodRecipe()).to(device)
    for _, parameter in model.trained_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02)
    return model


def batch_of(model: SemanticAlignmentModel, samples: int, images: int) -> Batch:
    """Random pictures and texts without padding."""
    size, vocabulary = model.base.vision_model.config.image_size, model.base.language_model.config.vocab_size
    pixels = torch.randn(samples * images, 3, size, size)
    ids = torch.randint(5, vocabulary, (3, samples, TEXT))
    mask = torch.ones(samples, TEXT, dtype=torch.int64)
    made = Batch(
        torch.full((samples,), images),
        qformer_ids=ids[0] % model.base.qformer.config.vocab_size,
        qformer_mask=mask,
        prompt_ids=ids[1],
        prompt_mask=mask,
        answer_ids=ids[2],
        answer_mask=mask,
        pixel_values=pixels.to(model.base.vision_model.dtype),
    )
    return made.to(model.base.device)


def plain_loss(model: SemanticAlignmentModel, batch: Batch) -> Tensor:
    """The same loss as the model's, written as the released code goes about it: one image position after the other."""
    base, guidance = model.base, model.guidance
    if guidance is None or batch.pixel_values is None or batch.answer_ids is None:
        raise ValueError("the plain loop is that of guidance, on pictures with answers")
    samples = len(batch.image_counts)
    pixels = batch.pixel_values.unflatten(0, (samples, -1))
    images = pixels.shape[1]
    features = [base.vision_model(pixel_values=pixels[:, i]).last_hidden_state for i in range(images)]
    stacked = torch.stack(features)  # (N, B, P, V)
    weights = guidance.adjustment.score(stacked.float()).softmax(dim=0)
    merged = (weights * stacked).sum(dim=0).to(stacked.dtype)
    queries = base.query_tokens.expand(samples, -1, -1)
    start = base.qformer.embeddings(input_ids=batch.qformer_ids, query_embeds=queries)
    tokens = [_guided(model, start, features[i], merged) for i in range(images)]
    visual = [model.base.language_projection(one.to(model.base.language_projection.weight.dtype)) for one in tokens]
    words = base.get_input_embeddings()
    prompt, answer = words(batch.prompt_ids), words(batch.answer_ids)
    embeds = torch.cat([*(one.to(prompt.dtype) for one in visual), prompt, answer], dim=1)
    ignored = torch.full((samples, embeds.shape[1] - TEXT), -100, device=embeds.device)
    labels = torch.cat([ignored, batch.answer_ids], dim=1)
    mask = torch.ones(embeds.shape[:2], dtype=torch.int64, device=embeds.device)
    loss: Tensor = base.language_model(inputs_embeds=embeds, attention_mask=mask, labels=labels).loss
    return loss


def _guided(model: SemanticAlignmentModel, start: Tensor, image: Tensor, merged: Tensor) -> Tensor:
    """Both branches for one image position over the batch, all twelve layers of each; the query tokens."""
    guidance = model.guidance
    if guidance is None:
        raise ValueError("no guidance")
    low, high, queries = guidance.settings.from_layer, guidance.settings.to_layer, model.queries
    query = window = start
    for number, layer in enumerate(model.base.qformer.encoder.layer, start=1):
        if number == low:
            window = window + guidance.guide_in(query.float()).to(query.dtype)
        if number <= high:
            window = layer(window, None, merged, query_length=queries)
        if number == high:
            query = query + guidance.guide_out(window.float()).to(query.dtype)
        query = layer(query, None, image, query_length=queries)
    return query[:, :queries]


@dataclass
class Way:
    """A way to train: what makes a loss of the same batch."""

    name: str
    loss: Callable[[], Tensor]
    seconds: list[float]
    peak: int = 0


def compare(model: SemanticAlignmentModel, samples: int, images: int, rounds: int) -> dict[str, Any]:
    """Steps of the three ways in turn; the first round warms up and is not counted."""
    batch = batch_of(model, samples, images)
    if batch.pixel_values is None:
        raise ValueError("no pictures")
    kept = Batch(**{**vars(batch), "pixel_values": None, "image_embeds": model.encode_images(batch.pixel_values)})
    optimizers = build_optimizers(model.trained_parameters(), OptimRecipe(learning_rate=1e-9))
    ways = [
        Way("plain loop", lambda: plain_loss(model, batch), []),
        Way("ours", lambda: model(batch), []),
        Way("ours, features kept", lambda: model(kept), []),
    ]
    losses = []
    for number in range(rounds + 1):
        for way in ways:
            seconds, peak, loss = _one_step(way, optimizers, model.base.device)
            losses.append(loss)
            if number:
                way.seconds.append(seconds)
                way.peak = max(way.peak, peak)
    if max(losses) - min(losses) > 2e-3 * max(losses):
        raise SystemExit(f"the ways don't agree about the loss: {losses}")
    middle = {way.name: statistics.median(way.seconds) for way in ways}
    flops = {
        "ours": sum(step_flops(model, Load(samples, images, TEXT, TEXT)).values()),
        "ours, features kept": sum(step_flops(model, Load(samples, images, TEXT, TEXT), True).values()),
    }
    return {
        way.name: {
            "samples_per_second": round(samples / middle[way.name], 3),
            "times_the_plain_loop": round(middle["plain loop"] / middle[way.name], 2),
            "peak_bytes": way.peak,
            "flops_per_second": round(flops[way.name] / middle[way.name]) if way.name in flops else None,
        }
        for way in ways
    }


def _one_step(way: Way, optimizers: list[torch.optim.Optimizer], device: torch.device) -> tuple[float, int, float]:
    """Seconds, the peak of memory above what was there before, and the loss."""
    with PeakMemory(device) as peak:
        began = time.perf_counter()
        loss = way.loss()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    return seconds, peak.bytes, float(loss.detach())


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the best of some large matrix products on the device."""
    best = 0.0
    for size in (4096, 8192):
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        for _ in range(6):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(10):
                left @ right
            torch.cuda.synchronize()
            best = max(best, 10 * 2 * size**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[2, 5])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", choices=("middle", "full"), default="middle")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    model = build(arguments.size, device)
    samples = arguments.batch or BATCH[arguments.size]
    found: dict[str, Any] = {"threads": torch.get_num_threads(), "torch": torch.__version__, "batch": samples}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name()
        found["matrix_peak"] = matrix_peak(device, model.base.vision_model.dtype)
    for images in arguments.images:
        found[f"n{images}"] = compare(model, samples, images, arguments.rounds)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for images in arguments.images:
        print(f"{images} images a sample, batch {samples}")
        for name, row in found[f"n{images}"].items():
            share = ""
            if row["flops_per_second"] and "matrix_peak" in found:
                share = f", {row['flops_per_second'] / found['matrix_peak']:.0%} of the matrix peak"
            print(
                f"  {name:<20} {row['samples_per_second']:8.2f} samples/s  {row['times_the_plain_loop']:5.2f}x  "
                f"{row['peak_bytes'] / 1e9:6.2f} GB above the weights{share}"
            )


if __name__ == "__main__":
    main()
