"""Errors meant for people: one message that says what is wrong, where, and what to do."""


class UserError(Exception):
    """The user's input was wrong; shown as one message, without a traceback, exit code 2."""


class MissingExtraError(UserError):
    """A command needs an optional package that isn't installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'samcli[{extra}]'")


class Interrupted(Exception):
    """A signal asked the run to stop; everything made so far is saved."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
