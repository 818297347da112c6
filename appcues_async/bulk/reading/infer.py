"""Cells of a CSV as the values that they look like; what would not come back as it was stays text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.csv_checks import cells_of
from appcues_async.bulk.reading.encoder import AT_ONCE, Batch, Columns, Shape, Unread, shape_of
from appcues_async.bulk.reading.inputs import ByteSource
from appcues_async.bulk.reading.row_edges import row_blocks, row_spans
from appcues_async.rows.kinds import USER_ID, Kind

__all__ = ["batches_of_csv", "inferred"]

_DIGITS: Final = 15
"""Readers of JSON that take every number as a float keep so many."""
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
"""What no reader would write back in another way: no leading zeros, no plus, no exponent."""
_WORDS: Final = {"true": True, "false": False, "null": None}
_ROW_LIMIT: Final = 20_000_000


def inferred(cell: str) -> Any:
    """The value that a cell looks like: a boolean, null, a number, or else its text.

    `007`, `+7`, `1e5`, `-0` and numbers of more than 15 digits, as ids of other systems are, stay text,
    for they would not come back as they were.
    """
    if cell[:1] in "-0123456789":
        if _INTEGER.fullmatch(cell) and cell != "-0":
            return int(cell)
        digits = len(cell.lstrip("-0.")) - 1
        return float(cell) if digits <= _DIGITS and _DECIMAL.fullmatch(cell) else cell
    return _WORDS.get(cell.lower(), cell) if len(cell) < 6 else cell


def batches_of_csv(feed: ByteSource, layout: ByteLayout, kind: Kind) -> Iterator[Batch | Columns]:
    """Reads CSV as rows with inferred values; empty cells are left out.

    Args:
        feed: The file's bytes.
        layout: How they are laid out.
        kind: What its rows are.
    """
    as_text = {*USER_ID, *(("name", "timestamp") if kind.is_events else ())}
    columns = [(name, name in as_text) for name in layout.header]
    shape = shape_of([name for name in layout.header if name])
    line = layout.lines
    for found in row_blocks(feed, layout.start, True, _ROW_LIMIT):
        block, end = found.data, found.end
        rows: list[list[str] | Unread] = []
        lines: list[int] = []
        if block is None:
            reason = f"the row has more than {_ROW_LIMIT:,} bytes, up to byte {end:,}"
            rows, lines = [Unread(reason, None)], [line + 1]
            line += 1
        else:
            for cells, after in _rows_of(block):
                if cells:
                    rows.append(cells)
                    lines.append(line + after + 1)
            line += block.count(b"\n")
        size = 0 if block is None else len(block)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            yield _batch(
                columns, shape, some, lines[start : start + AT_ONCE], size * len(some) // len(rows)
            )


def _batch(
    columns: list[tuple[str, bool]],
    shape: Shape | None,
    rows: list[Any],
    lines: list[int],
    size: int,
) -> Batch | Columns:
    """Rows column by column, where each has as many cells as there are columns; else one by one."""
    if shape is None or set(map(type, rows)) != {list} or set(map(len, rows)) != {len(columns)}:
        typed = [_typed(columns, cells) if isinstance(cells, list) else cells for cells in rows]
        return Batch(typed, lines, size)
    values, holes = [], False
    for (name, as_text), cells in zip(columns, zip(*rows, strict=True), strict=True):
        if name:
            # The same cells come again and again.
            known = {cell: _value(name, as_text, cell) for cell in set(cells)}
            values.append([known[cell] for cell in cells])
            holes = holes or "" in known
    return Columns(shape, values, size, lines, holes)


def _value(name: str, as_text: bool, cell: str) -> Any:
    if not cell:
        return msgspec.UNSET
    if as_text:
        return cell if name == "name" else cell.strip()
    return inferred(cell)


def _typed(columns: list[tuple[str, bool]], cells: list[str]) -> Any:
    if any(cells[len(columns) :]):
        return Unread(
            f"the row has {len(cells)} cells, and the header {len(columns)}; "
            "put a cell that holds a comma in quotes",
            cells,
        )
    return {
        name: _value(name, as_text, cell)
        for (name, as_text), cell in zip(columns, cells, strict=False)
        if cell and name
    }


def _rows_of(block: bytes) -> Iterator[tuple[list[str] | Unread, int]]:
    """The rows of a block, each with the number of lines before it."""
    try:
        found = _read(block)
    except (csv.Error, UnicodeDecodeError):
        pass
    else:
        # Only the last row of a file can end in quotes.
        if not block.count(b'"') & 1:
            yield from found
            return
    before = 0
    for start, stop in row_spans(block, csv=True):
        text = block[start:stop]
        try:
            rows = cells_of(text)
            if text.count(b'"') & 1:
                reason = "a quote in the row is never closed; close it, or double it within a cell"
                yield Unread(reason, text.decode()), before
            else:
                yield from ((cells, before) for cells in rows)
        except (csv.Error, UnicodeDecodeError) as error:
            reason = f"the row is no CSV in UTF-8 ({error}); check its quotes and its encoding"
            yield Unread(reason, text.decode(errors="replace")), before
        before += text.count(b"\n")


def _read(block: bytes) -> list[tuple[list[str], int]]:
    reader = csv.reader(io.StringIO(block.decode(), newline=""))
    before, found = 0, []
    for cells in reader:
        found.append((cells, before))
        before = reader.line_num
    return found
