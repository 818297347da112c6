"""Blocks of rows, checked as fast as each degree of checking allows.

A block is first judged as a whole, by what its bytes prove and by one call of a decoder; nearly every
block passes there. Only a block that does not is taken apart, row by row, with the checks of single
uploads, which also find the words for what is wrong.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, TypeAlias

import msgspec
from attrs import field, frozen

from appcues_async.bulk.edges import row_spans
from appcues_async.bulk.times import are_iso_times
from appcues_async.errors import InvalidInput
from appcues_async.rows.kinds import EVENTS, USER_ID, Kind
from appcues_async.rows.values import (
    LONGEST_NAME,
    RESERVED,
    check_event_name,
    check_user_id,
    iso_time,
)

if TYPE_CHECKING:
    from appcues_async.bulk.marks import CsvMarks, JsonMarks

__all__ = [
    "Bad",
    "Check",
    "Checked",
    "Checker",
    "CsvChecker",
    "NdjsonChecker",
    "cells_of",
    "check_ids",
]

Check = Literal["full", "ids", "none"]
"""How much of each row is checked: everything, whether it has what its kind needs, or nothing."""


@frozen
class Bad:
    """A row that is not to be sent.

    Attributes:
        index: Which row of its block, from 0.
        line: How many lines of the block come before it.
        reason: What is wrong.
        row: The row, or its text where it cannot be read.
    """

    index: int
    line: int
    reason: str
    row: Any


@frozen
class Checked:
    """A block, judged.

    Attributes:
        rows: How many rows it has, bad ones included.
        bad: Those that are not to be sent.
        pieces: Start and end of each run of good rows; None when the block can go as it is.
    """

    rows: int
    bad: Sequence[Bad] = ()
    pieces: Sequence[tuple[int, int]] | None = field(default=None, repr=False)


class Checker(Protocol):
    """Judges blocks of whole rows."""

    def check(self, block: bytes, marks: Any = None) -> Checked:
        """Judges one, by what is known of it already."""
        ...


_Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class _User(msgspec.Struct, gc=False):
    user_id: _Text | None = None
    userId: _Text | None = None  # noqa: N815 - the API's other spelling


class _Event(_User, gc=False, kw_only=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    timestamp: Annotated[datetime, msgspec.Meta(tz=True)]
    attributes: dict[str, Any] | None = None


class _HasEvent(_User, gc=False, kw_only=True):
    name: _Text
    timestamp: _Text


_ODD_TIME: Final = re.compile(rb'"timestamp"\s*:\s*"[^T"]*(?:["t ]|T[^"]*z)')
"""A time that the decoder takes, and ISO 8601 as the API's documents show it does not."""
_NAMELESS: Final = re.compile(rb'""\s*:')
_HUGE: Final = re.compile(rb"[0-9](?:[eE]|[0-9]{63})")
"""A number that may be too large to be one."""

_other_id: Final = attrgetter("userId")

_decode: Final = msgspec.json.Decoder().decode


