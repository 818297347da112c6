"""Rows gathered into chunks: each as large as one request may be, and none a byte over.

A chunk that is not settled has a row count of its own: where its answer is lost, the counts of a job
then say whether it is the chunk's. `draw` chooses the count, and `ChunkBuilder` cuts there.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from threading import Event
from typing import Final

from attrs import evolve, field, frozen

from appcues_async.bulk.reading.blocks import GoodRows, Span, row_ends
from appcues_async.bulk.reading.prepared import PreparedSource
from appcues_async.wire.request import Blocks, ChunkBody

__all__ = ["Chunk", "ChunkBuilder", "RequestRows", "draw"]

_PIECES: Final = 10_000
"""Stretches of one file in a chunk; a file with more bad rows than that is sent in more chunks."""
_DRAWS: Final = 20
"""Row counts that are drawn before all of the range is gone through."""


@frozen
class RequestRows:
    """Rows that go out in one request.

    Attributes:
        source: Where they are from.
        first: The number of the first, from 1.
        last: The number of the last.
        rows: How many there are; those in between that were rejected are not among them.
        body: The recipe of what is sent.
    """

    source: str
    first: int
    last: int
    rows: int
    body: ChunkBody = field(repr=False)


@frozen
class Chunk(RequestRows):
    """Rows of a source, of which parts can be sent again.

    Attributes:
        prepared: The source itself.
        blocks: The rows of the chunk.
    """

    prepared: PreparedSource = field(repr=False)
    blocks: Sequence[GoodRows] = field(repr=False)

    def place_of(self, number: int) -> int:
        """The place of a row in the chunk, from 0, by its number in the source."""
        return sum(bisect_right(some.numbers, number) for some in self.blocks) - 1

    def part(self, rows: Iterable[range], stop: Event) -> Chunk:
        """Makes a chunk of some of its rows.

        Args:
            rows: Their places in the chunk, from 0, in order.
            stop: Ends the reading when it is set.

        Raises:
            InvalidInput: They cannot be read any more, or have changed.
        """
        if self.prepared.path is None or self.prepared.spans is not None:
            return self._part(self.prepared, rows)
        opened = evolve(self.prepared, feed=None).opened(stop)
        try:
            return self._part(opened, rows)
        finally:
            opened.close()

    def _part(self, source: PreparedSource, rows: Iterable[range]) -> Chunk:
        left, part = (ChunkBuilder(source, self.body.size) for _ in range(2))
        for some in self.blocks:
            left.add(some)
        place = 0
        for wanted in rows:
            left.drop(wanted.start - place)
            for some in left.chunk(len(wanted)).blocks:
                part.add(some)
            place = wanted.start
        return part.chunk(part.rows)


def draw(most: int, taken: Collection[int], *, remainder: bool = False) -> int | None:
    """Chooses the row count of a chunk: one that no unsettled chunk has.

    It is drawn from the top tenth of what fits; where that is used up, it is the largest one below. The
    rest of a source is one chunk, or two where its count is taken.

    Args:
        most: How many rows there are to choose from.
        taken: The counts of unsettled chunks.
        remainder: Whether these rows are all that is left of the source.

    Returns:
        The count; None where all are taken.
    """
    if remainder and most not in taken:
        return most

    def is_free(rows: int) -> bool:
        left = most - rows
        return rows not in taken and not (remainder and (left in taken or left == rows))

    low = most - most // 10
    for _ in range(_DRAWS):
        if is_free(rows := random.randint(low, most)):
            return rows
    free = (rows for rows in range(most, 0, -1) if is_free(rows))
    # A remainder that cannot be halved well is cut somewhere; what is left then may have to wait.
    others = (rows for rows in range(most, 0, -1) if rows not in taken)
    return next(free, None) or next(others, None)


class ChunkBuilder:
    """The rows of a source that were read and are in no chunk yet."""

    def __init__(self, source: PreparedSource, limit: int) -> None:
        """Begins with none.

        Args:
            source: Where they are from.
            limit: The most bytes of a chunk.
        """
        self._source = source
        self._room = limit - len(source.head)
        self._held: list[GoodRows] = []
        self._ends: dict[int, list[int]] = {}
        self._size = 0
        self._pieces = 0
        self.rows: int = 0

    def add(self, some: GoodRows) -> None:
        """Adds the rows that come next."""
        self._pieces += not self._held or not _adjoin(self._held[-1], some)
        self._held.append(some)
        self._size += len(some.data)
        self.rows += len(some.numbers)

    @property
    def is_full(self) -> bool:
        """Whether there are rows beyond what one chunk takes."""
        return self._size > self._room or self._pieces > _PIECES

    def reaches(self, number: int) -> bool:
        """Whether the row of this number is there, or one after it."""
        return bool(self._held) and self._held[-1].last >= number

    def most(self) -> int:
        """How many rows fit in one chunk."""
        rows = size = pieces = 0
        before: GoodRows | None = None
        for some in self._held:
            pieces += before is None or not _adjoin(before, some)
            if pieces > _PIECES:
                break
            if size + len(some.data) > self._room:
                fit = bisect_right(self._ends_of(some), self._room - size)
                return rows + min(fit, len(some.numbers))
            rows, size, before = rows + len(some.numbers), size + len(some.data), some
        return rows

    def up_to(self, number: int) -> int:
        """How many rows there are up to the row of this number."""
        return sum(bisect_right(some.numbers, number) for some in self._held)

    def chunk(self, rows: int) -> Chunk:
        """Makes a chunk of the first so many rows; they stay here until they are dropped."""
        taken, _ = self._split(rows)
        first, last = taken[0].numbers[0], taken[-1].last
        body, source = self._body(taken), self._source
        return Chunk(source.name, first, last, rows, body, source, taken)

    def drop(self, rows: int) -> None:
        """Lets the first so many rows go."""
        _, kept = self._split(rows)
        self._held, self._ends = [], {}
        self._size = self._pieces = self.rows = 0
        for some in kept:
            self.add(some)

    def _split(self, rows: int) -> tuple[list[GoodRows], list[GoodRows]]:
        index = 0
        while index < len(self._held) and rows >= len(self._held[index].numbers):
            rows -= len(self._held[index].numbers)
            index += 1
        taken, kept = self._held[:index], self._held[index:]
        if rows:
            ends = self._ends_of(kept[0])
            before, after = kept[0].split(rows, ends[min(rows, len(ends)) - 1])
            taken, kept = [*taken, before], [after, *kept[1:]]
        return taken, kept

    def _ends_of(self, some: GoodRows) -> list[int]:
        """Where each of these rows ends, found out once."""
        key = some.numbers[0]
        if key not in self._ends:
            data, source = some.data, self._source
            self._ends[key] = (
                source.row_ends(data) if isinstance(data, Span) else row_ends(data, source.csv)
            )
        return self._ends[key]

    def _body(self, taken: list[GoodRows]) -> ChunkBody:
        source = self._source
        if source.has_spans:
            return source.body([(span.offset, span.size) for span in _joined(taken)])
        blocks = [some.data for some in taken if not isinstance(some.data, Span)]
        return Blocks([source.head, *blocks] if source.head else blocks, source.media)


def _adjoin(one: GoodRows, other: GoodRows) -> bool:
    """Whether the one ends where the other begins."""
    mine, theirs = one.data, other.data
    if isinstance(mine, Span) and isinstance(theirs, Span):
        return mine.stop == theirs.offset
    return True


def _joined(taken: list[GoodRows]) -> Iterator[Span]:
    """Stretches of a file, those that adjoin as one."""
    before: Span | None = None
    for some in taken:
        span = some.data
        if not isinstance(span, Span):
            continue
        if before is None or before.stop != span.offset:
            if before is not None:
                yield before
            before = span
        else:
            before = Span(before.offset, before.size + span.size)
    if before is not None:
        yield before
