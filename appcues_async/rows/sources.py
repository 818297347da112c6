"""From what a user has to the body of one upload, checked as far as can be before it is sent."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

from attrs import define

from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_header import HEADER_LIMIT, has_gaps, read_header
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.file_head import BOM, HEAD, MEDIA, SUFFIXES, Format, check_head
from appcues_async.rows.frames import Frame, is_frame, slices_of_frame
from appcues_async.rows.inputs import (
    batches_of,
    cancellation_as_error,
    check_source,
    path_errors,
    text_of_path,
)
from appcues_async.rows.kinds import Kind
from appcues_async.rows.lines import encode_lines
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.ndjson_rows import has_number_as_id, rows_of_ndjson
from appcues_async.rows.records import Unread, as_dicts
from appcues_async.rows.row_blocks import LONGEST_ROW, Feed, judged_blocks
from appcues_async.rows.store_reads import read_url
from appcues_async.rows.urls import UrlSource, check_storage_options, is_url
from appcues_async.rows.verdict import BadRow, Judge, without_subject
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
    "FILE_LIMIT",
    "POST_LIMIT",
    "Part",
    "Source",
    "body_of",
]

Source: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | Iterable[Any] | AsyncIterable[Any] | Frame
)
"""A path or URL (text is one too), the bytes of a file, rows one by one, or a data frame."""

Part: TypeAlias = Blocks | FileRange | FilePieces
"""The content of a plain POST or of a file upload."""

POST_LIMIT: Final = 20_000_000
"""Bytes that the API takes as a plain POST (reference, "Import Bulk Profile Data")."""
FILE_LIMIT: Final = 200_000_000
"""Bytes that it takes as a file upload."""

_ROWS_AT_ONCE: Final = 256


async def body_of(
    source: Source,
    kind: Kind,
    *,
    format: Format | None = None,  # noqa: A002 - the public word
    storage_options: Mapping[str, Any] | None = None,
) -> Part | Multipart:
    """Makes the body of one upload.

    Files and bytes go out as they are, once all of their rows are checked; other rows are checked one by
    one and written as NDJSON. Up to 20,000,000 bytes are a plain POST, up to 200,000,000 a file upload.

    Args:
        source: What to upload.
        kind: What its rows are.
        format: How a file or bytes are written; without it, by the file's name or first character.
        storage_options: What fsspec opens the store of a URL with.

    Raises:
        InvalidInput: There is nothing to send, it is too large for one upload, or a row is refused.
    """
    if format is not None and format not in MEDIA:
        raise InvalidInput(f"format is {format!r}; it must be 'csv' or 'ndjson'")
    check_source(source)
    if is_url(source):
        url = UrlSource(source, check_storage_options(storage_options))
        part: Part = await asyncio.to_thread(_of_url, url, kind, format)
    elif isinstance(source, str | os.PathLike):
        part = await asyncio.to_thread(_of_file, Path(source), kind, format)
    elif isinstance(source, bytes | bytearray | memoryview):
        part = await asyncio.to_thread(_of_bytes, bytes(source), kind, format)
    else:
        with cancellation_as_error():
            part = await _of_rows(source, kind, format)
    if part.size > FILE_LIMIT:
        raise _too_large(kind, part.size)
    if part.size <= POST_LIMIT:
        return part
    suffix = "csv" if part.content_type == CSV else "ndjson"
    return Multipart(part, f"{kind.name.replace(' ', '-')}.{suffix}")


def _of_file(path: Path, kind: Kind, given: Format | None) -> Part:
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
    found = check_head(head[start:], whole=stamp[0] <= HEAD, kind=kind, given=found, name=name)
    if found is None:
        raise _no_rows(head[start:], kind, name)
    with path.open("rb") as file:
        if found == "ndjson" and has_number_as_id(head[start:], kind):
            return _rewritten(_File(file, name), start, kind)
        header, start = _check_rows(_File(file, name), start, kind, found)
    path, size = path.absolute(), stamp[0] - start
    if header is None:
        return FileRange(path, start, size, MEDIA[found], stamp)
    return FilePieces(path, [(start, size)], MEDIA[found], stamp, header)


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _of_url(source: UrlSource, kind: Kind, given: Format | None) -> Part:
    found, data = read_url(source, POST_LIMIT)
    if isinstance(found, Path):
        return _of_file(found, kind, given)
    given = given or SUFFIXES.get(found.path.suffix.lower())
    return _of_bytes(data, kind, given, found.name)


def _of_bytes(data: bytes, kind: Kind, given: Format | None, name: str = "the data") -> Blocks:
    data = data.removeprefix(BOM)
    found = check_head(data[:HEAD], whole=len(data) <= HEAD, kind=kind, given=given, name=name)
    if found is None:
        raise _no_rows(data, kind, name)
    if found == "ndjson" and has_number_as_id(data[:HEAD], kind):
        return _rewritten(_File(io.BytesIO(data), name), 0, kind)
    head, start = _check_rows(_File(io.BytesIO(data), name), 0, kind, found)
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
                f"{feed.name}: row {number + one.index + 1:,} (line {line + one.line:,}): "
                f"{without_subject(one.reason)}"
            )
        number, line = number + block.verdict.rows, line + block.verdict.lines
    return head, start if head is None else begin


def _rewritten(feed: Feed, start: int, kind: Kind) -> Blocks:
    """Writes the rows of NDJSON anew, with ids that are numbers as text.

    Raises:
        InvalidInput: A row is refused.
    """
    blocks: list[bytes] = []
    before = 0
    for rows, lines, _ in rows_of_ndjson(feed, start, 0, kind):
        checked = []
        for number, (row, line) in enumerate(zip(rows, lines, strict=True), before + 1):
            where = f"{feed.name}: row {number:,} (line {line:,})"
            if isinstance(row, Unread):
                raise InvalidInput(f"{where}: {row.reason}")
            checked.append(kind.check(row, where))
        blocks.append(encode_lines(checked))
        before += len(rows)
    return Blocks(blocks, NDJSON)


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


def _no_rows(head: bytes, kind: Kind, name: str) -> InvalidInput:
    is_blank = not head.decode(errors="replace").strip().strip('"')
    what = "is empty" if is_blank else "has a header and no rows"
    return InvalidInput(f"{name} {what}; there are no {kind.name} to send")


def _too_large(kind: Kind, size: int, name: str = "the source") -> InvalidInput:
    return InvalidInput(
        f"{name} has {size:,} bytes or more of {kind.name}; one upload takes {FILE_LIMIT:,}: "
        "cut it up, as client.bulk does"
    )
