"""Errors as a message and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appcues_async.errors import (
    AppcuesError,
    BulkFailed,
    ConnectionFailed,
    Forbidden,
    InvalidInput,
    JobFailed,
    JobPending,
    NoDownload,
    OutcomeUnknown,
    RowsFailed,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedReply,
)

__all__ = [
    "CONFIGURATION",
    "INTERRUPTED",
    "SERVER",
    "UNEXPECTED",
    "USAGE",
    "CommandFailed",
    "exit_code_of",
    "failure_of",
    "gravest_of",
    "message_of",
]

UNEXPECTED: Final = 1
USAGE: Final = 2
CONFIGURATION: Final = 3
CLIENT: Final = 4
SERVER: Final = 5
JOB: Final = 6
INTERRUPTED: Final = 130


class CommandFailed(Exception):  # noqa: N818 - it is no error of the program
    """Ends a command with an exit code and the one line that says why.

    Attributes:
        kind: The kind of error, as a class name.
        status: The HTTP status answered, if any.
        exit_code: What the command exits with.
    """

    def __init__(
        self, message: str, *, kind: str, exit_code: int, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.exit_code = exit_code


def exit_code_of(error: AppcuesError) -> int:
    """The exit code that an error means."""
    match error:
        case BulkFailed():
            gravest = gravest_of(error.report.failures)
            return JOB if gravest is None else _code_in_bulk(gravest)
        case InvalidInput():
            return USAGE
        case Unauthorized() | Forbidden():
            return CONFIGURATION
        case JobFailed() | RowsFailed() | NoDownload():
            return JOB
        case (
            Throttled()
            | ServerError()
            | ConnectionFailed()
            | OutcomeUnknown()
            | UnexpectedReply()
            | JobPending()
        ):
            return SERVER
        case _:
            return CLIENT


def gravest_of(errors: Sequence[AppcuesError]) -> AppcuesError | None:
    """The error of many that says most of what is to be done: what no repetition mends comes first."""
    return min(errors, key=_code_in_bulk, default=None)


def _code_in_bulk(error: AppcuesError) -> int:
    code = exit_code_of(error)
    return code if code in {CONFIGURATION, CLIENT, SERVER} else JOB


def message_of(error: AppcuesError) -> str:
    """Returns the text of an error, with commands in place of methods to go on with."""
    if isinstance(error, JobPending):
        said = str(error).partition(". client.")[0]
        return f"{said}; go on with: appcues-async jobs wait TOKEN"
    return str(error)


def failure_of(errors: Sequence[AppcuesError], of: int, what: str) -> CommandFailed | None:
    """One failure for all that went wrong in a command, the gravest first.

    Args:
        errors: What went wrong.
        of: How many could have.
        what: What they are, in the plural.
    """
    if not errors:
        return None
    worst = max(errors, key=exit_code_of)
    message = message_of(worst)
    if of > 1:
        message = f"{len(errors)} of {of} {what} did not go well: {message}"
    return CommandFailed(
        message,
        kind=type(worst).__name__,
        exit_code=exit_code_of(worst),
        status=worst.status,
    )
