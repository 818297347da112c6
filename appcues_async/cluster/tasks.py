"""The tasks of workers that Dask may run again: read, check, cut and encode."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from threading import Event
from typing import Any, Final

from attrs import evolve, field, frozen
from distributed import get_worker

from appcues_async.bulk.reading.blocks import (
    ByteLayout,
    GoodRows,
    Position,
    Span,
    read_blocks,
    row_ends,
)
from appcues_async.bulk.reading.prepared import PreparedSource, Reading
from appcues_async.bulk.reading.reader import SourceReader
from appcues_async.bulk.reading.sources import open_feed
from appcues_async.bulk.rejects import Reject
from appcues_async.bulk.row_counter import RowCounter
from appcues_async.errors import InvalidInput
from appcues_async.rows.inputs import check_source
from appcues_async.rows.store_reads import RANGE, ObjectReads
from appcues_async.rows.urls import StoredObject
from appcues_async.wire.request import stamp_of

__all__ = [
    "Encoded",
    "Index",
    "SharedFile",
    "Stretch",
    "digest_of",
    "encode_partition",
    "hold",
    "index_of",
    "read_stretch",
    "row_ends_in_file",
    "row_ends_in_rows",
]

STRETCH: Final = 32_000_000
"""Bytes of a file that one task reads."""


class _Record(RowCounter):
    """Keeps all rejected rows, for the driver to count."""

    def reject(self, reject: Reject) -> None:
        self.rejects.append(reject)


@frozen
class SharedFile:
    """A file, or an object of a store, that every worker can reach.

    Attributes:
        place: Where it is.
        stamp: Its size, and what changes with its content.
        layout: How it is laid out.
    """

    place: Path | StoredObject
    stamp: tuple[int, int | str]
    layout: ByteLayout

    def opened(self, stop: Event) -> Any:
        """Opens it.

        Raises:
            InvalidInput: It cannot be opened, or has changed.
        """
        if isinstance(self.place, StoredObject):
            return _ObjectFeed(self.place, stop)
        feed = open_feed(self.place, stop)
        if stamp_of(self.place) != self.stamp:
            feed.close()
            raise InvalidInput(
                f"{self.place} is another file there, or has changed since the run began; give a path "
                "where every worker sees the file that the driver sees"
            )
        return feed

    def read(self, pieces: Sequence[tuple[int, int]]) -> list[bytes]:
        """Reads some stretches, by the offset and size of each.

        Raises:
            InvalidInput: It cannot be read, or has changed.
        """
        feed = self.opened(Event())
        try:
            return [feed.read(offset, size) for offset, size in pieces]
        except OSError as error:
            raise InvalidInput(f"{feed.name} cannot be read: {error.strerror}") from None
        finally:
            feed.close()


class _ObjectFeed:
    """An object of a store, from any offset on; what was read last is kept for the next look."""

    def __init__(self, remote: StoredObject, stop: Event) -> None:
        self.name: str = remote.name
        self._size = remote.size
        self._reads = ObjectReads(remote, stop)
        self._at = 0
        self._block = b""

    def read(self, offset: int, size: int) -> bytes:
        """Reads `size` bytes from `offset` on, fewer only at the end."""
        inside = offset - self._at
        if inside < 0 or inside + size > len(self._block):
            stop = min(self._size, offset + max(size, RANGE))
            if offset >= stop:
                return b""
            self._block, self._at, inside = self._reads.read(offset, stop), offset, 0
        return self._block[inside : inside + size]

    def close(self) -> None:
        """Closes what is open."""
        self._reads.close()


@frozen(kw_only=True)
class Stretch:
    """A part of a file that was read.

    Attributes:
        blocks: The good rows.
        rows: How many rows were read.
        size: Bytes that they take.
        rejects: Rows that are not sent.
        end: Where the next stretch begins; None at the end of the file.
        error: Why it cannot be read.
    """

    blocks: Sequence[GoodRows] = ()
    rows: int = 0
    size: int = 0
    rejects: Sequence[Reject] = field(default=(), repr=False)
    end: Position | None = None
    error: InvalidInput | None = None


@frozen(kw_only=True)
class Encoded:
    """The rows of a partition, checked and encoded; they stay in the cluster.

    Attributes:
        data: The good rows.
        index: What the driver needs to know of them.
    """

    data: bytes = field(repr=False)
    index: Index

    @property
    def digest(self) -> str:
        """The digest of the good rows as a whole."""
        return self.index.digest

    def cut(self, pieces: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Some stretches, by the offset and size of each; without a copy."""
        whole = memoryview(self.data)
        return [whole[start : start + size] for start, size in pieces]


