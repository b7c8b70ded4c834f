"""How long a user waits: `python benchmarks/startup.py [RUNS]` times `sam --help` and `sam caption` from cold.

Each figure is the least of several whole processes, in seconds; the machine's other work only ever adds to it.
"""

import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
COMMANDS = {
    "sam --help": ["--help"],
    "sam caption": [
        "caption",
        str(EXAMPLES / "a.png"),
        str(EXAMPLES / "b.png"),
        "--prompt",
        "Describe what both show.",
    ],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "samcli.cli", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the least time of each command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name, arguments in COMMANDS.items():
        print(f"{name}: {min(seconds(arguments) for _ in range(runs)):.2f} s")


if __name__ == "__main__":
    main()
