"""Uploaded text, parsed and checked row by row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import define, field, frozen

from appcues_async.sandbox.bodies import Spool
from appcues_async.sandbox.encoding import NotJSON, decode_json
from appcues_async.sandbox.problems import Refusal

__all__ = [
    "EVENTS",
    "NAME_LIMIT",
    "PROFILES",
    "RESERVED_PREFIX",
    "Rows",
    "Table",
    "check_event_name",
    "parse_date_or_time",
    "parse_timestamp",
    "plain_attributes",
    "read_rows",
    "read_user_ids",
]

RESERVED_PREFIX: Final = "appcues:"
#: The most characters of an event's name.
NAME_LIMIT: Final = 127
_USER_ID: Final = ("user_id", "userId")
_WIDEST: Final = 200_000_000
"""Characters of a cell, as many as an upload has bytes."""

Fields = dict[str, Any]


@define
class Rows:
    """The rows of an upload: how many, how many failed, and the valid ones.

    Attributes:
        keep: Whether valid rows are kept, or only counted.
        total: How many rows there were.
        failed: How many of them are not valid.
        kept: The valid ones.
    """

    keep: bool
    total: int = 0
    failed: int = 0
    kept: list[Any] = field(factory=list[Any])

    def add(self, row: object) -> None:
        """Counts a row; None is one that is not valid."""
        self.total += 1
        if row is None:
            self.failed += 1
        elif self.keep:
            self.kept.append(row)


@frozen
class Table:
    """The rules for rows of one kind.

    Attributes:
        columns: The columns that a CSV header must name, each with its spellings.
        read: Turns the fields of a row into what is kept; None if the row is not valid.
    """

    columns: Sequence[tuple[str, ...]]
    read: Callable[[Fields], Any]


def read_rows(text: Spool, *, csv_text: bool, table: Table, keep: bool) -> Rows:
    """Reads an upload from where the file stands to its end.

    Raises:
        Refusal: 400 for what is wrong with the whole of it: nothing in it, not UTF-8, or a CSV
            header that lacks a column.
    """
    rows = Rows(keep)
    if csv_text:
        lines = _CSVRows(table, rows)
        _each_csv_line(text, lines.take)
        if not lines.header:
            raise _empty()
        return rows
    read = table.read
    _each_json_line(text, lambda fields: rows.add(read(fields) if type(fields) is dict else None))
    if not rows.total:
        raise _empty()
    return rows


def read_user_ids(text: Spool, *, csv_text: bool, keep: bool, header: bool = True) -> Rows:
    """Reads an upload of user ids alone, one per row, like `read_rows`.

    A CSV may have a header if `header` is true; else its first row is an id like any other.

    Raises:
        Refusal: 400 for what is wrong with the whole of it.
    """
    rows = Rows(keep)
    if not csv_text:
        _each_json_line(text, lambda value: rows.add(_check_user_id(value)))
        if not rows.total:
            raise _empty()
        return rows
    first = True
    spellings = _USER_ID if header else ()

    def take(cells: list[str] | None) -> None:
        nonlocal first
        is_header = first and cells is not None and cells[0].strip() in spellings
        first = False
        if not is_header:
            alone = cells is not None and not any(cells[1:])
            rows.add(_check_user_id(cells[0].strip()) if cells and alone else None)

    _each_csv_line(text, take)
    if first:
        raise _empty()
    return rows


def plain_attributes(fields: Fields) -> Fields:
    """Drops what a profile cannot hold: lists and objects."""
    for value in fields.values():
        if isinstance(value, (dict, list)):
            return {n: v for n, v in fields.items() if not isinstance(v, (dict, list))}
    return fields


def check_event_name(name: object) -> bool:
    """Returns whether a name is one that an event may have."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= NAME_LIMIT
        and not name.startswith(RESERVED_PREFIX)
    )


def parse_timestamp(text: object) -> datetime | None:
    """Reads a date and time in ISO 8601; None if it is anything else."""
    return parse_date_or_time(text) if isinstance(text, str) and "T" in text else None


