"""Running out of memory, told in words that say what helps."""

from collections.abc import Iterator
from contextlib import contextmanager

from samcli.errors import UserError

_WORDS = ("out of memory", "can't allocate memory")  # a GPU's allocator, and the machine's


@contextmanager
def enough_memory(doing: str, remedy: str) -> Iterator[None]:
    """Raise UserError, which names what was being done and what helps, when memory runs out in the block."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f"out of memory {doing}; {remedy}") from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, by what an error says: for memory that is no GPU's, torch has no type of its own."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _WORDS)
