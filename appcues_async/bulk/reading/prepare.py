"""A source, looked at once: how it is written, where its rows begin, what its columns are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final

from attrs import evolve, frozen

from appcues_async.bulk.reading.blocks import ByteLayout
from appcues_async.bulk.reading.inputs import (
    ByteSource,
    DecodedFeed,
    FileFeed,
    MemoryFeed,
    StreamFeed,
)
from appcues_async.bulk.reading.prepared import PreparedSource, Reading, Way
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
from appcues_async.rows.dialect import Dialect
from appcues_async.rows.encodings import check_samples
from appcues_async.rows.file_head import BOM, HEAD, MEDIA, SUFFIXES, Format, check_head
from appcues_async.rows.frames import is_frame, slices_of_frame
from appcues_async.rows.inputs import text_of_path
from appcues_async.rows.ndjson_rows import has_number_as_id
from appcues_async.rows.parquet import is_parquet, open_parquet
from appcues_async.rows.store_reads import FIRST
from appcues_async.rows.urls import StoredObject
from appcues_async.wire.request import stamp_of

__all__ = ["prepare", "prepare_all"]

_AT_ONCE: Final = 16
"""Objects of a store that are looked at at a time."""
_NAMED: Final = 5
"""How many refused files one message explains."""
_SAMPLES: Final = 16
_SAMPLE: Final = 1 << 16
"""Stretches of a file whose encoding is looked at, and their bytes."""

_LOOK: Final = FIRST // 2
"""Bytes of an object that show how it is written; a million of each would be too many of thousands."""


def prepare_all(
    sources: Sequence[Any], reading: Reading, limit: int, stop: Event
) -> list[PreparedSource | None]:
    """Reads the beginning of all sources, so that all of a run is refused or none.

    Args:
        sources: What a run is to read.
        reading: How it is to be read.
        limit: The most bytes of a chunk.
        stop: Ends the reading when it is set.

    Returns:
        Each source, prepared; None for one that can be read only when its turn comes.

    Raises:
        InvalidInput: One of them is refused, or several are.
    """

    def prepare_one(source: Any) -> PreparedSource | InvalidInput | None:
        try:
            return None if is_pipe(source) else prepare(source, reading, limit, stop)
        except InvalidInput as error:
            return error

    if any(isinstance(source, StoredObject) for source in sources):
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="appcues-look") as threads:
            found = list(threads.map(prepare_one, sources))
    else:
        found = [prepare_one(source) for source in sources]
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
    """Reads the beginning of a source; it is not read any further.

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
    if (is_path(source) or isinstance(source, StoredObject)) and is_parquet(source):
        _refuse_options_of_files(reading.dialect, "a Parquet file")
        return _prepare_parquet(source, reading, stop)
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
        prepared = evolve(_prepare_bytes(feed, source, reading, limit), encoding=encoding)
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
            raise InvalidInput(
                f"{option} is for files of text, and the source is {what}; leave it out"
            )


def _prepare_parquet(
    source: str | os.PathLike[str] | StoredObject, reading: Reading, stop: Event
) -> PreparedSource:
    """Makes sure that a Parquet file has the columns that its rows need."""
    if isinstance(source, StoredObject):
        file: Path | StoredObject = source
        stamp, name = None, source.name
    else:
        file = Path(source)
        stamp, name = stamp_of(file), text_of_path(file)
    slices_of_frame(open_parquet(file, stop), reading.kind, 1, reading.dialect, name=name)
    return PreparedSource(source=file, name=name, stamp=stamp, again=True)


def _size_of(source: Any, feed: ByteSource, stamp: tuple[int, int] | None) -> int | None:
    """The bytes of a source, where that is known before it is read."""
    if isinstance(source, StoredObject):
        return source.size if isinstance(feed, StreamFeed) and not feed.is_packed else None
    if isinstance(source, bytes | bytearray | memoryview):
        return len(source)
    return None if stamp is None else stamp[0]


def _prepare_bytes(feed: ByteSource, source: Any, reading: Reading, limit: int) -> PreparedSource:
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
    samples = list(_samples_of(feed, first.data, prepared.size))
    if reading.check == "full" and reading.dialect.encoding is None:
        check_samples(samples, feed.name)
    layout, head = _layout_of(first, feed.name, found, reading)
    if len(head) > limit // 2:
        raise InvalidInput(
            f"{feed.name} has a header of {len(head):,} bytes, which leaves too little of "
            f"{limit:,} for rows; raise chunk_bytes"
        )
    prepared = evolve(prepared, way=_way_of(layout, reading, samples), layout=layout)
    if prepared.way != "bytes":
        return prepared
    return evolve(
        prepared,
        media=MEDIA[found],
        head=head,
        csv=layout.csv,
        path=Path(source).absolute() if plain and is_path(source) else None,
    )


def _way_of(layout: ByteLayout, reading: Reading, samples: Sequence[bytes]) -> Way:
    if layout.header == REJECT_FIELDS:
        return "rejects"
    if not layout.csv:
        has_numbers = reading.check == "full" and any(
            has_number_as_id(sample, reading.kind) for sample in samples
        )
        return "lines" if reading.rewrites or has_numbers else "bytes"
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
            # It may begin within a row, and within a character.
            _, ended, rest = sample.partition(b"\n")
            if ended:
                yield rest


def _format_by_name(path: Path) -> Format | None:
    name = path.with_suffix("") if path.suffix.lower() in {".gz", ".zst"} else path
    return SUFFIXES.get(name.suffix.lower())
