"""How a run on a cluster reads: workers do, some ahead of what is wanted, and the driver hears of rows.

A file is read stretch by stretch, since each begins where the one before has ended; several files, and
partitions, are read at the same time. What workers cannot reach, the driver reads as ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from attrs import define, evolve, field, frozen
from distributed import Client, Future

from appcues_async.bulk.reading.blocks import GoodRows, Position, Span
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.reading.sources import Remote
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.bulk.workers import Assignment, Reader
from appcues_async.cluster.attempt import ObjectPart, Part
from appcues_async.cluster.fleet import Fleet
from appcues_async.cluster.submitting import Tasks
from appcues_async.cluster.tasks import (
    Index,
    SharedFile,
    Stretch,
    digest_of,
    encode_partition,
    hold,
    index_of,
    read_stretch,
    row_ends_in_file,
    row_ends_in_rows,
)
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.rows.urls import StoredObject
from appcues_async.wire.request import NDJSON, ChunkBody, FilePieces, HeldRows

__all__ = ["ClusterReader", "Partition"]

_AHEAD: Final = 2
"""Stretches of one file that are read ahead."""


@frozen
class Partition(Remote):
    """A partition of a Dask collection.

    Attributes:
        part: The collection that it is, as Dask computes it.
    """

    part: Any = field(repr=False, eq=False)


@define(eq=False)
class FileRows:
    """A file, as workers see it."""

    file: SharedFile
    source: PreparedSource
    tasks: Tasks
    loop: asyncio.AbstractEventLoop
    worker: str = ""

    def row_ends(self, span: Span) -> list[int]:
        """Where each row of a span ends."""
        client = self.tasks.client
        return _from_thread(
            self.loop,
            self.tasks,
            lambda: client.submit(row_ends_in_file, self.file, span, pure=False),
        )

    def body(self, pieces: Sequence[tuple[int, int]]) -> ChunkBody:
        """Makes the recipe of what is sent of it."""
        source = self.source
        if source.path is not None and source.stamp is not None:
            return FilePieces(source.path, pieces, source.media, source.stamp, source.head)
        return HeldRows(self, pieces, source.media, source.head)

    def recipe(self, body: HeldRows) -> ObjectPart:
        """The recipe by which a worker makes a body."""
        return ObjectPart(self.file, body.pieces, body.content_type, body.head)

    async def bring(self, worker: str) -> None:
        """Nothing: every worker can read it."""

    async def digest(self, pieces: Sequence[tuple[int, int]]) -> None:
        """None: the object's stamp says as much."""

    async def results(self, reading: Reading, limit: int) -> AsyncGenerator[Stretch]:
        """Reads it, stretch by stretch."""
        at: Position | None = Position.start(self.file.layout)
        client, file = self.tasks.client, self.file
        while at is not None:
            begin = at
            stretch: Stretch = await self.tasks.run(
                lambda begin=begin: client.submit(  # type: ignore[misc]
                    read_stretch, file, reading, limit, begin, pure=False
                )
            )
            yield stretch
            at = stretch.end


@define(eq=False)
class PartitionRows:
    """The rows of a partition, in the memory of the cluster."""

    part: Any
    name: str
    reading: Reading
    limit: int
    tasks: Tasks
    loop: asyncio.AbstractEventLoop
    digest_of_all: str = ""
    worker: str = ""
    _encoded: Future[Any] | None = None

    def encoded(self) -> Future[Any]:
        """The encoded rows; computed once more where they are lost for good."""
        if self._encoded is None or self._encoded.status in {"error", "lost", "cancelled"}:
            client = self.tasks.client
            rows = client.compute(self.part)
            self._encoded = client.submit(
                encode_partition, rows, self.reading, self.name, self.limit, pure=False
            )
        return self._encoded

    async def results(self) -> AsyncGenerator[Stretch]:
        """Encodes it."""
        client = self.tasks.client
        index: Index = await self.tasks.run(
            lambda: client.submit(index_of, self.encoded(), pure=False)
        )
        self.digest_of_all, self.worker = index.digest, index.worker
        yield Stretch(
            blocks=list(index.blocks()),
            rows=index.rows,
            size=index.size,
            rejects=index.rejects,
            error=index.error,
        )

    def row_ends(self, span: Span) -> list[int]:
        """Where each row of a span ends."""
        client = self.tasks.client
        return _from_thread(
            self.loop,
            self.tasks,
            lambda: client.submit(row_ends_in_rows, self.encoded(), span, pure=False),
        )

    def body(self, pieces: Sequence[tuple[int, int]]) -> ChunkBody:
        """Makes the recipe of what is sent of it."""
        return HeldRows(self, pieces, NDJSON)

    def recipe(self, body: HeldRows) -> Part:
        """The recipe by which a worker makes a body."""
        key = str(self.encoded().key)
        return Part(key, body.pieces, body.content_type, self.digest_of_all, self.name)

    async def bring(self, worker: str) -> None:
        """Brings the rows to a worker, or to another if it cannot have them."""
        client = self.tasks.client
        self.worker = await self.tasks.run(
            lambda: client.submit(
                hold, self.encoded(), workers=[worker], allow_other_workers=True, pure=False
            )
        )

    async def digest(self, pieces: Sequence[tuple[int, int]]) -> str:
        """The SHA-256 of some stretches."""
        client = self.tasks.client
        digest: str = await self.tasks.run(
            lambda: client.submit(digest_of, self.encoded(), list(pieces), pure=False)
        )
        return digest


