"""Whatever a user has, as an iterator of chunks that is read no faster than chunks are taken."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, Literal, TypeGuard, TypeVar

import msgspec
from attrs import field, frozen

from appcues_async.bulk.chunks import Chunk, ChunkSizer, PreparedSource, cut
from appcues_async.bulk.reading.checks import Check, Checker
from appcues_async.bulk.reading.csv_checks import CsvChecker, cells_of
from appcues_async.bulk.reading.encoder import AT_ONCE, Batch, Columns, Encoder, chunks_of
from appcues_async.bulk.reading.frames import batches_of_frame
from appcues_async.bulk.reading.infer import batches_of_csv
from appcues_async.bulk.reading.inputs import (
    ByteSource,
    FileFeed,
    MemoryFeed,
    is_packed,
    open_stream,
)
from appcues_async.bulk.reading.ndjson_checks import NdjsonChecker
from appcues_async.bulk.reading.row_edges import row_blocks, row_spans
from appcues_async.bulk.reading.worker import CutterProcess, Task
from appcues_async.bulk.rejects import HEAD, REJECT_FIELDS, RowCounter, are_rejects
from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import is_frame
from appcues_async.rows.kinds import USER_ID, Kind
from appcues_async.rows.sources import BOM, MEDIA, POST_LIMIT, SUFFIXES, Format, check_head
from appcues_async.rows.values import shown
from appcues_async.wire.request import stamp_of

__all__ = [
    "STDIN",
    "Reading",
    "batches_of_rows",
    "can_be_read_twice",
    "chunks",
    "is_path",
    "look_at",
    "parts_of",
    "size_of",
]

STDIN: Final = "-"
"""The path that means the standard input."""

T = TypeVar("T")


@frozen
class Reading:
    """How the sources of a run are read.

    Attributes:
        kind: What the rows are.
        check: How much of each is checked.
        types: `infer` to give CSV cells the types that they look like.
        format: How files are written, when their names do not say.
        sizes: How large the chunks become.
        tally: Counts the rows, and takes those that are rejected.
        apart: Cuts large files in a process of its own.
    """

    kind: Kind
    check: Check
    types: Literal["infer"] | None
    format: Format | None
    sizes: ChunkSizer
    tally: RowCounter
    apart: CutterProcess = field(factory=CutterProcess)


def parts_of(source: Any, kind: Kind) -> list[Any]:
    """A source as a list of sources; only a list of paths is more than one."""
    if is_path(source) and str(source) != STDIN:
        # It stays the same file, whatever becomes of the folder that this process is in.
        return [Path(source).absolute()]
    if isinstance(source, list | tuple) and source and all(map(is_path, source)):
        paths = [str(one) for one in source]
        # Ids are text as well, so text is a path only where it can be nothing else.
        if (
            not kind.is_list
            or all(isinstance(one, os.PathLike) for one in source)
            or all(path == STDIN or Path(path).is_file() for path in paths)
        ):
            return [part for one in source for part in parts_of(one, kind)]
    return [source]


def is_path(one: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a source is a path, or `-`."""
    return isinstance(one, str | os.PathLike)


def size_of(source: Any) -> int | None:
    """Bytes of the rows of a source, where that is known before it is read."""
    if isinstance(source, bytes | bytearray | memoryview):
        return len(source)
    if not is_path(source) or not can_be_read_twice(source):
        return None
    try:
        with Path(source).open("rb") as file:
            return None if is_packed(file.read(4)) else os.fstat(file.fileno()).st_size
    except OSError:
        # Whoever reads it finds the words for that.
        return None


def can_be_read_twice(source: Any) -> bool:
    """Whether reading it once more gives the same rows."""
    if is_path(source):
        return str(source) != STDIN and Path(source).is_file()
    if is_frame(source):
        # A reader of batches hands each of them out once.
        return not hasattr(source, "read_next_batch")
    return isinstance(source, bytes | bytearray | memoryview | list | tuple)


async def chunks(source: Any, reading: Reading) -> AsyncGenerator[Chunk]:
    """Reads a source as chunks.

    Args:
        source: A path, `-`, bytes, a frame, or an iterable or async iterable of rows.
        reading: How.

    Raises:
        InvalidInput: The source is refused, or cannot be read.
    """
    if is_path(source) or isinstance(source, bytes | bytearray | memoryview):
        found: AsyncGenerator[Chunk] = _of_bytes(source, reading)
    elif is_frame(source):
        encoder = Encoder(reading.kind, reading.check, "the frame", reading.tally)
        batches = _in_thread(lambda: batches_of_frame(source, reading.kind))
        found = chunks_of(batches, encoder, "the frame", reading.sizes)
    else:
        encoder = Encoder(reading.kind, reading.check, "the rows", reading.tally)
        found = chunks_of(batches_of_rows(source), encoder, "the rows", reading.sizes)
    async with aclosing(found):
        async for chunk in found:
            yield chunk


