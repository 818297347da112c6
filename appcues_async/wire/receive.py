"""Reads an answer whole, within what it may hold and how slowly it may come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from appcues_async.wire.decompress import decompress
from appcues_async.wire.download import save
from appcues_async.wire.payload import FLOOR
from appcues_async.wire.reply import Reply, is_page
from appcues_async.wire.request import Request

if TYPE_CHECKING:
    from aiohttp import ClientResponse, StreamReader

__all__ = ["LARGEST_REPLY", "TooLarge", "receive"]

LARGEST_REPLY: Final = 16 * 1024 * 1024
"""Bytes of an answer that are read; no answer of the API is near that."""
FLOOR_BYTES: Final = 60_000
"""Bytes of a transfer's answer that must come within `FLOOR` seconds, unless it ends."""


class TooLarge(Exception):  # noqa: N818 - for transport.py alone
    """An answer beyond LARGEST_REPLY."""


async def receive(response: ClientResponse, request: Request, *, idle: float) -> Reply:
    """Reads an answer, or writes it to the file that the request names.

    Args:
        response: The answer, whose body has not been decompressed.
        request: What it answers.
        idle: Seconds to wait for somebody to open the other end of a pipe that is written to.

    Raises:
        BadBody: It is damaged or not whole.
        FileNotWritten: The file cannot be written.
        TimeoutError: A transfer's answer came in at less than 1 kB a second.
        TooLarge: It is over `LARGEST_REPLY`.
    """
    headers = response.headers
    encoding = headers.get("Content-Encoding", "")
    # A page is no file: it is read, and told of as what it is.
    if request.save_to is not None and response.status == 200 and not is_page(headers):
        chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        await save(
            decompress(blocks_of(response.content), encoding),
            request.save_to,
            idle=idle,
            ends=chunked or bool(encoding) or "Content-Length" in headers,
        )
        return Reply(response.status, headers, b"")
    return Reply(response.status, headers, await _read(response, encoding, request.is_transfer))


async def blocks_of(content: StreamReader) -> AsyncIterator[bytes]:
    """Yields a body as it comes in.

    Raises:
        TimeoutError: It came in at less than 1 kB a second.
    """
    loop = asyncio.get_running_loop()
    owed, until = FLOOR_BYTES, loop.time() + FLOOR
    while True:
        async with asyncio.timeout_at(until):
            block = await content.readany()
        if not block:
            return
        owed -= len(block)
        if owed <= 0:
            owed, until = FLOOR_BYTES, loop.time() + FLOOR
        yield block


async def _read(response: ClientResponse, encoding: str, is_transfer: bool) -> bytes:
    if not encoding and response.content.is_eof():
        # All of a small answer has come in with its headers: there is nothing to wait for.
        body = response.content.read_nowait()
        if len(body) > LARGEST_REPLY:
            raise TooLarge
        return body
    length = response.headers.get("Content-Length")
    if length is not None and not encoding:
        if int(length) > LARGEST_REPLY:
            raise TooLarge
        if not is_transfer:
            # The budget bounds it.
            return await response.read()
    # Neither chunks nor what is compressed say how large they will be.
    pieces: list[bytes] = []
    room = LARGEST_REPLY
    async for piece in decompress(blocks_of(response.content), encoding):
        room -= len(piece)
        if room < 0:
            response.close()
            raise TooLarge
        pieces.append(piece)
        await asyncio.sleep(0)
    return b"".join(pieces)
