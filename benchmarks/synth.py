"""Samples a second of `sam synth`: `python benchmarks/synth.py [--photographs DIR]`.

The embedded world's pairs (192 pixels) in one process, by the processor's own clock, with where the time goes; then one
worker and two, by the wall clock; with `--photographs`, the recipe `mmlink-light` on these (512 pixels), two workers.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from samcli.recipe import SynthRecipe
from samcli.recipe_file import find_recipe, load_with_flags
from samcli.recipe_mmlink import MmlinkRecipe
from samcli.synth.run import synthesise
from samcli.synth.work import forget_steps
from samcli.synth.world.pipelines import set_pipeline
from samcli.synth.writer import write_sample

WARM = 20


def world_stages(pairs: int, out: Path) -> dict[str, Any]:
    """Pairs a second of one core, and each stage's share of the time."""
    pipeline = set_pipeline("world-mmlink", "train", 0, 192)
    spent: dict[str, float] = defaultdict(float)
    for index in range(WARM + pairs):
        if index == WARM:
            spent.clear()
        began = time.process_time()
        draft = pipeline.group(index, 0)
        spent["group"] += time.process_time() - began
        for name, stage in pipeline.stages:
            began = time.process_time()
            draft = stage(draft)
            spent[name] += time.process_time() - began
            if draft.rejected:
                break
        else:
            began = time.process_time()
            write_sample(out, draft, [], [])
            spent["write"] += time.process_time() - began
    total = sum(spent.values())
    return {"pairs_a_second": pairs / total, "shares": {name: value / total for name, value in spent.items()}}


def seconds(recipe: SynthRecipe | MmlinkRecipe, out: Path) -> float:
    """How long a whole set takes."""
    forget_steps()
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    synthesise(recipe, out)
    return time.perf_counter() - began


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, help="directory as examples/shop_pictures.py writes it")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        figures: dict[str, Any] = {"world": world_stages(given.pairs, out / "stages")}
        rates: dict[int, list[float]] = {}
        for workers in (1, 2, 1, 2):  # in turn, so that a slow minute meets both
            recipe = SynthRecipe(samples=given.pairs, workers=workers)
            rates.setdefault(workers, []).append(given.pairs / seconds(recipe, out / "world"))
        best = {workers: max(found) for workers, found in rates.items()}
        figures["workers"] = {"one": best[1], "two": best[2], "ratio": best[2] / best[1]}
        if given.photographs:
            flags = {"root": str(given.photographs), "samples": given.pairs, "workers": 2}
            light = load_with_flags(MmlinkRecipe, find_recipe("mmlink-light"), (), flags)
            figures["light"] = {"pairs_a_second": given.pairs / seconds(light, out / "light")}
    if given.json:
        print(json.dumps(figures))
        return
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in figures["world"]["shares"].items())
    print(f"world, one core: {figures['world']['pairs_a_second']:.1f} pairs/s ({shares})")
    told = figures["workers"]
    print(f"world, whole: one worker {told['one']:.1f}, two {told['two']:.1f} pairs/s, {told['ratio']:.2f} times")
    if given.photographs:
        print(f"mmlink-light, two workers: {figures['light']['pairs_a_second']:.1f} pairs/s")


if __name__ == "__main__":
    main()
