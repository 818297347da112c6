"""What a run can read: paths, the standard input, bytes, frames and rows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeGuard

from attrs import frozen

from appcues_async.bulk.reading.inputs import ByteSource, FileFeed, MemoryFeed, open_stream
from appcues_async.errors import InvalidInput
from appcues_async.rows.frames import is_frame
from appcues_async.rows.inputs import path_errors, text_of_path
from appcues_async.rows.kinds import Kind

__all__ = [
    "STDIN",
    "Remote",
    "can_be_read_twice",
    "has_bytes",
    "is_path",
    "is_pipe",
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


def parts_of(source: Any, kind: Kind) -> list[Any]:
    """A source as a list of sources; only a list of paths is more than one.

    Raises:
        InvalidInput: A file comes twice.
    """
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
            parts = [part for one in source for part in parts_of(one, kind)]
            _refuse_same(parts)
            return parts
    return [source]


def _refuse_same(paths: Iterable[str | Path]) -> None:
    """Refuses a file that comes twice, under whatever names: its events would be recorded twice.

    Raises:
        InvalidInput: One does.
    """
    seen: dict[object, str | Path] = {}
    for path in paths:
        found: object = path
        # What is not there is refused by whoever opens it.
        with suppress(OSError, ValueError):
            stat = os.stat(path)  # noqa: PTH116 - `-` is text
            found = (stat.st_dev, stat.st_ino)
        other = seen.setdefault(found, path)
        if other is not path:
            first, second = text_of_path(other), text_of_path(path)
            both = (
                f"{first} is given twice"
                if first == second
                else f"{first} and {second} are one file"
            )
            raise InvalidInput(f"{both}; name it once")


def is_path(one: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether a source is a path, or `-`."""
    return isinstance(one, str | os.PathLike)


def has_bytes(source: object) -> bool:
    """Whether a source consists of bytes: a path, `-`, or bytes."""
    return is_path(source) or isinstance(source, bytes | bytearray | memoryview)


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
    return isinstance(source, bytes | bytearray | memoryview | list | tuple)


def open_feed(source: Any, stop: Event) -> ByteSource:
    """Opens a path, `-` or bytes.

    Args:
        source: What to open.
        stop: Ends the reading when it is set.

    Raises:
        InvalidInput: It cannot be opened.
    """
    if not is_path(source):
        return MemoryFeed(memoryview(source), "the data", stop)
    if str(source) == STDIN:
        return open_stream(None, stop) or MemoryFeed(memoryview(b""), STDIN, stop)
    path = Path(source)
    with path_errors(path):
        if path.is_dir():
            raise InvalidInput(f"{text_of_path(path)} is a folder; give CSV or NDJSON files")
        return open_stream(path, stop) or FileFeed(path.absolute(), stop)