class NdjsonChecker:
    """Judges blocks of NDJSON."""

    def __init__(self, kind: Kind, check: Check) -> None:
        """Prepares for one source.

        Args:
            kind: What its rows are.
            check: How much of them is checked.
        """
        self._kind = kind
        self._check = check
        self._prefix = b""
        if kind.is_list:
            shape: Any = _Text
        elif kind is EVENTS:
            shape = _Event if check == "full" else _HasEvent
        else:
            shape = _User
        self._decode = msgspec.json.Decoder(shape).decode_lines

    def check(self, block: bytes, marks: JsonMarks | None = None) -> Checked:
        """Judges one block."""
        if self._check == "none":
            rows = None if marks is None else marks.rows
            return Checked(lines_of(block) if rows is None else rows)
        if self._check == "ids" and (rows := self._proved(block, marks)):
            return Checked(rows)
        try:
            found = self._decode(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.one_by_one(block)
        if self._has_a_line_each(block, marks, found) and self._passes(block, marks, found):
            if self._check == "ids":
                self._learn(block)
            return Checked(len(found))
        return self.one_by_one(block)

    def _has_a_line_each(self, block: bytes, marks: JsonMarks | None, found: list[Any]) -> bool:
        """Whether no line holds two rows; the decoder takes them as well, and the API does not."""
        rows = None if marks is None else marks.rows
        return len(found) == (lines_of(block) if rows is None else rows)

    def _proved(self, block: bytes, marks: JsonMarks | None) -> int:
        """How many rows there are, if the bytes alone prove that each begins with its user's id.

        JSON text holds no line break, so what follows one is the beginning of a row. If as many lines
        begin with `{"user_id":"` and something as there are lines, all of them do.
        """
        prefix = self._prefix
        if not prefix or not block.startswith(prefix[1:]):
            return 0
        if marks is not None:
            return (marks.rows or 0) if marks.begin_with(prefix[1:]) else 0
        rows = block.count(b"\n") + (not block.endswith(b"\n"))
        if block.count(prefix) + 1 != rows or prefix + b'"' in block:
            return 0
        return 0 if block.startswith(prefix[1:] + b'"') else rows

    def _learn(self, block: bytes) -> None:
        if self._kind is EVENTS:
            return
        pattern = rb'"' if self._kind.is_list else rb'\{\s*"(?:user_id|userId)"\s*:\s*"'
        if (match := re.match(pattern, block)) and b"\n" not in match[0]:
            self._prefix = b"\n" + match[0]

    def _passes(self, block: bytes, marks: JsonMarks | None, found: list[Any]) -> bool:
        """Whether nothing that the decoder did not look at may be wrong."""
        ids = found if self._kind.is_list else _ids_of(found)
        if ids is None:
            return False
        # All of them at once, since one in which there is something odd is rare.
        text = "".join(ids)
        if text.split(None, 1) != [text] and "" in map(str.strip, ids):
            return False
        if self._check == "ids":
            return True
        if not text.isprintable():
            return False
        return self._has_good_values(block, marks, len(found)) and _is_utf8(block)

    def _has_good_values(self, block: bytes, marks: JsonMarks | None, rows: int) -> bool:
        if self._kind.is_list:
            return True
        if self._kind is EVENTS:
            if b'""' in block and _NAMELESS.search(block):
                return False
            return b'"appcues:' not in block and not _ODD_TIME.search(block)
        if marks is not None:
            return marks.are_flat(rows)
        if b'""' in block and _NAMELESS.search(block):
            return False
        # As many braces as rows and no bracket at all: nothing is nested. Braces may be text as well.
        return block.count(b"{") == rows and b"[" not in block and not _HUGE.search(block)

    def one_by_one(self, block: bytes) -> Checked:
        """Judges a block by a closer look at each of its rows."""
        rows, bad, spans = 0, [], []
        for line, (start, stop) in enumerate(row_spans(block, csv=False)):
            text = block[start:stop]
            if text.isspace():
                continue
            row, reason = self._judge(text)
            if reason is None:
                spans.append((start, stop))
            else:
                bad.append(Bad(rows, line, reason, row))
            rows += 1
        return Checked(rows, bad, _joined(spans) if bad else None)

    def _judge(self, text: bytes) -> tuple[Any, str | None]:
        try:
            row = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = text.decode(errors="replace").rstrip("\r\n")
            return said, "the line is no JSON value; write each row on one line"
        try:
            if self._check == "ids":
                check_ids(row, self._kind)
            else:
                self._kind.check(row, "the row")
        except InvalidInput as error:
            return row, str(error)
        return row, None


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
        agreed = len(rows) == _count_rows(block)
        return len(rows) if agreed and all(self._reason(row) is None for row in rows) else 0

    def _proved(self, block: bytes) -> bool:
        """Whether the bytes alone prove that no row's id is missing: it is first, and never empty."""
        if self._kind is EVENTS or self._needed["user_id"] != [0]:
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
            if marks.have_controls(cells, ids) or not _is_utf8(block):
                return 0
            if self._kind is EVENTS and not self._are_events(marks, block, cells):
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
        check_user_id(named["user_id"][0].strip(), "user_id")
        if any(cells[len(self.header) :]):
            raise InvalidInput(
                f"the row has {len(cells)} cells, and the header {len(self.header)}; "
                "put a cell that holds a comma in quotes"
            )
        if self._kind is EVENTS:
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
        return Checked(rows, bad, _joined(spans) if bad else None)


def _ids_of(found: list[Any]) -> list[str] | None:
    """The id of each row; None if one has none, or two."""
    ids = [one.user_id for one in found]
    if None not in ids and not any(map(_other_id, found)):
        return ids
    others = [one.userId for one in found]
    if any((one is None) == (other is None) for one, other in zip(ids, others, strict=True)):
        return None
    return [one or other for one, other in zip(ids, others, strict=True)]


def cells_of(block: bytes) -> list[list[str]]:
    """Reads the rows of a block of CSV; a blank line is an empty row."""
    return list(csv.reader(io.StringIO(block.decode(), newline="")))


def named_cells(header: Sequence[str], cells: Sequence[str], kind: Kind) -> Any:
    """A row of CSV as a mapping, empty cells left out; as the id alone where ids are all there is."""
    if kind.is_list:
        return cells[0].strip() if cells else ""
    named: dict[str, Any] = {
        name: cell for name, cell in zip(header, cells, strict=False) if cell and name
    }
    for name in (*USER_ID, "timestamp"):
        if name in named:
            named[name] = named[name].strip()
    return named


def lines_of(block: bytes) -> int:
    """How many lines of a block are not blank."""
    if block.startswith((b"\n", b"\r", b" ")) or b"\n\n" in block or b"\n\r" in block:
        return sum(not line.isspace() for line in block.splitlines(keepends=True))
    return block.count(b"\n") + (not block.endswith(b"\n"))


def _count_rows(block: bytes) -> int:
    """How many rows of CSV a block has: line breaks outside quotes, blank lines not counted."""
    if b'"' not in block:
        return lines_of(block)
    # Every second stretch between quotes is outside of them; a cell leaves something on its line.
    return lines_of(b'"'.join(block.split(b'"')[::2]))


def check_ids(row: Any, kind: Kind) -> None:
    """Refuses a row that has not what its kind needs."""
    if kind.is_list:
        check_user_id(row, "the row")
        return
    if not isinstance(row, Mapping):
        raise InvalidInput(f"the row is a {type(row).__name__}; a row is a mapping of column names")
    for spellings in kind.columns:
        values = [row[name] for name in spellings if isinstance(row.get(name), str)]
        if not any(value.strip() if spellings is USER_ID else value for value in values):
            raise InvalidInput(f"the row has no {spellings[0]}, or one that is no text")


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of rows that follow each other, as one piece each."""
    pieces: list[tuple[int, int]] = []
    for start, stop in spans:
        if pieces and pieces[-1][1] == start:
            pieces[-1] = (pieces[-1][0], stop)
        else:
            pieces.append((start, stop))
    return pieces
