"""How stories are told in prompts: the released prompts give every text but the last behind its picture's mark."""

from collections.abc import Sequence


def story_so_far(texts: Sequence[str]) -> str:
    """`{image#1}Caption#1:...{image#n}Caption#n:` for the texts of all pictures but the last, whose caption is open."""
    parts = [*(text.strip() for text in texts), ""]
    return "".join(f"{{image#{number}}}Caption#{number}:{text}" for number, text in enumerate(parts, 1))