@frozen(kw_only=True)
class Index:
    """Encoded rows without their bytes.

    Attributes:
        numbers: The numbers of the rows of each block.
        sizes: Bytes of each block.
        rows: Rows that were read.
        size: Bytes that they took.
        rejects: Rows that are not sent.
        digest: The SHA-256 of all good rows.
        worker: Where they were encoded.
        error: Why there are none.
    """

    numbers: Sequence[Sequence[int]] = field(default=(), repr=False)
    sizes: Sequence[int] = field(default=(), repr=False)
    rows: int = 0
    size: int = 0
    rejects: Sequence[Reject] = field(default=(), repr=False)
    digest: str = ""
    worker: str = ""
    error: InvalidInput | None = None

    def blocks(self) -> Iterator[GoodRows]:
        """The good rows as spans of the encoded bytes."""
        offset = 0
        for numbers, size in zip(self.numbers, self.sizes, strict=True):
            yield GoodRows(numbers, Span(offset, size))
            offset += size


def read_stretch(file: SharedFile, reading: Reading, limit: int, at: Position) -> Stretch:
    """Reads and checks a stretch of a file.

    Args:
        file: The file.
        reading: How it is read.
        limit: The most bytes of a row.
        at: Where the stretch begins.
    """
    at, counter = evolve(at), _Record()
    stop = at.offset + STRETCH
    try:
        feed = file.opened(counter.stop)
        try:
            judge = reading.judge(file.layout)
            read = read_blocks(feed, file.layout, judge, limit, counter, at=at, until=stop)
            blocks = list(read)
        finally:
            feed.close()
    except InvalidInput as error:
        return Stretch(error=_here(error))
    return Stretch(
        blocks=blocks,
        rows=counter.rows,
        size=counter.bytes,
        rejects=counter.rejects,
        end=at if stop <= at.offset < file.stamp[0] else None,
    )


def row_ends_in_file(file: SharedFile, span: Span) -> list[int]:
    """Where each row of a stretch of a file ends.

    Raises:
        InvalidInput: It cannot be read, or has changed.
    """
    try:
        (block,) = file.read([(span.offset, span.size)])
    except InvalidInput as error:
        raise _here(error) from None
    return row_ends(block, file.layout.csv)


def encode_partition(rows: Any, reading: Reading, name: str, limit: int) -> Encoded:
    """Checks and encodes the rows of a partition.

    Args:
        rows: A frame, or rows.
        reading: How they are read.
        name: What they are called.
        limit: The most bytes of a row.
    """
    counter = _Record()
    try:
        check_source(rows, f"{name} is")
        blocks = asyncio.run(_encoded(rows, reading, name, limit, counter))
    except InvalidInput as error:
        return Encoded(data=b"", index=Index(error=_here(error)))
    data = b"".join(bytes(block.data) for block in blocks if not isinstance(block.data, Span))
    index = Index(
        numbers=[block.numbers for block in blocks],
        sizes=[len(block.data) for block in blocks],
        rows=counter.rows,
        size=counter.bytes,
        rejects=counter.rejects,
        digest=hashlib.sha256(data).hexdigest(),
        worker=get_worker().address,
    )
    return Encoded(data=data, index=index)


async def _encoded(
    rows: Any, reading: Reading, name: str, limit: int, counter: RowCounter
) -> list[GoodRows]:
    reader = SourceReader(reading, counter)
    async with aclosing(reader.read(PreparedSource(source=rows, name=name), limit)) as blocks:
        return [block async for block in blocks]


def index_of(encoded: Encoded) -> Index:
    """The index of encoded rows, which is all that the driver needs."""
    return encoded.index


def hold(encoded: Encoded) -> str:  # noqa: ARG001 - to be where they are is all that it does
    """Has a worker hold encoded rows; returns its address."""
    return get_worker().address


def row_ends_in_rows(encoded: Encoded, span: Span) -> list[int]:
    """Where each row of a stretch of encoded rows ends."""
    return row_ends(encoded.data[span.offset : span.stop], False)


def digest_of(encoded: Encoded, pieces: Sequence[tuple[int, int]]) -> str:
    """The SHA-256 of some stretches of encoded rows."""
    digest = hashlib.sha256()
    for piece in encoded.cut(pieces):
        digest.update(piece)
    return digest.hexdigest()


def _here(error: object) -> InvalidInput:
    """An error that says where it was met."""
    return InvalidInput(f"worker {get_worker().address}: {error}")
