"""How long a step of decoding takes, plain and compiled, against reading the language model's weights once.

    python benchmarks/decode_step.py [--size small|7b] [--device cpu|cuda] [--dtype float32|bfloat16] [--batch 1 4]
                                     [--prompt 224] [--beams 5] [--new 64] [--rounds 3] [--threads 2] [--json]

A random Llama without an end token answers random prompts. A step lasts from one choice of tokens to the next, the
choice included; shown is the median. The time to read the weights, without the embeddings that are looked up, is their
bytes over the measured speed of memory: a large tensor's copy, which reads and writes it. `7b` has the sizes of
Vicuna-7B and wants 14 GB in bfloat16.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from samcli.model.decoding.rules import rules_of
from samcli.model.decoding.search import Search
from samcli.recipe import DecodingRecipe

COPIED = 1 << 30  # bytes
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "hidden_size": 512,
        "intermediate_size": 1376,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
    },
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4], help="samples at once")
    parser.add_argument("--prompt", type=int, default=224, help="positions of a prompt")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--new", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--rounds", type=int, default=3, help="times that each takes its turn")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    llm = model(SIZES[arguments.size], getattr(torch, arguments.dtype), device)
    weights = bytes_of_a_step(llm)
    speed = memory_speed(device)
    reading = weights / speed
    found = [step(llm, batch, arguments) | {"batch": batch} for batch in arguments.batch]
    if arguments.json:
        print(json.dumps({"weights": weights, "bytes_per_second": speed, "reading": reading, "steps": found}, indent=2))
        return
    print(f"weights: {weights / 1e9:.2f} GB, read in {reading * 1e3:.2f} ms at {speed / 1e9:.0f} GB/s")
    print("batch      plain   over reading   compiled   over reading   first search   equal answers")
    for one in found:
        print(
            f"{one['batch']:5}  {one['plain'] * 1e3:6.2f} ms  {one['plain'] / reading:12.2f}  "
            f"{one['compiled'] * 1e3:6.2f} ms  {one['compiled'] / reading:12.2f}  {one['compiling']:10.1f} s  "
            f"{one['equal']:.0%}"
        )
    if device.type == "cuda" and (skipped := torch._dynamo.utils.counters["inductor"]["cudagraph_skips"]):
        print(f"not captured as CUDA graphs: {skipped} (TORCH_LOGS=perf_hints says why)")


def model(sizes: dict[str, Any], dtype: torch.dtype, device: torch.device) -> Any:
    """The random language model, made where it computes."""
    torch.manual_seed(0)
    tokens: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": None}
    config = LlamaConfig(vocab_size=32_000, **sizes, **tokens)
    with torch.device(device):
        llm: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)
    llm.generation_config.eos_token_id = None
    return llm.eval()


def bytes_of_a_step(llm: Any) -> int:
    """Of the weights that a step reads: all but the embeddings, of which it looks up a few rows."""
    looked_up = llm.get_input_embeddings().weight
    return sum(one.numel() * one.element_size() for one in llm.parameters() if one is not looked_up)


def memory_speed(device: torch.device) -> float:
    """Bytes a second that memory gives, by the fastest of some copies."""
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED / min(seconds(partial(target.copy_, source), device) for _ in range(5))


def step(llm: Any, batch: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step, plain and compiled, the first compiled search's, and how many answers are equal."""
    device = llm.device
    prompts = 0.08 * torch.randn(batch, arguments.prompt, llm.config.hidden_size, dtype=llm.dtype, device=device)
    decoding = DecodingRecipe(beams=arguments.beams, max_length=arguments.new + 1)
    keys = [str(row) for row in range(batch)]
    chosen: list[float] = []

    def answers(compiled: bool) -> list[list[int] | None]:
        rules = Clocked(rules_of(llm, decoding, keys, device, None), chosen)
        found = Search(llm, rules, compiled=compiled).answers(list(prompts), [decoding.max_length] * batch, batch)
        return [one.ids for one in sorted(found, key=lambda one: one.sample)]

    compiling = seconds(partial(answers, True), device)
    equal = [one == other for one, other in zip(answers(False), answers(True), strict=True)]
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(arguments.rounds):
        for compiled, each in times.items():
            chosen.clear()
            answers(compiled)
            each.extend(later - earlier for earlier, later in pairwise(chosen))
    return {
        "plain": statistics.median(times[False]),
        "compiled": statistics.median(times[True]),
        "compiling": compiling,
        "equal": sum(equal) / batch,
    }


class Clocked:
    """Rules that note when they have chosen."""

    def __init__(self, rules: Any, chosen: list[float]) -> None:
        self.begin, self.beams, self.rules, self.chosen = rules.begin, rules.beams, rules, chosen

    def step(self, running: Sequence[Any], logits: Tensor) -> None:
        """Choose; what is chosen is known here, so a GPU is done."""
        self.rules.step(running, logits)
        self.chosen.append(time.perf_counter())


def seconds(way: Callable[[], Any], device: torch.device) -> float:
    """Seconds by the clock until a device is done."""
    began = time.perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
