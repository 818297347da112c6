"""CSV as bytes: where rows end, and whether quotes are as RFC 4180 has them.

A quote may open a cell, close it, or be doubled within it; anywhere else, readers differ in what they
make of it, and some swallow the rows that follow. So text is taken only as far as each of its quotes
is proved to be one of the three.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = [
    "Stretch",
    "cells_of",
    "count_breaks",
    "count_lines",
    "count_rows",
    "row_spans",
    "stretches",
    "well_formed_row",
    "with_commas",
]

_CELL: Final = rb'(?>"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_ROW: Final = re.compile(_CELL + rb"(?:," + _CELL + rb")*+\r?\n")
_WELL_QUOTED: Final = re.compile(
    rb'[^"]*+(?:(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"(?![^,\r\n])[^"]*+)*+'
)
_QUOTED: Final = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')

OUTSIDE: Final = (
    "it has a quote in a cell without quotes around it; put the cell in quotes, and double that one"
)
NOT_CLOSED: Final = (
    "it opens a quote that is never closed; close it, or double a quote that belongs to the text"
)
CLOSED_WITHIN: Final = (
    "it closes a quote in the middle of a cell; double a quote that belongs to the text"
)
COVERED: Final = (
    "it stands between the quote that a row before it opens and the next one, which does not close it, "
    "so it may be a row or text; mend the quotes of that row"
)


class Stretch(NamedTuple):
    """Rows that follow each other.

    Attributes:
        start: Where they begin.
        stop: Where they end.
        reason: What is wrong with their quotes; None where nothing is. Bad ones come one by one.
        never_closed: Whether the rows that follow may be text of this one.
    """

    start: int
    stop: int
    reason: str | None = None
    never_closed: bool = False


def with_commas(block: bytes, delimiter: str) -> bytes:
    """Makes commas of delimiters, and the other way round: rows and cells stay where they are."""
    if delimiter == ",":
        return block
    one, other = delimiter.encode(), b","
    return block.translate(bytes.maketrans(one + other, other + one))


def stretches(block: bytes, *, at_end: bool, delimiter: str = ",") -> Iterator[Stretch]:
    """Takes a block apart into rows whose quotes are right, and those where they are not.

    Args:
        block: Bytes that begin where a row does.
        at_end: Whether nothing comes after them.
        delimiter: What stands between cells.

    Yields:
        Stretches that follow each other; what is left behind the last one goes on beyond the block.
    """
    block = with_commas(block, delimiter)
    start, size = 0, len(block)
    while start < size:
        if b'"' in block:
            found = _WELL_QUOTED.match(block, start)
            proved = start if found is None else found.end()
        else:
            proved = size
        stop = size if proved == size and at_end else _last_row_end(block, start, proved)
        if stop > start:
            yield Stretch(start, stop)
            start = stop
            continue
        if proved == size:
            return
        bad = list(_badly_quoted(block, start, proved, at_end=at_end))
        if not bad:
            return
        yield from bad
        start = bad[-1].stop


def _last_row_end(block: bytes, start: int, proved: int) -> int:
    """Where the last whole row ends; from there to `proved`, all quotes are in pairs."""
    after = proved
    while (end := block.rfind(b"\n", start, after) + 1) > 0:
        if not block.count(b'"', end, proved) & 1:
            return end
        # That line break is inside quotes, and so is all that follows the quote before it.
        after = block.rfind(b'"', start, end)
    return start


def _badly_quoted(block: bytes, start: int, quote: int, *, at_end: bool) -> Iterator[Stretch]:
    """The row that begins at `start`, and whose quote at `quote` is wrong; none if it may go on."""
    size = len(block)
    if quote > start and block[quote - 1] not in b",\n":
        if stop := _line_end(block, quote, at_end=at_end):
            yield Stretch(start, stop, OUTSIDE)
        return
    closed = _QUOTED.match(block, quote)
    if closed is None:
        if at_end:
            yield Stretch(start, _line_end(block, quote, at_end=True), NOT_CLOSED, True)
        return
    end = (
        0 if closed.end() == size and not at_end else _line_end(block, closed.end(), at_end=at_end)
    )
    if not end:
        return
    stop = _line_end(block, quote, at_end=True)
    yield Stretch(start, stop, CLOSED_WITHIN)
    while stop < end:
        start, stop = stop, _line_end(block, stop, at_end=True)
        yield Stretch(start, stop, COVERED)


def _line_end(block: bytes, start: int, *, at_end: bool) -> int:
    """Where the line ends; 0 if that is beyond the block."""
    return block.find(b"\n", start) + 1 or (len(block) if at_end else 0)


def well_formed_row(block: bytes, delimiter: str = ",") -> int:
    """Where the first row ends, if it is whole and as RFC 4180 has it; else 0."""
    found = _ROW.match(with_commas(block, delimiter))
    return 0 if found is None else found.end()


def row_spans(block: bytes, delimiter: str = ",") -> Iterator[tuple[int, int]]:
    """The start and end of each row of a block of whole rows; a blank line is one too."""
    for first, stop, reason, _ in stretches(block, at_end=True, delimiter=delimiter):
        if reason is not None:
            yield first, stop
            continue
        start = begin = first
        odd = 0
        while (found := block.find(b"\n", begin, stop)) >= 0:
            odd ^= block.count(b'"', begin, found) & 1
            begin = found + 1
            if not odd:
                yield start, begin
                start = begin
        if start < stop:
            yield start, stop


def count_rows(block: bytes) -> int:
    """How many rows there are, blank lines not counted."""
    if b'"' in block:
        # Every second stretch between quotes is outside of them; a cell leaves something on its line.
        block = b'"'.join(block.split(b'"')[::2])
    return count_lines(block)


def count_lines(block: bytes) -> int:
    """How many lines are not blank."""
    if block.startswith((b"\n", b"\r", b" ")) or any(
        pair in block for pair in (b"\n\n", b"\n\r", b"\n ")
    ):
        return sum(not line.isspace() for line in block.split(b"\n") if line)
    return count_breaks(block) + (not block.endswith(b"\n") and bool(block))


def count_breaks(block: bytes) -> int:
    """How many line feeds there are."""
    # `bytes.count` looks at each byte; what is replaced is found several at a time.
    return len(block) - len(block.replace(b"\n", b""))


def cells_of(block: bytes, delimiter: str = ",") -> list[list[str]]:
    """Reads rows whose quotes are right; a blank line is an empty row.

    Args:
        block: The rows.
        delimiter: What stands between cells.

    Raises:
        UnicodeDecodeError: They are not UTF-8.
        csv.Error: A carriage return alone ends a row.
    """
    text = block.decode()
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter))
    except csv.Error:
        # The library's limit to a cell belongs to the whole program, and is not ours to raise.
        if len(text) <= csv.field_size_limit():
            raise
        spans = row_spans(block, delimiter)
        return [_long_cells(block[start:stop].decode(), delimiter) for start, stop in spans]


def _long_cells(row: str, delimiter: str) -> list[str]:
    """Reads a row whose cells may be of any size."""
    cells: list[str] = []
    parts: list[str] = []
    is_open = 0
    for part in row.removesuffix("\n").removesuffix("\r").split(delimiter):
        parts.append(part)
        is_open ^= part.count('"') & 1
        if not is_open:
            cell, parts = delimiter.join(parts), []
            quoted = cell[:1] == '"' == cell[-1:]
            if not quoted and "\r" in cell:
                raise csv.Error("a carriage return alone ends a row")
            cells.append(cell[1:-1].replace('""', '"') if quoted else cell)
    return cells if cells != [""] else []
