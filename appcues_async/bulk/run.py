"""A run: reading, checking, sending and waiting, all at the same time.

The next chunk is read when there is room to send it, so a source is read only as fast as uploads go. A
chunk gives its room back with the server's 202; its job is then waited for beside all others, and its
bytes are let go.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import Any

from attrs import evolve

from appcues_async.bulk.chunks import ChunkBuilder
from appcues_async.bulk.following import Upload
from appcues_async.bulk.journal.run_journal import RunJournal
from appcues_async.bulk.planner import ChunkPlanner, PlannedChunk, RowCounts
from appcues_async.bulk.progress import Progress
from appcues_async.bulk.reading.prepare import prepare_all
from appcues_async.bulk.reading.prepared import PreparedSource
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.reading.sources import is_path, list_objects
from appcues_async.bulk.rejects import RejectsFile, check_rejects_file
from appcues_async.bulk.report import Outcome, Report
from appcues_async.bulk.retrying import Retrier
from appcues_async.bulk.row_counter import Stopped
from appcues_async.bulk.slots import Slot
from appcues_async.bulk.spec import RunSpec
from appcues_async.bulk.workers import Assignment, Crew, Reader, Workers
from appcues_async.rows.sources import FILE_LIMIT
from appcues_async.wire.request import Blocks

__all__ = ["BulkRun"]


class BulkRun:
    """Rows on their way: `report = await run`, or `async for outcome in run`.

    It begins when it is first awaited or iterated over. Cancelling the task that waits for it in either
    way stops the reading and ends the uploads in flight; `report` then says what had been accepted.
    """

    def __init__(self, spec: RunSpec) -> None:
        """Begins nothing yet.

        Args:
            spec: What it is to do.
        """
        self._spec = spec
        self._counter = spec.counter
        self._clock = spec.account.clock
        self._report = Report(kind=spec.reading.kind.name)
        self._reader: Reader = SourceReader(spec.reading, spec.counter)
        self._crew: Crew | None = None
        self._journal: RunJournal | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._progress = Progress(
            self._report.kind, spec.counter, spec.listeners, self._ended.put_nowait
        )
        self._sources: list[PreparedSource | None] = []
        self._limits: Sequence[int] = ()
        self._room = asyncio.Semaphore(spec.concurrency)
        self._held = asyncio.Semaphore(spec.concurrency)
        self._retrier = Retrier(spec.uploader, spec.reading, spec.counter, self._room)
        self._number = 0
        self._closing = False

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self._task is not None and not self._task.done()

    @property
    def report(self) -> Report:
        """The report so far."""
        report, counter = self._report, self._counter
        report.rows, report.rejected = counter.rows, counter.rejected
        report.rejects = list(counter.rejects)
        report.outcomes = self._progress.outcomes
        return report

    def __await__(self) -> Generator[Any, None, Report]:
        return self.result().__await__()

    def __del__(self) -> None:
        if getattr(self, "_task", self) is None and not self._report.cancelled:
            warnings.warn(
                f"{self._spec.call} was never awaited, so nothing was sent",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Yields each outcome as its chunk ends; leaving the loop early does not end the run.

        Raises:
            BulkFailed: At the end, unless all went well.
            InvalidInput: A source is refused or cannot be read.
            RuntimeError: The client is not open any more.
        """
        self._begin()
        while (outcome := await self._next()) is not None:
            yield outcome
        # For whoever else iterates.
        self._ended.put_nowait(None)
        await self.result()

    async def result(self) -> Report:
        """Waits for the end of the run, as awaiting it does; a coroutine, for `create_task`.

        Raises:
            BulkFailed: The source was not read to its end, or not every row of it was taken.
            InvalidInput: A source is refused or cannot be read; `report` is on it, as on whatever else
                the source raises.
            RuntimeError: The client is not open any more.
        """
        task = self._begin()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await self.cancel()
            raise
        report = self.report
        if not task.cancelled() and (error := task.exception()) is not None:
            # Some errors take nothing that they did not bring.
            with suppress(AttributeError, TypeError):
                error.report = report  # type: ignore[attr-defined]
            raise error
        if self._spec.on_failure != "report":
            report.raise_for_failures()
        return report

    async def _next(self) -> Outcome | None:
        try:
            return await self._ended.get()
        except asyncio.CancelledError:
            await self.cancel()
            raise

    async def cancel(self) -> Report:
        """Stops reading, ends the uploads in flight, and says what had been accepted."""
        self._counter.stop.set()
        if self._task is None:
            self._report.cancelled = True
        elif not self._task.done():
            if not self._closing:
                self._task.cancel()
            await asyncio.wait([self._task])
        return self.report

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="appcues bulk run")
        return self._task

    async def _run(self) -> None:
        began = self._clock.time()
        try:
            # It may have been closed since the run was made.
            self._spec.uploader.check()
            if not self._report.cancelled:
                await self._open()
                self._progress.start_run()
                if self._spec.on_failure == "stop":
                    await self._read_ahead()
                await self._send_all()
        except (asyncio.CancelledError, Stopped):
            self._report.cancelled = True
        finally:
            self._closing = True
            self._report.seconds = self._clock.time() - began
            self._progress.end_run(self.report)
            self._counter.stop.set()
            await self._close()

    async def _close(self) -> None:
        """Releases everything that the run holds, even where one part fails to close."""
        async with AsyncExitStack() as stack:
            stack.callback(self._ended.put_nowait, None)
            stack.push_async_callback(asyncio.to_thread, self._reader.close)
            if self._crew is not None:
                stack.push_async_callback(self._crew.close)
            if self._journal is not None:
                stack.push_async_callback(self._journal.close)
            stack.push_async_callback(asyncio.to_thread, self._counter.close)

    async def _open(self) -> None:
        """Looks at all sources and opens the journal, so that all of a run is refused or none."""
        await asyncio.to_thread(self._prepare_sources)
        spec = self._spec
        sizes = [None if source is None else source.size for source in self._sources]
        self._progress.bytes_in_all = (
            None if None in sizes else sum(size for size in sizes if size is not None)
        )
        self._limits = spec.limits(self._sources)
        if spec.journal is not None:
            account = spec.account
            self._journal = await RunJournal.open(
                spec.journal,
                spec.key(self._sources),
                origin=account.origin,
                account_id=account.id,
                clock=account.clock,
                on_step=spec.on_step,
            )
            # A journal keeps the limits that its run began with.
            self._limits = self._journal.run.limits
        if spec.rejects is not None:
            self._counter.file = await asyncio.to_thread(RejectsFile, spec.rejects)
        if spec.workers is not None:
            await self._take_workers(spec.workers)

    async def _take_workers(self, workers: Workers) -> None:
        spec = self._spec
        crew = self._crew = await workers.begin(
            Assignment(
                sources=self._sources,
                limits=self._limits,
                reading=spec.reading,
                counter=self._counter,
                reader=self._reader,
                transport=spec.uploader.transport,
                listeners=spec.listeners,
            )
        )
        self._reader = crew.reader
        spec.uploader.send_through(crew.transport)

    def _prepare_sources(self) -> None:
        spec, stop = self._spec, self._counter.stop
        if spec.rejects is not None:
            check_rejects_file(spec.rejects, filter(is_path, spec.sources), spec.journal)
        spec = self._spec = evolve(spec, sources=list_objects(spec.sources, stop))
        limit = spec.chunk_bytes or FILE_LIMIT
        self._sources = prepare_all(spec.sources, spec.reading, limit, stop)

    async def _read_ahead(self) -> None:
        """Reads what can be read twice for the sake of its rejected rows alone."""
        for source, limit in zip(self._sources, self._limits, strict=True):
            if source is None or not source.again:
                continue
            async with (
                self._reader.opened(source, limit) as opened,
                aclosing(self._reader.read(opened, limit)) as blocks,
            ):
                async for _ in blocks:
                    pass
        self._counter.begin_again()

    async def _send_all(self) -> None:
        journal = self._journal
        beating = None if journal is None else asyncio.create_task(journal.keep_alive())
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._send_sources(group)
                except Exception as error:  # noqa: BLE001 - what is under way is to end well
                    failure = error
        finally:
            if beating is not None:
                beating.cancel()
        if failure is None and journal is not None:
            failure = journal.failure
        if failure is not None:
            raise failure

    async def _send_sources(self, group: asyncio.TaskGroup) -> None:
        spec, journal = self._spec, self._journal
        if journal is not None:
            spec.uploader.begin(journal, group)
        uploader = spec.uploader
        counts = RowCounts(uploader.owners, journal, self._clock, unsafe=uploader.is_unsafe)
        for index, limit in enumerate(self._limits):
            given, before = self._sources[index] or spec.sources[index], self._counter.rows
            async with (
                self._reader.opened(given, limit) as source,
                aclosing(self._reader.read(source, limit)) as blocks,
            ):
                builder = ChunkBuilder(source, limit)
                planner = ChunkPlanner(blocks, builder, counts, journal, index)
                await self._send_chunks(planner, counts, group)
            self._report.empty += self._counter.rows == before
        self._report.read_to_end = True
        if journal is not None:
            await journal.finish(self._number)

    async def _send_chunks(
        self, planner: ChunkPlanner, counts: RowCounts, group: asyncio.TaskGroup
    ) -> None:
        """Sends the chunks of one source, each as soon as there is room for it."""
        spec = self._spec
        while True:
            await self._room.acquire()
            slot = Slot(self._room)
            try:
                planned = await planner.next(self._number)
            except BaseException:
                slot.leave()
                raise
            if planned is None:
                slot.leave()
                return
            self._number += 1
            self._progress.tell()
            if spec.uploader.is_settling(planned.number):
                slot = await self._beside(slot, planned)
            upload = Upload(
                planned,
                slot,
                uploader=spec.uploader,
                retrier=self._retrier,
                retry_failed=spec.retry_failed,
                counts=counts,
                progress=self._progress,
                clock=self._clock,
            )
            del planned
            following = upload.follow(self._room, wait=spec.wait)
            if not spec.ordered:
                group.create_task(following)
                continue
            if (await following).status in {"accepted", "unknown"}:
                # What comes next may not be applied before it, and nobody knows when that is.
                raise Stopped

    async def _beside(self, slot: Slot, planned: PlannedChunk) -> Slot:
        """Lets others go on while it is found out what became of a chunk; not all are held in memory."""
        slot.leave()
        slot = Slot(self._held, taken=isinstance(planned.chunk.body, Blocks))
        if slot.taken:
            await self._held.acquire()
        return slot
