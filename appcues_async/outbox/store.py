"""The store of an outbox as it sees it, and the values that it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from attrs import field, frozen

from appcues_async.bulk.journal.run_journal import RunJournal
from appcues_async.bulk.planner import PlannedChunk
from appcues_async.bulk.report import Outcome
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.outbox.rows import Kept, KindName, Line, Row

__all__ = [
    "Batch",
    "Batches",
    "FailedBatch",
    "FailedStatus",
    "OutboxGauges",
    "Pending",
    "Store",
    "Verdict",
    "Waiting",
]

FailedStatus = Literal["refused", "failed", "unknown"]
"""Why rows are kept aside: their batch was refused, its job did not take all of it, or nothing says
whether it was accepted."""
Verdict = Literal["done", "again", "aside", "keep"]
"""The verdict on the rows of a batch: they are deleted, sent again later, kept aside, or left as they
are to the next sender."""


@frozen(kw_only=True)
class FailedBatch:
    """Rows that are kept aside.

    Attributes:
        batch: The number of their batch.
        kind: `events` or `profiles`.
        status: `refused` (not applied), `failed` (its job ended without taking all rows), or `unknown`.
        reason: What went wrong.
        rows: How many rows there are.
        job: The id of its job, if it is known.
        at: When they were put aside.
        sample: The first 100 of the rows.
    """

    batch: int
    kind: KindName
    status: FailedStatus
    reason: str
    rows: int
    job: str | None
    at: datetime
    sample: Sequence[dict[str, Any]] = field(default=(), repr=False)


@frozen(kw_only=True)
class OutboxGauges:
    """The state of an outbox: with a path, all processes that share it.

    Attributes:
        waiting: Rows that wait for a batch, or are in one that is not accepted yet.
        accepted: Rows whose batch was accepted, and whose job has not ended.
        oldest: Age in seconds of the oldest row that is not accepted nor kept aside; 0 without one.
        sent: Rows that were taken since the store was made.
        failed: Rows that are kept aside.
        dropped: Rows that this process dropped because the outbox was full.
        bytes: Bytes of all rows that are held.
        sending: Whether this process sends.
    """

    waiting: int
    accepted: int
    oldest: float
    sent: int
    failed: int
    dropped: int
    bytes: int
    sending: bool


@frozen
class Waiting:
    """Rows that wait for a batch.

    Attributes:
        rows: Rows of all kinds.
        first: The number of the first.
        bytes: Their bytes.
        oldest: When the oldest was put, in seconds since 1970; None without one.
        flush: The rows up to this number are to be sent now.
    """

    rows: int
    first: int
    bytes: int
    oldest: float | None
    flush: int


@frozen
class Pending:
    """Rows up to some number that are not done.

    Attributes:
        unsent: Whether some are not accepted.
        running: Whether the jobs of some have not ended.
        aside: The batches that are kept aside.
    """

    unsent: bool
    running: bool
    aside: Sequence[FailedBatch]


@frozen
class Batch:
    """Rows on their way.

    Attributes:
        planned: The chunk that is sent.
        users: Whose rows they are.
        put: How many rows were put; profile updates of one user are sent as one.
    """

    planned: PlannedChunk
    users: frozenset[str] = field(repr=False)
    put: int


class Batches(Protocol):
    """The batches of one kind in a store, for the one process that sends them."""

    @property
    def journal(self) -> RunJournal | None:
        """Where they are written down, if anywhere."""
        ...

    async def unfinished(self) -> Sequence[Batch]:
        """The batches that an earlier process has left."""
        ...

    async def waiting(self, busy: Collection[str], most: int) -> Sequence[Kept]:
        """The rows that wait, in their order.

        Args:
            busy: Users whose rows are left out.
            most: The most bytes; at least one row is taken if there is one.
        """
        ...

    async def plan_batch(self, lines: Sequence[Line], *, shared: bool) -> Batch | None:
        """Makes a batch of rows that wait.

        Args:
            lines: What is sent.
            shared: Whether its row count may be that of another batch.

        Returns:
            The batch; None where a batch that is not settled has its row count.
        """
        ...

    def accepted(self, batch: Batch) -> None:
        """Is told that a batch was accepted."""
        ...

    async def settle(self, batch: Batch, outcome: Outcome, verdict: Verdict, reason: str) -> None:
        """Writes down how a batch has ended, and what becomes of its rows."""
        ...


class Store(Protocol):
    """Where rows are kept until they are done."""

    async def open(self) -> None:
        """Opens it.

        Raises:
            InvalidInput: It cannot be opened.
        """
        ...

    async def put(self, row: Row) -> None:
        """Keeps a row.

        Raises:
            OutboxFull: There is no room.
            InvalidInput: It cannot be written.
        """
        ...

    async def look(self) -> Waiting:
        """The rows that wait."""
        ...

    async def urge(self) -> int:
        """Asks that all that was put is sent now; returns the number of the last row."""
        ...

    async def pending(self, last: int) -> Pending:
        """The rows up to a number that are not done."""
        ...

    async def failed(self) -> Sequence[FailedBatch]:
        """The batches that are kept aside."""
        ...

    async def gauges(self) -> OutboxGauges:
        """The state of the store."""
        ...

    async def begin(self, kind: KindName, uploader: ChunkUploader) -> Batches:
        """Takes up the batches of a kind, in the process that sends."""
        ...

    def others_send(self) -> bool:
        """Whether another process sends."""
        ...

    def take_sending(self) -> bool:
        """Becomes the process that sends; says whether it could."""
        ...

    async def leave_sending(self) -> None:
        """Gives the sending to whoever wants it."""
        ...

    async def tidy(self) -> None:
        """Forgets what is needed no more; called now and then by the process that sends."""
        ...

    async def shrink(self) -> None:
        """Keeps its files small; called often by the process that sends."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...
