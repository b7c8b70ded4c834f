"""Memory and disk of `sam synth` by the number of samples: `python benchmarks/synth_memory.py 1000 20000`.

Each set of the embedded world is made in a process of its own, by two workers, in a temporary directory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = "--child"
MIB = 1 << 20


def made(samples: int, out: Path) -> dict[str, float]:
    """What making a set took, measured in a fresh process."""
    arguments = [sys.executable, __file__, CHILD, str(samples), str(out)]
    told = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures: dict[str, float] = json.loads(told)
    disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {"samples": samples, **figures, "disk_mib": disk / MIB, "disk_kib_a_sample": disk / samples / 1024}


def make(samples: int, out: Path) -> None:
    """Make a set and print the peak memory of this process and of its largest worker."""
    from samcli.recipe import SynthRecipe
    from samcli.synth.run import synthesise

    synthesise(SynthRecipe(dataset="world-mmlink", samples=samples, workers=2), out)
    main, worker = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"main_mib": main, "worker_mib": worker}))


def main() -> None:
    """Parse, measure, print a table."""
    if sys.argv[1:2] == [CHILD]:
        make(int(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=int, nargs="+")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    given = parser.parse_args()
    rows = []
    for samples in given.samples:
        with tempfile.TemporaryDirectory() as directory:
            rows.append(made(samples, Path(directory) / "set"))
    if given.json:
        print(json.dumps(rows))
        return
    print("samples   main process   largest worker   disk   a sample")
    for row in rows:
        print(
            f"{row['samples']:>7.0f}   {row['main_mib']:>8.0f} MiB   {row['worker_mib']:>10.0f} MiB   "
            f"{row['disk_mib']:.0f} MiB   {row['disk_kib_a_sample']:.1f} KiB"
        )


if __name__ == "__main__":
    main()
