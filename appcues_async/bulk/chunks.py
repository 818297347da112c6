"""Rows gathered into chunks: each as large as one request may be, and none a byte over."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field, frozen

from appcues_async.bulk.reading.checks import Checker
from appcues_async.bulk.reading.inputs import ByteSource, MemoryFeed, StreamFeed
from appcues_async.bulk.reading.row_edges import row_blocks, row_spans
from appcues_async.bulk.rejects import Reject, RowCounter
from appcues_async.rows.sources import POST_LIMIT
from appcues_async.wire.request import Blocks, FilePieces

__all__ = ["Chunk", "ChunkBuilder", "ChunkSizer", "PreparedSource", "cut"]

_PIECES: Final = 10_000
"""Stretches of one file in a chunk; a file with more bad rows than that is sent in more chunks."""
_TOO_LONG: Final = 200
"""Characters that are shown of a row over the limit."""


@frozen
class Chunk:
    """Rows that go out in one request.

    Attributes:
        source: Where they are from.
        first: The number of the first, from 1.
        last: The number of the last.
        rows: How many there are; those in between that were rejected are not among them.
        body: The recipe of what is sent.
    """

    source: str
    first: int
    last: int
    rows: int
    body: Blocks | FilePieces = field(repr=False)


@define
class ChunkSizer:
    """How large the chunks of a run become.

    A chunk's end is drawn from the top tenth below the limit, and no two chunks have the same number of
    rows where that can be helped: the counts of a job then say which chunk it can belong to. Nothing is
    left to chance where a run begins anew: what is drawn follows from the seed, and from where a chunk
    begins.

    Attributes:
        limit: The most bytes of a chunk.
        seed: What is drawn follows from it.
        modulus: Numbers of rows differ from those of other runs by what is left when divided by this.
        residue: What is to be left.
        taken: Numbers of rows that other chunks have.
    """

    limit: int
    seed: int = field(factory=lambda: random.getrandbits(63))
    modulus: int = 1
    residue: int = 0
    taken: set[int] = field(factory=set[int])

    def of(self, limit: int) -> ChunkSizer:
        """Those of a source with another limit, in the same run."""
        return evolve(self, limit=limit)

    def end_of(self, source: str, first: int) -> int:
        """After how many bytes the chunk is to end that begins with this row."""
        # Names of files may hold what is no text.
        given = f"{self.seed} {source} {first}".encode(errors="surrogateescape")
        # Not so near the limit that it could not be given a few rows more.
        return self.limit - int((1 + 2 * random.Random(given).random()) * (self.limit // 30))

    def is_taken(self, rows: int) -> bool:
        """Whether a chunk with so many rows could be taken for another."""
        return self.rank_of(rows) > 0

    def rank_of(self, rows: int) -> int:
        """How likely a chunk with so many rows could be taken for another.

        Returns:
            0 if it is like no other; 1 if another run may have one like it; 2 if there is one.
        """
        if rows in self.taken:
            return 2
        return int(rows % self.modulus != self.residue)

    def take(self, rows: int) -> None:
        """Gives the number to a chunk."""
        self.taken.add(rows)


@define
class ChunkBuilder:
    """The rows of the next chunk, so far.

    Attributes:
        sizes: How large it may become.
        source: Where they are from.
        head: What its body begins with, such as a header.
        parts: What its body is made of: bytes, or offsets and sizes in a file.
        size: Bytes in all, the head included.
        rows: How many there are.
        first: The number of the first.
        last: The number of the last.
        end: After how many bytes it is to end.
        tail: The rows that were added last, if all of them are good; the next chunk may have some.
    """

    sizes: ChunkSizer
    source: str
    head: bytes = field(repr=False)
    parts: list[Any] = field(factory=list, repr=False)
    size: int = 0
    rows: int = 0
    first: int = 0
    last: int = 0
    end: int = 0
    tail: bytes = field(default=b"", repr=False)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes still belong to this chunk, rather than to the next."""
        return not self.rows or (self.size + size <= self.end and len(self.parts) < _PIECES)

    def top_up(self, block: bytes, csv: bool) -> tuple[int, int]:
        """How much of the next block it needs for a number of rows that no other chunk has.

        Args:
            block: Rows that there is no room for, all of them good.
            csv: Whether they are CSV.

        Returns:
            Bytes and rows; none where its number is its own already, or gets no better.
        """
        best, edge = self.sizes.rank_of(self.rows), (0, 0)
        rows = 0
        for start, stop in row_spans(block, csv) if best else ():
            if self.size + stop > self.sizes.limit:
                break
            rows += not block[start:stop].isspace()
            rank = self.sizes.rank_of(self.rows + rows)
            if rank < best:
                best, edge = rank, (stop, rows)
            if not best:
                break
        return edge

    def add(self, parts: list[Any], rows: int, first: int, last: int, tail: bytes = b"") -> None:
        """Adds rows that there is room for."""
        if not self.rows:
            self.first, self.size = first, len(self.head)
            self.end = self.sizes.end_of(self.source, first)
        for part in parts:
            self.size += part[1] if isinstance(part, tuple) else len(part)
            before = self.parts[-1] if self.parts else None
            if isinstance(part, tuple) and before is not None and sum(before) == part[0]:
                # It goes on where the last one ends.
                self.parts[-1] = (before[0], before[1] + part[1])
            else:
                self.parts.append(part)
        self.rows += rows
        self.last = last
        self.tail = tail

    def take(
        self, make: Callable[[list[Any]], Blocks | FilePieces], csv: bool, size: int | None = None
    ) -> Chunk:
        """Makes the chunk, and begins the next.

        Args:
            make: Makes its body of the parts.
            csv: Whether the rows are CSV.
            size: Bytes that are sure to be in the next; None if this is the last.
        """
        room = 0 if size is None else (self.sizes.limit - len(self.head)) // 2 - size
        spared, rows = self._spare(csv, room)
        handed = self._split(spared) if rows else None
        last, self.last = self.last, self.last - rows
        self.rows -= rows
        self.sizes.take(self.rows)
        chunk = Chunk(self.source, self.first, self.last, self.rows, make(self.parts))
        self.parts, self.size, self.rows, self.tail = [], 0, 0, b""
        if handed is not None:
            self.add([handed], rows, chunk.last + 1, last)
        return chunk

    def _spare(self, csv: bool, room: int) -> tuple[int, int]:
        """Bytes and rows of the tail that it is better without, as its number is its own then."""
        best, found = self.sizes.rank_of(self.rows), (0, 0)
        rows = 0
        for start, stop in reversed(list(row_spans(self.tail, csv))) if best else ():
            spared = len(self.tail) - start
            rows += not self.tail[start:stop].isspace()
            if spared > room or rows >= self.rows:
                break
            rank = self.sizes.rank_of(self.rows - rows)
            if rank < best:
                best, found = rank, (spared, rows)
            if not best:
                break
        return found

    def _split(self, size: int) -> Any:
        """Takes so many bytes off the end."""
        part = self.parts.pop()
        if isinstance(part, tuple):
            offset, kept = part[0], part[1] - size
            stays, spared = (offset, kept), (offset + kept, size)
        else:
            kept = len(part) - size
            stays, spared = part[:kept], part[kept:]
        if kept:
            self.parts.append(stays)
        return spared


