"""Where rows end: the only places where a source may be cut.

Which rows there are, the judge of a format knows (`rows/csv_judge.py`, `rows/ndjson_judge.py`); here a
source is read in blocks that begin and end where its rows do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from attrs import field, frozen

from appcues_async.rows import csv_text
from appcues_async.rows.verdict import Judge, Verdict

__all__ = ["LONGEST_ROW", "STEP", "Block", "Feed", "judged_blocks", "row_spans"]

STEP: Final = 1 << 18
"""Bytes looked at together: they and what is made of them stay in a core's own cache."""
LONGEST_ROW: Final = 20_000_000
"""Bytes in which the end of a row is looked for; no plain POST takes more."""


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


@frozen
class Block:
    """Rows that were read and judged together.

    Attributes:
        offset: Where they begin.
        end: Where they end.
        data: The rows; None for a single one that is over the limit.
        verdict: What becomes of them.
    """

    offset: int
    end: int
    data: bytes | None = field(repr=False)
    verdict: Verdict


def row_spans(block: bytes, csv: bool) -> Iterator[tuple[int, int]]:
    """The start and end of each row of a block of whole rows; a blank line is one too."""
    if csv:
        yield from csv_text.row_spans(block)
        return
    start = 0
    while start < len(block):
        stop = block.find(b"\n", start) + 1 or len(block)
        yield start, stop
        start = stop


def judged_blocks(feed: Feed, start: int, judge: Judge, limit: int) -> Iterator[Block]:
    """Reads a source in blocks of whole rows, and judges each.

    Args:
        feed: What to read.
        start: Where its first row begins.
        judge: Judges the rows, and says where they end.
        limit: The most bytes that a row may have.
    """
    # So small that a chunk ends near its limit, and a row count that is taken can still be changed.
    offset, step = start, min(STEP, max(1, limit // 32))
    size = step
    while block := feed.read(offset, size):
        at_end = len(block) < size
        if not at_end:
            # No whole row ends behind that; judges that are given whole rows copy nothing.
            block = block[: block.rfind(b"\n") + 1 or size]
        if size > limit:
            found = _single_row(feed, offset, block, judge, at_end=at_end)
        else:
            verdict = judge.judge(block, at_end=at_end)
            found = Block(offset, offset + verdict.size, block[: verdict.size], verdict)
        if found is None or found.end == offset:
            size = min(2 * size, limit) if size < limit else 2 * size
            continue
        yield found
        offset, size = found.end, step


def _single_row(
    feed: Feed, offset: int, block: bytes, judge: Judge, *, at_end: bool
) -> Block | None:
    """The first row of a block, which is over the limit or has wrong quotes; None to read on."""
    end = judge.row_end(block)
    # What is longer than any row can be is not waited for.
    is_all = at_end or len(block) > LONGEST_ROW
    if not end and (at_end or b"\n" in block):
        verdict = judge.judge(block, at_end=is_all, first_only=True)
        if verdict.bad or not is_all:
            return Block(offset, offset + verdict.size, b"", verdict) if verdict.size else None
    elif not end and not is_all:
        return None
    if not end:
        end = len(block) if at_end else _line_end(feed, offset + len(block)) - offset
    return Block(offset, offset + end, None, Verdict(end, 1, max(1, block.count(b"\n", 0, end))))


def _line_end(feed: Feed, offset: int) -> int:
    """Where the line ends that goes on at `offset`, however long it is."""
    while block := feed.read(offset, STEP):
        if (found := block.find(b"\n")) >= 0:
            return offset + found + 1
        offset += len(block)
    return offset
