"""An object of a store read in ranges, a few ahead of what is taken, and none kept.

Every range is read in a thread of its own, so that a store that says nothing can be left: a run that
ends waits for none of them.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any, Final

from appcues_async.errors import InvalidInput
from appcues_async.rows.store_errors import retried
from appcues_async.rows.urls import StoredObject, Stores, UrlSource

__all__ = ["FIRST", "ObjectFile", "ObjectStream", "read_url"]

FIRST: Final = 1 << 18
"""Bytes of the first range: those that show how an object is written."""
RANGE: Final = 1 << 22
"""Bytes of each range after it."""
AHEAD: Final = 2
"""Ranges on their way, or here and not taken yet."""
_STEP: Final = 0.2
"""Seconds after which it is looked whether anybody still wants to hear."""
PATIENCE: Final = 300.0
"""Seconds that a range may take with all of its tries."""


class ObjectStream:
    """The bytes of an object, from its beginning to its end."""

    def __init__(self, remote: StoredObject, stop: Event) -> None:
        """Reads nothing yet.

        Args:
            remote: The object.
            stop: Ends the reading when it is set.
        """
        self._remote = remote
        self._ranges = _ranges(remote.size)
        self._coming: deque[Future[bytes]] = deque()
        self._reads = ObjectReads(remote, stop)
        self._block = memoryview(b"")
        self._taken = 0

    def has_more(self, seconds: float) -> bool:
        """Whether `read1` has an answer; waits so long for one."""
        if self._block:
            return True
        self._ask()
        return not self._coming or bool(wait_for([self._coming[0]], seconds).done)

    def read1(self, size: int) -> bytes:
        """Reads up to so many bytes; none only at the end.

        Raises:
            InvalidInput: The store does not give them, or the object has changed.
        """
        if not self._block:
            self._ask()
            if not self._coming:
                return b""
            self._block = memoryview(self._next(self._coming.popleft()))
        some, self._block = self._block[:size], self._block[size:]
        return bytes(some)

    def close(self) -> None:
        """Ends the reading, without waiting for what is on its way."""
        self._ranges = iter(())
        self._coming.clear()
        self._reads.close()

    def _ask(self) -> None:
        # The first range may be all that is looked at.
        most = AHEAD if self._taken else 1
        while len(self._coming) < most and (found := next(self._ranges, None)) is not None:
            self._coming.append(self._reads.begin(*found))

    def _next(self, coming: Future[bytes]) -> bytes:
        if self._taken:
            self._ask()
        self._taken += 1
        try:
            return coming.result(PATIENCE)
        except TimeoutError:
            raise _gave_nothing(self._remote) from None


class ObjectFile(io.RawIOBase):
    """An object as a file that is read wherever its reader likes, as that of Parquet does."""

    def __init__(self, remote: StoredObject, stop: Event) -> None:
        """Reads nothing yet.

        Args:
            remote: The object.
            stop: Ends the reading when it is set.
        """
        self._remote = remote
        self._reads = ObjectReads(remote, stop)
        self._stop = stop
        self._at = 0

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def seekable(self) -> bool:
        """Says that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes where the next read is to begin."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._remote.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, into: Any) -> int:
        """Reads as much as there is room for, less only at the end.

        Raises:
            InvalidInput: The store does not give it, the object has changed, or the run has ended.
        """
        stop = min(self._remote.size, self._at + len(into))
        if stop <= self._at:
            return 0
        coming = self._reads.begin(self._at, stop)
        until = time.monotonic() + PATIENCE
        while not wait_for([coming], _STEP).done:
            if self._stop.is_set() or time.monotonic() > until:
                raise _gave_nothing(self._remote)
        block = coming.result()
        into[: len(block)] = block
        self._at = stop
        return len(block)

    def close(self) -> None:
        """Ends the reading."""
        self._reads.close()
        super().close()


def _gave_nothing(remote: StoredObject) -> InvalidInput:
    return InvalidInput(
        f"{remote.name} gave no bytes for {PATIENCE:g} s; run it again once its store answers"
    )


