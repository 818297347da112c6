"""From what a user has to the body of one upload, checked as far as can be before it is sent."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import msgspec
from attrs import define

from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_header import HEADER_LIMIT, has_gaps, read_header
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.frames import Frame, is_frame, slices_of_frame
from appcues_async.rows.inputs import (
    batches_of,
    check_source,
    path_errors,
    reads_as_header,
    refuse_look_alikes,
    text_of_path,
)
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.lines import encode_lines
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.records import as_dicts
from appcues_async.rows.row_blocks import LONGEST_ROW, Feed, judged_blocks
from appcues_async.rows.verdict import BadRow, Judge
from appcues_async.wire.request import (
    CSV,
    NDJSON,
    Blocks,
    FilePieces,
    FileRange,
    Multipart,
    stamp_of,
)

__all__ = [
    "BOM",
    "FILE_LIMIT",
    "MEDIA",
    "POST_LIMIT",
    "SUFFIXES",
    "Format",
    "Part",
    "Source",
    "body_of",
    "check_head",
]

Format = Literal["csv", "ndjson"]
"""How rows are written down."""

Source: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | Iterable[Any] | AsyncIterable[Any] | Frame
)
"""A path (text is one too), the bytes of a file, rows one by one, or a data frame."""

Part: TypeAlias = Blocks | FileRange | FilePieces
"""What goes out, as a plain POST or as a file upload."""

POST_LIMIT: Final = 20_000_000
"""Bytes that the API takes as a plain POST (reference, "Import Bulk Profile Data")."""
FILE_LIMIT: Final = 200_000_000
"""Bytes that it takes as a file upload."""

_ROWS_AT_ONCE: Final = 256
_NAMES: Final = 200
"""Characters of names in a message; what is longer is rather somebody's data."""
BOM: Final = b"\xef\xbb\xbf"
_HEAD: Final = 1 << 20
MEDIA: Final[Mapping[str, str]] = {"csv": CSV, "ndjson": NDJSON}
SUFFIXES: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".ldjson": "ndjson",
}
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}

_decode: Final = msgspec.json.Decoder().decode
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


async def body_of(
    source: Source,
    kind: Kind,
    *,
    format: Format | None = None,  # noqa: A002 - the public word
) -> Part | Multipart:
    """Makes the body of one upload.

    Files and bytes go out as they are, once all of their rows are checked; other rows are checked one by
    one and written as NDJSON. Up to 20,000,000 bytes are a plain POST, up to 200,000,000 a file upload.

    Args:
        source: What to upload.
        kind: What its rows are.
        format: How a file or bytes are written; without it, by the file's name or first character.

    Raises:
        InvalidInput: There is nothing to send, it is too large for one upload, or a row is refused.
    """
    if format is not None and format not in MEDIA:
        raise InvalidInput(f"format is {format!r}; it must be 'csv' or 'ndjson'")
    check_source(source)
    if isinstance(source, str | os.PathLike):
        part: Part = await asyncio.to_thread(_of_file, Path(source), kind, format)
    elif isinstance(source, bytes | bytearray | memoryview):
        part = await asyncio.to_thread(_of_bytes, bytes(source), kind, format)
    else:
        part = await _of_rows(source, kind, format)
    if part.size > FILE_LIMIT:
        raise _too_large(kind, part.size)
    if part.size <= POST_LIMIT:
        return part
    suffix = "csv" if part.content_type == CSV else "ndjson"
    return Multipart(part, f"{kind.name.replace(' ', '-')}.{suffix}")


def _of_file(path: Path, kind: Kind, given: Format | None) -> FileRange | FilePieces:
    name = text_of_path(path)
    with path_errors(path, "ids themselves go in a list" if kind.is_list else ""):
        if path.is_dir():
            raise InvalidInput(f"{name} is a folder; give a CSV or NDJSON file")
        stamp = stamp_of(path)
        if not path.is_file():
            # It has no size before it has been read, and cannot be read again for another attempt.
            raise InvalidInput(f"{name} is a pipe or a device; write it to a file first")
        head = _head_of(path)
    if stamp[0] > FILE_LIMIT:
        raise _too_large(kind, stamp[0], name)
    start = len(BOM) if head.startswith(BOM) else 0
    found = given or SUFFIXES.get(path.suffix.lower())
    found = check_head(head[start:], whole=stamp[0] <= _HEAD, kind=kind, given=found, name=name)
    with path.open("rb") as file:
        header, start = _check_rows(_File(file, name), start, kind, found)
    path, size = path.absolute(), stamp[0] - start
    if header is None:
        return FileRange(path, start, size, MEDIA[found], stamp)
    return FilePieces(path, [(start, size)], MEDIA[found], stamp, header)


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _of_bytes(data: bytes, kind: Kind, given: Format | None) -> Blocks:
    data = data.removeprefix(BOM)
    found = check_head(
        data[:_HEAD], whole=len(data) <= _HEAD, kind=kind, given=given, name="the data"
    )
    head, start = _check_rows(_File(io.BytesIO(data), "the data"), 0, kind, found)
    return Blocks((data,) if head is None else (head, data[start:]), MEDIA[found])


