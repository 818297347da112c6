"""The exceptions of the package, which carry the facts that retries and callers go by.

::

    AppcuesError
    ├── InvalidInput (also ValueError)   refused here, before anything was sent
    ├── ConnectionFailed                 no connection: the request was never sent
    ├── NoTurn (also TimeoutError)       no turn at the throttle in time: the request was never sent
    ├── OutboxFull                       an outbox has no room: the row was not taken
    ├── OutboxPending (also TimeoutError) the wait for an outbox is over, its rows are kept
    ├── OutcomeUnknown                   sent, and no answer that says whether it was applied
    ├── ReplyError                       the server answered with an error
    │   ├── BadRequest                   400
    │   ├── Unauthorized                 401
    │   ├── Forbidden                    403
    │   ├── NotFound                     404
    │   ├── UnsupportedMediaType         415
    │   ├── Throttled                    429
    │   └── ServerError                  5xx
    ├── UnexpectedReply                  a redirect, or a success that cannot be read
    ├── JobError                         the job has ended, and not as it should
    │   ├── JobFailed                    it ended as FAILED
    │   ├── RowsFailed                   it ended as COMPLETED, and some rows were not taken
    │   └── NoDownload                   the export is done, and shows no link to its file
    ├── JobPending (also TimeoutError)   the wait is over, the job still runs
    └── BulkFailed                       a bulk run has ended, and not every row was taken
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from appcues_async.text import hide_links, printable

if TYPE_CHECKING:
    from appcues_async.bulk.report import Report
    from appcues_async.models import Job
    from appcues_async.sync.report import SyncReport
    from appcues_async.wire.reply import Problem, Reply

__all__ = [
    "AppcuesError",
    "Attempt",
    "BadRequest",
    "BulkFailed",
    "ConnectionFailed",
    "Delivery",
    "Forbidden",
    "InvalidInput",
    "JobError",
    "JobFailed",
    "JobPending",
    "NoDownload",
    "NoTurn",
    "NotFound",
    "OutboxFull",
    "OutboxPending",
    "OutcomeUnknown",
    "ReplyError",
    "RowsFailed",
    "ServerError",
    "Throttled",
    "Unauthorized",
    "UnexpectedReply",
    "UnsupportedMediaType",
]


class Delivery(enum.Enum):
    """How far a request got; the one fact that decides whether it may be repeated."""

    NOT_SENT = "not sent"
    """The server cannot have seen it."""
    REFUSED = "refused"
    """The server answered that it did not apply it."""
    UNKNOWN = "unknown"
    """It may have been applied, and nothing says whether it was."""


@frozen
class Attempt:
    """One try of a request that did not succeed.

    Attributes:
        number: 1 for the first try.
        error: What went wrong, in a few words.
        status: The HTTP status answered, or None without an answer.
        seconds: How long it took.
        delay: Seconds waited after it before the next try; None after the last one.
    """

    number: int
    error: str
    status: int | None = None
    seconds: float = 0
    delay: float | None = None


class AppcuesError(Exception):
    """The root of everything that this package raises on purpose.

    Its text shows control characters, of servers and of files, as escapes.

    Attributes:
        status: The HTTP status answered, or None where there was no answer.
        retry_after: Seconds the server asked to wait, or None where it did not say.
        delivery: How far the request got.
        reply: The answer as it came, if there was one.
        problem: The answer's own account of the error, if it gave one.
        attempts: Every try of the request that failed, in order; the last is this error.
        seconds: How long the last try took, with the wait for its turn while nothing was answered.
        final: Whether another try would end the same way, such as one that meets the same certificate.
    """

    delivery: Delivery = Delivery.NOT_SENT
    final: bool = False

    def __init__(
        self,
        message: str,
        *,
        delivery: Delivery | None = None,
        reply: Reply | None = None,
        problem: Problem | None = None,
        retry_after: float | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(self._shown(message))
        if delivery is not None:
            self.delivery = delivery
        if final:
            self.final = final
        self.reply = reply
        self.problem = problem
        self.retry_after = retry_after
        self.attempts: tuple[Attempt, ...] = ()
        self.seconds: float = 0.0

    @staticmethod
    def _shown(message: str) -> str:
        # Servers and files may say what steers a terminal or forges a line of a log.
        return printable(message)

    @property
    def status(self) -> int | None:
        """The HTTP status answered, or None where there was no answer."""
        return None if self.reply is None else self.reply.status

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries (workers, schedulers); keyword-only arguments
        # do not survive the default way, which calls the class with `args` alone.
        reply = None if self.reply is None else self.reply.without_links()
        return _restore, (type(self), self.args, {**self.__dict__, "reply": reply})


def _restore(cls: type[AppcuesError], args: tuple[Any, ...], state: dict[str, Any]) -> AppcuesError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(AppcuesError, ValueError):  # noqa: N818 - names read as what happened
    """Input that the API would refuse or lose; the message names value, rule and fix.

    Attributes:
        report: What a bulk run or a sync had come to that it has ended; else None.
    """

    report: Report | SyncReport | None = None


class ConnectionFailed(AppcuesError):  # noqa: N818
    """No connection could be made, so the server never saw the request."""


class NoTurn(AppcuesError, TimeoutError):  # noqa: N818
    """The throttle gave no turn in time, so the request was never sent.

    `Timeouts.turn` was over, or no request was answered for `Timeouts.budget` seconds while it waited.
    """


class OutboxFull(AppcuesError):  # noqa: N818
    """An outbox holds all that it may, and did not take the row."""


class OutboxPending(AppcuesError, TimeoutError):  # noqa: N818
    """The time to wait for an outbox is over; its rows are kept, and sent as soon as they can be."""


class OutcomeUnknown(AppcuesError):  # noqa: N818
    """The request left, and nothing says whether it was applied.

    Attributes:
        candidates: Jobs that the lost answer may belong to.
        chunk: The number of the bulk chunk, from 0, if it was one.
        rows: The rows sent, as first and last row number, if they are known.
    """

    delivery = Delivery.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reply: Reply | None = None,
        problem: Problem | None = None,
        candidates: Sequence[Job] = (),
        chunk: int | None = None,
        rows: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message, reply=reply, problem=problem)
        self.candidates: tuple[Job, ...] = tuple(candidates)
        self.chunk = chunk
        self.rows = rows


class ReplyError(AppcuesError):
    """The server answered with an error; the text holds status, title and detail."""

    delivery = Delivery.REFUSED

    @classmethod
    def of(
        cls, message: str, reply: Reply, problem: Problem, *, retry_after: float | None = None
    ) -> Self:
        """Makes the error of an answer that says no."""
        return cls(message, reply=reply, problem=problem, retry_after=retry_after)


class BadRequest(ReplyError):  # noqa: N818
    """400: the request was malformed or invalid."""


class Unauthorized(ReplyError):  # noqa: N818
    """401: the credentials were missing or invalid."""


class Forbidden(ReplyError):  # noqa: N818
    """403: these credentials may not do that; a read-only key may not write."""


class NotFound(ReplyError):  # noqa: N818
    """404: no such endpoint or resource."""


class UnsupportedMediaType(ReplyError):  # noqa: N818
    """415: the endpoint does not take this content type."""


class Throttled(ReplyError):  # noqa: N818
    """429: the account sent too many requests; nothing was applied."""


class ServerError(ReplyError):
    """5xx: the server failed, and may have applied the request before it did."""

    delivery = Delivery.UNKNOWN


class UnexpectedReply(AppcuesError):  # noqa: N818
    """A redirect, or a success that cannot be read."""

    delivery = Delivery.UNKNOWN


class JobError(AppcuesError):
    """The job has ended, and not all went well.

    Attributes:
        job: The job as last seen, its events included.
    """

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(hide_links(message))
        self.job = job


class JobFailed(JobError):  # noqa: N818
    """The job ended as FAILED."""

    delivery = Delivery.REFUSED


class RowsFailed(JobError):  # noqa: N818
    """The job ended as COMPLETED, and some of its rows or requests failed."""

    delivery = Delivery.REFUSED


class NoDownload(JobError):  # noqa: N818
    """The export has ended well and has no link to its file.

    The file of an event export comes by e-mail; the API documents no link in its job's events.
    """


class JobPending(AppcuesError, TimeoutError):  # noqa: N818
    """The wait is over and the job still runs.

    Attributes:
        url: Where the job can be looked up.
        token: What `client.jobs.resume` takes, here or in another process.
    """

    delivery = Delivery.UNKNOWN

    def __init__(self, message: str, *, url: str, token: str) -> None:
        super().__init__(message)
        self.url = url
        self.token = token


class BulkFailed(AppcuesError):  # noqa: N818
    """A bulk run has ended, and not every row of its source was taken.

    The text is the summary of the run, with the first reasons.

    Attributes:
        report: What the run has come to. It stays behind where the error is pickled, since its jobs
            belong to the client.
    """

    delivery = Delivery.REFUSED

    def __init__(self, message: str, report: Report | SyncReport) -> None:
        super().__init__(message)
        self.report = report

    @staticmethod
    def _shown(message: str) -> str:
        # It has lines of its own.
        return "\n".join(map(printable, message.split("\n")))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, {**self.__dict__, "report": None})
