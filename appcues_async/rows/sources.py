"""From what a user has to the body of one upload, checked as far as can be before it is sent."""

from __future__ import annotations

import asyncio
import codecs
import csv
import errno
import io
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import Frame, is_frame, slices_of_frame
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.values import shown
from appcues_async.wire.request import CSV, NDJSON, Blocks, FileRange, Multipart, stamp_of

__all__ = [
    "BOM",
    "FILE_LIMIT",
    "MEDIA",
    "POST_LIMIT",
    "SUFFIXES",
    "Format",
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
) -> Blocks | FileRange | Multipart:
    """Makes the body of one upload.

    Files and bytes go out as they are, after a look at their size and first row; rows are checked one by
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
    if isinstance(source, str | os.PathLike):
        part: Blocks | FileRange = await asyncio.to_thread(_of_file, Path(source), kind, format)
    elif isinstance(source, bytes | bytearray | memoryview):
        part = _of_bytes(bytes(source), kind, format)
    else:
        part = await _of_rows(source, kind, format)
    if part.size > FILE_LIMIT:
        raise _too_large(kind, part.size)
    if part.size <= POST_LIMIT:
        return part
    suffix = "csv" if part.content_type == CSV else "ndjson"
    return Multipart(part, f"{kind.name.replace(' ', '-')}.{suffix}")


def _of_file(path: Path, kind: Kind, given: Format | None) -> FileRange:
    try:
        stamp = stamp_of(path)
        regular = path.is_file()
        head = _head_of(path) if regular else b""
    except (FileNotFoundError, ValueError):
        # Text that no file can be called is a ValueError.
        raise _no_file(path, kind) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _no_file(path, kind) from None
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; give a CSV or NDJSON file")
    if not regular:
        # It has no size before it has been read, and cannot be read again for another attempt.
        raise InvalidInput(f"{path} is a pipe or a device; write it to a file first")
    if stamp[0] > FILE_LIMIT:
        raise _too_large(kind, stamp[0], str(path))
    start = len(BOM) if head.startswith(BOM) else 0
    found = given or SUFFIXES.get(path.suffix.lower())
    found = check_head(
        head[start:], whole=stamp[0] <= _HEAD, kind=kind, given=found, name=str(path)
    )
    return FileRange(path.absolute(), start, stamp[0] - start, MEDIA[found], stamp)


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _no_file(path: Path, kind: Kind) -> InvalidInput:
    name, hint = str(path), ""
    if kind.is_list:
        hint = "; ids themselves go in a list"
    elif "\n" in name or len(name) > 255:
        hint = "; text is a path, and data itself goes in as bytes"
    return InvalidInput(f"there is no file {shown(name, _NAMES)}{hint}")


def _of_bytes(data: bytes, kind: Kind, given: Format | None) -> Blocks:
    data = data.removeprefix(BOM)
    found = check_head(
        data[:_HEAD], whole=len(data) <= _HEAD, kind=kind, given=given, name="the data"
    )
    return Blocks((data,), MEDIA[found])


async def _of_rows(source: Any, kind: Kind, given: Format | None) -> Blocks:
    if given == "csv":
        raise InvalidInput("format is 'csv', and rows are sent as NDJSON; leave format out")
    if isinstance(source, Mapping):
        raise InvalidInput("source is one mapping; give a list of rows, even of one")
    batches: AsyncIterator[list[Any]]
    if is_frame(source):
        batches = _of_frame(source, kind)
    elif _is_tabular(source):
        # Iterating over one gives the names of its columns, which would pass for ids.
        raise InvalidInput(
            f"source is a {type(source).__name__}; give its rows as mappings, "
            "or the column of ids as a list"
        )
    else:
        batches = _in_batches(source)
    encode = msgspec.json.Encoder().encode_lines
    blocks: list[bytes] = []
    size = number = 0
    async for some in batches:
        checked = []
        for row in some:
            number += 1
            checked.append(kind.check(row, f"row {number}"))
        block = encode(checked)
        blocks.append(block)
        size += len(block)
        if size > FILE_LIMIT:
            raise _too_large(kind, size)
        # A long list must not hold the loop.
        await asyncio.sleep(0)
    if not blocks:
        raise InvalidInput(f"there are no {kind.name} to send; the source has no rows")
    return Blocks(blocks, NDJSON)


def _is_tabular(source: object) -> bool:
    tabular = hasattr(source, "__dataframe__") or hasattr(source, "__arrow_c_stream__")
    return tabular and hasattr(source, "columns")


async def _of_frame(source: Any, kind: Kind) -> AsyncIterator[list[Any]]:
    # Some makes copy all of themselves on the way.
    _, slices = await asyncio.to_thread(slices_of_frame, source, kind, _ROWS_AT_ONCE)
    for some in slices:
        yield some.column(0).to_pylist() if kind.is_list else some.to_pylist()


async def _in_batches(source: Any) -> AsyncIterator[list[Any]]:
    batch: list[Any] = []
    if isinstance(source, AsyncIterable):
        async for row in source:
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                yield batch
                batch = []
    elif isinstance(source, Iterable):
        for row in source:
            batch.append(row)
            if len(batch) == _ROWS_AT_ONCE:
                yield batch
                batch = []
    else:
        raise InvalidInput(
            f"source is a {type(source).__name__}; give a path, bytes, or an iterable of rows"
        )
    if batch:
        yield batch


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
    is_id = isinstance(value, str) and value not in USER_ID
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
