"""Bodies that open afresh on every attempt and count their bytes.

aiohttp closes or empties what it has sent once, so a body is handed to it as a `Payload` that reads
its recipe anew whenever it is written. Files are read ahead in a thread of their own through a short
queue: the loop never waits for the disk, and the shared executor stays free for name lookups.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from io import FileIO
from typing import TYPE_CHECKING, Final

from aiohttp import Payload

from appcues_async.errors import Delivery, InvalidInput
from appcues_async.wire.request import (
    BLOCK,
    Blocks,
    FilePieces,
    FileRange,
    HeldRows,
    Multipart,
    stamp_of,
)

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

__all__ = ["BodyPayload", "BodyStalled"]

AHEAD: Final = 4
"""Blocks of a file in memory at a time, for one upload."""
SLICE: Final = 1 << 16
"""Bytes handed to the network at a time."""
FLOOR: Final = 60.0
"""Seconds that the network may take for a slice, about 1 kB a second, whatever the idle timeout is."""


class BodyStalled(Exception):  # noqa: N818 - for transport.py alone
    """The network took too little for too long."""


class BodyPayload(Payload):
    """One attempt's body.

    Attributes:
        sent: Bytes handed over so far.
        failure: Why the body itself could not be read or sent, if so.
    """

    def __init__(
        self,
        body: Blocks | FileRange | FilePieces | HeldRows | Multipart,
        *,
        idle: float,
        on_sent: Callable[[int], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """Prepares to send a body.

        Args:
            body: The recipe.
            idle: Seconds that handing over 64 KiB, or reading a block of a file, may take.
            on_sent: Called with the bytes sent so far, after each block.
            on_end: Called when all of it has been handed over.
        """
        super().__init__(body, content_type=body.content_type)
        self._size = body.size
        self._body = body
        self._idle = idle
        self._on_sent = on_sent
        self._on_end = on_end
        self.sent: int = 0
        self.failure: Exception | None = None

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Writes the whole body."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - aiohttp's; ours is sent and is the same
    ) -> None:
        """Writes the whole body."""
        self.sent = 0
        blocks = _open(self._body, self._idle)
        patience = min(self._idle, FLOOR)
        try:
            async for block in blocks:
                whole = memoryview(block)
                for start in range(0, len(block), SLICE):
                    async with asyncio.timeout(patience):
                        await writer.write(whole[start : start + SLICE])
                        await writer.drain()
                self.sent += len(block)
                if self._on_sent is not None:
                    self._on_sent(self.sent)
                # A socket that never fills never suspends, and would starve every other task.
                await asyncio.sleep(0)
            if self._on_end is not None:
                self._on_end()
        except TimeoutError:
            self.failure = BodyStalled()
            raise
        except InvalidInput as error:
            error.delivery = Delivery.UNKNOWN if self.sent else Delivery.NOT_SENT
            self.failure = error
            # aiohttp turns an OSError of a body into a failed connection, as this now is.
            raise OSError(str(error)) from None
        finally:
            await blocks.aclose()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002
        """Names the size only; aiohttp asks for the body as text."""
        return f"<{self._size} bytes>"


async def _open(
    body: Blocks | FileRange | FilePieces | HeldRows | Multipart, idle: float
) -> AsyncGenerator[bytes | memoryview]:
    match body:
        case Multipart():
            part = _open(body.part, idle)
            try:
                # Where a file is not what it was, nothing has gone out yet.
                first = await anext(part, b"")
                yield body.head
                yield first
                async for block in part:
                    yield block
            finally:
                await part.aclose()
            yield body.tail
        case Blocks():
            for block in body.blocks:
                # One slice at a time, so that a huge block does not hold the loop.
                for start in range(0, len(block), BLOCK):
                    yield block if len(block) <= BLOCK else block[start : start + BLOCK]
        case FileRange() | FilePieces():
            reading = _ReadAhead(body, idle)
            try:
                block = await reading.take()
                if isinstance(body, FilePieces) and body.head:
                    yield body.head
                while block:
                    yield block
                    block = await reading.take()
            finally:
                reading.stop()
        case HeldRows():
            raise InvalidInput("the rows are held by a cluster, which alone can send them")


class _ReadAhead:
    """Reads stretches of a file in a thread, a few blocks ahead of what is taken."""

    def __init__(self, source: FileRange | FilePieces, idle: float) -> None:
        self._source = source
        self._idle = idle
        self._pieces = (
            source.pieces if isinstance(source, FilePieces) else ((source.start, source.size),)
        )
        self._loop = asyncio.get_running_loop()
        self._ready: deque[bytes | InvalidInput] = deque()
        self._arrived = asyncio.Event()
        self._room = threading.Semaphore(AHEAD)
        self._stopped = False
        threading.Thread(
            target=self._read, name=f"appcues-read {source.path.name}", daemon=True
        ).start()

    async def take(self) -> bytes:
        """Returns the next block; an empty one at the end.

        Raises:
            InvalidInput: The file cannot be read, is shorter than it was, or gives nothing.
        """
        try:
            async with asyncio.timeout(self._idle):
                while not self._ready:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise InvalidInput(
                f"{self._source.path} gave no bytes for {self._idle:g} s; copy it to a disk of this "
                "machine, and upload that"
            ) from None
        block = self._ready.popleft()
        if isinstance(block, InvalidInput):
            raise block
        self._room.release()
        return block

    def stop(self) -> None:
        """Ends the thread after its present block, without waiting for it."""
        self._stopped = True
        self._room.release()

    def _read(self) -> None:
        try:
            with open(self._source.path, "rb", buffering=0, opener=_open_now) as file:
                if stamp_of(file.fileno()) != self._source.stamp:
                    self._give(_changed(self._source))
                else:
                    self._read_blocks(file)
        except OSError as error:
            self._give(InvalidInput(f"{self._source.path} cannot be read: {error.strerror}"))
        except Exception as error:  # noqa: BLE001 - whoever takes must not wait for ever
            self._give(InvalidInput(f"{self._source.path} cannot be read: {error!r}"))

    def _read_blocks(self, file: FileIO) -> None:
        blocks = self._blocks(file)
        while True:
            self._room.acquire()
            if self._stopped:
                return
            block = next(blocks, b"")
            self._give(block)
            if not block or isinstance(block, InvalidInput):
                return

    def _blocks(self, file: FileIO) -> Iterator[bytes | InvalidInput]:
        """The pieces as blocks; small ones together, since each block costs two threads a hand-over."""
        gathered: list[bytes] = []
        room = BLOCK
        for start, size in self._pieces:
            file.seek(start, os.SEEK_SET)
            left = size
            while left:
                block = file.read(min(left, room))
                if not block:
                    yield _changed(self._source)
                    return
                left -= len(block)
                room -= len(block)
                gathered.append(block)
                if not room:
                    # A block that was read in one go is not copied here.
                    yield b"".join(gathered)
                    gathered, room = [], BLOCK
        if gathered:
            yield b"".join(gathered)

    def _give(self, block: bytes | InvalidInput) -> None:
        def arrive() -> None:
            self._ready.append(block)
            self._arrived.set()

        try:
            self._loop.call_soon_threadsafe(arrive)
        except RuntimeError:
            # The loop has closed, so nobody takes blocks any more.
            self._stopped = True


def _open_now(path: str, flags: int) -> int:
    # A file that has become a pipe would otherwise keep this thread until somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _changed(source: FileRange | FilePieces) -> InvalidInput:
    return InvalidInput(
        f"{source.path} has changed since its upload began; "
        "upload a file that is no longer written to"
    )