async def _in_thread(make: Callable[[], Iterator[T]]) -> AsyncGenerator[T]:
    """Runs an iterator in a thread of its own, one step whenever the next value is wanted."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="appcues-bulk")
    try:
        values = await loop.run_in_executor(thread, make)
        while True:
            some = await loop.run_in_executor(thread, _next_of, values)
            if not some:
                return
            yield some[0]
    finally:
        # It may hang on a pipe that says nothing, which must not hold the loop.
        thread.shutdown(wait=False)


def _next_of(values: Iterator[T]) -> tuple[T, ...]:
    return tuple(itertools.islice(values, 1))


async def batches_of_rows(source: Any) -> AsyncGenerator[Batch]:
    """Reads rows a few hundred at a time.

    Args:
        source: An iterable or async iterable of rows.

    Raises:
        InvalidInput: It is none.
    """
    if isinstance(source, Mapping | str):
        raise InvalidInput("source is a single row; give a list of rows, even of one")
    batch: list[Any] = []
    try:
        if isinstance(source, AsyncIterable):
            async for row in source:
                batch.append(row)
                if len(batch) == AT_ONCE:
                    yield Batch(batch)
                    batch = []
                    # What waits for nothing, or a long list, must not hold the loop.
                    await asyncio.sleep(0)
        elif isinstance(source, Iterable):
            rows = iter(source)
            while batch := list(itertools.islice(rows, AT_ONCE)):
                yield Batch(batch)
                await asyncio.sleep(0)
        else:
            raise InvalidInput(
                f"source is a {type(source).__name__}; give a path, bytes, a frame, or an iterable of "
                "rows"
            )
        if batch:
            yield Batch(batch)
    finally:
        # One that is not read to its end lets go of its cursor now, not when it is collected.
        if isinstance(source, AsyncGenerator):
            await source.aclose()
        elif isinstance(source, Generator):
            source.close()


async def _of_bytes(source: Any, reading: Reading) -> AsyncGenerator[Chunk]:
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, open_feed, source, reading.tally)
    try:
        feed = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unused)
        raise
    try:
        cutting, header = await loop.run_in_executor(None, _prepare, feed, source, reading)
        found: AsyncGenerator[Chunk]
        if header == REJECT_FIELDS:
            found = _encoded(lambda: _put_aside_before(cutting), feed.name, reading)
        elif reading.types == "infer" and cutting.csv and not reading.kind.is_list:
            found = _encoded(
                lambda: batches_of_csv(cutting, header, reading.kind), feed.name, reading
            )
        else:
            found = _in_thread(lambda: _cut(cutting, reading))
        async with aclosing(found):
            async for chunk in found:
                yield chunk
    finally:
        feed.close()


def _close_unused(opening: asyncio.Future[ByteSource]) -> None:
    """Closes what was opened for a run that had been cancelled by then."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _cut(cutting: PreparedSource, reading: Reading) -> Iterator[Chunk]:
    apart, path = reading.apart, cutting.path
    if path is None or not apart.is_worth(cutting.stamp[0], reading.check):
        return cut(cutting, reading.sizes, reading.tally)
    task = Task(str(path), reading.kind, reading.check, reading.format, reading.sizes)
    return apart.cut(task, reading.tally)


def cut_file(task: Task, tally: RowCounter) -> Iterator[Chunk]:
    """Cuts a file, in the process that does nothing else."""
    reading = Reading(task.kind, task.check, None, task.format, task.sizes, tally)
    path = Path(task.path)
    feed = open_feed(path, tally)
    try:
        cutting, _ = _prepare(feed, path, reading)
        yield from cut(cutting, reading.sizes, tally)
    finally:
        feed.close()


def _encoded(
    make: Callable[[], Iterator[Batch | Columns]], name: str, reading: Reading
) -> AsyncGenerator[Chunk]:
    encoder = Encoder(reading.kind, reading.check, name, reading.tally)
    return chunks_of(_in_thread(make), encoder, name, reading.sizes)


