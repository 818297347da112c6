"""Rows in memory, checked and encoded a few hundred at a time.

What a batch of rows holds is found out by looking at the types of all its values at once; only a
batch in which something is out of the ordinary is gone through row by row. Blocks of 256 rows are
joined, never single rows: 100,000 small bytes objects cost six times as much as what is in them.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Any, Final

import attrs
import msgspec
from attrs import frozen

from appcues_async.bulk.checks import Check
from appcues_async.bulk.chunks import Chunk, Gathered, Sizes
from appcues_async.bulk.edges import row_spans
from appcues_async.bulk.tally import Reject, Tally
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, USER_ID, Kind
from appcues_async.rows.values import check_event_name, iso_time
from appcues_async.wire.request import NDJSON, Blocks

__all__ = ["AT_ONCE", "Batch", "Encoder", "chunks_of"]

AT_ONCE: Final = 256
"""Rows that are checked and encoded together."""

_PLAIN: Final = frozenset({str, int, bool, float, type(None)})


@frozen
class Batch:
    """A few rows.

    Attributes:
        rows: Mappings, attrs objects or ids.
        lines: The line that each begins on, if they are from a file.
        size: Bytes that they took where they were read, if that is known.
    """

    rows: Sequence[Any]
    lines: Sequence[int] | None = None
    size: int = 0


class Encoder:
    """Checks and encodes the rows of one source."""

    def __init__(self, kind: Kind, check: Check, source: str, tally: Tally) -> None:
        """Begins with the first row.

        Args:
            kind: What the rows are.
            check: How much of them is checked; what JSON cannot hold is found in any case.
            source: Where they are from.
            tally: Counts the rows, and takes those that are rejected.
        """
        self._kind = kind
        self._check = check
        self._source = source
        self._tally = tally
        self._encode = msgspec.json.Encoder().encode_lines
        self.number: int = 0

    def encode(self, batch: Batch) -> tuple[bytes, int]:
        """Encodes a batch as lines; returns them, and how many there are."""
        rows = [_as_mapping(row) for row in batch.rows]
        self._tally.rows += len(rows)
        before, self.number = self.number, self.number + len(rows)
        if self._is_plain(rows):
            try:
                block = self._encode(rows)
            except (TypeError, ValueError, OverflowError, RecursionError):
                # It is found out below which row cannot be encoded, and why.
                pass
            else:
                self._tally.bytes += batch.size or len(block)
                return block, len(rows)
        good = []
        for index, row in enumerate(rows):
            try:
                good.append(self._kind.check(row, "the row"))
            except InvalidInput as error:
                line = None if batch.lines is None else batch.lines[index]
                self.reject(before + index + 1, line, str(error), row)
        block = self._encode(good) if good else b""
        self._tally.bytes += batch.size or len(block)
        return block, len(good)

    def reject(self, number: int, line: int | None, reason: str, row: Any) -> None:
        """Puts a row aside."""
        self._tally.reject(
            Reject(source=self._source, number=number, line=line, reason=reason, row=row)
        )

    def _is_plain(self, rows: list[Any]) -> bool:
        """Whether the rows are good for certain; when in doubt they are not."""
        if self._kind.is_list:
            return set(map(type, rows)) == {str} and _are_ids(rows)
        if set(map(type, rows)) != {dict}:
            return False
        names = set(chain.from_iterable(rows))
        types = set(map(type, chain.from_iterable(map(dict.values, rows))))
        if not types <= _PLAIN or not all(type(name) is str and name for name in names):
            return False
        if float in types and not _are_finite(rows):
            return False
        return _have_ids(rows, names) and (self._kind is not EVENTS or _are_events(rows))


async def chunks_of(
    batches: AsyncGenerator[Batch], encoder: Encoder, source: str, sizes: Sizes
) -> AsyncGenerator[Chunk]:
    """Gathers batches of rows into chunks."""
    gathered = Gathered(sizes, source, b"")
    async with aclosing(batches):
        async for batch in batches:
            before = encoder.number
            block, rows = encoder.encode(batch)
            whole = rows == encoder.number - before
            while rows:
                if gathered.has_room(len(block)) and len(block) <= sizes.limit:
                    gathered.add([block], rows, before + 1, encoder.number)
                    break
                edge, count = _fit(block, gathered, encoder, before)
                if count:
                    last = before + count if whole else encoder.number
                    gathered.add([block[:edge]], count, before + 1, last)
                block, rows = block[edge:], rows - count
                if whole:
                    before += count
                if gathered.rows:
                    yield gathered.take(_make)
                elif edge:
                    # A row over the limit was left out.
                    rows, before = rows - 1, before + whole
    if gathered.rows:
        yield gathered.take(_make)


def _make(parts: list[Any]) -> Blocks:
    return Blocks(parts, NDJSON)


def _fit(block: bytes, gathered: Gathered, encoder: Encoder, before: int) -> tuple[int, int]:
    """How much of a block goes to the chunk at hand: bytes and rows.

    All that fits where blocks are large beside the limit; else what makes its number of rows its own.
    Bytes without rows are a row over the limit, which is put aside.
    """
    sizes = gathered.sizes
    if gathered.rows and len(block) <= sizes.limit // 32:
        return gathered.top_up(block, csv=False)
    edge = rows = 0
    size = gathered.size if gathered.rows else 0
    for start, stop in row_spans(block, csv=False):
        if size + stop > sizes.limit:
            if not gathered.rows and not rows:
                reason = (
                    f"the row has {stop - start:,} bytes; at most {sizes.limit:,} fit in a request"
                )
                encoder.reject(before + 1, None, reason, block[:200].decode(errors="replace"))
                return stop, 0
            break
        edge, rows = stop, rows + 1
    fewer, before_edge = rows, edge
    while fewer > rows * 0.9 and sizes.is_taken(gathered.rows + fewer):
        fewer -= 1
        before_edge = block.rfind(b"\n", 0, before_edge - 1) + 1
    if fewer and not sizes.is_taken(gathered.rows + fewer):
        return before_edge, fewer
    return edge, rows


def _as_mapping(row: Any) -> Any:
    kind = type(row)
    if kind is dict or kind is str or isinstance(row, Mapping) or not attrs.has(kind):
        return row
    return {one.name: getattr(row, one.name) for one in attrs.fields(kind)}


def _have_ids(rows: list[dict[str, Any]], names: set[str]) -> bool:
    if names.issuperset(USER_ID):
        return False
    key = USER_ID[0] if USER_ID[0] in names else USER_ID[1]
    ids = [row.get(key) for row in rows]
    return set(map(type, ids)) == {str} and _are_ids(ids)


def _are_ids(ids: list[Any]) -> bool:
    return all(map(str.isprintable, ids)) and "" not in map(str.strip, ids)


def _are_finite(rows: list[dict[str, Any]]) -> bool:
    floats = [
        value for value in chain.from_iterable(map(dict.values, rows)) if type(value) is float
    ]
    return all(map(math.isfinite, floats))


def _are_events(rows: list[dict[str, Any]]) -> bool:
    try:
        for row in rows:
            check_event_name(row["name"])
            iso_time(row["timestamp"])
    except (KeyError, InvalidInput):
        return False
    return all(row.get("attributes") is None for row in rows)
