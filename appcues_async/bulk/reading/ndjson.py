"""Lines of JSON as rows that are encoded anew: with other names, ids or times than the file has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.encoder import AT_ONCE, Batch
from appcues_async.bulk.reading.inputs import ByteSource
from appcues_async.errors import InvalidInput
from appcues_async.rows.dialect import Dialect
from appcues_async.rows.kinds import PROFILES, USER_ID, Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.ndjson_rows import rows_of_ndjson
from appcues_async.rows.records import Unread, as_dicts
from appcues_async.rows.row_blocks import judged_blocks
from appcues_async.rows.sources import POST_LIMIT

__all__ = ["batches_of_ndjson", "batches_of_rejects", "renamed"]


def renamed(rows: Sequence[Any], kind: Kind, dialect: Dialect) -> Sequence[Any]:
    """Rows with their values under the names that they are sent under; of a list, their ids.

    Args:
        rows: Rows as they were given.
        kind: What they are.
        dialect: What their names are sent as.
    """
    if not dialect.names and not (kind.is_list and dialect.chooses_ids):
        return rows
    # What could not be read comes from files, whose other rows are dicts.
    given = rows if Unread in map(type, rows) else as_dicts(rows)
    return [_renamed(row, kind, dialect) for row in given]


def _renamed(row: Any, kind: Kind, dialect: Dialect) -> Any:
    if isinstance(row, Unread):
        return row
    try:
        named = dialect.row(row)
    except InvalidInput as error:
        return Unread(str(error), row)
    if not kind.is_list or not isinstance(named, dict):
        return named
    return next((named[name] for name in USER_ID if name in named), None)


def batches_of_ndjson(
    feed: ByteSource, layout: ByteLayout, kind: Kind, dialect: Dialect
) -> Iterator[Batch]:
    """Reads lines of JSON as rows.

    Args:
        feed: The file's bytes.
        layout: How they are laid out.
        kind: What its rows are.
        dialect: What their names are sent as.
    """
    ids = [*USER_ID, *(old for old, new in dialect.names.items() if new in USER_ID)]
    for read, lines, size in rows_of_ndjson(feed, layout.start, layout.lines, kind, ids):
        rows = renamed(read, kind, dialect)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            yield Batch(some, lines[start : start + AT_ONCE], size * len(some) // len(rows))


def batches_of_rejects(
    feed: ByteSource, layout: ByteLayout, kind: Kind, dialect: Dialect
) -> Iterator[Batch]:
    """Reads the rows of a file of rejected rows, to be tried again once they have been mended.

    Args:
        feed: The file's bytes.
        layout: How they are laid out.
        kind: What its rows are.
        dialect: What their names are sent as.

    Raises:
        InvalidInput: It is no NDJSON any more.
    """
    decode = msgspec.json.Decoder().decode_lines
    line = layout.lines
    for block in judged_blocks(feed, layout.start, NdjsonJudge(PROFILES, "none"), POST_LIMIT):
        try:
            found = [] if block.data is None else decode(block.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{feed.name} is not NDJSON any more: {error}") from None
        rows = renamed(
            [one.get("row") if isinstance(one, dict) else one for one in found], kind, dialect
        )
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            yield Batch(some, range(line + start + 1, line + start + 1 + len(some)))
        line += len(rows)
