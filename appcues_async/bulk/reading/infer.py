"""Cells of a CSV as rows that are sent as NDJSON, as text or with the types that their columns have."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.encoder import AT_ONCE, Batch, Columns, shape_of
from appcues_async.bulk.reading.inputs import ByteSource
from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_judge import NULL, CsvJudge, cells_of_row
from appcues_async.rows.csv_text import row_spans, stretches
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.records import Unread, raw_text
from appcues_async.rows.row_blocks import judged_blocks
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.rows.values import shown

__all__ = ["Converter", "batches_of_csv", "type_of"]

_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,14}")
"""Readers of JSON that take every number as a float keep 15 digits."""
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_BOOLEANS: Final = [("true", "false"), ("True", "False"), ("TRUE", "FALSE")]
"""The ways in which programs write them; one way a column."""

Converter: TypeAlias = Callable[[str], Any]
"""Makes the value of a cell; raises ValueError where it is of another type than its column."""


def _number(cell: str) -> Any:
    """A number that is written back as it was: no `007`, `+7`, `1e5`, `-0`, `1.10`."""
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if _DECIMAL.fullmatch(cell) and repr(value := float(cell)) == cell:
        return value
    raise ValueError(cell)


def _boolean_of(true: str, false: str) -> Converter:
    words = {true: True, false: False}

    def boolean(cell: str) -> bool:
        if cell not in words:
            raise ValueError(cell)
        return words[cell]

    return boolean


_CONVERTERS: Final[dict[str, list[Converter]]] = {
    "number": [_number],
    "boolean": [_boolean_of(*words) for words in _BOOLEANS],
}


def type_of(cells: Iterable[str]) -> tuple[str, Converter]:
    """The type of a column: numbers or booleans where every cell is one, or else text."""
    there = {cell for cell in cells if cell and cell != NULL}
    for name, converters in _CONVERTERS.items() if there else ():
        for convert in converters:
            try:
                for cell in there:
                    convert(cell)
            except ValueError:
                continue
            return name, convert
    return "text", str


class _Table:
    """Makes rows of the cells of one file."""

    def __init__(self, judge: CsvJudge, kind: Kind, rows: Iterable[Any], *, infer: bool) -> None:
        """Decides the type of each column by the first rows."""
        self._judge = judge
        self._is_list = kind.is_list
        self._shape = shape_of([name for name in judge.header if name])
        as_text = {*USER_ID, *(("name", "timestamp") if kind.is_events else ())}
        cells = [one for one in rows if isinstance(one, list)]
        self._types = [
            type_of(row[index] for row in cells if index < len(row))
            if infer and name not in as_text
            else ("text", str)
            for index, name in enumerate(judge.header)
        ]

    def batch(self, rows: Sequence[Any], lines: Sequence[int], size: int) -> Batch | Columns:
        """Rows column by column where nothing is odd about them; else one by one."""
        if not self._is_list and self._is_even(rows):
            columns = self._columns(rows)
            if columns is not None and self._shape is not None:
                values, holes = columns
                return Columns(self._shape, values, size, lines, holes)
        return Batch([self._row(one) for one in rows], lines, size)

    def _is_even(self, rows: Sequence[Any]) -> bool:
        """Whether all rows have as many cells as there are columns."""
        return set(map(type, rows)) == {list} and set(map(len, rows)) == {len(self._types)}

    def _columns(self, rows: Sequence[list[str]]) -> tuple[list[list[Any]], bool] | None:
        """The values of each column with a name, and whether some are left out; None if one is odd."""
        header, values, holes = self._judge.header, list[list[Any]](), False
        columns = zip(header, self._types, zip(*rows, strict=True), strict=True)
        for index, (name, (_, convert), cells) in enumerate(columns):
            # The same cells come again and again.
            different = set(cells)
            if not name:
                if different != {""}:
                    return None
                continue
            if (name in USER_ID and not different.isdisjoint(header)) or (
                not index and any(cell.startswith("\ufeff") for cell in different)
            ):
                return None
            try:
                known = {cell: _value(convert, cell) for cell in different}
            except ValueError:
                return None
            values.append([known[cell] for cell in cells])
            holes = holes or "" in known
        return values, holes

    def _row(self, cells: list[str] | Unread) -> Any:
        if isinstance(cells, Unread):
            return cells
        try:
            row = self._judge.row_of(cells, nulls=True)
        except InvalidInput as error:
            return Unread(str(error), self._judge.unread_row(cells))
        if self._is_list:
            return row
        typed = {}
        for name, (kind, convert), cell in zip(
            self._judge.header, self._types, cells, strict=False
        ):
            try:
                typed[name] = _value(convert, cell)
            except ValueError:
                reason = (
                    f"the row: {name} is {shown(cell)}, and the first rows have {kind}s there; mend "
                    "the cell, or leave types out to send all as text"
                )
                return Unread(reason, row)
        return {name: value for name, value in typed.items() if value is not msgspec.UNSET}


def _value(convert: Converter, cell: str) -> Any:
    if not cell:
        return msgspec.UNSET
    return None if cell == NULL else convert(cell)


def batches_of_csv(
    feed: ByteSource, layout: ByteLayout, kind: Kind, *, infer: bool
) -> Iterator[Batch | Columns]:
    r"""Reads CSV as rows; empty cells are left out, and `\N` is null.

    Args:
        feed: The file's bytes.
        layout: How they are laid out.
        kind: What its rows are.
        infer: Whether a column of which all cells in the first block are numbers or booleans is sent as
            these; a row that has something else there is rejected.
    """
    judge = CsvJudge(kind, "none", layout.header, delimiter=layout.delimiter)
    table: _Table | None = None
    line = layout.lines
    for block in judged_blocks(feed, layout.start, judge, POST_LIMIT):
        rows: list[Any] = []
        lines: list[int] = []
        for found, before in _rows_of(block.data, kind, layout.delimiter):
            rows.append(found)
            lines.append(line + before + 1)
        if table is None:
            table = _Table(judge, kind, rows, infer=infer)
        line += block.verdict.lines
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            size = block.verdict.size * len(some) // len(rows)
            yield table.batch(some, lines[start : start + AT_ONCE], size)


def _rows_of(
    block: bytes | None, kind: Kind, delimiter: str
) -> Iterator[tuple[list[str] | Unread, int]]:
    """The rows of a block, each with the number of lines before it."""
    if block is None:
        yield Unread(f"the row has more than {POST_LIMIT:,} bytes", None), 0
        return
    before = 0
    for start, stop, reason, _ in stretches(block, at_end=True, delimiter=delimiter):
        text = block[start:stop]
        if reason is not None:
            yield Unread(f"the row is no CSV: {reason}", raw_text(text, kind)), before
        else:
            yield from (
                (cells, before + after) for cells, after in _cells_in(text, kind, delimiter)
            )
        before += text.count(b"\n")


def _cells_in(text: bytes, kind: Kind, delimiter: str) -> Iterator[tuple[list[str] | Unread, int]]:
    if b"\r" not in text or text.count(b"\r") == text.count(b"\r\n"):
        try:
            file = io.StringIO(text.decode(), newline="")
            reader = csv.reader(file, strict=True, delimiter=delimiter)
            before, found = 0, list[tuple[list[str], int]]()
            for cells in reader:
                if cells:
                    found.append((cells, before))
                before = reader.line_num
        except (csv.Error, UnicodeDecodeError):
            pass
        else:
            yield from found
            return
    before = 0
    for start, stop in row_spans(text, delimiter):
        row = text[start:stop]
        if not row.isspace():
            yield _cells_or_reason(row, kind, delimiter), before
        before += row.count(b"\n")


def _cells_or_reason(row: bytes, kind: Kind, delimiter: str) -> list[str] | Unread:
    try:
        return cells_of_row(row, delimiter)
    except InvalidInput as error:
        return Unread(str(error), raw_text(row, kind))
