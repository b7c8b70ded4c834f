"""Seconds to score 5,000 samples on one core, by protocol, intervals included: `python benchmarks/scores.py [--json]`.

Texts are drawn from a vocabulary of 2,000 words; answers of 15 words share about half of them with references of 15.
"""

import argparse
import json
import random
import time
from pathlib import Path

from samcli.data.sample import Sample
from samcli.data.sources import STORIES
from samcli.evaluation import ptb
from samcli.evaluation.entries import Answered, caption_scores, entry_of
from samcli.evaluation.predictions import Prediction
from samcli.recipe import Protocol

COUNT, WORDS, LENGTH = 5000, 2000, 15


def pairs(seed: int = 0) -> Answered:
    """Samples and answers to them."""
    rng = random.Random(seed)
    words = [f"w{number}" for number in range(WORDS)]
    samples, made = [], []
    for number in range(COUNT):
        reference = rng.choices(words, k=LENGTH)
        answer = [word if rng.random() < 0.5 else rng.choice(words) for word in reference]
        samples.append(Sample(number, (Path("a.jpg"),), "What?", (" ".join(reference) + ".",)))
        made.append(Prediction(str(number), " ".join(answer) + "."))
    return Answered("random", samples, made)


def seconds(protocol: Protocol) -> dict[str, float]:
    """What scoring takes, what its intervals take, and what starting Java takes."""
    answered = pairs()
    began = time.perf_counter()
    if protocol == "coco":
        ptb.tokenise(["a cat"])
    started = time.perf_counter()
    caption_scores(answered, protocol)
    scored = time.perf_counter()
    entry_of(STORIES, answered, protocol)
    done = time.perf_counter()
    return {"java": started - began, "scores": scored - started, "intervals": done - scored}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    found = {protocol: seconds(protocol) for protocol in ("released", "coco")}
    if parser.parse_args().json:
        print(json.dumps(found, indent=2))
        return
    for protocol, parts in found.items():
        print(f"{protocol}: " + ", ".join(f"{name} {value:.1f} s" for name, value in parts.items()))


if __name__ == "__main__":
    main()
