"""The batches of one kind on their way: cut, sent, waited for, and settled with their rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from appcues_async.bulk.following import Upload
from appcues_async.bulk.planner import RowCounts
from appcues_async.bulk.progress import Progress
from appcues_async.bulk.report import Outcome
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.slots import Slot
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock
from appcues_async.errors import (
    AppcuesError,
    ConnectionFailed,
    Forbidden,
    InvalidInput,
    JobPending,
    NotFound,
    NoTurn,
    ServerError,
    Throttled,
    Unauthorized,
)
from appcues_async.notices import Listener, OutboxKeptAside, OutboxStalled, notify
from appcues_async.outbox.rows import BATCH_BYTES, KindName, Line, lines_of
from appcues_async.outbox.store import Batch, Batches, Store, Verdict

__all__ = ["KindSender"]

_NOT_OF_THE_ROWS: Final = (
    *(ConnectionFailed, NoTurn, Throttled, ServerError),
    *(Unauthorized, Forbidden, NotFound),  # somebody mends the key, or the account's id
)
"""Errors that no row of a batch is a reason for: its rows are sent again later."""
_LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries at the most."""


class KindSender:
    """Sends the batches of one kind.

    Attributes:
        kind: What the rows are.
        failure: Why rows are sent again later; None since a batch went well.
    """

    def __init__(
        self,
        kind: KindName,
        uploader: ChunkUploader,
        room: asyncio.Semaphore,
        *,
        clock: Clock,
        listener: Listener | None,
        on_change: Callable[[], None],
    ) -> None:
        """Sends nothing yet.

        Args:
            kind: What the rows are.
            uploader: Sends the batches.
            room: The uploads at a time, of all kinds.
            clock: What to measure by.
            listener: Receives notices of how batches end.
            on_change: Is called when a batch was accepted, and when it has ended.
        """
        self.kind: KindName = kind
        self.failure: AppcuesError | None = None
        self._uploader = uploader
        self._room = room
        self._clock = clock
        self._listener = listener
        self._on_change = on_change
        self._batches: Batches
        self._counts: RowCounts
        # Users of batches whose job has not ended: their rows wait for it.
        self._busy: set[str] = set()
        self._cutting = False
        self._failures = 0
        self._paused_until = 0.0

    async def begin(self, store: Store, group: asyncio.TaskGroup) -> None:
        """Takes up what an earlier process has left."""
        batches = self._batches = await store.begin(self.kind, self._uploader)
        journal, uploader = batches.journal, self._uploader
        self._counts = RowCounts(uploader.owners, journal, self._clock, unsafe=uploader.is_unsafe)
        if journal is None:
            return
        group.create_task(journal.keep_alive())
        uploader.begin(journal, group)
        for batch in await batches.unfinished():
            self._counts.keep(batch.planned.chunk.rows)
            # It takes a place among the uploads only if it is sent.
            self._start(batch, Slot(asyncio.Semaphore(0), taken=False), group)

    def cut_soon(self, group: asyncio.TaskGroup) -> None:
        """Makes batches of what waits, unless that is being done or it is too early."""
        if not self._cutting and self._clock.time() >= self._paused_until:
            self._cutting = True
            group.create_task(self._cut(group))

    async def _cut(self, group: asyncio.TaskGroup) -> None:
        try:
            more = True
            while more:
                await self._room.acquire()
                slot = Slot(self._room)
                try:
                    batch, more = await self._next()
                except BaseException:
                    slot.leave()
                    raise
                if batch is None:
                    slot.leave()
                else:
                    self._start(batch, slot, group)
        finally:
            self._cutting = False

    async def _next(self) -> tuple[Batch | None, bool]:
        """Makes the next batch, if anything waits; says whether there may be more."""
        rows = await self._batches.waiting(self._busy, BATCH_BYTES)
        if not rows:
            return None, False
        lines = await asyncio.to_thread(lines_of, self.kind, rows)
        batch = await self._planned(lines)
        full = sum(len(row.body) for row in rows) > BATCH_BYTES // 2
        return batch, full or batch.planned.chunk.rows < len(lines)

    async def _planned(self, lines: Sequence[Line]) -> Batch:
        while True:
            count, shared = await self._counts.take(len(lines), remainder=True)
            try:
                batch = await self._batches.plan_batch(lines[:count], shared=shared)
            except BaseException:
                self._counts.release(count)
                raise
            if batch is not None:
                return batch
            self._counts.release(count)

    def _start(self, batch: Batch, slot: Slot, group: asyncio.TaskGroup) -> None:
        self._busy |= batch.users
        group.create_task(self._follow(batch, slot))

    async def _follow(self, batch: Batch, slot: Slot) -> None:
        upload = Upload(
            batch.planned,
            slot,
            uploader=self._uploader,
            counts=self._counts,
            progress=_BatchProgress(self.kind, self._listener, self._accepted_of(batch)),
            clock=self._clock,
        )
        outcome = await upload.follow(self._room, wait=True)
        verdict = _verdict_on(outcome, unsafe=self._uploader.is_unsafe)
        failure = outcome.failure
        await self._batches.settle(batch, outcome, verdict, _reason_of(failure))
        self._busy -= batch.users
        if verdict == "again":
            self._pause()
            self.failure = failure
            notify(self._listener, OutboxStalled(type(failure).__name__))
        else:
            self._failures = 0
            self.failure = None
        if verdict == "aside" and failure is not None:
            notify(
                self._listener,
                OutboxKeptAside(batch.planned.number, self.kind, batch.put, type(failure).__name__),
            )
        self._on_change()

    def _accepted_of(self, batch: Batch) -> Callable[[], None]:
        def accepted() -> None:
            self._batches.accepted(batch)
            self._on_change()

        return accepted

    def _pause(self) -> None:
        pause = min(_LONGEST_PAUSE, 0.5 * 2**self._failures)
        self._failures = min(self._failures + 1, 10)
        self._paused_until = self._clock.time() + pause


class _BatchProgress(Progress):
    """Tells when a batch is accepted, and how it has ended; nothing of a run."""

    def __init__(
        self, kind: str, listener: Listener | None, on_accepted: Callable[[], None]
    ) -> None:
        super().__init__(kind, RowCounter(), [] if listener is None else [listener])
        self._on_accepted = on_accepted

    def keep(self, outcome: Outcome) -> None:
        if outcome.status == "accepted":
            self._on_accepted()
        super().keep(outcome)

    def tell(self) -> None:
        """An outbox has no end that it could be on its way to."""


def _verdict_on(outcome: Outcome, *, unsafe: bool) -> Verdict:
    """Decides about the rows of a batch.

    Args:
        outcome: How it has ended.
        unsafe: Whether it must not be applied twice.
    """
    failure = outcome.failure
    if failure is None:
        return "done" if outcome.status == "completed" else "keep"
    if outcome.status == "refused" and isinstance(failure, InvalidInput):
        # The store could not be written; the rows are not to blame.
        return "again"
    known = outcome.status == "refused" or (outcome.status == "unknown" and not unsafe)
    if known and isinstance(failure, _NOT_OF_THE_ROWS):
        return "again"
    if outcome.status == "accepted" and isinstance(failure, JobPending):
        return "keep"
    return "aside"


def _reason_of(failure: AppcuesError | None) -> str:
    return "" if failure is None else f"{type(failure).__name__}: {failure}"
