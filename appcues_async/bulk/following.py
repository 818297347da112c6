"""One chunk on its way, from the moment that it was cut until its job has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import evolve

from appcues_async.bulk.chunks import Chunk
from appcues_async.bulk.planner import PlannedChunk, RowCounts
from appcues_async.bulk.progress import Progress
from appcues_async.bulk.report import Outcome
from appcues_async.bulk.retrying import Retrier
from appcues_async.bulk.slots import Slot
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock
from appcues_async.errors import AppcuesError, Delivery, JobFailed, OutcomeUnknown
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import Blocks, ChunkBody

__all__ = ["Upload"]


class Upload:
    """A chunk that is sent, and its job that is waited for."""

    def __init__(
        self,
        planned: PlannedChunk,
        slot: Slot,
        *,
        uploader: ChunkUploader,
        retrier: Retrier | None = None,
        retry_failed: bool = False,
        counts: RowCounts,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """Sends nothing yet.

        Args:
            planned: The chunk.
            slot: Its place; left with the server's 202, save where rows in memory may be sent again.
            uploader: Sends it.
            retrier: Sends its rows again, if that can be done.
            retry_failed: Whether that is done where its job fails.
            counts: Holds its row count until it is settled.
            progress: Keeps what is known of it.
            clock: What to measure by.
        """
        chunk, record = planned.chunk, planned.record
        self._record = record
        self._slot = slot
        self._uploader = uploader
        self._retrier = retrier
        self._counts = counts
        self._progress = progress
        self._clock = clock
        self._body: ChunkBody = chunk.body
        may_read_again = retry_failed or (record is not None and record.rejected is not None)
        self._chunk = chunk if may_read_again and isinstance(chunk, Chunk) else None
        slot.kept = may_read_again and isinstance(chunk.body, Blocks)
        self.outcome: Outcome = Outcome(
            chunk=planned.number,
            source=chunk.source,
            first=chunk.first,
            last=chunk.last,
            rows=chunk.rows,
            size=chunk.body.size,
            status="unknown",
        )

    async def follow(self, room: asyncio.Semaphore, *, wait: bool) -> Outcome:
        """Sends the chunk, or takes its job up, and waits for the job.

        Args:
            room: The uploads at a time.
            wait: Whether to wait for the job.
        """
        began, uploader, record = self._clock.time(), self._uploader, self._record
        number, rows = self.outcome.chunk, self.outcome.rows
        try:
            with self._unsettled():
                handle = None if record is None else await uploader.taken_up(record)
                resumed = handle is not None
                if handle is None:
                    await self._slot.move_to(room)
                    handle = await uploader.send(number, rows, self._body, record)
            self.outcome = evolve(self.outcome, status="accepted", handle=handle, resumed=resumed)
            self._progress.keep(self.outcome)
            if wait or handle.done():
                await self._end(handle)
        except AppcuesError as error:
            if self.outcome.handle is None and error.delivery is not Delivery.UNKNOWN:
                self.outcome = evolve(self.outcome, status="refused")
            self._add(error)
        except asyncio.CancelledError:
            if self.outcome.handle is None:
                self._add(OutcomeUnknown("the run was cancelled while this chunk was being sent"))
            raise
        finally:
            self._slot.end()
            self._chunk = None
            self.outcome = evolve(self.outcome, seconds=self._clock.time() - began)
            self._progress.end(self.outcome)
        return self.outcome

    @contextmanager
    def _unsettled(self) -> Iterator[None]:
        """Keeps the slot, the row count and the bytes until the chunk is accepted, or is not."""
        try:
            yield
        finally:
            # From here on its rows are in memory only where they may be sent again.
            del self._body
            self._slot.leave()
            self._counts.release(self.outcome.rows)

    async def _end(self, handle: JobHandle) -> None:
        """Waits for the job, retries what it has not taken, and writes down what came of it."""
        try:
            await handle.wait()
        except JobFailed as error:
            self.outcome = evolve(self.outcome, status="failed")
            self._add(error)
        else:
            self.outcome = evolve(self.outcome, status="completed")
        await self._retry()
        await self._uploader.end(self.outcome)

    async def _retry(self) -> None:
        chunk, record, failure = self._chunk, self._record, self.outcome.failure
        if chunk is None or self._retrier is None:
            return
        if record is not None and record.rejected is not None:
            retried = await self._retrier.put_aside_again(chunk, record.rejected)
            self.outcome = evolve(self.outcome, retried=retried)
            return
        if failure is None:
            return
        retried, ended_by = await self._retrier.retry(self.outcome.chunk, chunk, self._slot)
        self.outcome = evolve(self.outcome, retried=retried)
        if not retried.left:
            self.outcome = evolve(self.outcome, status="completed", error=None)
            return
        why = "" if ended_by is None else f": {ended_by}"
        failure.add_note(f"{retried.jobs} more jobs did not find all rows that are at fault{why}")
        if self.outcome.error is None:
            self._add(failure)

    def _add(self, error: AppcuesError) -> None:
        """Puts an error beside the outcome, and says on it which rows it is about."""
        outcome = self.outcome
        if isinstance(error, OutcomeUnknown):
            error.chunk, error.rows = outcome.chunk, (outcome.first, outcome.last)
        error.add_note(
            f"chunk {outcome.chunk}, rows {outcome.first:,} to {outcome.last:,} of {outcome.source}"
        )
        self.outcome = evolve(outcome, error=error)
