"""How long answers take: the search against transformers' `generate`, on the same weights, by the same rules.

    python benchmarks/decode.py [--batch 1 4 16] [--prompt 128 224] [--rounds 3] [--beams 5] [--threads 2] [--json]

A random Llama, 512 wide with 8 layers and 32,000 words, answers random prompts with 64 tokens. Both take turns in one
process; seconds are medians of the processor's time over its threads, ratios are medians over the rounds. Peaks of
memory, over what the process with its model held before, come from processes of their own. Last, answers of 8 to 64
tokens: the next begun where another is done, batch after batch, and batch after batch of `generate`, which goes on
until the longest of a batch is done.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.peak_memory import PeakMemory
from samcli.model.decoding.by_transformers import answers_of_transformers
from samcli.model.decoding.rules import rules_of
from samcli.model.decoding.search import Search
from samcli.recipe import DecodingRecipe

WIDTH, NEW = 512, 64
MIXED = (4, 48)  # rows and answers of the part with mixed lengths


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16], help="samples at once")
    parser.add_argument("--prompt", type=int, nargs="+", default=[128, 224], help="positions of a prompt")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="times that both take their turns")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    decoding = DecodingRecipe(beams=arguments.beams, max_length=NEW + 1)
    if arguments.peak:
        print(peak(arguments.peak, arguments.prompt[0], arguments.batch[0], decoding))
        return
    found = [
        compare(prompt, batch, decoding, arguments.rounds) | peaks(prompt, batch, arguments.beams, arguments.threads)
        for prompt in arguments.prompt
        for batch in arguments.batch
    ]
    mixed = mixed_lengths(decoding, arguments.rounds)
    if arguments.json:
        print(json.dumps({"search": found, "mixed": mixed}, indent=2))
        return
    print("prompt  batch   transformers       search     times   equal   memory over the model's")
    for one in found:
        print(
            f"{one['prompt']:6}  {one['batch']:5}  {one['theirs']:9.2f} s  {one['ours']:9.2f} s  {one['ratio']:8.2f}  "
            f"{one['equal']!s:>6}   {one['their_mb']:.0f} MB, {one['our_mb']:.0f} MB: {one['memory']:.2f} times"
        )
    print(
        f"{MIXED[1]} answers of mixed lengths, {MIXED[0]} at a time: {mixed['continuous']:.2f} s, the next in place of "
        f"what is done; {mixed['batches']:.2f} s batch after batch, {mixed['over_batches']:.2f} times with "
        f"{mixed['steps_batches']} steps instead of {mixed['steps_continuous']}; "
        f"{mixed['theirs']:.2f} s by transformers, {mixed['over_theirs']:.2f} times"
    )


def model() -> Any:
    """The random language model; its layers are large enough that each token matters."""
    torch.manual_seed(0)
    llm = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32_000,
            hidden_size=WIDTH,
            intermediate_size=1376,
            num_hidden_layers=8,
            num_attention_heads=8,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    ).eval()
    for weight in llm.model.layers.parameters():
        if weight.dim() > 1:
            weight.data.mul_(4)
    return llm


def prompts_of(positions: int, batch: int) -> Tensor:
    """Random prompts (batch, positions, D), as large as embeddings are."""
    return 0.08 * torch.randn(batch, positions, WIDTH, generator=torch.Generator().manual_seed(1))


def search(llm: Any, prompts: Tensor, decoding: DecodingRecipe, most: Sequence[int], rows: int) -> list[list[int]]:
    """Answers of the search, in order."""
    keys = [str(number) for number in range(len(prompts))]
    rules = rules_of(llm, decoding, keys, prompts.device, None)
    found = Search(llm, rules).answers(list(prompts), most, rows)
    return [one.ids or [] for one in sorted(found, key=lambda one: one.sample)]


def ways(llm: Any, prompts: Tensor, decoding: DecodingRecipe) -> dict[str, Callable[[], list[list[int]]]]:
    """Both ways to answer the same prompts."""
    mask = torch.ones(prompts.shape[:2], dtype=torch.int64)
    most = [decoding.max_length] * len(prompts)
    return {
        "ours": lambda: search(llm, prompts, decoding, most, len(prompts)),
        "theirs": lambda: [ids or [] for ids in answers_of_transformers(llm, prompts, mask, decoding)],
    }


def compare(positions: int, batch: int, decoding: DecodingRecipe, rounds: int) -> dict[str, Any]:
    """Seconds of both, and whether their answers are equal; a first turn of each warms up."""
    both = ways(model(), prompts_of(positions, batch), decoding)
    answers = {name: way() for name, way in both.items()}
    seconds = turns(both, rounds)
    return {
        "prompt": positions,
        "batch": batch,
        "ours": statistics.median(seconds["ours"]),
        "theirs": statistics.median(seconds["theirs"]),
        "ratio": ratio(seconds["theirs"], seconds["ours"]),
        "equal": answers["ours"] == answers["theirs"],
    }


def mixed_lengths(decoding: DecodingRecipe, rounds: int) -> dict[str, float]:
    """Seconds for answers of many lengths, continuously and batch after batch."""
    rows, count = MIXED
    llm, prompts = model(), prompts_of(128, count)
    lengths = random.Random(0)
    most = [lengths.randint(8, NEW) + 1 for _ in range(count)]

    def batches() -> None:
        for start in range(0, count, rows):
            some = slice(start, start + rows)
            search(llm, prompts[some], decoding, most[some], rows)

    def theirs() -> None:
        for start in range(0, count, rows):
            some = slice(start, start + rows)
            ways(llm, prompts[some], decoding.model_copy(update={"max_length": max(most[some])}))["theirs"]()

    every = {
        "continuous": lambda: search(llm, prompts, decoding, most, rows),
        "batches": batches,
        "theirs": theirs,
    }
    steps = {f"steps_{name}": calls(llm, every[name], decoding.beams) for name in ("continuous", "batches")}
    seconds = turns(every, rounds)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    over = {f"over_{name}": ratio(seconds[name], seconds["continuous"]) for name in ("batches", "theirs")}
    return medians | over | steps


def calls(llm: Any, way: Callable[[], Any], tokens: int) -> int:
    """How often a way computes so many tokens a sample at once, as in a step of all beams."""
    seen: list[int] = []
    with torch.no_grad():
        handle = llm.get_input_embeddings().register_forward_hook(lambda _, __, made: seen.append(made.shape[1]))
        way()
        handle.remove()
    return seen.count(tokens)


def turns(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            way()
            seconds[name].append((time.process_time() - began) / torch.get_num_threads())
    return seconds


def ratio(longer: Sequence[float], shorter: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(longer, shorter, strict=True))


def peaks(positions: int, batch: int, beams: int, threads: int) -> dict[str, float]:
    """Peaks of memory of both, in MB, each in a process of its own."""
    options = ["--prompt", positions, "--batch", batch, "--beams", beams, "--threads", threads]
    ours, theirs = (
        float(subprocess.check_output([sys.executable, "-m", "benchmarks.decode", *map(str, options), "--peak", kind]))
        for kind in ("ours", "theirs")
    )
    return {"our_mb": ours, "their_mb": theirs, "memory": ours / theirs}


def peak(kind: str, positions: int, batch: int, decoding: DecodingRecipe) -> float:
    """MB that this process comes to hold over what it holds with its model."""
    llm = model()
    ways(llm, prompts_of(8, 1), decoding.model_copy(update={"max_length": 3}))[kind]()  # what libraries keep
    way = ways(llm, prompts_of(positions, batch), decoding)[kind]
    with PeakMemory(torch.device("cpu")) as taken:
        way()
    return taken.bytes / 2**20


if __name__ == "__main__":
    main()
