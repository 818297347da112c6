"""How the sources of a run are read, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any, Literal

from attrs import evolve, field, frozen

from appcues_async.bulk.reading.blocks import ByteLayout, Span, SpanHolder, row_ends
from appcues_async.bulk.reading.inputs import ByteSource
from appcues_async.bulk.reading.sources import Remote, open_feed
from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.dialect import PLAIN, Dialect
from appcues_async.rows.file_head import Format
from appcues_async.rows.kinds import Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.urls import StoredObject
from appcues_async.rows.verdict import Check, Judge
from appcues_async.wire.request import NDJSON, ChunkBody, FilePieces, stamp_of

__all__ = ["PreparedSource", "Reading", "Way"]

Way = Literal["bytes", "cells", "lines", "rejects", "rows", "nothing"]
"""How a source becomes chunks; see `PreparedSource`."""


@frozen
class Reading:
    """How the sources of a run are read.

    Attributes:
        kind: What the rows are.
        check: How much of each is checked.
        types: `infer` to give CSV cells the types that they look like.
        format: How files are written, when their names do not say.
        dialect: How sources differ from what the API takes.
    """

    kind: Kind
    check: Check = "full"
    types: Literal["infer"] | None = None
    format: Format | None = None
    dialect: Dialect = PLAIN

    @property
    def rewrites(self) -> bool:
        """Whether files are sent as other bytes than they hold, whatever is in them."""
        has_times = self.kind.zone is not None and not self.kind.is_list
        return has_times or not self.dialect.is_plain

    def judge(self, layout: ByteLayout) -> Judge:
        """Makes what judges the rows of a source of bytes."""
        if layout.csv:
            return CsvJudge(self.kind, self.check, layout.header)
        return NdjsonJudge(self.kind, self.check)


@frozen(kw_only=True)
class PreparedSource:
    """A source that is ready to be read.

    Attributes:
        source: What was given: a path, `-`, an object of a store, bytes, a frame, or rows.
        name: What it is called, for people.
        way: How it becomes chunks: its `bytes` are sent as they are, or rows are encoded, which are its
            `cells`, its `lines` of JSON, the `rejects` of an earlier run, or `rows` from the start.
            There may be `nothing` in it.
        layout: How its bytes are laid out, if it consists of bytes.
        size: How many bytes its rows take, if that is known beforehand.
        media: The media type of its chunks.
        head: What every chunk begins with.
        csv: Whether its chunks are CSV.
        path: The file that its chunks are sent from, if they are not held in memory.
        stamp: Size and time of change of the file, if there is one.
        encoding: What its text is in, if that is not UTF-8.
        again: Whether reading it once more gives the same rows.
        spans: Has its bytes, if this process does not read them itself.
        feed: The bytes, while they are open.
    """

    source: Any = field(repr=False)
    name: str
    way: Way = "rows"
    layout: ByteLayout | None = None
    size: int | None = None
    media: str = NDJSON
    head: bytes = field(default=b"", repr=False)
    csv: bool = False
    path: Path | None = None
    stamp: tuple[int, int] | None = None
    encoding: str | None = None
    again: bool = False
    spans: SpanHolder | None = None
    feed: ByteSource | None = field(default=None, repr=False)

    @property
    def fingerprint(self) -> tuple[int, int] | tuple[int, str] | None:
        """The fingerprint that a journal keeps of its content: that of a file, or of a stored object."""
        return self.source.stamp if isinstance(self.source, StoredObject) else self.stamp

    @property
    def is_held(self) -> bool:
        """Whether its chunks are held in memory until they are sent, however large it is."""
        if isinstance(self.source, Remote):
            return False
        return self.size is None or isinstance(self.source, StoredObject)

    def opened(self, stop: Event) -> PreparedSource:
        """The same with its bytes open, if it has any.

        Raises:
            InvalidInput: They cannot be read, or have changed since they were looked at.
        """
        if self.feed is not None:
            return self
        feed = None if self.layout is None else open_feed(self.source, stop, self.encoding)
        if self.stamp is not None and stamp_of(Path(self.source)) != self.stamp:
            if feed is not None:
                feed.close()
            raise InvalidInput(f"{self.name} has changed since the run began; run it again")
        return evolve(self, feed=feed)

    def close(self) -> None:
        """Closes what is open of it."""
        if self.feed is not None:
            self.feed.close()

    @property
    def has_spans(self) -> bool:
        """Whether its rows stay where they are, in a file or elsewhere, until they are sent."""
        return self.path is not None or self.spans is not None

    def read(self, span: Span) -> bytes:
        """Reads a stretch of the file that its chunks are sent from, while it is open."""
        assert self.feed is not None  # noqa: S101 - nothing else has stretches
        return self.feed.read(span.offset, span.size)

    def row_ends(self, span: Span) -> list[int]:
        """Where each row of a stretch ends, while the source is open."""
        if self.spans is not None:
            return self.spans.row_ends(span)
        return row_ends(self.read(span), self.csv)

    def body(self, pieces: Sequence[tuple[int, int]]) -> ChunkBody:
        """Makes the recipe of what is sent of it, by the offset and size of each stretch."""
        if self.spans is not None:
            return self.spans.body(pieces)
        assert self.path is not None  # noqa: S101 - nothing else has stretches
        assert self.stamp is not None  # noqa: S101
        return FilePieces(self.path, pieces, self.media, self.stamp, self.head)