class ObjectReads:
    """Reads ranges of an object as it was when it was listed."""

    def __init__(self, remote: StoredObject, stop: Event) -> None:
        """Opens nothing yet.

        Args:
            remote: The object.
            stop: Ends the tries when it is set.
        """
        self._remote = remote
        self._stop = stop
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._closed = False
        # Not every store can be asked by several threads at once.
        self._turn: AbstractContextManager[Any] = (
            nullcontext() if getattr(remote.store, "async_impl", False) else Lock()
        )

    def begin(self, start: int, stop: int) -> Future[bytes]:
        """Begins to read a range in a thread."""
        coming: Future[bytes] = Future()

        def run() -> None:
            try:
                coming.set_result(self.read(start, stop))
            except BaseException as error:  # noqa: BLE001 - whoever takes it is told
                coming.set_exception(error)

        threading.Thread(target=run, name="appcues-range", daemon=True).start()
        return coming

    def read(self, start: int, stop: int) -> bytes:
        """Reads a range, as often as it takes.

        Raises:
            InvalidInput: The store does not give it, or the object has changed.
        """
        return retried(lambda: self._in_turn(start, stop), self._remote.name, self._stop.wait)

    def close(self) -> None:
        """Closes what is open; what is being read is closed when it has been."""
        self._closed = True
        while True:
            try:
                self._free.get_nowait().close()
            except Empty:
                return

    def _in_turn(self, start: int, stop: int) -> bytes:
        with self._turn:
            return self._once(start, stop)

    def _once(self, start: int, stop: int) -> bytes:
        try:
            file = self._free.get_nowait()
        except Empty:
            file = self._open()
        try:
            file.seek(start)
            block = bytes(file.read(stop - start))
            if not _is_checked(file):
                # After the bytes, so that they are of the content that is still there.
                self._remote.check(self._info())
        except BaseException:
            file.close()
            raise
        if len(block) < stop - start:
            file.close()
            raise OSError("a range was cut short")
        self._free.put(file)
        if self._closed:
            self.close()
        return block

    def _open(self) -> Any:
        remote = self._remote
        etag = remote.tags.get("ETag")
        # With its size, it is opened without another request.
        known = {"size": remote.size} if etag is not None else {}
        file = remote.store.open(remote.key, "rb", block_size=RANGE, cache_type="none", **known)
        if etag is not None and isinstance(wanted := getattr(file, "read_kw", None), dict):
            file.read_kw = {**wanted, "IfMatch": f'"{etag}"'}
            # What it would ask for otherwise, to speak of it in its errors.
            file.details = {"name": remote.key, "size": remote.size, "ETag": etag}
        return file

    def _info(self) -> Any:
        self._remote.store.invalidate_cache()
        return self._remote.store.info(self._remote.key)


def _is_checked(file: Any) -> bool:
    """Whether the store itself refuses to read an object that has changed, as S3 does by If-Match."""
    return "IfMatch" in getattr(file, "read_kw", ())


def _ranges(size: int) -> Iterator[tuple[int, int]]:
    start = 0
    while start < size:
        stop = min(size, start + (RANGE if start else FIRST))
        yield start, stop
        start = stop


def read_url(source: UrlSource, most: int) -> tuple[StoredObject | Path, bytes]:
    """Reads the one object that a URL stands for into memory.

    Args:
        source: The URL.
        most: The bytes that it may have.

    Returns:
        The object and its bytes; a path, and nothing read, for a file of this machine.

    Raises:
        InvalidInput: It stands for more than one, is too large, or cannot be read.
    """
    stop = Event()
    objects = source.objects(Stores(), stop.wait)
    remote = objects[0]
    if len(objects) > 1:
        raise InvalidInput(
            f"{source.name} is {len(objects):,} objects, and one upload takes one; client.bulk takes "
            "them all"
        )
    if isinstance(remote, Path):
        return remote, b""
    if remote.size > most:
        raise InvalidInput(
            f"{source.name} has {remote.size:,} bytes, and one upload takes {most:,} of a URL; "
            "client.bulk takes it all"
        )
    stream, blocks = ObjectStream(remote, stop), list[bytes]()
    try:
        while block := stream.read1(most):
            blocks.append(block)
    finally:
        stream.close()
    return remote, b"".join(blocks)
