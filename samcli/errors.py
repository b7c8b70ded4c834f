"""Errors meant for people: one message that says what is wrong, where, and what to do."""


class UserError(Exception):
    """The user's input was wrong; shown as one message, without a traceback, exit code 2."""


class Interrupted(Exception):
    """A signal asked the run to stop; everything made so far is saved."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
