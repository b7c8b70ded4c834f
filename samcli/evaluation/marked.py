"""Where pictures stand in an instruction: at marks such as `{image#2}`, or, without marks, before it."""

import re

_MARK = re.compile(r"\{image#(\d+)\}")


def pieces_of(instruction: str, images: int) -> list[int | str]:
    """The instruction in pieces: texts, and places of pictures from 0, for models that take both in one line.

    Marks count from 1. Unless they name every picture once, all pictures come first, and marks stay as text.
    """
    numbers = [int(number) - 1 for number in _MARK.findall(instruction)]
    if sorted(numbers) != list(range(images)):
        return [*range(images), instruction]
    parts = _MARK.split(instruction)
    pieces: list[int | str] = []
    for place, part in enumerate(parts):
        if place % 2:
            pieces.append(int(part) - 1)
        elif part.strip():
            pieces.append(part.strip())
    return pieces
