"""The beginning of a file: how it is written, and what is refused before any of it is read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import (
    PLAIN,
    Dialect,
    joined,
    likely_id,
    options_for,
    other_delimiter,
    with_options,
)
from appcues_async.rows.encodings import as_utf_8, likely_encoding
from appcues_async.rows.file_types import refuse_other_files
from appcues_async.rows.id_files import reads_as_header, refuse_look_alikes
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import shown
from appcues_async.wire.request import CSV, NDJSON

__all__ = ["BOM", "HEAD", "MEDIA", "SUFFIXES", "Format", "check_head"]

Format = Literal["csv", "ndjson"]
"""How rows are written down."""

BOM: Final = b"\xef\xbb\xbf"
HEAD: Final = 1 << 20
"""Bytes at the beginning of a file that show how it is written."""
MEDIA: Final[Mapping[str, str]] = {"csv": CSV, "ndjson": NDJSON}
SUFFIXES: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".ldjson": "ndjson",
}
_LOOK: Final = 20
"""Lines of NDJSON whose names are looked at before anything is sent."""
_LINES: Final = 10_000
"""Characters whose lines are looked at."""

_decode: Final = msgspec.json.Decoder().decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_head(
    head: bytes,
    *,
    whole: bool,
    kind: Kind,
    given: Format | None,
    name: str,
    single: bool = True,
    dialect: Dialect = PLAIN,
) -> Format | None:
    """Looks at the beginning of a file; says how it is written.

    Only what is certain is refused here: the header or the first rows, not the others.

    Args:
        head: The beginning, as UTF-8 without a byte order mark.
        whole: Whether that is all of it.
        kind: What its rows are.
        given: How it is said to be written, if it is.
        name: What it is called, for messages.
        single: Whether it is for a single upload, which one bad row refuses.
        dialect: How it differs from what the API takes.

    Returns:
        The format; None where there are no rows.

    Raises:
        InvalidInput: It is refused.
    """
    refuse_other_files(head, name, single=single)
    sure = head if single else head.lstrip().split(b"\n", 1)[0]
    if b"\0" in sure:
        encoding = likely_encoding(sure)
        if encoding is None:
            raise InvalidInput(f"{name} holds zero bytes, as binary files do; give CSV or NDJSON")
        raise InvalidInput(f"{name} is {encoding.upper()}, not UTF-8; {as_utf_8(encoding)}")
    if not head.strip():
        _refuse_blanks(whole, name)
        return None
    first = head.lstrip()
    if first.startswith(b"["):
        raise InvalidInput(
            f"{name} holds a JSON array; the API takes NDJSON, one JSON value a line without commas"
        )
    found = given or ("csv" if dialect.delimiter != "," else _sniff(first, kind))
    if found == "csv":
        return _check_header(head, whole, kind, name, sure, single=single, dialect=dialect)
    if dialect.delimiter != ",":
        raise InvalidInput(f"{name} is NDJSON, and only CSV has a delimiter; leave delimiter out")
    if single:
        _check_first_line(first, whole, kind, name)
    else:
        _check_first_names(first, kind, name, dialect)
    return found


def _sniff(text: bytes, kind: Kind) -> Format:
    if not kind.is_list:
        return "ndjson" if text.startswith(b"{") else "csv"
    # CSV may quote its cells as well, and its header is no user's id.
    try:
        value = _decode(text.split(b"\n", 1)[0])
    except _NOT_JSON:
        return "csv"
    is_id = isinstance(value, str) and value not in USER_ID and not reads_as_header(value)
    return "ndjson" if is_id or isinstance(value, dict) else "csv"


# --- NDJSON --------------------------------------------------------------------------------------


def _check_first_line(text: bytes, whole: bool, kind: Kind, name: str) -> None:
    line = text.split(b"\n", 1)[0]
    if len(line) == len(text) and not whole:
        # It goes on beyond what was read of it.
        return
    try:
        row = _decode(line)
    except _NOT_JSON:
        raise InvalidInput(
            f"{name}: its first line is not a JSON value, as NDJSON needs; write each row on one line"
        ) from None
    if kind.is_list:
        if not isinstance(row, str | int) or isinstance(row, bool):
            raise InvalidInput(
                f"{name}: its first line is {line[:60]!r}; in NDJSON each user id is in double quotes"
            )
        return
    if not isinstance(row, dict):
        raise InvalidInput(f"{name}: its first line is no JSON object, as {kind.name} need")
    _refuse_missing(kind, f"{name}: its first line", sorted(row))


def _check_first_names(text: bytes, kind: Kind, name: str, dialect: Dialect) -> None:
    """Refuses a file whose first rows all have their ids under one other name."""
    common: set[str] | None = None
    for line in text.split(b"\n")[:_LOOK][:-1] or [text]:
        try:
            row = dialect.row(_decode(line))
        except (*_NOT_JSON, InvalidInput):
            continue
        if not isinstance(row, dict) or not {*USER_ID}.isdisjoint(row):
            return
        common = set(row) if common is None else common & set(row)
    if common and (kind.is_list or likely_id(common)):
        _refuse_missing(kind, f"{name}: the first row", sorted(common))


# --- CSV -----------------------------------------------------------------------------------------


def _check_header(
    text: bytes,
    whole: bool,
    kind: Kind,
    name: str,
    sure: bytes,
    *,
    single: bool,
    dialect: Dialect,
) -> Format | None:
    try:
        # Where the text was cut, half a character may be left.
        codecs.getincrementaldecoder("utf-8")().decode(sure, final=whole)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{name} is not UTF-8 at byte {error.start:,}; {as_utf_8(likely_encoding(text))}"
        ) from None
    decoded = text.decode(errors="replace")
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=dialect.delimiter)
    rows = (row for row in reader if any(map(str.strip, row)))
    try:
        columns = [column.strip() for column in next(rows, [])]
    except csv.Error as error:
        if single or "limit" not in str(error):
            raise InvalidInput(
                f"{name}: its first line is not CSV ({error}); check its quotes and line breaks"
            ) from None
        # A column's name is longer than this reader takes; another one reads the header.
        return "csv"
    if not columns:
        _refuse_blanks(whole, name)
        return None
    lines = [line for line in decoded[:_LINES].splitlines()[:9] if line.strip()]
    columns = _renamed(
        columns, kind, name, dialect, lines=lines, encoding=_option_of(text[:_LINES])
    )
    header = not kind.is_list or not {*USER_ID}.isdisjoint(columns)
    if header and whole and not kind.missing(columns) and not _has_more(rows):
        return None
    return "csv"


def _option_of(text: bytes) -> str:
    """The option for the encoding of text; empty for UTF-8."""
    encoding = likely_encoding(text[: text.rfind(b"\n") + 1])
    return f"encoding={encoding!r}" if encoding else ""


def _renamed(
    columns: list[str],
    kind: Kind,
    name: str,
    dialect: Dialect,
    *,
    lines: list[str],
    encoding: str,
) -> list[str]:
    """The columns as they are sent.

    Raises:
        InvalidInput: One that is needed is not among them.
    """
    other = other_delimiter(lines[0], dialect.delimiter) if lines else None
    if other is not None and len(columns) == 1 and (dialect.chooses_ids or not kind.is_list):
        cells = next(csv.reader([lines[0]], delimiter=other))
        renamed = [dialect.names.get(cell.strip(), cell.strip()) for cell in cells]
        message = f"{name} has {shown(other)} between its cells, not {shown(dialect.delimiter)}"
        options = options_for(renamed, kind)
        raise InvalidInput(with_options(message, f"delimiter={other!r}", encoding, *options))
    if kind.is_list and not dialect.chooses_ids:
        refuse_look_alikes(
            lines, name, USER_ID, kind.ids, delimiter=dialect.delimiter, in_bulk=True
        )
        if len(columns) > 1:
            message = (
                f"{name}: its first line has {len(columns)} columns; a CSV of user ids has one, with "
                f"{' or '.join(USER_ID)} or no header"
            )
            likely = likely_id(columns)
            raise InvalidInput(with_options(message, (likely and f"id_column={likely!r}") or ""))
        return columns
    columns = dialect.columns(columns, name)
    if not kind.is_list:
        _refuse_missing(kind, f"{name}: its header", columns, encoding)
    return columns


def _has_more(rows: Iterator[list[str]]) -> bool:
    try:
        return next(rows, None) is not None
    except csv.Error:
        # A cell too long for this reader is one for the API to judge.
        return True


# --- what is missing -----------------------------------------------------------------------------


def _refuse_blanks(whole: bool, name: str) -> None:
    if not whole:
        raise InvalidInput(
            f"{name} begins with {HEAD:,} blank bytes; check that it is the right file"
        )


def _refuse_missing(kind: Kind, where: str, there: list[str], option: str = "") -> None:
    if missing := kind.missing(there):
        message = f"{where} has no {', no '.join(missing)}; it has: {joined(there)}"
        raise InvalidInput(with_options(message, option, *options_for(there, kind)))
