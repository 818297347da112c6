"""Blocks of CSV, judged as a whole where that is possible."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appcues_async.bulk.reading.checks import Bad, Check, Checked, is_utf8, joined, lines_of
from appcues_async.bulk.reading.row_edges import row_spans
from appcues_async.bulk.reading.times import are_iso_times
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import (
    LONGEST_NAME,
    RESERVED,
    check_event_name,
    iso_time,
)

if TYPE_CHECKING:
    from appcues_async.bulk.reading.marks import CsvMarks

__all__ = ["CsvChecker", "cells_of"]


class CsvChecker:
    """Judges blocks of CSV, whose header is given."""

    def __init__(self, kind: Kind, check: Check, header: Sequence[str]) -> None:
        """Prepares for one source.

        Args:
            kind: What its rows are.
            check: How much of them is checked.
            header: The columns' names.
        """
        self._kind = kind
        self._check = check
        self.header: list[str] = [name.strip() for name in header]
        needed = [USER_ID, *kind.columns[1:]]
        self._needed = {
            next(iter(spellings)): [
                self.header.index(spelling) for spelling in spellings if spelling in self.header
            ]
            for spellings in needed
        }

    def check(self, block: bytes, marks: CsvMarks | None = None) -> Checked:
        """Judges one block."""
        if self._check == "none":
            return Checked(_count_rows(block) if marks is None else marks.rows or 0)
        # Nothing proves a row good that goes on to the end of the file for want of a quote.
        if marks is None:
            is_open = bool(block.count(b'"') & 1)
            rows = _count_rows(block) if self._check == "ids" and self._proved(block) else 0
        else:
            is_open, rows = marks.is_open, self._proved_by(marks, block)
        if not is_open and (rows or (rows := self._good(block))):
            return Checked(rows)
        return self.one_by_one(block)

    def _good(self, block: bytes) -> int:
        """How many rows there are, if all of them are good."""
        try:
            rows = [row for row in cells_of(block) if row]
        except (csv.Error, UnicodeDecodeError):
            return 0
        # A quote in the middle of a cell may mean one thing here, and another to who reads the file; so
        # may a carriage return.
        if not _are_quotes_around_cells(block) or len(rows) != _count_rows(block):
            return 0
        return len(rows) if all(self._reason(row) is None for row in rows) else 0

    def _proved(self, block: bytes) -> bool:
        """Whether the bytes alone prove that no row's id is missing: it is first, and never empty."""
        if self._kind.is_events or self._needed["user_id"] != [0]:
            return False
        if block.startswith((b",", b'""', b"\r", b"\n", b" ")) or b'\n"",' in block:
            return False
        return not any(found in block for found in (b"\n,", b"\n\r", b"\n\n", b"\n ", b'\n""\r'))

    def _proved_by(self, marks: CsvMarks, block: bytes) -> int:
        """How many rows there are, if their marks prove that all of them are good."""
        needed = [index for indexes in self._needed.values() for index in indexes]
        if len(needed) != len(self._needed):
            # Two columns for one thing.
            return 0
        if self._check == "ids" and needed == [0]:
            return marks.rows or 0 if marks.have_first_cells() else 0
        cells = marks.cells(len(self.header))
        if cells is None or not marks.are_filled(cells, needed):
            return 0
        if self._check == "full":
            ids = self._needed["user_id"]
            if marks.have_controls(cells, ids) or not is_utf8(block):
                return 0
            if self._kind.is_events and not self._are_events(marks, block, cells):
                return 0
        return len(cells[0])

    def _are_events(self, marks: CsvMarks, block: bytes, cells: Any) -> bool:
        """Whether the names and times of all rows are such as the API takes, for certain."""
        (name,), (timestamp,) = self._needed["name"], self._needed["timestamp"]
        begins, ends = cells
        if RESERVED.encode() in block or (ends[:, name] - begins[:, name]).max() > LONGEST_NAME:
            return False
        return are_iso_times(marks.texts(cells, timestamp))

    def _reason(self, cells: Sequence[str]) -> str | None:
        try:
            self._judge(cells)
        except InvalidInput as error:
            return str(error)
        return None

    def _judge(self, cells: Sequence[str]) -> None:
        if not any(cells) and not self._kind.is_list:
            raise InvalidInput("the row is empty; every row needs user_id or userId")
        named = {
            name: [cells[index] for index in indexes if index < len(cells) and cells[index].strip()]
            for name, indexes in self._needed.items()
        }
        for name, values in named.items():
            if not values:
                raise InvalidInput(f"the row has no {name}; fill that cell")
        if self._check != "full":
            return
        if len(set(named["user_id"])) > 1:
            raise InvalidInput("the row names two users; leave one out")
        self._kind.ids.check(named["user_id"][0].strip(), "user_id")
        if any(cells[len(self.header) :]):
            raise InvalidInput(
                f"the row has {len(cells)} cells, and the header {len(self.header)}; "
                "put a cell that holds a comma in quotes"
            )
        if self._kind.is_events:
            check_event_name(named["name"][0])
            iso_time(named["timestamp"][0].strip())

    def one_by_one(self, block: bytes) -> Checked:
        """Judges a block by a closer look at each of its rows."""
        rows, line, bad, spans = 0, 0, [], []
        for start, stop in row_spans(block, csv=True):
            text = block[start:stop]
            try:
                read = [row for row in cells_of(text) if row]
                cells = read[0] if read else []
                row: Any = named_cells(self.header, cells, self._kind)
                reason = self._reason(cells) if cells else None
                if (len(read) > 1 and self._check == "full") or text.count(b'"') & 1:
                    # Where it was meant to end, only its author knows.
                    row, reason = (
                        text.decode(),
                        (
                            "a quote in it is never closed, or a carriage return alone ends a row; "
                            "double a quote within a cell, and end rows with a line feed"
                        ),
                    )
            except (csv.Error, UnicodeDecodeError) as error:
                cells, row = [""], text.decode(errors="replace")
                reason = f"the row is no CSV in UTF-8 ({error}); check its quotes and its encoding"
            if cells:
                if reason is None:
                    spans.append((start, stop))
                else:
                    bad.append(Bad(rows, line, reason, row))
                rows += 1
            line += text.count(b"\n")
        return Checked(rows, bad, joined(spans) if bad else None)


