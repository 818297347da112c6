"""Notices of requests: answers, failed attempts, uploads under way, and pauses of the account."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = [
    "AttemptFailed",
    "BodySent",
    "Gauges",
    "Limits",
    "PauseBegan",
    "PauseEnded",
    "ReplyReceived",
]


@frozen
class Limits:
    """The account's limits as an answer has them; only analytics routes are known to say them.

    Attributes:
        rate_limit: The numbers of `X-RateLimit-*`, `X-Concurrency-*` and `Retry-After` by name: `limit`,
            `remaining`, `reset` (seconds since 1970), `concurrency_limit`, `concurrency_used`,
            `retry_after`.
        rows_truncated: Whether the answer leaves out rows (`X-Rows-Truncated`).
    """

    rate_limit: Mapping[str, int]
    rows_truncated: bool = False


@frozen
class ReplyReceived:
    """A request was answered, with whatever status.

    Attributes:
        method: The HTTP method.
        route: The endpoint's route, ids left out.
        status: The HTTP status.
        number: Which attempt it was, from 1.
        seconds: From the start of the attempt to the whole answer.
        limits: What it says of the account's limits, if it says anything.
    """

    method: str
    route: str
    status: int
    number: int
    seconds: float
    limits: Limits | None = None


@frozen
class AttemptFailed:
    """An attempt did not succeed.

    Attributes:
        method: The HTTP method.
        route: The endpoint's route, ids left out.
        number: Which attempt it was, from 1.
        error: The kind of error, by its class name.
        status: The HTTP status answered, or None without an answer.
        delay: Seconds until the next attempt; None when there will be none.
        reason: What was wrong, in a few words that hold nothing of the request or the answer.
    """

    method: str
    route: str
    number: int
    error: str
    status: int | None
    delay: float | None
    reason: str = ""


@frozen
class BodySent:
    """More of an upload has been handed to the network.

    Attributes:
        route: The endpoint's route, ids left out.
        upload: A number that tells this upload from others of the process.
        sent: Bytes handed over in this attempt so far; starts again with each attempt.
        size: Bytes in all.
    """

    route: str
    upload: int
    sent: int
    size: int


@frozen(kw_only=True)
class Gauges:
    """The state of an account's throttle at a moment.

    Attributes:
        waiting: Requests that wait for a turn.
        in_flight: Requests that have a turn and no answer yet.
        pace: Requests a second.
        gate: `open`, or why it is closed, as in `PauseBegan`.
    """

    waiting: int
    in_flight: int
    pace: float
    gate: str


@frozen
class PauseBegan:
    """The account's requests are held back.

    Attributes:
        seconds: How long, from now.
        reason: `429`, `503`, `outage` or `hold`.
        gauges: The state of the throttle now.
    """

    seconds: float
    reason: str
    gauges: Gauges | None = None


@frozen
class PauseEnded:
    """A probe came through; requests flow again.

    Attributes:
        gauges: The state of the throttle now.
    """

    gauges: Gauges | None = None
