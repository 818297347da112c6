"""A run: reading, checking, sending and waiting, all at the same time.

The next chunk is read when there is room to send it, so a source is read only as fast as uploads go. A
chunk gives its room back with the server's 202; its job is then waited for beside all others, and its
bytes are let go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from attrs import evolve

from appcues_async.bulk.chunks import Chunk, ChunkSizer
from appcues_async.bulk.journal.records import ChunkRecord
from appcues_async.bulk.journal.run_journal import RunJournal
from appcues_async.bulk.progress import Slot, Totals
from appcues_async.bulk.reading.sources import (
    Reading,
    can_be_read_twice,
    chunks,
    is_path,
    look_at,
)
from appcues_async.bulk.rejects import Stopped, check_rejects_file
from appcues_async.bulk.report import Outcome, Report, Status
from appcues_async.bulk.spec import RunSpec
from appcues_async.errors import (
    AppcuesError,
    Delivery,
    JobFailed,
    OutcomeUnknown,
)
from appcues_async.notices import BulkProgressed, ChunkEnded, notify
from appcues_async.rows.sources import MEDIA, POST_LIMIT
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import Blocks, FilePieces, Multipart

__all__ = ["BulkRun"]


class BulkRun:
    """Rows on their way: `report = await run`, or `async for outcome in run`.

    It begins when it is first awaited or iterated over. Cancelling the task that waits for it in either
    way stops the reading and ends the uploads in flight; `report` then says what had been accepted.
    """

    def __init__(self, plan: RunSpec) -> None:
        """Is made by `client.bulk`.

        Args:
            plan: What it is to do.
        """
        self._plan = plan
        self._tally = plan.reading.tally
        self._report = Report(kind=plan.reading.kind.name)
        self._task: asyncio.Task[None] | None = None
        self._ended: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._outcomes: dict[int, Outcome] = {}
        self._sent = Totals()
        self._bytes_in_all: int | None = None
        self._limits: Sequence[int] = ()
        self._closing = False
        self._number = 0
        self._ledger: RunJournal | None = None
        self._held = asyncio.Semaphore(plan.concurrency)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._task is not None and not self._task.done()

    @property
    def report(self) -> Report:
        """What the run has come to so far."""
        report, tally = self._report, self._tally
        report.rows, report.rejected = tally.rows, tally.rejected
        report.rejects = list(tally.rejects)
        report.outcomes = [self._outcomes[number] for number in sorted(self._outcomes)]
        return report

    def __await__(self) -> Generator[Any, None, Report]:
        return self._finish().__await__()

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Yields each outcome as its chunk ends; leaving the loop early does not end the run.

        Raises:
            InvalidInput: A source is refused or cannot be read.
        """
        self._begin()
        while (outcome := await self._next()) is not None:
            yield outcome
        # For whoever else iterates.
        self._ended.put_nowait(None)
        await self._finish()

    async def _next(self) -> Outcome | None:
        try:
            return await self._ended.get()
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def cancel(self) -> Report:
        """Stops reading, ends the uploads in flight, and says what had been accepted."""
        self._tally.stop.set()
        if self._task is None:
            self._report.cancelled = True
        elif not self._task.done():
            if not self._closing:
                self._task.cancel()
            await asyncio.wait([self._task])
        return self.report

    async def _finish(self) -> Report:
        task = self._begin()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await self.cancel()
            raise
        if not self._report.cancelled:
            task.result()
        return self.report

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="appcues bulk run")
        return self._task

    async def _run(self) -> None:
        began = time.monotonic()
        try:
            if self._report.cancelled:
                return
            self._bytes_in_all = await asyncio.to_thread(self._look_at_sources)
            if self._plan.journal is not None:
                self._ledger = await self._open(self._plan.journal)
            if self._plan.raises:
                await self._read_ahead()
            await self._send_all()
        except (asyncio.CancelledError, Stopped):
            self._report.cancelled = True
        finally:
            self._closing = True
            self._report.seconds = time.monotonic() - began
            self._tally.stop.set()
            self._tally.close()
            try:
                if self._ledger is not None:
                    await self._ledger.close()
                await asyncio.to_thread(self._plan.reading.apart.close)
            finally:
                self._ended.put_nowait(None)

    def _look_at_sources(self) -> int | None:
        plan = self._plan
        if plan.rejects is not None:
            check_rejects_file(plan.rejects, filter(is_path, plan.sources))
        for source in plan.sources:
            look_at(source, plan.reading)
        if plan.rejects is not None and plan.rejects.is_file():
            # What an earlier run has left would pass for this one's.
            plan.rejects.unlink()
        if plan.journal is None:
            # A journal keeps the limits that its run began with.
            self._limits = plan.limits()
        return plan.bytes_in_all()

    async def _open(self, path: Path) -> RunJournal:
        account, plan = self._plan.account, await asyncio.to_thread(self._plan.written_down)
        ledger = await RunJournal.open(
            path, plan, origin=account.origin, account_id=account.id, clock=account.clock
        )
        self._limits = ledger.run.limits
        return ledger

    async def _read_ahead(self) -> None:
        """Reads what can be read twice for the sake of its rejected rows alone."""
        sizes = self._sizes()
        for index, source in enumerate(self._plan.sources):
            if not can_be_read_twice(source):
                continue
            found = chunks(source, self._reading_of(index, sizes))
            async with aclosing(found):
                async for _ in found:
                    pass
        self._tally.rows = self._tally.bytes = 0

    def _sizes(self) -> ChunkSizer:
        if self._ledger is not None:
            return self._ledger.sizes()
        return evolve(self._plan.reading.sizes, taken=set())

    def _reading_of(self, index: int, sizes: ChunkSizer) -> Reading:
        return evolve(self._plan.reading, sizes=sizes.of(self._limits[index]))

    async def _send_all(self) -> None:
        failure: Exception | None = None
        ledger = self._ledger
        beating = None if ledger is None else asyncio.create_task(ledger.keep_alive())
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._send_sources(group)
                except Exception as error:  # noqa: BLE001 - what is under way is to end well
                    failure = error
        finally:
            if beating is not None:
                beating.cancel()
        if failure is None and ledger is not None:
            failure = ledger.failure
        if failure is not None:
            raise failure

    async def _send_sources(self, group: asyncio.TaskGroup) -> None:
        if self._ledger is not None:
            self._plan.sending.begin(self._ledger, group)
        room, sizes = asyncio.Semaphore(self._plan.concurrency), self._sizes()
        for index in range(len(self._plan.sources)):
            await self._send(index, sizes, room, group)
        self._report.read_to_end = True
        if self._ledger is not None:
            await self._ledger.finish(self._number)

    async def _send(
        self, index: int, sizes: ChunkSizer, room: asyncio.Semaphore, group: asyncio.TaskGroup
    ) -> None:
        found = chunks(self._plan.sources[index], self._reading_of(index, sizes))
        async with aclosing(found):
            while True:
                await room.acquire()
                place = Slot(room)
                chunk = await anext(found, None)
                if chunk is None:
                    place.leave()
                    return
                self._tell()
                entry: ChunkRecord | None = None
                if self._ledger is not None:
                    entry = await self._ledger.plan(self._number, index, chunk)
                if self._plan.sending.is_settling(self._number):
                    # It takes a while, and others may go on; but not all are held in memory.
                    place.leave()
                    place = Slot(self._held, taken=isinstance(chunk.body, Blocks))
                    if place.taken:
                        await self._held.acquire()
                number, self._number = self._number, self._number + 1
                following = self._follow(number, chunk, entry, place, room)
                del chunk
                if not self._plan.ordered:
                    group.create_task(following)
                    continue
                await following
                if self._outcomes[number].status in {"accepted", "unknown"}:
                    # What comes next may not be applied before it, and nobody knows when that is.
                    raise Stopped

    async def _follow(
        self,
        number: int,
        chunk: Chunk,
        entry: ChunkRecord | None,
        place: Slot,
        room: asyncio.Semaphore,
    ) -> None:
        """Sends a chunk and follows it to its end."""
        sending = self._plan.sending
        began = time.monotonic()
        body = self._body_of(chunk)
        outcome = Outcome(
            chunk=number,
            source=chunk.source,
            first=chunk.first,
            last=chunk.last,
            rows=chunk.rows,
            size=chunk.body.size,
            status="unknown",
        )
        # From here on the bytes belong to the request alone.
        del chunk
        status: Status = "unknown"
        error: AppcuesError | None = None
        handle: JobHandle | None = None
        try:
            try:
                handle = None if entry is None else await sending.taken_up(entry)
                outcome = evolve(outcome, resumed=handle is not None)
                if handle is None:
                    await place.move_to(room)
                    handle = await sending.send(number, outcome.rows, body, entry)
            finally:
                del body
                place.leave()
            status = "accepted"
            self._keep(evolve(outcome, status=status, handle=handle))
            if self._plan.wait or handle.done():
                await handle.wait()
                status = "completed"
                await sending.end(number, handle)
        except asyncio.CancelledError:
            if handle is None:
                error = OutcomeUnknown("the run was cancelled while this chunk was being sent")
            raise
        except AppcuesError as failure:
            error = failure
            if isinstance(failure, JobFailed) and handle is not None:
                status = "failed"
                await sending.end(number, handle, failure)
            elif handle is None:
                unknown = failure.delivery is Delivery.UNKNOWN
                status = "unknown" if unknown else "refused"
        finally:
            if error is not None:
                _say_where(error, outcome)
            seconds = time.monotonic() - began
            ended = evolve(outcome, status=status, handle=handle, error=error, seconds=seconds)
            self._keep(ended)
            self._ended.put_nowait(ended)
            job = None if handle is None else handle.id
            self._notify(ChunkEnded(number, ended.rows, ended.size, status, job))

    def _body_of(self, chunk: Chunk) -> Blocks | FilePieces | Multipart:
        body = chunk.body
        if body.size <= POST_LIMIT:
            return body
        suffix = "csv" if body.content_type == MEDIA["csv"] else "ndjson"
        return Multipart(body, f"{self._report.kind.replace(' ', '-')}.{suffix}")

    def _keep(self, outcome: Outcome) -> None:
        # What its job has taken is counted at its end only, and does not change then.
        if (former := self._outcomes.get(outcome.chunk)) is not None:
            self._sent.put(former, -1)
        self._sent.put(outcome)
        self._outcomes[outcome.chunk] = outcome
        self._tell()

    def _tell(self) -> None:
        if not self._plan.listeners:
            return
        self._notify(
            BulkProgressed(
                kind=self._report.kind,
                rows_read=self._tally.rows,
                bytes_read=self._tally.bytes,
                rows_rejected=self._tally.rejected,
                rows_sent=self._sent.rows,
                bytes_sent=self._sent.bytes,
                rows_ingested=self._sent.ingested,
                bytes_in_all=self._bytes_in_all,
            )
        )

    def _notify(self, notice: BulkProgressed | ChunkEnded) -> None:
        for listener in self._plan.listeners:
            notify(listener, notice)


def _say_where(error: AppcuesError, outcome: Outcome) -> None:
    """Says on an error which rows it is about, for those who see it without its outcome."""
    if isinstance(error, OutcomeUnknown):
        error.chunk, error.rows = outcome.chunk, (outcome.first, outcome.last)
    error.add_note(
        f"chunk {outcome.chunk}, rows {outcome.first:,} to {outcome.last:,} of {outcome.source}"
    )
