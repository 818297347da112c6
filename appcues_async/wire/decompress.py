"""Decompresses the bodies of answers, and knows whether all of each has come.

aiohttp takes a compressed body that is cut off for a whole one, so it is asked to leave them alone.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

__all__ = ["ENCODINGS", "BadBody", "decompress"]

ENCODINGS: Final = "gzip, deflate"
"""The encodings that requests accept."""
PIECE: Final = 1 << 18
"""Bytes that are decompressed at a time: some kilobytes may hold hundreds of megabytes."""
_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS


class BadBody(Exception):  # noqa: N818 - for transport.py alone
    """A body that is damaged or not whole.

    Attributes:
        final: Whether another attempt would bring the same.
    """

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


async def decompress(blocks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Yields a body as it was before its `Content-Encoding`; one without any bytes stays as it is.

    Args:
        blocks: The body as it comes in.
        encoding: The header's value; empty for none.

    Raises:
        BadBody: It is damaged or cut off, or in another encoding than `ENCODINGS`.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        async for block in blocks:
            yield block
        return
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise BadBody(f"the answer came as {encoding[:40]!r}, which was not asked for", final=True)
    whole = _Inflating()
    async for block in blocks:
        try:
            for piece in whole.feed(block):
                yield piece
        except zlib.error:
            raise BadBody(f"the answer's {encoding} is damaged") from None
    if not whole.ended:
        raise BadBody(f"the answer was cut off: its {encoding} has no end")


class _Inflating:
    """One body, as members of gzip one after the other, or as one stream of deflate.

    Attributes:
        ended: Whether nothing is missing.
    """

    def __init__(self) -> None:
        self.ended: bool = True
        self._stream: Any = None
        self._first: bool = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self.ended:
                # What follows the last member is filled up with zeros, if at all.
                data = data if self._first else data.lstrip(b"\0")
                if not data:
                    return
                self._stream, self.ended = zlib.decompressobj(self._form(data)), False
            yield self._stream.decompress(data, PIECE)
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                self.ended, data = True, self._stream.unused_data

    def _form(self, data: bytes) -> int:
        # Some servers send deflate bare; zlib's own head says its method, 8, in its first bits.
        bare = self._first and data[0] & 0xF != 8 and data[0] != 0x1F
        self._first = False
        return -zlib.MAX_WBITS if bare else _ZLIB_OR_GZIP
