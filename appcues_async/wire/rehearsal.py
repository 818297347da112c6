"""A session that writes down what would be sent, and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import define, field, frozen
from yarl import URL

from appcues_async.wire.payload import BodyPayload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

__all__ = ["LONGEST", "NothingSent", "Rehearsal"]

LONGEST: Final = 2_000
"""Bytes of a body that is shown whole; of a longer one, only how it begins."""
ROWS: Final = 2
"""Lines shown of a longer one: a CSV's header and its first row."""


class NothingSent(Exception):  # noqa: N818 - it is what was asked for
    """Ends a request where it would have left."""


@define
class Rehearsal:
    """Stands in for a session of aiohttp: sees each request as it would go out.

    A session, and nothing above it, so that what is shown is what the layers below the command have made
    of it: the whole address, the headers, the body with its checks behind it.

    Attributes:
        accepts: Whether to answer as a server that accepts every upload, so that a run of many comes to
            its end. The job of each is then called by the place of its request in `requests`.
        requests: What would have been sent.
        chunks: What is known of the rows in each of these, by column.
    """

    accepts: bool = False
    requests: list[dict[str, Any]] = field(factory=list)
    chunks: list[dict[str, Any]] = field(factory=list)

    async def request(
        self, method: str, url: URL, *, data: object, headers: Mapping[str, str], **_: object
    ) -> _Accepted:
        """Writes down a request instead of sending it.

        Raises:
            NothingSent: That ends it.
        """
        if self.accepts and method == "GET":
            # Such as for the jobs that there are already: no part of what would be changed.
            return _Accepted(url, 200, b"[]")
        size, text = await _look_into(data)
        self.requests.append(
            {
                "method": method,
                "url": str(url),
                "headers": {
                    name: value for name, value in headers.items() if name != "Authorization"
                },
                "bytes": size,
                "body": text,
            }
        )
        if not self.accepts:
            raise NothingSent
        return _Accepted(url, 202, json.dumps({"job_id": str(len(self.requests) - 1)}).encode())

    def describe(self, chunks: Mapping[str, Mapping[str, Any]]) -> None:
        """Says what rows are in the requests that were accepted.

        Args:
            chunks: By the ids of their jobs, in the order in which they are to be shown.
        """
        self.chunks = [dict(chunk) for chunk in chunks.values()]
        requests = [self.requests[int(job)] for job in chunks]
        self.requests = [
            {**request, **{name: chunk[name] for name in chunk if name not in request}}
            for request, chunk in zip(requests, self.chunks, strict=True)
        ]


@frozen
class _Accepted:
    """A server's answer, as far as an attempt reads it."""

    url: URL
    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=lambda: {"Content-Type": "application/json"})

    @property
    def content(self) -> _Accepted:
        return self

    def is_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return self.body

    def release(self) -> None:
        pass


class _Enough(Exception):  # noqa: N818 - only stops the reading
    """As much has been read of a body as is shown."""


@define
class _Beginning:
    """Takes in how a body begins; stands in for the connection that it is written to."""

    taken: bytearray = field(factory=bytearray)

    async def write(self, block: bytes) -> None:
        self.taken += block
        if len(self.taken) > LONGEST:
            raise _Enough

    async def drain(self) -> None:
        """Returns at once: there is no buffer to empty."""


async def _look_into(data: object) -> tuple[int, str]:
    """The size of a body in bytes, and as much of its text as is shown."""
    if not isinstance(data, BodyPayload):
        begins = data if isinstance(data, bytes) else b""
        return len(begins), _shown(begins, len(begins))
    size = data.size or 0
    beginning = _Beginning()
    with suppress(_Enough):
        await data.write(cast("AbstractStreamWriter", beginning))
    begins = bytes(beginning.taken)
    if data.content_type.startswith("multipart/"):
        # What comes before the file is of no interest.
        begins = begins.partition(b"\r\n\r\n")[2]
    return size, _shown(begins, size)


def _shown(begins: bytes, size: int) -> str:
    text = begins[:LONGEST].decode("utf-8", "replace")
    return text if size <= LONGEST else "\n".join(text.splitlines()[:ROWS])
