"""Where chunks end: as the journal has it, or where their row counts tell them apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from attrs import frozen

from appcues_async.bulk.chunks import ChunkBuilder, RequestRows, draw
from appcues_async.bulk.journal.records import ChunkRecord
from appcues_async.bulk.journal.run_journal import RunJournal
from appcues_async.bulk.memory import BulkMemory, memory_of
from appcues_async.bulk.reading.blocks import GoodRows
from appcues_async.clock import Clock, sleep_on
from appcues_async.recovery.ownership import LocalOwners

__all__ = ["ChunkPlanner", "PlannedChunk", "RowCounts"]

PATIENCE: Final = 60.0
"""Seconds to wait for a row count while all are taken; after that one is shared. Then a lost answer may
stay unknown; nothing is lost or doubled by it."""
_PAUSE: Final = 0.05
"""Seconds between two looks at which are taken."""


class RowCounts:
    """Which row counts are taken by chunks that are not settled.

    A job can belong only to a chunk of as many rows. What may be applied twice is sent again where its
    answer is lost, so it has to differ only from what must not be applied twice.
    """

    def __init__(
        self, owners: LocalOwners, journal: RunJournal | None, clock: Clock, *, unsafe: bool
    ) -> None:
        """Looks at nothing yet.

        Args:
            owners: Knows the requests of this process.
            journal: Knows those of others.
            clock: What to wait by.
            unsafe: Whether the chunks must not be applied twice.
        """
        self._owners = owners
        self._journal = journal
        self._clock = clock
        self._unsafe = unsafe
        self._memory: BulkMemory = memory_of(owners)

    async def take(self, most: int, *, remainder: bool) -> tuple[int, bool]:
        """Takes a row count for a chunk; waits while all are taken.

        Args:
            most: How many rows there are to choose from.
            remainder: Whether these are all that is left of their source.

        Returns:
            The count, and whether it is shared with another chunk.
        """
        until = self._clock.time() + PATIENCE
        while True:
            live, stale = await self._taken()
            rows, shared = draw(most, live | stale, remainder=remainder), False
            if rows is None and draw(most, stale, remainder=remainder) is None:
                # Waiting would free none.
                rows, shared = draw(most, live, remainder=remainder), True
            if rows is None and self._clock.time() > until:
                rows, shared = most, True
            if rows is None:
                await sleep_on(self._clock, _PAUSE)
            elif self._memory.hold(rows, unsafe=self._unsafe, shared=shared):
                return rows, shared

    def keep(self, rows: int) -> None:
        """Takes the row count of a chunk that was cut in an earlier run."""
        self._memory.hold(rows, unsafe=self._unsafe, shared=True)

    def release(self, rows: int) -> None:
        """Releases a row count."""
        self._memory.release(rows, unsafe=self._unsafe)

    async def _taken(self) -> tuple[frozenset[int], frozenset[int]]:
        """The counts of chunks that somebody is at, and of those that nobody settles."""
        live, stale = self._memory.row_counts(unsafe=self._unsafe), frozenset[int]()
        if self._unsafe:
            claims = self._owners.whose(()).claims
            stale = frozenset(claim.rows for claim in claims if claim.rows is not None)
        if self._journal is not None:
            theirs, left = await self._journal.row_counts()
            live, stale = live | theirs, stale | left
        return live, stale - live


@frozen
class PlannedChunk:
    """A chunk that is ready to be sent.

    Attributes:
        number: Its number in the run, from 0.
        chunk: The chunk.
        record: What the journal has of it, if there is one.
    """

    number: int
    chunk: RequestRows
    record: ChunkRecord | None


class ChunkPlanner:
    """Cuts one source into chunks, and writes them down."""

    def __init__(
        self,
        blocks: AsyncGenerator[GoodRows],
        builder: ChunkBuilder,
        counts: RowCounts,
        journal: RunJournal | None,
        index: int,
    ) -> None:
        """Begins before the first row.

        Args:
            blocks: The rows of the source.
            builder: Gathers them.
            counts: Which row counts are taken.
            journal: Where chunks are written down, if anywhere.
            index: Which of the run's sources it is.
        """
        self._blocks = blocks
        self._builder = builder
        self._counts = counts
        self._journal = journal
        self._index = index
        self._ended = False

    async def next(self, number: int) -> PlannedChunk | None:
        """Cuts the next chunk; None at the end of the source.

        The row count of the chunk stays taken until `RowCounts.release`.

        Args:
            number: Its number in the run.

        Raises:
            InvalidInput: The source cannot be read, or is not what the journal says that it was.
        """
        known = None if self._journal is None else self._journal.records.get(number)
        builder = self._builder
        while not (builder.is_full or (known is not None and builder.reaches(known.last))):
            block = await anext(self._blocks, None)
            if block is None:
                self._ended = True
                break
            builder.add(block)
        if not builder.rows:
            return None
        planned = await (self._new(number) if known is None else self._known(known))
        builder.drop(planned.chunk.rows)
        return planned

    async def _known(self, known: ChunkRecord) -> PlannedChunk:
        """The chunk that was cut here in an earlier run."""
        assert self._journal is not None  # noqa: S101 - it knows the chunk
        builder = self._builder
        most = await asyncio.to_thread(builder.most) if builder.is_full else builder.rows
        rows = min(builder.up_to(known.last) or most, most)
        chunk = await asyncio.to_thread(builder.chunk, rows)
        await self._journal.compare(known, self._index, chunk)
        self._counts.keep(chunk.rows)
        return PlannedChunk(known.number, chunk, known)

    async def _new(self, number: int) -> PlannedChunk:
        builder, journal = self._builder, self._journal
        remainder = self._ended and not builder.is_full
        most = builder.rows if remainder else await asyncio.to_thread(builder.most)
        while True:
            rows, shared = await self._counts.take(most, remainder=remainder)
            try:
                chunk = await asyncio.to_thread(builder.chunk, rows)
                if journal is None:
                    return PlannedChunk(number, chunk, None)
                record = await journal.plan(number, self._index, chunk, shared=shared)
            except BaseException:
                self._counts.release(rows)
                raise
            if record is not None:
                return PlannedChunk(number, chunk, record)
            # Another process has taken it in the meantime.
            self._counts.release(rows)
