"""Request bodies, read piece by piece."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from email.message import Message
from typing import IO, TYPE_CHECKING, Final

from appcues_async.sandbox.faults import Point
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.request_log import BODY_KEPT

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["FILE_LIMIT", "RAW_LIMIT", "Inbound", "Spool", "media_type"]

#: The most bytes of a request body that is not multipart.
RAW_LIMIT: Final = 20_000_000
#: The most bytes of an uploaded file.
FILE_LIMIT: Final = 200_000_000

#: Up to here a body stays in memory; beyond it goes to a temporary file, in pieces of this size.
_SPOOL_STEP: Final = 1 << 20

Spool = IO[bytes]


def media_type(header: str | None) -> tuple[str, dict[str, str]]:
    """Splits a Content-Type into its type, in lower case, and its parameters."""
    if header is None:
        return "", {}
    message = Message()
    message["Content-Type"] = header
    parameters = message.get_params(failobj=[])[1:]
    return message.get_content_type() if "/" in header else "", dict(parameters)


class Inbound:
    """The body of one request.

    Args:
        request: The request as aiohttp has it.
        keep: Whether the log gets to see the body.
    """

    def __init__(self, request: web.BaseRequest, *, keep: bool) -> None:
        self._request = request
        self._awaits_go = request.headers.get("Expect", "").lower() == "100-continue"
        self._kept: bytearray | None = bytearray() if keep else None
        #: How many bytes have been taken in.
        self.received: int = 0

    @property
    def kept(self) -> bytes | None:
        """The bytes read so far; None where they are too many to keep."""
        return None if self._kept is None else bytes(self._kept)

    @property
    def awaits_go(self) -> bool:
        """Whether the client holds its body back until it is told to go on."""
        return self._awaits_go

    async def read(self, limit: int = RAW_LIMIT) -> bytes:
        """Reads all of it into memory.

        Raises:
            Refusal: 413 if it is more than `limit` bytes.
        """
        return b"".join([piece async for piece in self._pieces(limit)])

    async def spool(self, limit: int, workers: Executor) -> Spool:
        """Reads all of it, beyond a megabyte into a temporary file, which the caller closes.

        Raises:
            Refusal: 413 if it is more than `limit` bytes.
        """
        loop = asyncio.get_running_loop()
        spool: Spool | None = None
        waiting: list[bytes] = []
        size = 0
        try:
            async for piece in self._pieces(limit):
                waiting.append(piece)
                size += len(piece)
                if size >= _SPOOL_STEP:
                    if spool is None:
                        spool = tempfile.TemporaryFile(buffering=_SPOOL_STEP)  # noqa: SIM115
                    await loop.run_in_executor(workers, spool.write, b"".join(waiting))
                    waiting, size = [], 0
            if spool is None:
                return io.BytesIO(b"".join(waiting))
            await loop.run_in_executor(workers, _finish, spool, b"".join(waiting))
        except BaseException:
            if spool is not None:
                spool.close()
            raise
        return spool

    async def take(self, until: Point) -> None:
        """Reads a part of it, or all, and discards it."""
        if until in {"headers", 0}:
            return
        async for _ in self._pieces(None):
            if isinstance(until, int) and self.received >= until:
                return

    async def _pieces(self, limit: int | None) -> AsyncIterator[bytes]:
        announced = self._request.content_length
        if limit is not None and announced is not None and announced > limit:
            raise _too_large(limit)
        if self._awaits_go:
            self._awaits_go = False
            if self._request.transport is not None:
                self._request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = self._request.content
        while piece := await content.readany():
            self.received += len(piece)
            if limit is not None and self.received > limit:
                raise _too_large(limit)
            if self._kept is not None:
                if self.received <= BODY_KEPT:
                    self._kept.extend(piece)
                else:
                    self._kept = None
            yield piece


def _finish(spool: Spool, rest: bytes) -> None:
    spool.write(rest)
    spool.seek(0)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The request is larger than the {limit} bytes that are accepted here")
