"""Bytes from wherever they are: files, memory, pipes, and what is compressed, read as it goes by."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import select
import sys
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from appcues_async.bulk.row_counter import Stopped
from appcues_async.errors import InvalidInput
from appcues_async.rows.inputs import text_of_path

__all__ = [
    "ByteSource",
    "DecodedFeed",
    "FileFeed",
    "ForwardFeed",
    "MemoryFeed",
    "StreamFeed",
    "is_packed",
    "open_stream",
]

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PATIENCE: Final = 0.2
"""Seconds that a pipe may say nothing before it is looked whether anybody still wants to hear."""
_AT_ONCE: Final = 1 << 17
"""Bytes that are taken from a stream at a time."""
_PACKED_AT_ONCE: Final = 1 << 12
"""Bytes that are unpacked at a time: what the worst of them can become still fits in memory."""


class FileFeed:
    """A file on disk, whose bytes can be read any number of times."""

    def __init__(self, path: Path, stop: threading.Event) -> None:
        """Opens the file.

        Args:
            path: Which.
            stop: Ends the reading when it is set.
        """
        self.name: str = text_of_path(path)
        self._file = path.open("rb", buffering=0)
        self._stop = stop

    def read(self, offset: int, size: int) -> bytes:
        """Reads `size` bytes from `offset` on, fewer only at the end."""
        if self._stop.is_set():
            raise Stopped
        self._file.seek(offset)
        block = self._file.read(size)
        while len(block) < size and (more := self._file.read(size - len(block))):
            block += more
        return block

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class MemoryFeed:
    """Bytes in memory."""

    def __init__(self, data: memoryview, name: str, stop: threading.Event) -> None:
        """Takes them as they are.

        Args:
            data: The bytes.
            name: What they are, for people.
            stop: Ends the reading when it is set.
        """
        self.name: str = name
        self.data: memoryview = data
        self._stop = stop

    def read(self, offset: int, size: int) -> bytes:
        """Reads `size` bytes from `offset` on, fewer only at the end."""
        if self._stop.is_set():
            raise Stopped
        return bytes(self.data[offset : offset + size])

    def close(self) -> None:
        """Has nothing to close."""


class ForwardFeed(ABC):
    """Bytes that come by once; only what has not been passed is held."""

    def __init__(self, name: str, stop: threading.Event) -> None:
        """Holds nothing yet.

        Args:
            name: What the bytes are, for people.
            stop: Ends the reading when it is set.
        """
        self.name: str = name
        self._stop = stop
        self._at = 0
        self._held = b""
        self._ended = False

    def read(self, offset: int, size: int) -> bytes:
        """Reads `size` bytes from `offset` on, fewer only at the end."""
        if self._stop.is_set():
            raise Stopped
        passed = min(offset - self._at, len(self._held))
        if passed > len(self._held) // 2:
            # Dropped at times only, or each small step would copy all that is held.
            self._held = self._held[passed:]
            self._at += passed
        begin = offset - self._at
        while len(self._held) - begin < size and not self._ended:
            more = self._more(max(size, 1 << 18))
            self._ended = not more
            self._held += more
        return self._held[begin : begin + size]

    @abstractmethod
    def _more(self, size: int) -> bytes:
        """Reads about so many bytes more; none only at the end."""

    @abstractmethod
    def close(self) -> None:
        """Closes what the bytes come from."""


class StreamFeed(ForwardFeed):
    """A stream; what is packed in it is unpacked."""

    def __init__(self, below: Any, name: str, stop: threading.Event, *, keep: bool = False) -> None:
        """Takes a stream over.

        Args:
            below: An open binary file.
            name: What it is, for people.
            stop: Ends the reading when it is set.
            keep: Whether to leave the file open in the end.

        Raises:
            InvalidInput: It is zstd, and what unpacks that is not installed.
        """
        super().__init__(name, stop)
        buffered = io.BufferedReader(_Pipe(below, stop), _AT_ONCE)
        self._below = None if keep else below
        self._stream = _unpacked(buffered, name)
        self.is_packed: bool = not isinstance(self._stream, _Plain)

    def _more(self, size: int) -> bytes:
        try:
            block = self._stream.read(size)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise InvalidInput(f"{self.name} cannot be read: {error}") from None
        except Exception as error:
            # zstandard's own error is no OSError, and is not imported here.
            if type(error).__name__ != "ZstdError":
                raise
            raise InvalidInput(f"{self.name} cannot be unpacked: {error}") from None
        return bytes(block)

    def close(self) -> None:
        """Closes the stream."""
        self._stream.close()
        if self._below is not None:
            # What unpacks does not close what it reads from.
            self._below.close()


class DecodedFeed(ForwardFeed):
    """Text in another encoding, as UTF-8."""

    def __init__(self, feed: ByteSource, encoding: str, stop: threading.Event) -> None:
        """Takes the bytes over.

        Args:
            feed: The bytes.
            encoding: Which encoding they are in.
            stop: Ends the reading when it is set.
        """
        super().__init__(feed.name, stop)
        self._feed = feed
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._from = 0

    def _more(self, size: int) -> bytes:
        while True:
            block = self._feed.read(self._from, size)
            self._from += len(block)
            try:
                text = self._decoder.decode(block, final=not block).encode()
            except UnicodeError as error:
                raise InvalidInput(
                    f"{self.name} is not {self._encoding}, as encoding says: {error}; name the encoding "
                    "that it was saved in"
                ) from None
            # A few bytes alone may be no character yet.
            if text or not block:
                return text

    def close(self) -> None:
        """Closes what the bytes come from."""
        self._feed.close()


ByteSource: TypeAlias = FileFeed | MemoryFeed | ForwardFeed


def is_packed(head: bytes | bytearray | memoryview) -> bool:
    """Whether what begins with these four bytes is compressed."""
    return bytes(head).startswith((_GZIP, _ZSTD))


def open_stream(path: Path | None, stop: threading.Event) -> StreamFeed | None:
    """Opens what can be read only once: compressed files, pipes, and the standard input (None).

    Returns:
        The feed; None for a plain file.

    Raises:
        InvalidInput: It is zstd, and what unpacks that is not installed.
    """
    if path is None:
        if sys.stdin is None:
            raise InvalidInput("the standard input is closed; give a file, or open it (< FILE)")
        return StreamFeed(sys.stdin.buffer, "the standard input", stop, keep=True)
    if path.is_file():
        with path.open("rb") as file:
            if not is_packed(file.read(4)):
                return None
    file = os.fdopen(_open_at_once(path), "rb")
    try:
        return StreamFeed(file, text_of_path(path), stop)
    except BaseException:
        file.close()
        raise


def _open_at_once(path: Path) -> int:
    """Opens a pipe that nobody writes to yet without a wait; `_Pipe` waits, and can be stopped."""
    if sys.platform != "linux":
        # Elsewhere such a pipe is at its end at once.
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(file, True)
    return file


def _unpacked(buffered: Any, name: str) -> Any:
    magic = buffered.peek(4)[:4]
    if magic.startswith(_GZIP):
        return gzip.GzipFile(fileobj=buffered)
    if magic.startswith(_ZSTD):
        return _Zstd(buffered, _zstd(name))
    return _Plain(buffered)


class _Pipe(io.RawIOBase):
    """A stream whose reading can be stopped while it says nothing.

    A thread that hangs in a read cannot be ended, and would keep its program from ending.
    """

    def __init__(self, below: Any, stop: threading.Event) -> None:
        self._from = below
        self._stop = stop

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        has_more = getattr(self._from, "has_more", self._can_be_read)
        while not has_more(_PATIENCE):
            if self._stop.is_set():
                raise Stopped
        block = self._from.read1(len(into))
        into[: len(block)] = block
        return len(block)

    def _can_be_read(self, seconds: float) -> bool:
        try:
            return bool(select.select([self._from], [], [], seconds)[0])
        except (OSError, TypeError, ValueError):
            # Not a thing to be waited for, such as bytes in memory.
            return True


class _Plain:
    """A file whose closing is somebody else's."""

    def __init__(self, buffered: Any) -> None:
        self.read = buffered.read

    def close(self) -> None:
        """Leaves it open."""


