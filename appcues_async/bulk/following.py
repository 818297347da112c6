"""One chunk on its way, from the moment that it was cut until its job has ended."""

from __future__ import annotations

import asyncio

from attrs import define, evolve

from appcues_async.bulk.planner import PlannedChunk, RowCounts
from appcues_async.bulk.progress import Progress
from appcues_async.bulk.report import Outcome
from appcues_async.bulk.uploader import ChunkUploader
from appcues_async.clock import Clock
from appcues_async.errors import AppcuesError, Delivery, JobFailed, OutcomeUnknown
from appcues_async.rows.file_head import MEDIA
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.waiting.handle import JobHandle
from appcues_async.wire.request import ChunkBody, Multipart

__all__ = ["Slot", "Upload"]


@define
class Slot:
    """A place among the uploads at a time, or among the chunks that are held in memory."""

    room: asyncio.Semaphore
    taken: bool = True

    async def move_to(self, room: asyncio.Semaphore) -> None:
        """Changes it for one elsewhere."""
        if room is not self.room:
            self.leave()
            await room.acquire()
            self.room, self.taken = room, True

    def leave(self) -> None:
        """Gives it to the next, if it was not given already."""
        if self.taken:
            self.taken = False
            self.room.release()


class Upload:
    """A chunk that is sent, and its job that is waited for."""

    def __init__(
        self,
        planned: PlannedChunk,
        slot: Slot,
        *,
        kind: str,
        uploader: ChunkUploader,
        counts: RowCounts,
        progress: Progress,
        clock: Clock,
    ) -> None:
        """Sends nothing yet.

        Args:
            planned: The chunk.
            slot: Its place; it is left with the server's 202.
            kind: What the rows are.
            uploader: Sends it.
            counts: Holds its row count until it is settled.
            progress: Keeps what is known of it.
            clock: What to measure by.
        """
        chunk = planned.chunk
        self._record = planned.record
        self._slot = slot
        self._uploader = uploader
        self._counts = counts
        self._progress = progress
        self._clock = clock
        self._body: ChunkBody | Multipart | None = _body_of(chunk.body, kind)
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
        began = self._clock.time()
        try:
            handle = await self._sent(room)
            if wait or handle.done():
                await handle.wait()
                self.outcome = evolve(self.outcome, status="completed")
                await self._uploader.end(self.outcome.chunk, handle)
        except AppcuesError as error:
            await self._fail(error)
        except asyncio.CancelledError:
            if self.outcome.handle is None:
                self._add(OutcomeUnknown("the run was cancelled while this chunk was being sent"))
            raise
        finally:
            self.outcome = evolve(self.outcome, seconds=self._clock.time() - began)
            self._progress.end(self.outcome)
        return self.outcome

    async def _sent(self, room: asyncio.Semaphore) -> JobHandle:
        number, rows, record, body = self.outcome.chunk, self.outcome.rows, self._record, self._body
        # From here on the bytes belong to the request alone.
        self._body = None
        assert body is not None  # noqa: S101 - a chunk is followed once
        try:
            handle = None if record is None else await self._uploader.taken_up(record)
            resumed = handle is not None
            if handle is None:
                await self._slot.move_to(room)
                handle = await self._uploader.send(number, rows, body, record)
        finally:
            del body
            self._slot.leave()
            self._counts.release(rows)
        self.outcome = evolve(self.outcome, status="accepted", handle=handle, resumed=resumed)
        self._progress.keep(self.outcome)
        return handle

    async def _fail(self, error: AppcuesError) -> None:
        handle = self.outcome.handle
        if handle is None and error.delivery is not Delivery.UNKNOWN:
            self.outcome = evolve(self.outcome, status="refused")
        elif handle is not None and isinstance(error, JobFailed):
            self.outcome = evolve(self.outcome, status="failed")
            await self._uploader.end(self.outcome.chunk, handle, error)
        self._add(error)

    def _add(self, error: AppcuesError) -> None:
        """Puts an error beside the outcome, and says on it which rows it is about."""
        outcome = self.outcome
        if isinstance(error, OutcomeUnknown):
            error.chunk, error.rows = outcome.chunk, (outcome.first, outcome.last)
        error.add_note(
            f"chunk {outcome.chunk}, rows {outcome.first:,} to {outcome.last:,} of {outcome.source}"
        )
        self.outcome = evolve(outcome, error=error)


def _body_of(body: ChunkBody, kind: str) -> ChunkBody | Multipart:
    if body.size <= POST_LIMIT:
        return body
    suffix = "csv" if body.content_type == MEDIA["csv"] else "ndjson"
    return Multipart(body, f"{kind.replace(' ', '-')}.{suffix}")
