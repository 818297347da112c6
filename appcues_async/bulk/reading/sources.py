"""The sources that a run can read: paths, URLs, the standard input, bytes, frames and rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeGuard

from attrs import frozen

from appcues_async.bulk.reading.inputs import (
    ByteSource,
    DecodedFeed,
    FileFeed,
    MemoryFeed,
    StreamFeed,
    open_stream,
)
from appcues_async.bulk.row_counter import Stopped
from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import is_frame
from appcues_async.rows.inputs import path_errors, text_of_path
from appcues_async.rows.kinds import Kind
from appcues_async.rows.store_reads import ObjectStream
from appcues_async.rows.urls import (
    StoredObject,
    Stores,
    UrlSource,
    check_storage_options,
    is_store_url,
    is_url,
)

__all__ = [
    "STDIN",
    "Remote",
    "can_be_read_twice",
    "has_bytes",
    "is_path",
    "is_pipe",
    "list_objects",
    "open_feed",
    "parts_of",
]


@frozen
class Remote:
    """A source that only workers can read, any number of times.

    Attributes:
        name: What it is called, for people.
    """

    name: str


STDIN: Final = "-"
"""The path that means the standard input."""


def parts_of(
    source: Any, kind: Kind, storage_options: Mapping[str, Any] | None = None
) -> list[Any]:
    """A source as a list of sources; only a list of paths and URLs is more than one.

    Args:
        source: What was given.
        kind: What its rows are.
        storage_options: What fsspec opens the stores of URLs with.

    Raises:
        InvalidInput: A file comes twice, or the options are none.
    """
    if isinstance(source, UrlSource):
        return [source]
    if is_url(source):
        return [UrlSource(source, check_storage_options(storage_options))]
    if is_path(source) and str(source) != STDIN:
        # It stays the same file, whatever becomes of the folder that this process is in.
        return [Path(source).absolute()]
    if isinstance(source, list | tuple) and source and all(map(_is_named, source)):
        paths = [str(one) for one in source]
        # Ids are text as well, so text is a path only where it can be nothing else.
        if (
            not kind.is_list
            or all(not isinstance(one, str) or is_store_url(one) for one in source)
            or all(path == STDIN or Path(path).is_file() for path in paths)
        ):
            parts = [part for one in source for part in parts_of(one, kind, storage_options)]
            _refuse_same(parts)
            return parts
    return [source]


def list_objects(sources: Sequence[Any], stop: Event) -> list[Any]:
    """Sources, with the objects that URLs stand for in the place of the URLs.

    Args:
        sources: What was given.
        stop: Ends the listing when it is set.

    Raises:
        InvalidInput: A URL stands for nothing, cannot be listed, or an object comes twice.
    """
    if not any(isinstance(one, UrlSource) for one in sources):
        return list(sources)
    stores, found = Stores(), list[Any]()
    for one in sources:
        found += one.objects(stores, stop.wait) if isinstance(one, UrlSource) else [one]
        if stop.is_set():
            raise Stopped
    _refuse_same(found)
    return found


def _refuse_same(sources: Iterable[Any]) -> None:
    """Refuses a file that comes twice, under whatever names: its events would be recorded twice.

    Raises:
        InvalidInput: One does.
    """
    seen: dict[object, Any] = {}
    for source in sources:
        found: object = source
        if isinstance(source, StoredObject):
            found = (source.store, source.key)
        elif is_path(source):
            # What is not there is refused by whoever opens it.
            with suppress(OSError, ValueError):
                stat = os.stat(source)  # noqa: PTH116 - `-` is text
                found = (stat.st_dev, stat.st_ino)
        other = seen.setdefault(found, source)
        if other is not source:
            first, second = _name_of(other), _name_of(source)
            both = (
                f"{first} is given twice"
                if first == second
                else f"{first} and {second} are one file"
            )
            raise InvalidInput(f"{both}; name it once")


def _is_named(one: object) -> bool:
    return is_path(one) or isinstance(one, UrlSource)


def _name_of(source: Any) -> str:
    return text_of_path(source) if is_path(source) else str(source.name)


def is_path(one: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a source is a path, or `-`."""
    return isinstance(one, str | os.PathLike)


def has_bytes(source: object) -> bool:
    """Whether a source consists of bytes: a path, `-`, an object of a store, or bytes."""
    return is_path(source) or isinstance(source, bytes | bytearray | memoryview | StoredObject)


def is_pipe(source: object) -> bool:
    """Whether a source is looked at only when its turn comes, since its bytes come by once."""
    if not is_path(source) or can_be_read_twice(source):
        return False
    return str(source) == STDIN or Path(source).exists()


def can_be_read_twice(source: Any) -> bool:
    """Whether reading it once more gives the same rows."""
    if is_path(source):
        return str(source) != STDIN and Path(source).is_file()
    if is_frame(source):
        # A reader of batches hands each of them out once.
        return not hasattr(source, "read_next_batch")
    return isinstance(source, bytes | bytearray | memoryview | list | tuple | StoredObject)


def open_feed(source: Any, stop: Event, encoding: str | None = None) -> ByteSource:
    """Opens a path, `-`, an object of a store, or bytes.

    Args:
        source: What to open.
        stop: Ends the reading when it is set.
        encoding: What text in it is in, to be read as UTF-8; None for what it is.

    Raises:
        InvalidInput: It cannot be opened.
    """
    if encoding is not None:
        return DecodedFeed(open_feed(source, stop), encoding, stop)
    if isinstance(source, StoredObject):
        return StreamFeed(ObjectStream(source, stop), source.name, stop)
    if not is_path(source):
        return MemoryFeed(memoryview(source), "the data", stop)
    if str(source) == STDIN:
        return open_stream(None, stop) or MemoryFeed(memoryview(b""), STDIN, stop)
    path = Path(source)
    with path_errors(path):
        if path.is_dir():
            raise InvalidInput(f"{text_of_path(path)} is a folder; give CSV or NDJSON files")
        return open_stream(path, stop) or FileFeed(path.absolute(), stop)
