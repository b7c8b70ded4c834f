"""Names as people write them: compared whatever their case and dashes, and guessed at where they are misspelt."""

import difflib
import hashlib
import re
from collections.abc import Iterable


def plain_name(name: str) -> str:
    """What is equal for all ways to write a name: no case, no `-`, no `_`."""
    return name.casefold().replace("-", "").replace("_", "")


def folder_name(name: str) -> str:
    """A name as that of a directory or file: its letters and digits, and a hash that tells like ones apart."""
    words = "-".join(re.findall(r"[A-Za-z0-9.]+", name))
    return "-".join(filter(None, [words, hashlib.sha256(name.encode()).hexdigest()[:6]]))


def did_you_mean(word: str, choices: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """A question with the choices most like `word`, whatever its case; empty when none is like it."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = [by_lower[match] for match in difflib.get_close_matches(word.lower(), list(by_lower), most, cutoff)]
    return f"; did you mean {' or '.join(near)}?" if near else ""
