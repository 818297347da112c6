"""Notices: everything that happens, as frozen values for listeners.

A client calls its one `on_notice` with each of these, in the order of events, on the loop. Logging,
progress bars and telemetry are listeners. A notice names endpoints by their route
(`segments/{segment_id}`), never by the ids in it, and holds no header, no body and no credential:
what is not a field here cannot leak through here. ("Event" stays the API's word for what users do.)

Standard logging is always among the listeners (see `logs`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from appcues_async.models import Job

__all__ = [
    "AnswerLost",
    "AnswerSettled",
    "AttemptFailed",
    "BodySent",
    "BulkProgressed",
    "ChunkEnded",
    "Gauges",
    "JobChanged",
    "JobStarted",
    "Limits",
    "Listener",
    "Notice",
    "OutboxClosed",
    "OutboxFilled",
    "OutboxKeptAside",
    "OutboxSends",
    "OutboxStalled",
    "PauseBegan",
    "PauseEnded",
    "PollFailed",
    "ReplyReceived",
    "RunEnded",
    "RunStarted",
    "WorkerChanged",
    "notify",
]

log: Final = logging.getLogger("appcues_async")
log.addHandler(logging.NullHandler())


@frozen
class Limits:
    """What an answer says of the account's limits; only analytics routes are known to say it.

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


@frozen
class JobStarted:
    """The server accepted an upload and started a job.

    Attributes:
        id: The job's id.
        kind: What it does, by its route.
    """

    id: str
    kind: str


@frozen
class JobChanged:
    """A job was seen to be in another state than before.

    Attributes:
        job: The job as it is now.
    """

    job: Job


@frozen
class PollFailed:
    """A look at a job failed; the wait goes on.

    Attributes:
        id: The job's id, or None when the list of jobs could not be had.
        error: The kind of error, by its class name.
    """

    id: str | None
    error: str


@frozen
class AnswerLost:
    """Nothing says whether a request was applied, and it is being found out.

    Attributes:
        kind: What was sent, by its route.
    """

    kind: str


@frozen
class AnswerSettled:
    """What came of a lost answer.

    Attributes:
        kind: What was sent, by its route.
        outcome: `found` if it was applied, `absent` if it was not, `undecided` if that cannot be told.
        id: The id of what it has started or made, if that was found.
    """

    kind: str
    outcome: str
    id: str | None = None


@frozen(kw_only=True)
class BulkProgressed:
    """A bulk run is further than before.

    Attributes:
        kind: What its rows are.
        rows_read: Rows read and checked so far.
        bytes_read: Bytes of its source that these took.
        rows_rejected: Rows of these that are not sent.
        rows_sent: Rows that the server has accepted.
        bytes_sent: Bytes of these.
        rows_ingested: Rows that jobs say they have taken.
        bytes_in_all: Bytes of its source, where that is known.
    """

    kind: str
    rows_read: int
    bytes_read: int
    rows_rejected: int
    rows_sent: int
    bytes_sent: int
    rows_ingested: int
    bytes_in_all: int | None


@frozen
class ChunkEnded:
    """A chunk of a bulk run has ended.

    Attributes:
        chunk: Its number in the run, from 0.
        rows: How many rows it has.
        size: Bytes that were sent.
        status: How it ended, as in the run's report.
        job: The id of its job, if it was accepted.
    """

    chunk: int
    rows: int
    size: int
    status: str
    job: str | None


@frozen(kw_only=True)
class WorkerChanged:
    """A worker of a cluster has come or gone, or begun or ended an upload for a run.

    Attributes:
        worker: Its address.
        threads: Uploads that it takes at once.
        sending: Uploads that it has in flight.
        chunks: Chunks that were accepted from it.
        bytes_sent: Bytes of these.
        gone: Whether the cluster does not have it any more.
    """

    worker: str
    threads: int
    sending: int
    chunks: int
    bytes_sent: int
    gone: bool = False


@frozen
class RunStarted:
    """A bulk run has begun to read.

    Attributes:
        kind: What its rows are.
    """

    kind: str


@frozen(kw_only=True)
class RunEnded:
    """A bulk run has ended, well or badly.

    Attributes:
        kind: What its rows are.
        rows: Rows read.
        rejected: Rows of these that were not sent.
        chunks: Chunks sent.
        accepted: Rows that the server has accepted.
        ingested: Rows that jobs say they have taken.
        seconds: How long it took.
    """

    kind: str
    rows: int
    rejected: int
    chunks: int
    accepted: int
    ingested: int
    seconds: float


@frozen
class OutboxSends:
    """This process sends what an outbox holds, from now on."""


@frozen
class OutboxStalled:
    """The sender of an outbox has failed; it tries again in a few seconds.

    Attributes:
        error: The kind of error, by its class name.
    """

    error: str


@frozen
class OutboxKeptAside:
    """Rows of an outbox are kept aside: refused, failed by their job, or unknown.

    Attributes:
        batch: The number of their batch.
        kind: What the rows are.
        rows: How many rows there are.
        error: The kind of error, by its class name.
    """

    batch: int
    kind: str
    rows: int
    error: str


@frozen
class OutboxFilled:
    """An outbox holds all that it may; told once a second at the most.

    Attributes:
        on_full: What becomes of rows that find no room: `wait`, `raise` or `drop`.
        dropped: Rows that were dropped since the last time.
    """

    on_full: str
    dropped: int


@frozen(kw_only=True)
class OutboxClosed:
    """An outbox was left.

    Attributes:
        waiting: Rows that were not accepted.
        accepted: Rows that were accepted, and whose jobs had not been seen to end.
        failed: Rows that are kept aside.
        on_disk: Whether they stay on disk; else they are lost.
    """

    waiting: int
    accepted: int
    failed: int
    on_disk: bool


Notice: TypeAlias = (
    AnswerLost
    | AnswerSettled
    | ReplyReceived
    | AttemptFailed
    | BodySent
    | BulkProgressed
    | ChunkEnded
    | PauseBegan
    | PauseEnded
    | JobStarted
    | JobChanged
    | PollFailed
    | RunStarted
    | RunEnded
    | OutboxSends
    | OutboxStalled
    | OutboxKeptAside
    | OutboxFilled
    | OutboxClosed
    | WorkerChanged
)
"""Everything that can be told."""

Listener: TypeAlias = Callable[[Notice], None]
"""Takes each notice as it happens; must return soon, since it runs on the loop."""


def notify(listener: Listener | None, notice: Notice) -> None:
    """Tells the listener; one that fails is logged and never disturbs the work it watches."""
    if listener is None:
        return
    try:
        listener(notice)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # Nobody is cancelled, or left half way, by what a listener raises.
        log.exception("the on_notice listener failed on a %s", type(notice).__name__)
