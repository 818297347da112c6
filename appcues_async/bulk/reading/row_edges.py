"""Where rows end: the only places where a file may be cut.

In NDJSON every line break ends a row, since JSON text holds none. In CSV a line break inside quotes
belongs to a cell, so it ends a row only after an even number of quotes. Counting quotes in blocks is
twenty times as fast as parsing rows, and finds the same edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from appcues_async.bulk.reading.marks import Marks

__all__ = [
    "STEP",
    "Block",
    "Feed",
    "last_edge",
    "ndjson_cuts",
    "row_blocks",
    "row_end",
    "row_spans",
]

STEP: Final = 1 << 19
"""Bytes looked at together: what fits in a core's own cache is read four times as fast as 1 MB."""


class Feed(Protocol):
    """Bytes that are read forward.

    Attributes:
        name: What they are, for people.
    """

    name: str

    def read(self, offset: int, size: int) -> bytes:
        """Reads `size` bytes from `offset` on, fewer only at the end.

        An offset is never lower than one that was read from before.
        """
        ...


def last_edge(block: bytes, csv: bool) -> int:
    """Where the last whole row of a block ends; 0 if none does.

    Args:
        block: Bytes that begin where a row does.
        csv: Whether quotes may hold line breaks.
    """
    end = block.rfind(b"\n") + 1
    if not csv:
        return end
    odd = block.count(b'"', 0, end) & 1
    while odd and end:
        # The line break is inside quotes, and so is all that follows the quote before it.
        quote = block.rfind(b'"', 0, end)
        before = block.rfind(b"\n", 0, quote) + 1
        odd ^= block.count(b'"', before, end) & 1
        end = before
    return end


def row_end(feed: Feed, offset: int, csv: bool) -> int:
    """Where the row that begins at `offset` ends, however long it is."""
    odd = 0
    while block := feed.read(offset, STEP):
        begin = 0
        while (found := block.find(b"\n", begin)) >= 0:
            if csv:
                odd ^= block.count(b'"', begin, found) & 1
            if not odd:
                return offset + found + 1
            begin = found + 1
        if csv:
            odd ^= block.count(b'"', begin) & 1
        offset += len(block)
    return offset


def row_spans(block: bytes, csv: bool) -> Iterator[tuple[int, int]]:
    """The start and end of each row of a block that begins and ends where rows do."""
    start = begin = odd = 0
    while (found := block.find(b"\n", begin)) >= 0:
        if csv:
            odd ^= block.count(b'"', begin, found) & 1
        begin = found + 1
        if not odd:
            yield start, begin
            start = begin
    if start < len(block):
        yield start, len(block)


@frozen
class Block:
    """Whole rows that are looked at together.

    Attributes:
        offset: Where they begin.
        end: Where they end.
        data: The rows; None for a single one that is over the limit.
        marks: What is known of them; None without numpy.
    """

    offset: int
    end: int
    data: bytes | None = field(repr=False)
    marks: Marks | None = field(default=None, repr=False)

    @property
    def breaks(self) -> int:
        """Line breaks in the rows."""
        if self.marks is not None:
            return self.marks.breaks
        return 1 if self.data is None else self.data.count(b"\n")


def marking() -> Callable[..., Marks] | None:
    """What marks blocks, if numpy is there to do it."""
    try:
        from appcues_async.bulk.reading.marks import mark  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return mark


def row_blocks(feed: Feed, start: int, csv: bool, limit: int) -> Iterator[Block]:
    """Reads blocks of whole rows.

    Args:
        feed: What to read.
        start: Where its first row begins.
        csv: Whether quotes may hold line breaks.
        limit: The most bytes that a row may have.

    Yields:
        The blocks; a single row that is over the limit is one without data.
    """
    offset, mark = start, marking()
    # So small that a chunk ends near its limit, and a row count that is taken can still be changed.
    step = size = min(STEP, max(1, limit // 32))
    while block := feed.read(offset, size):
        at_end = len(block) < size
        if len(block) > limit:
            block, at_end = block[:limit], False
        marks = None if mark is None else mark(block, csv=csv, at_end=at_end)
        edge = len(block) if at_end else last_edge(block, csv) if marks is None else marks.edge
        if edge:
            data = block if edge == len(block) else block[:edge]
            yield Block(offset, offset + edge, data, marks)
            offset, size = offset + edge, step
        elif size <= limit:
            size = min(2 * size, limit + 1)
        else:
            end = row_end(feed, offset, csv)
            yield Block(offset, end, None)
            offset, size = end, step


def ndjson_cuts(feed: Feed, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """Cuts NDJSON without reading it: each cut is sought back from where the limit is.

    Args:
        feed: What to cut; it is read near the cuts only.
        start: Where its first row begins.
        end: Where its last row ends.
        limit: The most bytes of a part.

    Yields:
        The start and end of each part; one over the limit is a single row.
    """
    while start < end:
        stop = min(end, start + limit)
        width = 1 << 12
        while stop < end:
            low = max(start, stop - width)
            found = feed.read(low, stop - low).rfind(b"\n")
            if found >= 0:
                stop = low + found + 1
                break
            if low == start:
                stop = row_end(feed, start, csv=False)
                break
            width *= 8
        yield start, stop
        start = stop
