"""The result of reading: blocks of good rows, which `chunks.py` gathers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from attrs import define, field, frozen

from appcues_async.bulk.reading.inputs import ByteSource, ForwardFeed, MemoryFeed
from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.rows.row_blocks import judged_blocks, row_spans
from appcues_async.rows.verdict import Judge, Verdict
from appcues_async.wire.request import ChunkBody

__all__ = [
    "ByteLayout",
    "GoodRows",
    "Position",
    "Span",
    "SpanHolder",
    "read_blocks",
    "row_ends",
    "too_long",
]

_SHOWN: Final = 200
"""Bytes that are shown of a row over the limit."""


@frozen
class Span:
    """A stretch of a file.

    Attributes:
        offset: Where it begins.
        size: How many bytes it has.
    """

    offset: int
    size: int

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.offset + self.size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice) -> Span:
        start, stop, _ = part.indices(self.size)
        return Span(self.offset + start, stop - start)


class SpanHolder(Protocol):
    """Has the bytes of spans that this process does not read itself."""

    def row_ends(self, span: Span) -> list[int]:
        """Where each row of a span ends; not on the loop, since it may take a while."""
        ...

    def body(self, pieces: Sequence[tuple[int, int]]) -> ChunkBody:
        """Makes the recipe of what is sent of it: the offset and size of each stretch."""
        ...


@frozen
class GoodRows:
    """Rows that passed the checks, next to each other where they are.

    Attributes:
        numbers: The number of each row in its source, from 1.
        data: Their bytes, or where these are in the source's file.
    """

    numbers: Sequence[int] = field(repr=False)
    data: bytes | memoryview | Span = field(repr=False)

    @property
    def last(self) -> int:
        """The number of the last row."""
        return self.numbers[-1]

    def split(self, rows: int, offset: int) -> tuple[GoodRows, GoodRows]:
        """Splits them after so many rows, which end at an offset in their bytes."""
        before = GoodRows(self.numbers[:rows], self.data[:offset])
        return before, GoodRows(self.numbers[rows:], self.data[offset:])


def row_ends(data: bytes | memoryview, csv: bool) -> list[int]:
    """Where each row of a block ends; blank lines belong to the row before them."""
    block = bytes(data)
    ends: list[int] = []
    for start, stop in row_spans(block, csv):
        if not block[start:stop].isspace():
            ends.append(stop)
        elif ends:
            ends[-1] = stop
    return ends


def too_long(size: int, limit: int) -> str:
    """The reason to reject a row that is longer than a chunk may be."""
    return f"the row has {size:,} bytes; at most {limit:,} fit in a request"


@frozen
class ByteLayout:
    """How the bytes of a source are laid out.

    Attributes:
        start: Where the first row begins.
        lines: How many lines come before it.
        csv: Whether it is CSV.
        header: The names of its columns; of a file of rejected rows, those of its fields.
        delimiter: What stands between the cells of a CSV.
    """

    start: int
    lines: int
    csv: bool
    header: Sequence[str] = ()
    delimiter: str = ","


@define
class Position:
    """A place between two rows of a source.

    Attributes:
        offset: Where the next row begins.
        number: How many rows come before it.
        line: How many lines do.
    """

    offset: int
    number: int
    line: int

    @classmethod
    def start(cls, layout: ByteLayout) -> Position:
        """The place before the first row."""
        return cls(layout.start, 0, layout.lines)


def read_blocks(
    feed: ByteSource,
    layout: ByteLayout,
    judge: Judge,
    limit: int,
    counter: RowCounter,
    *,
    at: Position | None = None,
    until: int | None = None,
) -> Iterator[GoodRows]:
    """Reads and checks a source of bytes; reads each byte once, and copies none of a file.

    Args:
        feed: The bytes.
        layout: How they are laid out.
        judge: Judges the rows.
        limit: The most bytes of a row.
        counter: Counts the rows, and takes those that are rejected.
        at: Where to begin, if not at the first row; it goes along, from block to block.
        until: An offset; no block is read that begins there or behind it.

    Raises:
        InvalidInput: It cannot be read, or a rejected row ends the run.
    """
    at = Position.start(layout) if at is None else at
    for block in judged_blocks(feed, at.offset, judge, limit):
        data, verdict, number, line = block.data, block.verdict, at.number, at.line
        at.offset, at.number, at.line = block.end, number + verdict.rows, line + verdict.lines
        if data is None:
            size = block.end - block.offset
            counter.passed(1, size)
            reason, row = too_long(size, limit), _beginning_of(feed, block.offset)
            counter.reject(_reject(feed, number, line, reason, row))
        else:
            counter.passed(verdict.rows, verdict.size)
            for bad in verdict.bad:
                reason, row = bad.reason, bad.row
                counter.reject(_reject(feed, number + bad.index, line + bad.line, reason, row))
            for numbers, begin, end in _runs(data, layout.csv, number, verdict):
                yield GoodRows(numbers, _part_of(feed, data, block.offset, begin, end))
        if until is not None and block.end >= until:
            return


def _runs(
    data: bytes, csv: bool, before: int, verdict: Verdict
) -> Iterator[tuple[Sequence[int], int, int]]:
    """The numbers and the place of each run of good rows in a block."""
    good = verdict.rows - len(verdict.bad)
    if verdict.spans is None:
        if good:
            yield range(before + 1, before + verdict.rows + 1), 0, len(data)
        return
    bad = {one.index for one in verdict.bad}
    numbers = [before + 1 + index for index in range(verdict.rows) if index not in bad]
    for begin, end in verdict.spans:
        rows = len(row_ends(data[begin:end], csv))
        some, numbers = numbers[:rows], numbers[rows:]
        if some:
            yield some, begin, end


def _part_of(
    feed: ByteSource, data: bytes, offset: int, begin: int, end: int
) -> bytes | memoryview | Span:
    if isinstance(feed, ForwardFeed):
        return data[begin:end]
    if isinstance(feed, MemoryFeed):
        return feed.data[offset + begin : offset + end]
    return Span(offset + begin, end - begin)


def _reject(feed: ByteSource, before: int, lines: int, reason: str, row: Any) -> Reject:
    return Reject(source=feed.name, number=before + 1, line=lines + 1, reason=reason, row=row)


def _beginning_of(feed: ByteSource, offset: int) -> str:
    if isinstance(feed, ForwardFeed):
        return "a row that has passed by"
    return feed.read(offset, _SHOWN).decode(errors="replace")
