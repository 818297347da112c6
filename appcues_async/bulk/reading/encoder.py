"""Rows in memory, checked and encoded a few hundred at a time.

A batch is judged as a whole (`columns.py`); only one in which something is out of the ordinary is gone
through row by row. Blocks of that many rows are joined, never single rows: 100,000 small bytes objects
cost six times as much as what is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from attrs import frozen

from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.errors import InvalidInput
from appcues_async.rows.attributes import free_attributes
from appcues_async.rows.column_checks import judged, moments_of
from appcues_async.rows.kinds import Kind
from appcues_async.rows.lines import encode_lines
from appcues_async.rows.records import Unread, as_dicts
from appcues_async.rows.verdict import Check

__all__ = ["AT_ONCE", "Batch", "Columns", "Encoder", "Shape", "shape_of"]

AT_ONCE: Final = 512
"""Rows that are checked and encoded together."""
_MOST_NAMES: Final = 2_000
"""Names of a struct; to make one costs more than it saves where there are as many as rows."""


@frozen
class Batch:
    """A few rows.

    Attributes:
        rows: Rows as they were given, or ids, or `Unread`.
        lines: The line that each begins on, if they are from a file.
        size: Bytes that they took where they were read, if that is known.
    """

    rows: Sequence[Any]
    lines: Sequence[int] | None = None
    size: int = 0

    def ready(self, kind: Kind) -> Sequence[Any] | None:
        """The rows as they are to be encoded; None where some row takes a closer look."""
        return judged(_dicts_of(self.rows, kind), kind)


class Shape:
    """Makes what is encoded of rows that come column by column, all with the same names."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepares for rows with these names.

        Raises:
            ValueError: JSON cannot hold one of the names as it stands.
        """
        self.names: Sequence[str] = names
        fields = {f"column{index}": name for index, name in enumerate(names)}
        self.row: Callable[..., Any] = msgspec.defstruct(
            "Row", [(field, Any) for field in fields], rename=fields, gc=False
        )


def shape_of(names: Sequence[str]) -> Shape | None:
    """A maker of rows with these names; None where that is left to mappings: of quotes, or too many."""
    try:
        return Shape(names) if 0 < len(names) <= _MOST_NAMES else None
    except ValueError:
        return None


@frozen
class Columns:
    """A few rows, column by column: they are never made one by one if there is nothing odd in them.

    Attributes:
        shape: What they are named.
        values: The values of each name, in the order of the rows.
        size: Bytes that they took where they were read.
        lines: The line that each begins on, if they are from a file.
        holes: Whether there are values that are left out, `UNSET`.
    """

    shape: Shape
    values: Sequence[Sequence[Any]]
    size: int
    lines: Sequence[int] | None = None
    holes: bool = False

    @property
    def rows(self) -> Sequence[Any]:
        """The same row by row."""
        return [
            {
                name: value
                for name, value in zip(self.shape.names, row, strict=True)
                if value is not msgspec.UNSET
            }
            for row in zip(*self.values, strict=True)
        ]

    def ready(self, kind: Kind) -> Sequence[Any] | None:
        """The rows as they are to be encoded; None where some row takes a closer look."""
        columns = dict(zip(self.shape.names, self.values, strict=True))
        there = columns
        if self.holes:
            there = {
                name: [value for value in values if value is not msgspec.UNSET]
                for name, values in columns.items()
            }
        moments = moments_of(there, len(self.values[0]), kind)
        if moments is None:
            return None
        return list(map(self.shape.row, *{**columns, **moments}.values()))


class Encoder:
    """Checks and encodes the rows of one source."""

    def __init__(self, kind: Kind, check: Check, source: str, tally: RowCounter) -> None:
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
        self._encode = encode_lines
        self.number: int = 0

    def encode(self, batch: Batch | Columns) -> tuple[bytes, Sequence[int]]:
        """Encodes a batch as lines; returns them, and the number of the row of each."""
        before, ready = self.number, batch.ready(self._kind)
        block = None if ready is None else self._encoded(ready)
        numbers: Sequence[int]
        if block is None or ready is None:
            rows = batch.rows
            taken = self._checked(_dicts_of(rows, self._kind), batch.lines)
            numbers = [number for number, _ in taken]
            block = self._encode([row for _, row in taken]) if taken else b""
            count = len(rows)
        else:
            count = len(ready)
            numbers = range(before + 1, before + count + 1)
        self.number = before + count
        self._tally.passed(count, batch.size or len(block))
        return block, numbers

    def _encoded(self, rows: Sequence[Any]) -> bytes | None:
        try:
            return self._encode(rows)
        except (TypeError, ValueError, OverflowError, RecursionError):
            # A closer look finds out which row it is, and why.
            return None

    def _checked(self, rows: Sequence[Any], lines: Sequence[int] | None) -> list[tuple[int, Any]]:
        good = []
        for index, row in enumerate(rows):
            number, line = self.number + index + 1, None if lines is None else lines[index]
            if isinstance(row, Unread):
                self.reject(number, line, row.reason, row.row)
                continue
            try:
                good.append((number, self._taken(row)))
            except InvalidInput as error:
                self.reject(number, line, str(error), row)
        return good

    def _taken(self, row: Any) -> Any:
        if self._check == "full" or self._kind.is_list:
            return self._kind.check(row, "the row")
        return free_attributes(row, "the row", strict=False)

    def reject(self, number: int, line: int | None, reason: str, row: Any) -> None:
        """Puts a row aside."""
        self._tally.reject(
            Reject(source=self._source, number=number, line=line, reason=reason, row=row)
        )


def _dicts_of(rows: Sequence[Any], kind: Kind) -> Sequence[Any]:
    """Rows as dicts; ids, and what could not be read as a row, as they are."""
    return rows if kind.is_list or Unread in map(type, rows) else as_dicts(rows)
