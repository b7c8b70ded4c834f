"""A linking set of the embedded world with its answers in one wording: `It is`, and the shared thing.

    python examples/one_wording.py SET --out DIR

SET was made by `sam synth`, dataset world-mmlink or world-links. DIR gets annotations.json; the pictures stay where
they are, for `data.image_root`. Of three pictures and more a world set says `The three pictures share ...`, words that
the embedded LLM never wrote; docs/results.md, Training on groups, says what training on them does.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from samcli.data.sample import ANNOTATIONS, Sample, as_record, each_sample
from samcli.errors import UserError
from samcli.evaluation.tasks import shared_thing
from samcli.files import write_json
from samcli.synth.world.grammar import name


def reworded(samples: Iterator[Sample]) -> Iterator[Sample]:
    """The samples with the one answer; raises KeyError or TypeError where it isn't recorded what pictures share."""
    for sample in samples:
        yield replace(sample, references=(f"It is {name(shared_thing(sample))}.",))


def main() -> None:
    """Read the arguments and write `annotations.json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", type=Path, help="directory of the set")
    parser.add_argument("--out", type=Path, required=True, help="directory for the answers")
    options = parser.parse_args()
    if (options.out / ANNOTATIONS).exists():
        parser.error(f"{options.out / ANNOTATIONS} is there already; give --out another directory")
    root = options.set.resolve()
    try:
        records = [
            as_record(sample, [os.path.relpath(image, root) for image in sample.images])
            for sample in reworded(each_sample(options.set))
        ]
    except UserError as error:
        parser.error(str(error))
    except (KeyError, TypeError):
        parser.error(
            f"{options.set / ANNOTATIONS}: no linking set of the embedded world; its samples must say what is shared"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / ANNOTATIONS, records)
    print(f"{len(records):,} samples: {options.out / ANNOTATIONS}; train with data.image_root={options.set}")


if __name__ == "__main__":
    main()