class _Zstd:
    """Zstandard frames, one after the other.

    The library's own reader takes a frame without its end for a whole one, and rows would be missing
    without a word.
    """

    def __init__(self, buffered: io.BufferedReader, new_frame: Callable[[], Any]) -> None:
        self._from = buffered
        self._new_frame = new_frame
        self._frame: Any = None
        self._packed = b""

    def read(self, size: int) -> bytes:
        """Reads about so many bytes, none only at the end."""
        blocks: list[bytes] = []
        while size > 0:
            packed = self._packed or self._from.read1(_PACKED_AT_ONCE)
            if not packed:
                if self._frame is not None:
                    raise EOFError("it is cut off before its end")
                break
            frame = self._frame = self._frame or self._new_frame()
            block = frame.decompress(packed)
            self._packed = b""
            if frame.eof:
                self._packed, self._frame = frame.unused_data, None
            blocks.append(block)
            size -= len(block)
        return b"".join(blocks)

    def close(self) -> None:
        """Leaves what it reads from open."""


def _zstd(name: str) -> Callable[[], Any]:
    try:
        import zstandard  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInput(
            f"{name} is zstd-compressed; pip install 'appcues-async[zstd]' brings what reads it"
        ) from None
    return zstandard.ZstdDecompressor().decompressobj
