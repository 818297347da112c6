"""Lines of JSON as rows that are written anew: with other names, ids or times than the file has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from appcues_async.rows.csv_text import count_lines
from appcues_async.rows.kinds import PROFILES, USER_ID, Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.ndjson_reasons import reason_of, repeated_name
from appcues_async.rows.records import Unread, raw_text
from appcues_async.rows.row_blocks import LONGEST_ROW, Feed, judged_blocks

__all__ = ["has_number_as_id", "rows_of_ndjson"]

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)
"""Numbers keep their digits, since they are written again."""
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NUMBER_AS_ID: Final = re.compile(rb'"user(?:_id|Id)"[ \t]*:[ \t]*-?[0-9]')
_LISTED_NUMBER: Final = re.compile(rb"(?:^|\n)[ \t]*-?[0-9]")


def has_number_as_id(text: bytes, kind: Kind) -> bool:
    """Whether a stretch of NDJSON may have a number for an id, which is sent as text."""
    return (_LISTED_NUMBER if kind.is_list else _NUMBER_AS_ID).search(text) is not None


def rows_of_ndjson(
    feed: Feed, start: int, line: int, kind: Kind, ids: Sequence[str] = USER_ID
) -> Iterator[tuple[list[Any], Sequence[int], int]]:
    """Reads lines of JSON as rows, a block at a time.

    Args:
        feed: The file's bytes.
        start: Where the first row begins.
        line: How many lines come before it.
        kind: What the rows are.
        ids: Names that no row may have twice.

    Yields:
        Rows, or `Unread`; the line that each begins on; and their bytes.
    """
    for block in judged_blocks(feed, start, NdjsonJudge(PROFILES, "none"), LONGEST_ROW):
        if block.data is None:
            reason = f"the row has more than {LONGEST_ROW:,} bytes"
            yield [Unread(reason, None)], [line + 1], block.verdict.size
        else:
            yield (*_rows_of(block.data, line, kind, ids), block.verdict.size)
        line += block.verdict.lines


def _rows_of(
    data: bytes, before: int, kind: Kind, ids: Sequence[str]
) -> tuple[list[Any], Sequence[int]]:
    """The rows of a block, and the line that each begins on."""
    try:
        rows = _decoder.decode_lines(data)
    except _NOT_JSON:
        pass
    else:
        # Of two equal names only the last one would be left.
        names = sum(data.count(f'"{name}"'.encode()) for name in ids)
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        if names <= len(rows) == lines == count_lines(data) and b"\\u00" not in data:
            return rows, range(before + 1, before + 1 + lines)
    found = [
        (_row_of(text, kind, ids), before + number)
        for number, text in enumerate(data.split(b"\n"), 1)
        if text.strip()
    ]
    return [row for row, _ in found], [number for _, number in found]


def _row_of(text: bytes, kind: Kind, ids: Sequence[str]) -> Any:
    try:
        row = _decoder.decode(text)
    except _NOT_JSON as error:
        return Unread(reason_of(text, error), raw_text(text, kind))
    if isinstance(row, dict) and (name := repeated_name(text, ids)) is not None:
        return Unread(f"the row has {name} twice; leave one out", raw_text(text, kind))
    return row
