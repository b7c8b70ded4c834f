"""Errors meant for people: one message that says what is wrong, where, and what to do."""


class UserError(Exception):
    """The user's input was wrong; shown as one message, without a traceback, exit code 2."""


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line; its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class Interrupted(Exception):
    """A signal asked the run to stop; everything made so far is saved."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
