"""A source, looked at once: how it is written, where its rows begin, what its columns are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final, Literal

from attrs import evolve, field, frozen

from appcues_async.bulk.reading.blocks import ByteLayout, Span, SpanHolder, row_ends
from appcues_async.bulk.reading.inputs import (
    ByteSource,
    DecodedFeed,
    FileFeed,
    MemoryFeed,
    StreamFeed,
)
from appcues_async.bulk.reading.sources import (
    Remote,
    can_be_read_twice,
    has_bytes,
    is_path,
    is_pipe,
    open_feed,
)
from appcues_async.bulk.rejects import REJECT_FIELDS, are_rejects
from appcues_async.errors import InvalidInput
from appcues_async.rows.csv_header import has_gaps, read_header
from appcues_async.rows.csv_judge import CsvJudge
from appcues_async.rows.dialect import PLAIN, Dialect
from appcues_async.rows.encodings import check_samples
from appcues_async.rows.file_head import BOM, HEAD, MEDIA, SUFFIXES, Format, check_head
from appcues_async.rows.frames import is_frame
from appcues_async.rows.kinds import Kind
from appcues_async.rows.ndjson_judge import NdjsonJudge
from appcues_async.rows.store_reads import FIRST
from appcues_async.rows.urls import StoredObject
from appcues_async.rows.verdict import Check, Judge
from appcues_async.wire.request import NDJSON, ChunkBody, FilePieces, stamp_of

__all__ = ["PreparedSource", "Reading", "Way", "prepare", "prepare_all"]

_AT_ONCE: Final = 16
"""Objects of a store that are looked at at a time."""
_NAMED: Final = 5
"""How many refused files one message explains."""
_SAMPLES: Final = 16
_SAMPLE: Final = 1 << 16
"""Stretches of a file whose encoding is looked at, and their bytes."""

_LOOK: Final = FIRST // 2
"""Bytes of an object that show how it is written; a million of each would be too many of thousands."""

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
        if self.layout is None or self.feed is not None:
            return self
        feed = open_feed(self.source, stop, self.encoding)
        if self.stamp is not None and stamp_of(Path(self.source)) != self.stamp:
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


def prepare_all(
    sources: Sequence[Any], reading: Reading, limit: int, stop: Event
) -> list[PreparedSource | None]:
    """Looks at the beginning of all sources, so that all of a run is refused or none.

    Args:
        sources: What a run is to read.
        reading: How it is to be read.
        limit: The most bytes of a chunk.
        stop: Ends the reading when it is set.

    Returns:
        What is known of each; None for what can be looked at only when its turn comes.

    Raises:
        InvalidInput: One of them is refused, or several are.
    """

    def look_at(source: Any) -> PreparedSource | InvalidInput | None:
        try:
            return None if is_pipe(source) else prepare(source, reading, limit, stop)
        except InvalidInput as error:
            return error

    if any(isinstance(source, StoredObject) for source in sources):
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="appcues-look") as threads:
            found = list(threads.map(look_at, sources))
    else:
        found = [look_at(source) for source in sources]
    refused = [one for one in found if isinstance(one, InvalidInput)]
    if not refused:
        return [one for one in found if not isinstance(one, InvalidInput)]
    if len(sources) == 1:
        raise refused[0]
    reasons = "; ".join(str(error) for error in refused[:_NAMED])
    more = f"; and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
    raise InvalidInput(
        f"{len(refused)} of {len(sources)} files are refused, and nothing was sent: {reasons}{more}"
    )


def prepare(source: Any, reading: Reading, limit: int, stop: Event) -> PreparedSource:
    """Looks at the beginning of a source; it is not read any further.

    Args:
        source: A path, `-`, an object of a store, bytes, a frame, or rows.
        reading: How it is to be read.
        limit: The most bytes of a chunk.
        stop: Ends the reading when it is set.

    Raises:
        InvalidInput: It is refused.
    """
    if isinstance(source, Remote):
        return PreparedSource(source=source, name=source.name, again=True)
    if not has_bytes(source):
        name = "the frame" if is_frame(source) else "the rows"
        _refuse_options_of_files(reading.dialect, "a frame" if is_frame(source) else "rows")
        return PreparedSource(source=source, name=name, again=can_be_read_twice(source))
    feed = open_feed(source, stop)
    try:
        encoding = reading.dialect.encoding
        if encoding is not None and are_rejects(_First.of(feed, source).data):
            # They are written by this package, as UTF-8.
            encoding = None
        if encoding is not None:
            feed = DecodedFeed(feed, encoding, stop)
        prepared = evolve(_look_at(feed, source, reading, limit), encoding=encoding)
    except BaseException:
        feed.close()
        raise
    if prepared.feed is None:
        feed.close()
    return prepared


@frozen
class _First:
    """The beginning of a source.

    Attributes:
        data: What it shows, without a byte order mark.
        start: Where that begins.
        whole: Whether it is all of the source.
    """

    data: bytes
    start: int
    whole: bool

    @classmethod
    def of(cls, feed: ByteSource, source: Any) -> _First:
        most = _LOOK if isinstance(source, StoredObject) else HEAD
        text = feed.read(0, most)
        data = text.removeprefix(BOM)
        return cls(data, len(text) - len(data), len(text) < most)


def _refuse_options_of_files(dialect: Dialect, what: str) -> None:
    for option, is_given in (
        ("delimiter", dialect.delimiter != ","),
        ("encoding", dialect.encoding is not None),
    ):
        if is_given:
            raise InvalidInput(f"{option} is for files, and the source is {what}; leave it out")


def _size_of(source: Any, feed: ByteSource, stamp: tuple[int, int] | None) -> int | None:
    """The bytes of a source, where that is known before it is read."""
    if isinstance(source, StoredObject):
        return source.size if isinstance(feed, StreamFeed) and not feed.is_packed else None
    if isinstance(source, bytes | bytearray | memoryview):
        return len(source)
    return None if stamp is None else stamp[0]


def _look_at(feed: ByteSource, source: Any, reading: Reading, limit: int) -> PreparedSource:
    plain = isinstance(feed, FileFeed)
    again = can_be_read_twice(source)
    stamp = stamp_of(Path(source)) if is_path(source) and again else None
    prepared = PreparedSource(
        source=source,
        name=feed.name,
        size=_size_of(source, feed, stamp if plain else None),
        stamp=stamp,
        again=again,
        feed=None if again else feed,
    )
    first = _First.of(feed, source)
    found = _format_of(first, feed.name, source, reading)
    if found is None:
        return evolve(prepared, way="nothing", size=0)
    if reading.check == "full" and reading.dialect.encoding is None:
        check_samples(_samples_of(feed, first.data, prepared.size), feed.name)
    layout, head = _layout_of(first, feed.name, found, reading)
    if len(head) > limit // 2:
        raise InvalidInput(
            f"{feed.name} has a header of {len(head):,} bytes, which leaves too little of "
            f"{limit:,} for rows; raise chunk_bytes"
        )
    prepared = evolve(prepared, way=_way_of(layout, reading), layout=layout)
    if prepared.way != "bytes":
        return prepared
    return evolve(
        prepared,
        media=MEDIA[found],
        head=head,
        csv=layout.csv,
        path=Path(source).absolute() if plain and is_path(source) else None,
    )


def _way_of(layout: ByteLayout, reading: Reading) -> Way:
    if layout.header == REJECT_FIELDS:
        return "rejects"
    if not layout.csv:
        return "lines" if reading.rewrites else "bytes"
    has_types = reading.types == "infer" or has_gaps(layout.header)
    return "cells" if reading.rewrites or (has_types and not reading.kind.is_list) else "bytes"


def _format_of(first: _First, name: str, source: Any, reading: Reading) -> Format | None:
    """How the bytes are written; None where there are no rows."""
    if are_rejects(first.data):
        return "ndjson"
    given = reading.format
    if isinstance(source, StoredObject):
        given = given or _format_by_name(source.path)
    elif is_path(source):
        given = given or _format_by_name(Path(source))
    return check_head(
        first.data,
        whole=first.whole,
        kind=reading.kind,
        given=given,
        name=name,
        single=False,
        dialect=reading.dialect,
    )


def _layout_of(
    first: _First, name: str, found: Format, reading: Reading
) -> tuple[ByteLayout, bytes]:
    """How the bytes are laid out, and the bytes of the header that each chunk needs."""
    text, start, dialect = first.data, first.start, reading.dialect
    if found == "csv":
        header = read_header(text, reading.kind, name, whole=first.whole, dialect=dialect)
        lines = text.count(b"\n", 0, header.begin)
        begin = start + header.begin
        return ByteLayout(begin, lines, True, header.columns, dialect.delimiter), header.head
    return ByteLayout(start, 0, False, REJECT_FIELDS if are_rejects(text) else ()), b""


def _samples_of(feed: ByteSource, head: bytes, size: int | None) -> Iterator[bytes]:
    """Stretches of a source, from all over it where its bytes can be read in any order."""
    yield head
    if isinstance(feed, FileFeed | MemoryFeed) and size is not None and size > len(head):
        step = max((size - len(head)) // _SAMPLES, _SAMPLE)
        for offset in range(len(head), size, step):
            sample = feed.read(offset, _SAMPLE)
            yield sample[sample.find(b"\n") + 1 :]


def _format_by_name(path: Path) -> Format | None:
    name = path.with_suffix("") if path.suffix.lower() in {".gz", ".zst"} else path
    return SUFFIXES.get(name.suffix.lower())