def _from_thread(
    loop: asyncio.AbstractEventLoop, tasks: Tasks, submit: Callable[[], Future[Any]]
) -> list[int]:
    """The result of a task, for a thread that waits for it."""
    ends: list[int] = asyncio.run_coroutine_threadsafe(tasks.run(submit), loop).result()
    return ends


@define(eq=False)
class _Ahead:
    """A source whose reading has begun; the task that reads waits while enough is ready."""

    rows: FileRows | PartitionRows
    ready: asyncio.Queue[Stretch | BaseException | None] = field(
        factory=lambda: asyncio.Queue(_AHEAD)
    )
    task: asyncio.Task[None] | None = None

    def begin(self, results: AsyncGenerator[Stretch]) -> None:
        self.task = asyncio.create_task(self._fill(results), name="appcues cluster reading")

    async def _fill(self, results: AsyncGenerator[Stretch]) -> None:
        last: BaseException | None = None
        try:
            async with aclosing(results):
                async for stretch in results:
                    await self.ready.put(stretch)
        except Exception as error:  # noqa: BLE001 - it is raised where the rows are wanted
            last = error
        await self.ready.put(last)

    def close(self) -> None:
        if self.task is not None:
            self.task.cancel()


class ClusterReader:
    """Reads the sources of one run on workers."""

    def __init__(self, assignment: Assignment, client: Client, fleet: Fleet) -> None:
        """Reads nothing yet.

        Args:
            assignment: What the run reads.
            client: Reaches the workers.
            fleet: Which workers there are.
        """
        self._local: Reader = assignment.reader
        self._reading = assignment.reading
        self._counter: RowCounter = assignment.counter
        self._fleet = fleet
        self._tasks = Tasks(client, fleet)
        self._loop = asyncio.get_running_loop()
        self._order = [
            (source, limit)
            for source, limit in zip(assignment.sources, assignment.limits, strict=True)
            if source is not None
        ]
        self._begun: dict[int, _Ahead] = {}

    @asynccontextmanager
    async def opened(self, source: Any, limit: int) -> AsyncIterator[PreparedSource]:
        """Opens a source for as long as it is read."""
        if not isinstance(source, PreparedSource) or not _is_reached(source):
            async with self._local.opened(source, limit) as opened:
                yield opened
            return
        ahead = self._begin(source, limit)
        try:
            yield evolve(source, spans=ahead.rows)
        finally:
            ahead.close()
            self._begun.pop(id(source.source), None)

    async def read(self, source: PreparedSource, limit: int) -> AsyncGenerator[GoodRows]:
        """Reads an open source."""
        ahead = self._begun.get(id(source.source))
        if source.spans is None or ahead is None:
            async with aclosing(self._local.read(source, limit)) as blocks:
                async for block in blocks:
                    yield block
            return
        self._begin_next(source)
        while (stretch := await ahead.ready.get()) is not None:
            if isinstance(stretch, BaseException):
                raise stretch
            for block in self._counted(stretch):
                yield block

    def close(self) -> None:
        """Ends what this process reads."""
        self._local.close()

    async def stop(self) -> None:
        """Ends what workers read ahead."""
        begun, self._begun = list(self._begun.values()), {}
        for ahead in begun:
            ahead.close()
        tasks = [ahead.task for ahead in begun if ahead.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    def _counted(self, stretch: Stretch) -> Sequence[GoodRows]:
        counter = self._counter
        counter.go_on()
        if stretch.error is not None:
            raise stretch.error
        counter.passed(stretch.rows, stretch.size)
        for reject in stretch.rejects:
            counter.reject(reject)
        return stretch.blocks

    def _begin_next(self, source: PreparedSource) -> None:
        """Begins to read the sources that come next, as many as there are threads."""
        after = deque(self._order)
        while after and after.popleft()[0].source is not source.source:
            pass
        for _, (following, limit) in zip(range(max(1, self._fleet.threads)), after, strict=False):
            if _is_reached(following):
                self._begin(following, limit)

    def _begin(self, source: PreparedSource, limit: int) -> _Ahead:
        known = self._begun.get(id(source.source))
        if known is not None:
            return known
        if isinstance(source.source, Partition):
            part = PartitionRows(
                source.source.part, source.name, self._reading, limit, self._tasks, self._loop
            )
            ahead = _Ahead(part)
            ahead.begin(part.results())
        else:
            assert source.fingerprint is not None  # noqa: S101 - it is reached
            assert source.layout is not None  # noqa: S101
            place = source.path or source.source
            file = SharedFile(place, source.fingerprint, source.layout)
            rows = FileRows(file, source, self._tasks, self._loop)
            ahead = _Ahead(rows)
            most = min(limit - len(source.head), POST_LIMIT)
            ahead.begin(rows.results(self._reading, most))
        self._begun[id(source.source)] = ahead
        return ahead


def _is_reached(source: PreparedSource) -> bool:
    """Whether workers can read a source: a plain file or object whose bytes are sent, or a partition."""
    is_object = isinstance(source.source, StoredObject) and source.size is not None
    in_bytes = source.way == "bytes" and (source.path is not None or is_object)
    return in_bytes or isinstance(source.source, Partition)