def parse_date_or_time(text: object) -> datetime | None:
    """Reads a date, with or without a time, in ISO 8601; None if it is anything else."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _check_user_id(user_id: object) -> str | None:
    return user_id if user_id and isinstance(user_id, str) else None


def _take_user_id(fields: Fields) -> str | None:
    user_id = fields.pop("user_id", None)
    return _check_user_id(fields.pop("userId", None) if user_id is None else user_id)


def _read_profile(fields: Fields) -> Fields | None:
    user_id = _take_user_id(fields)
    if user_id is None:
        return None
    # A tuple of the two would cost the garbage collector seconds where there are millions.
    fields["user_id"] = user_id
    return plain_attributes(fields)


def _read_event(fields: Fields) -> Fields | None:
    user_id = _take_user_id(fields)
    name = fields.pop("name", None)
    timestamp = fields.pop("timestamp", None)
    if user_id is None or not check_event_name(name) or parse_timestamp(timestamp) is None:
        return None
    attributes = fields.pop("attributes", None)
    if isinstance(attributes, dict):
        fields.update(attributes)
    elif attributes is not None:
        return None
    return {"user_id": user_id, "name": name, "timestamp": timestamp, "attributes": fields}


PROFILES: Final = Table(columns=(_USER_ID,), read=_read_profile)
EVENTS: Final = Table(columns=(_USER_ID, ("name",), ("timestamp",)), read=_read_event)


def _each_json_line(text: Spool, take: Callable[[Any], None]) -> None:
    """Yields the value of each line; None for a line that is not JSON."""
    for line in text:
        if line.isspace():
            continue
        try:
            value = decode_json(line)
        except UnicodeDecodeError as error:
            raise _not_utf8() from error
        except NotJSON:
            value = None
        take(value)


def _each_csv_line(text: Spool, take: Callable[[list[str] | None], None]) -> None:
    """Yields the cells of each line; None for a line that is not CSV."""
    # A TextIOWrapper reads 8 KiB at a time from the file, and each time gives the interpreter away
    # too briefly for the sandbox's loop to get it: the loop then waits for up to a second.
    # Cells may be longer than the csv module lets them be, for the whole program.
    limit = csv.field_size_limit(max(_WIDEST, csv.field_size_limit()))
    try:
        reader = csv.reader(map(bytes.decode, text), strict=True)
        end = False
        while not end:
            try:
                for cells in reader:
                    if len(cells) > 1 or (cells and cells[0].strip()):
                        take(cells)
                end = True
            except csv.Error:
                take(None)
            except UnicodeDecodeError as error:
                raise _not_utf8() from error
    finally:
        csv.field_size_limit(limit)


class _CSVRows:
    """Turns the lines of a CSV with a header into rows."""

    def __init__(self, table: Table, rows: Rows) -> None:
        self.header: list[str] = []
        self._table = table
        self._rows = rows
        self._user_ids: list[str] = []

    def take(self, cells: list[str] | None) -> None:
        header = self.header
        if not header:
            self.header = _check_header(cells, self._table)
            self._user_ids = [name for name in _USER_ID if name in self.header]
            return
        if cells is None or (len(cells) > len(header) and any(cells[len(header) :])):
            self._rows.add(None)
            return
        pairs = zip(header, cells, strict=False)
        fields: Fields = {n: cell for n, cell in pairs if cell} if "" in cells else dict(pairs)
        for name in self._user_ids:
            if name in fields:
                fields[name] = fields[name].strip()
        self._rows.add(self._table.read(fields))


def _check_header(cells: list[str] | None, table: Table) -> list[str]:
    if cells is None:
        raise Refusal(400, "The CSV header is malformed")
    header = [name.strip() for name in cells]
    if len(set(header)) < len(header):
        raise Refusal(400, "The CSV header names a column twice")
    for spellings in table.columns:
        if not set(header).intersection(spellings):
            raise Refusal(400, f"`{spellings[0]}` is required but missing in the CSV header")
    return header


def _empty() -> Refusal:
    return Refusal(400, "The body is empty")


def _not_utf8() -> Refusal:
    return Refusal(400, "The body is not valid UTF-8")