def open_feed(source: Any, tally: RowCounter) -> ByteSource:
    """Opens a path, `-` or bytes.

    Raises:
        InvalidInput: It cannot be opened.
    """
    if not is_path(source):
        return MemoryFeed(memoryview(source), "the data", tally.stop)
    if str(source) == STDIN:
        return open_stream(None, tally.stop) or MemoryFeed(memoryview(b""), STDIN, tally.stop)
    path = Path(source)
    try:
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder; give CSV or NDJSON files")
        return open_stream(path, tally.stop) or FileFeed(path.absolute(), tally.stop)
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"there is no file {shown(str(path), 200)}") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def look_at(source: Any, reading: Reading) -> None:
    """Looks at the beginning of what can be read twice, so that all of a run is refused or none.

    Raises:
        InvalidInput: It is refused.
    """
    if not (is_path(source) or isinstance(source, bytes | bytearray | memoryview)):
        return
    if is_path(source) and not can_be_read_twice(source) and Path(source).exists():
        return
    if str(source) != STDIN:
        feed = open_feed(source, reading.tally)
        try:
            _prepare(feed, source, reading)
        finally:
            feed.close()


def _prepare(
    feed: ByteSource, source: Any, reading: Reading
) -> tuple[PreparedSource, Sequence[str]]:
    """Finds out how a source is written, where its rows begin, and what its columns are."""
    kind = reading.kind
    stamp = stamp_of(Path(source)) if isinstance(feed, FileFeed) else (0, 0)
    text = feed.read(0, HEAD)
    whole = len(text) < HEAD
    start = len(BOM) if text.startswith(BOM) else 0
    given = reading.format or (_format_of(Path(source)) if is_path(source) else None)
    found = check_head(
        text[start:], whole=whole, kind=kind, given=given, name=feed.name, first_row=False
    )
    header: Sequence[str] = ()
    head, lines = b"", 0
    checker: Checker
    if found == "csv":
        header, head, begin = _header_of(text[start:], kind, feed.name)
        if len(head) > reading.sizes.limit // 2:
            raise InvalidInput(
                f"{feed.name} has a header of {len(head):,} bytes, which leaves too little of "
                f"{reading.sizes.limit:,} for rows; raise chunk_bytes"
            )
        lines = text.count(b"\n", 0, start + begin)
        start += begin
        checker = CsvChecker(kind, reading.check, header)
    else:
        checker = NdjsonChecker(kind, reading.check)
        if are_rejects(text[start:]):
            header = REJECT_FIELDS
    path = Path(source).absolute() if isinstance(feed, FileFeed) else None
    return (
        PreparedSource(
            feed, start, lines, found == "csv", head, checker, MEDIA[found], path, stamp
        ),
        header,
    )


def _format_of(path: Path) -> Format | None:
    name = path.with_suffix("") if path.suffix.lower() in {".gz", ".zst"} else path
    return SUFFIXES.get(name.suffix.lower())


def _header_of(text: bytes, kind: Kind, name: str) -> tuple[list[str], bytes, int]:
    """A CSV's columns, the bytes that name them, and where its rows begin."""
    for start, stop in row_spans(text, csv=True):
        rows = [row for row in cells_of(text[start:stop]) if row]
        if len(rows) > 1:
            # All of it would pass for the header, and none of it for a row.
            raise InvalidInput(
                f"{name} ends its lines with a carriage return alone; save it with line feeds, as "
                "Unix and Windows have them"
            )
        cells = [cell.strip() for row in rows for cell in row]
        if not any(cells):
            continue
        twice = {cell for cell in cells if cell and cells.count(cell) > 1}
        if twice:
            # Which of them is meant, nobody can say; the other would be lost without a word.
            raise InvalidInput(f"{name} has the column {min(twice)!r} twice; rename or drop one")
        if kind.is_list and cells[0] not in USER_ID:
            return [USER_ID[0]], b"", start
        return cells, text[start:stop], stop
    raise InvalidInput("the CSV has no header")


def _put_aside_before(source: PreparedSource) -> Iterator[Batch]:
    """The rows of a file of rejected rows, to be tried again once they have been mended."""
    decode = msgspec.json.Decoder().decode_lines
    line = source.lines
    for block in row_blocks(source.feed, source.start, False, POST_LIMIT):
        try:
            found = [] if block.data is None else decode(block.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{source.feed.name} is not NDJSON any more: {error}") from None
        rows = [one.get("row") if isinstance(one, dict) else one for one in found]
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            yield Batch(some, range(line + start + 1, line + start + 1 + len(some)))
        line += len(rows)