@define
class _File:
    """Bytes that are read where they are wanted; see `row_blocks.Feed`."""

    _file: BinaryIO
    name: str

    def read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def _check_rows(feed: Feed, start: int, kind: Kind, written: Format) -> tuple[bytes | None, int]:
    """Refuses a file for its first bad row, with the verdict that it has in bulk.

    Args:
        feed: The file.
        start: Where it begins, behind a byte order mark.
        kind: What its rows are.
        written: How they are written.

    Returns:
        The header to send, and where the rows begin; None and `start` where the file can go as it is.

    Raises:
        InvalidInput: A row is refused, or the header.
    """
    judge: Judge = NdjsonJudge(kind, "full")
    head, begin, line, number = None, start, 1, 0
    if written == "csv":
        text = feed.read(start, HEADER_LIMIT)
        header = read_header(text, kind, feed.name, whole=len(text) < HEADER_LIMIT)
        if has_gaps(header.columns):
            raise InvalidInput(
                f"{feed.name} has a column without a name, the {header.columns.index('') + 1}. of "
                f"{len(header.columns)}; name it, or drop it"
            )
        judge = CsvJudge(kind, "full", header.columns)
        begin, line = start + header.begin, 1 + text.count(b"\n", 0, header.begin)
        head = None if header.columns[-1] else header.head
    for block in judged_blocks(feed, begin, judge, LONGEST_ROW):
        bad = block.verdict.bad
        if block.data is None:
            bad = [BadRow(0, 0, f"the row has more than {LONGEST_ROW:,} bytes", None)]
        for one in bad:
            raise InvalidInput(
                f"{feed.name}: row {number + one.index + 1:,} (line {line + one.line:,}): {one.reason}"
            )
        number, line = number + block.verdict.rows, line + block.verdict.lines
    return head, start if head is None else begin


async def _of_rows(source: Any, kind: Kind, given: Format | None) -> Blocks:
    if given == "csv":
        raise InvalidInput("format is 'csv', and rows are sent as NDJSON; leave format out")
    blocks: list[bytes] = []
    size = number = 0
    async with aclosing(_batches_of(source, kind)) as batches:
        async for some in batches:
            checked = []
            for row in some:
                number += 1
                checked.append(kind.check(row, f"row {number}"))
            block = encode_lines(checked)
            blocks.append(block)
            size += len(block)
            if size > FILE_LIMIT:
                raise _too_large(kind, size)
            # A long list must not hold the loop.
            await asyncio.sleep(0)
    if not blocks:
        raise InvalidInput(f"there are no {kind.name} to send; the source has no rows")
    return Blocks(blocks, NDJSON)


async def _batches_of(source: Any, kind: Kind) -> AsyncGenerator[Sequence[Any]]:
    if is_frame(source):
        async for some in _rows_of_frame(source, kind):
            yield some
        return
    async with aclosing(batches_of(source, _ROWS_AT_ONCE)) as batches:
        async for batch in batches:
            if isinstance(batch, list):
                yield batch if kind.is_list else as_dicts(batch)
                continue
            async for some in _rows_of_frame(batch, kind):
                yield some


async def _rows_of_frame(frame: Any, kind: Kind) -> AsyncGenerator[Sequence[Any]]:
    # Some makes copy all of themselves on the way.
    names, slices = await asyncio.to_thread(slices_of_frame, frame, kind, _ROWS_AT_ONCE)
    for some in slices:
        rows = zip(*some.columns, strict=True)
        yield (
            some.columns[0]
            if kind.is_list
            else [dict(zip(names, row, strict=True)) for row in rows]
        )


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
    return InvalidInput(
        f"{name} begins with {_HEAD:,} blank bytes; check that it is the right file"
    )


def _refuse_missing(missing: list[str], where: str, there: list[str]) -> None:
    if missing:
        names = ", ".join(there)
        names = names if len(names) <= _NAMES else names[: _NAMES - 1] + "…"
        raise InvalidInput(f"{where} has no {', no '.join(missing)}; it has: {names}")


def _too_large(kind: Kind, size: int, name: str = "the source") -> InvalidInput:
    return InvalidInput(
        f"{name} has {size:,} bytes or more of {kind.name}; one upload takes {FILE_LIMIT:,}: "
        "cut it up, as client.bulk does"
    )
