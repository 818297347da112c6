"""The beginning of a file: how it is written, and what is refused before any of it is read."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.inputs import reads_as_header, refuse_look_alikes
from appcues_async.rows.kinds import USER_ID, Kind
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
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
_NAMES: Final = 200
"""Characters of names in a message; what is longer is rather somebody's data."""

_decode: Final = msgspec.json.Decoder().decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def check_head(
    head: bytes,
    *,
    whole: bool,
    kind: Kind,
    given: Format | None,
    name: str,
    first_row: bool = True,
) -> Format:
    """Looks at the beginning of a file; says how it is written.

    Only what is certain is refused here: the first row, not the others.

    Args:
        head: The beginning, without a byte order mark.
        whole: Whether that is all of it.
        kind: What its rows are.
        given: How it is said to be written, if it is.
        name: What it is called, for messages.
        first_row: Whether a row that is not good is a reason to refuse the file, as far as it is seen.

    Raises:
        InvalidInput: It is refused.
    """
    for magic, what in _COMPRESSED.items():
        if head.startswith(magic):
            raise InvalidInput(
                f"{name} is {what}-compressed, which the API does not take; unpack it"
            )
    sure = head if first_row else head.lstrip().split(b"\n", 1)[0]
    if b"\0" in sure:
        raise InvalidInput(
            f"{name} holds zero bytes, as UTF-16 and binary files do; save it as UTF-8"
        )
    if not head.strip():
        raise _blank(whole, kind, name)
    first = head.lstrip()
    if first.startswith(b"["):
        raise InvalidInput(
            f"{name} holds a JSON array; the API takes NDJSON, one JSON value a line without commas"
        )
    found = given or _sniff(first, kind)
    if found == "ndjson":
        if first_row:
            _check_first_line(first, whole, kind, name)
    else:
        _check_header(head, whole, kind, name, sure)
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
        if not isinstance(row, str):
            raise InvalidInput(
                f"{name}: its first line is {line[:60]!r}; in NDJSON each user id is in double quotes"
            )
        return
    if not isinstance(row, dict):
        raise InvalidInput(f"{name}: its first line is no JSON object, as {kind.name} need")
    _refuse_missing(kind.missing(row), f"{name}: its first line", sorted(row))


def _check_header(text: bytes, whole: bool, kind: Kind, name: str, sure: bytes) -> None:
    try:
        # Where the text was cut, half a character may be left.
        codecs.getincrementaldecoder("utf-8")().decode(sure, final=whole)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{name} is not UTF-8 at byte {error.start:,}; save it as UTF-8"
        ) from None
    decoded = text.decode(errors="replace")
    rows = (row for row in csv.reader(io.StringIO(decoded, newline="")) if any(map(str.strip, row)))
    try:
        columns = [column.strip() for column in next(rows, [])]
    except csv.Error as error:
        raise InvalidInput(
            f"{name}: its first line is not CSV ({error}); check its quotes and line breaks"
        ) from None
    if not columns:
        raise _blank(whole, kind, name)
    if kind.is_list:
        lines = [line for line in decoded.splitlines()[:9] if line.strip()]
        refuse_look_alikes(lines, name, USER_ID, kind.ids)
    header = not kind.is_list or columns[:1] in ([name] for name in USER_ID)
    if header and whole and not kind.missing(columns) and not _has_more(rows):
        raise InvalidInput(f"{name} has a header and no rows; there are no {kind.name} to send")
    if kind.is_list:
        if len(columns) > 1:
            raise InvalidInput(
                f"{name}: its first line has {len(columns)} columns; a CSV of user ids has one, "
                f"with {' or '.join(USER_ID)} or no header"
            )
        return
    _refuse_missing(kind.missing(columns), f"{name}: its header", columns)


def _has_more(rows: Iterator[list[str]]) -> bool:
    try:
        return next(rows, None) is not None
    except csv.Error:
        # A cell too long for this reader is one for the API to judge.
        return True


def _blank(whole: bool, kind: Kind, name: str) -> InvalidInput:
    if whole:
        return InvalidInput(f"{name} is empty; there are no {kind.name} to send")
    return InvalidInput(f"{name} begins with {HEAD:,} blank bytes; check that it is the right file")


def _refuse_missing(missing: list[str], where: str, there: list[str]) -> None:
    if missing:
        names = ", ".join(there)
        names = names if len(names) <= _NAMES else names[: _NAMES - 1] + "…"
        raise InvalidInput(f"{where} has no {', no '.join(missing)}; it has: {names}")