@frozen
class PreparedSource:
    """A source of bytes, ready to be cut.

    Attributes:
        feed: The bytes.
        start: Where the first row begins.
        lines: How many lines come before it.
        csv: Whether it is CSV.
        head: What every chunk begins with.
        checker: Judges its rows.
        media: The media type.
        path: The file that they are in, if they can be sent from there.
        stamp: What that file was like when it was looked at.
    """

    feed: ByteSource
    start: int
    lines: int
    csv: bool
    head: bytes
    checker: Checker
    media: str
    path: Path | None = None
    stamp: tuple[int, int] = (0, 0)


def cut(source: PreparedSource, sizes: ChunkSizer, tally: RowCounter) -> Iterator[Chunk]:
    """Cuts a source of bytes into chunks; reads each byte once, and copies none of a file.

    Args:
        source: What to cut.
        sizes: How large the chunks become.
        tally: Counts the rows, and takes those that are rejected.

    Raises:
        InvalidInput: It cannot be read, or a rejected row ends the run.
    """
    feed, name = source.feed, source.feed.name
    gathered = ChunkBuilder(sizes, name, source.head)
    limit = min(sizes.limit - len(source.head), POST_LIMIT)
    number, line = 0, source.lines

    def make(parts: list[Any]) -> Blocks | FilePieces:
        if source.path is not None:
            return FilePieces(source.path, parts, source.media, source.stamp, source.head)
        if isinstance(feed, MemoryFeed):
            parts = [feed.data[start : start + size] for start, size in parts]
        return Blocks([source.head, *parts] if source.head else parts, source.media)

    def parts(offset: int, block: bytes, pieces: Sequence[tuple[int, int]]) -> list[Any]:
        if isinstance(feed, StreamFeed):
            return [block[start:stop] for start, stop in pieces]
        return [(offset + start, stop - start) for start, stop in pieces]

    for block in row_blocks(feed, source.start, source.csv, limit):
        if block.data is None:
            number += 1
            tally.passed(1, block.end - block.offset)
            tally.reject(
                Reject(
                    source=name,
                    number=number,
                    line=line + 1,
                    reason=f"the row has {block.end - block.offset:,} bytes; "
                    f"at most {limit:,} fit in a request",
                    row=_beginning_of(feed, block.offset),
                )
            )
            line += block.breaks
            continue
        data = block.data
        checked = source.checker.check(data, block.marks)
        tally.passed(checked.rows, len(data))
        for bad in checked.bad:
            tally.reject(
                Reject(
                    source=name,
                    number=number + bad.index + 1,
                    line=line + bad.line + 1,
                    reason=bad.reason,
                    row=bad.row,
                )
            )
        good = checked.rows - len(checked.bad)
        if good:
            pieces = [(0, len(data))] if checked.pieces is None else checked.pieces
            first, last = number + 1, number + checked.rows
            if not gathered.has_room(sum(stop - start for start, stop in pieces)):
                # What comes before the first bad row, if it is not the very first.
                begins, stop = pieces[0]
                begin, rows = (0, 0) if begins else gathered.top_up(data[:stop], source.csv)
                if rows:
                    gathered.add(
                        parts(block.offset, data, [(0, begin)]), rows, first, number + rows
                    )
                    pieces = [(begin, stop), *pieces[1:]][begin == stop :]
                    good, first = good - rows, first + rows
                yield gathered.take(make, source.csv, sum(stop - start for start, stop in pieces))
            if good:
                tail = data if pieces == [(0, len(data))] else b""
                gathered.add(parts(block.offset, data, pieces), good, first, last, tail)
        number += checked.rows
        line += block.breaks
    if gathered.rows:
        yield gathered.take(make, source.csv)


def _beginning_of(feed: ByteSource, offset: int) -> str:
    if isinstance(feed, StreamFeed):
        return "a row that has passed by"
    return feed.read(offset, _TOO_LONG).decode(errors="replace")
