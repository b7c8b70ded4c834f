"""LLaVA's conversations as a data set to train on: captions for the first stage, instructions for the second.

    python examples/llava_data.py FILE.json --out DIR [--turns first|all]

FILE.json is a list of {"id", "image", "conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}, ...]}.
DIR holds the pictures where "image" says, and gets annotations.json. Conversations without a picture, whose picture
isn't there, or in which people and model don't take turns are left out, and counted.

Of a conversation of several turns the first is taken: a later question may lean on what was said before it, and often
on how answers were asked for in the first. `--turns all` makes a sample of each turn, with the turns before it in front
as Vicuna is given them; LLaVA trains on all answers of a conversation at once.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samcli.data.sample import Sample, write_annotations
from samcli.errors import UserError
from samcli.json_items import json_items

IMAGE = "<image>"  # where the picture stood; sam puts pictures before the text
NO_PICTURE, LOST, NO_TURNS = "without a picture", "whose picture isn't there", "in which nobody takes turns"
Turn = tuple[str, str]


def turns_of(record: dict[str, Any]) -> list[Turn]:
    """Questions and their answers; empty where they don't take turns."""
    parts = record.get("conversations") or []
    said = [(part.get("from"), part.get("value", "").replace(IMAGE, "").strip()) for part in parts]
    people, model = said[::2], said[1::2]
    if len(people) != len(model) or any(who != "human" for who, _ in people) or any(who != "gpt" for who, _ in model):
        return []
    return [(question, answer) for (_, question), (_, answer) in zip(people, model, strict=True) if question and answer]


def with_history(turns: list[Turn]) -> Iterator[Turn]:
    """Each turn, its question behind all that was said before."""
    before = ""
    for question, answer in turns:
        yield before + question, answer
        before += f"{question} ASSISTANT: {answer}</s>USER: "


def samples(file: Path, pictures: Path, *, all_turns: bool, left_out: Counter[str]) -> Iterator[Sample]:
    """The samples of a file, numbered in its order; `left_out` counts the conversations that give none."""
    for number, record in enumerate(json_items(file)):
        picture = record.get("image")
        turns = turns_of(record)
        why = NO_PICTURE if not picture else NO_TURNS if not turns else None
        if why is None and not (pictures / picture).is_file():
            why = LOST
        if why is not None:
            left_out[why] += 1
            continue
        chosen = list(with_history(turns)) if all_turns else turns[:1]
        for turn, (question, answer) in enumerate(chosen):
            identity = f"{number}-{turn}" if all_turns else number  # LLaVA's own ids repeat
            yield Sample(identity, (pictures / picture,), question, (answer,), {"source": record.get("id")})


def main() -> None:
    """Read the arguments and write `annotations.json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="LLaVA's list of conversations")
    parser.add_argument("--out", type=Path, required=True, help="directory that holds the pictures")
    parser.add_argument("--turns", choices=("first", "all"), default="first", help="turns of a conversation to take")
    options = parser.parse_args()
    left_out: Counter[str] = Counter()
    try:
        found = list(samples(options.file, options.out, all_turns=options.turns == "all", left_out=left_out))
        if not found:
            raise UserError(
                f"{options.file}: no conversation about a picture that is in {options.out}; --out is the directory "
                'that holds the pictures, each where its "image" says'
            )
        write_annotations(options.out, found)
    except UserError as error:
        parser.error(str(error))
    for why, count in left_out.items():
        print(f"left out: {count:,} conversations {why}")
    print(f"{len(found):,} samples: {options.out / 'annotations.json'}")


if __name__ == "__main__":
    main()
