"""The first row of a CSV: the names of its columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_text import cells_of, row_spans, stretches
from appcues_async.rows.dialect import PLAIN, Dialect
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import shown

__all__ = ["HEADER_LIMIT", "Header", "has_gaps", "read_header"]

HEADER_LIMIT: Final = 1 << 20
"""Bytes in which a header ends."""


@frozen
class Header:
    """The header of a CSV.

    Attributes:
        columns: The names, without blanks around them; empty for a column without one.
        begin: Where the rows begin.
        head: The header as it is sent, without nameless columns at its end; none of a bare list of ids.
    """

    columns: Sequence[str]
    begin: int
    head: bytes = field(repr=False)


def has_gaps(columns: Sequence[str]) -> bool:
    """Whether a column without a name stands before one with a name."""
    named = [bool(name) for name in columns]
    return named != sorted(named, reverse=True)


def read_header(
    text: bytes, kind: Kind, name: str, *, whole: bool, dialect: Dialect = PLAIN
) -> Header:
    """Reads the header of a CSV.

    Args:
        text: The beginning of a file, without a byte order mark.
        kind: What its rows are; a list of ids needs no header.
        name: What the file is called, for messages.
        whole: Whether that is all of it.
        dialect: How it differs from what the API takes.

    Raises:
        InvalidInput: There is none, it goes on beyond the text, or names a column twice.
    """
    for start, stop, reason in _rows_of(text, dialect.delimiter):
        if stop == len(text) and not whole:
            raise InvalidInput(
                f"{name} has a header of more than {len(text):,} bytes; shorten the names of its "
                "columns, or check the quotes in it"
            )
        if reason is not None:
            raise InvalidInput(f"{name}: its header is no CSV: {reason}")
        columns = _columns_of(text[start:stop], name, dialect.delimiter)
        if not any(columns):
            continue
        if not dialect.is_plain and (dialect.chooses_ids or not kind.is_list):
            return Header(dialect.columns(columns, name), stop, b"")
        if kind.is_list and columns[0] not in USER_ID:
            return Header([USER_ID[0]], start, b"")
        return Header(columns, stop, _head_of(columns, text[start:stop]))
    raise InvalidInput(f"{name} has no header")


def _rows_of(text: bytes, delimiter: str) -> Iterator[tuple[int, int, str | None]]:
    """The place of each row, and what is wrong with its quotes."""
    for begin, end, reason, _ in stretches(text, at_end=True, delimiter=delimiter):
        for start, stop in row_spans(text[begin:end], delimiter):
            yield begin + start, begin + stop, reason


def _columns_of(text: bytes, name: str, delimiter: str) -> list[str]:
    try:
        rows = [row for row in cells_of(text, delimiter) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"{name}: its header is no CSV in UTF-8 ({error})") from None
    if len(rows) > 1:
        # All of it would pass for the header, and none of it for a row.
        raise InvalidInput(
            f"{name} ends its lines with a carriage return alone; save it with line feeds, as "
            "Unix and Windows have them"
        )
    columns = [cell.strip() for row in rows for cell in row]
    twice = [column for column, times in Counter(columns).items() if column and times > 1]
    if twice:
        # Which of them is meant, nobody can say; the other would be lost without a word.
        raise InvalidInput(f"{name} has the column {shown(twice[0])} twice; rename or drop one")
    return columns


def _head_of(columns: Sequence[str], text: bytes) -> bytes:
    if columns[-1]:
        return text
    named = len(columns)
    while not columns[named - 1]:
        named -= 1
    head = io.StringIO(newline="")
    csv.writer(head, lineterminator="\n").writerow(columns[:named])
    return head.getvalue().encode()
