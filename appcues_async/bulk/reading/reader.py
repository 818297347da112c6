"""Sources read as blocks of good rows: bytes in a thread or a process, rows on the loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from appcues_async.bulk.reading.blocks import ByteLayout, GoodRows, read_blocks, too_long
from appcues_async.bulk.reading.encoder import AT_ONCE, Batch, Columns, Encoder
from appcues_async.bulk.reading.frames import batches_of_frame
from appcues_async.bulk.reading.infer import batches_of_csv
from appcues_async.bulk.reading.inputs import ByteSource
from appcues_async.bulk.reading.ndjson import batches_of_ndjson, batches_of_rejects, renamed
from appcues_async.bulk.reading.prepare import prepare
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.reading.sources import is_path, open_feed
from appcues_async.bulk.reading.worker import ReaderProcess, Task
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows.dialect import PLAIN, Dialect
from appcues_async.rows.frames import is_frame
from appcues_async.rows.inputs import batches_of, cancellation_as_error, text_of_path
from appcues_async.rows.kinds import Kind
from appcues_async.rows.parquet import open_parquet
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.rows.urls import StoredObject

__all__ = ["SourceReader", "batches_of_rows", "encoded_blocks"]

T = TypeVar("T")

_SHOWN: Final = 200
"""Bytes that are shown of a row over the limit."""


class SourceReader:
    """Reads the sources of one run, one after the other."""

    def __init__(self, reading: Reading, counter: RowCounter) -> None:
        """Reads nothing yet.

        Args:
            reading: How to read them.
            counter: Counts the rows, and takes those that are rejected.
        """
        self._reading = reading
        self._counter = counter
        self.process: ReaderProcess = ReaderProcess()

    @asynccontextmanager
    async def opened(self, source: Any, limit: int) -> AsyncIterator[PreparedSource]:
        """Opens a source for as long as it is read.

        Args:
            source: What was prepared; or what was given, if it can be looked at only now.
            limit: The most bytes of a chunk.

        Raises:
            InvalidInput: It is refused, or cannot be opened.
        """
        stop = self._counter.stop

        def open_it() -> PreparedSource:
            if isinstance(source, PreparedSource):
                return source.opened(stop)
            return prepare(source, self._reading, limit, stop).opened(stop)

        opening = asyncio.get_running_loop().run_in_executor(None, open_it)
        try:
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unused)
            raise
        try:
            yield opened
        finally:
            opened.close()

    async def read(self, source: PreparedSource, limit: int) -> AsyncGenerator[GoodRows]:
        """Reads a source.

        Args:
            source: What to read; it is open.
            limit: The most bytes of a chunk.

        Raises:
            InvalidInput: It is refused, or cannot be read.
        """
        if source.way == "nothing":
            return
        feed, layout = source.feed, source.layout
        blocks: AsyncGenerator[GoodRows]
        if feed is None or layout is None:
            blocks = encoded_blocks(self._rows_of(source.source), self._encoder(source.name), limit)
        elif source.way == "bytes":
            blocks = _in_thread(lambda: self._checked(source, layout, feed, limit))
        else:
            batches = _in_thread(lambda: self._batches(source, layout, feed))
            blocks = encoded_blocks(batches, self._encoder(source.name), limit)
        async with aclosing(blocks):
            with cancellation_as_error(source.name):
                async for block in blocks:
                    yield block

    def close(self) -> None:
        """Ends the process that reads large files."""
        self.process.close()

    def _encoder(self, name: str) -> Encoder:
        return Encoder(self._reading.kind, self._reading.check, name, self._counter)

    def _rows_of(self, rows: Any) -> AsyncGenerator[Batch | Columns]:
        kind, dialect = self._reading.kind, self._reading.dialect
        if is_path(rows) or isinstance(rows, StoredObject):
            file = rows if isinstance(rows, StoredObject) else Path(rows)
            name = file.name if isinstance(file, StoredObject) else text_of_path(file)
            stop = self._counter.stop
            return _in_thread(
                lambda: batches_of_frame(open_parquet(file, stop), kind, dialect, name=name)
            )
        if is_frame(rows):
            return _in_thread(lambda: batches_of_frame(rows, kind, dialect))
        return batches_of_rows(rows, kind, dialect)

    def _batches(
        self, source: PreparedSource, layout: ByteLayout, feed: ByteSource
    ) -> Iterator[Batch | Columns]:
        kind, dialect = self._reading.kind, self._reading.dialect
        match source.way:
            case "rejects":
                return batches_of_rejects(feed, layout, kind, dialect)
            case "lines":
                return batches_of_ndjson(feed, layout, kind, dialect)
            case _:
                infer = self._reading.types == "infer"
                return batches_of_csv(feed, layout, kind, infer=infer)

    def _checked(
        self, source: PreparedSource, layout: ByteLayout, feed: ByteSource, limit: int
    ) -> Iterator[GoodRows]:
        reading, counter = self._reading, self._counter
        limit = min(limit - len(source.head), POST_LIMIT)
        worth = source.path is not None and self.process.is_worth(source.size or 0, reading.check)
        if worth and self.process.begin():
            task = Task(str(source.path), reading.kind, reading.check, layout, limit)
            return self.process.read(task, counter)
        return read_blocks(feed, layout, reading.judge(layout), limit, counter)


def read_file(task: Task, counter: RowCounter) -> Iterator[GoodRows]:
    """Reads a file, in the process that does nothing else."""
    reading = Reading(task.kind, task.check)
    feed = open_feed(Path(task.path), counter.stop)
    try:
        yield from read_blocks(feed, task.layout, reading.judge(task.layout), task.limit, counter)
    finally:
        feed.close()


async def encoded_blocks(
    batches: AsyncGenerator[Batch | Columns], encoder: Encoder, limit: int
) -> AsyncGenerator[GoodRows]:
    """Encodes batches of rows.

    Args:
        batches: The rows.
        encoder: Checks and encodes them.
        limit: The most bytes of a row.
    """
    async with aclosing(batches):
        async for batch in batches:
            block, numbers = encoder.encode(batch)
            if len(block) > limit:
                for some in _within(block, numbers, encoder, limit):
                    yield some
            elif numbers:
                yield GoodRows(numbers, block)


def _within(
    block: bytes, numbers: Sequence[int], encoder: Encoder, limit: int
) -> Iterator[GoodRows]:
    """Leaves out the rows that are longer than a chunk may be."""
    first = begin = end = 0
    for index, line in enumerate(block.splitlines(keepends=True)):
        if len(line) > limit:
            if index > first:
                yield GoodRows(numbers[first:index], block[begin:end])
            shown = line[:_SHOWN].decode(errors="replace")
            encoder.reject(numbers[index], None, too_long(len(line), limit), shown)
            first, begin = index + 1, end + len(line)
        end += len(line)
    if begin < end:
        yield GoodRows(numbers[first:], block[begin:end])


async def batches_of_rows(
    source: Any, kind: Kind, dialect: Dialect = PLAIN
) -> AsyncGenerator[Batch | Columns]:
    """Reads rows, or frames one after the other, a few hundred rows at a time.

    Args:
        source: An iterable or async iterable of them.
        kind: What the rows are.
        dialect: What their names are sent as.
    """
    async with aclosing(batches_of(source, AT_ONCE)) as batches:
        async for batch in batches:
            if isinstance(batch, list):
                yield Batch(renamed(batch, kind, dialect))
                continue
            read = partial(batches_of_frame, batch, kind, dialect)
            async with aclosing(_in_thread(read)) as slices:
                async for some in slices:
                    yield some


async def _in_thread(make: Callable[[], Iterator[T]]) -> AsyncGenerator[T]:
    """Runs an iterator in a thread of its own, one step whenever the next value is wanted."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="appcues-bulk")
    try:
        values = await loop.run_in_executor(thread, make)
        while True:
            some = await loop.run_in_executor(thread, _next_of, values)
            if not some:
                return
            yield some[0]
    finally:
        # It may hang on a pipe that says nothing, which must not hold the loop.
        thread.shutdown(wait=False)


def _next_of(values: Iterator[T]) -> tuple[T, ...]:
    return tuple(itertools.islice(values, 1))


def _close_unused(opening: asyncio.Future[PreparedSource]) -> None:
    """Closes what was opened for a run that had been cancelled by then."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