def cells_of(block: bytes) -> list[list[str]]:
    """Reads the rows of a block of CSV; a blank line is an empty row."""
    text = block.decode()
    try:
        return list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        # The library's limit to a cell belongs to the whole program, and is not ours to raise.
        if len(text) <= csv.field_size_limit():
            raise
        return [_cells_in(block[start:stop].decode()) for start, stop in row_spans(block, csv=True)]


def _cells_in(row: str) -> list[str]:
    """Reads a row whose cells may be of any size."""
    cells: list[str] = []
    parts: list[str] = []
    is_open = 0
    for part in row.removesuffix("\n").removesuffix("\r").split(","):
        parts.append(part)
        is_open ^= part.count('"') & 1
        if not is_open:
            cell, parts = ",".join(parts), []
            quoted = cell[:1] == '"' == cell[-1:]
            if not quoted and "\r" in cell:
                raise csv.Error("a carriage return alone ends a row")
            cells.append(cell[1:-1].replace('""', '"') if quoted else cell)
    if is_open:
        raise csv.Error("a quote is never closed")
    return cells if cells != [""] else []


def named_cells(header: Sequence[str], cells: Sequence[str], kind: Kind) -> Any:
    """A row of CSV as a mapping, empty cells left out.

    As the id alone where ids are all there is, and as a list where there are cells without a name.
    """
    if any(cells[len(header) :]):
        return cells
    if kind.is_list:
        return cells[0].strip() if cells else ""
    named: dict[str, Any] = {
        name: cell for name, cell in zip(header, cells, strict=False) if cell and name
    }
    for name in (*USER_ID, "timestamp"):
        if name in named:
            named[name] = named[name].strip()
    return named


def _are_quotes_around_cells(block: bytes) -> bool:
    """Whether every quote begins a cell, ends one, or is doubled inside of one."""
    first, *parts = block.split(b'"')
    if not parts:
        return True
    *between, last = parts[1::2]
    return (
        first[-1:] in b",\n"
        and last[:1] in b",\r\n"
        and all(not part or (part[0] in b",\r\n" and part[-1] in b",\n") for part in between)
    )


def _count_rows(block: bytes) -> int:
    """How many rows of CSV a block has: line breaks outside quotes, blank lines not counted."""
    if b'"' not in block:
        return lines_of(block)
    # Every second stretch between quotes is outside of them; a cell leaves something on its line.
    return lines_of(b'"'.join(block.split(b'"')[::2]))
