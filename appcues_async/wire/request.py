"""A request as a value: endpoint, ids, body, and whether it may be repeated."""

from __future__ import annotations

import enum
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote, urlencode

from attrs import Factory, field, frozen

from appcues_async.errors import InvalidInput
from appcues_async.text import Secret, type_in_words

__all__ = [
    "BLOCK",
    "CSV",
    "JSON",
    "NDJSON",
    "Blocks",
    "Body",
    "ChunkBody",
    "Endpoint",
    "FilePieces",
    "FileRange",
    "HeldRows",
    "Holder",
    "Lane",
    "Multipart",
    "Repeat",
    "Request",
    "Server",
    "quote_part",
    "stamp_of",
]

JSON: Final = "application/json"
NDJSON: Final = "application/ndjson"
CSV: Final = "text/csv"

BLOCK: Final = 1 << 20
"""Bytes read, or handed to the network, at a time."""


class Repeat(enum.Enum):
    """Whether a request may be sent again when nothing says whether it was applied."""

    SAFE = "safe"
    """Twice is as good as once."""
    UNSAFE = "unsafe"
    """Twice would apply it twice."""


class Lane(enum.IntEnum):
    """Which requests wait behind which; see `throttle.py`.

    Numbers, because they are looked up for every request, and their hash is that of a number.
    """

    CALL = 0
    UPLOAD = 1
    POLL = 2


class Server(enum.Enum):
    """Which server a request goes to; only the first is shown the account's key."""

    API = "api"
    """The API, at the origin that the client was given."""
    ACTIVITY = "activity"
    """The one that takes v1 activity, without credentials."""
    EXTERNAL = "outside"
    """Wherever a link in an answer points; the request's path is that link."""


@frozen
class Blocks:
    """A body in memory, as blocks that are sent one after the other.

    Attributes:
        blocks: The bytes, in order.
        content_type: Their media type.
        size: Bytes in all.
    """

    blocks: Sequence[bytes | memoryview] = field(repr=False)
    content_type: str
    size: int = field(
        init=False, default=Factory(lambda self: sum(map(len, self.blocks)), takes_self=True)
    )


@frozen
class FileRange:
    """A stretch of a file, read from disk each time it is sent.

    Attributes:
        path: The file.
        start: The first byte's offset.
        size: Bytes from there on.
        content_type: Their media type.
        stamp: What the whole file was like when it was looked at, as `stamp_of` says; a file that
            has changed since is not sent.
    """

    path: Path
    start: int
    size: int
    content_type: str
    stamp: tuple[int, int]


@frozen
class FilePieces:
    """Stretches of a file, sent one after the other behind a head of their own.

    This is how a part of a CSV gets the header that every part needs, and how a file is sent without
    the rows that were rejected: no byte of it is copied to another file.

    Attributes:
        path: The file.
        pieces: The offset and size of each stretch, in order.
        content_type: The media type of it all.
        stamp: What the whole file was like when it was looked at, as `stamp_of` says.
        head: What is sent first.
        size: Bytes in all, the head included.
    """

    path: Path
    pieces: Sequence[tuple[int, int]] = field(repr=False)
    content_type: str
    stamp: tuple[int, int]
    head: bytes = field(default=b"", repr=False)
    size: int = field(
        init=False,
        default=Factory(
            lambda self: len(self.head) + sum(size for _, size in self.pieces), takes_self=True
        ),
    )


class Holder(Protocol):
    """Holds encoded rows outside of this process."""

    async def digest(self, pieces: Sequence[tuple[int, int]]) -> str | None:
        """The SHA-256 of some stretches, as hexadecimal digits; None where a stamp says as much.

        Raises:
            AppcuesError: It cannot be had.
        """
        ...


@frozen
class HeldRows:
    """Stretches of encoded rows that are held outside of this process, as in the memory of a cluster.

    Only a transport that makes its attempts there can send it.

    Attributes:
        holder: Where they are.
        pieces: The offset and size of each stretch, in order.
        content_type: The media type of it all.
        head: What is sent first.
        size: Bytes in all, the head included.
    """

    holder: Holder = field(repr=False)
    pieces: Sequence[tuple[int, int]] = field(repr=False)
    content_type: str
    head: bytes = field(default=b"", repr=False)
    size: int = field(
        init=False,
        default=Factory(
            lambda self: len(self.head) + sum(size for _, size in self.pieces), takes_self=True
        ),
    )


ChunkBody: TypeAlias = Blocks | FilePieces | HeldRows
"""The rows of one request, as a body."""


def stamp_of(file: Path | int) -> tuple[int, int]:
    """The size in bytes and the time of change in nanoseconds of a file or a descriptor."""
    seen = os.stat(file)  # noqa: PTH116 - takes a descriptor as well
    return seen.st_size, seen.st_mtime_ns


@frozen
class Multipart:
    """A body as the one part of a form, which is how the API takes a file upload.

    The documents' own examples send `multipart/form-data` with a part named `file`
    (reference, "Import Bulk Profile Data").

    Attributes:
        part: What is uploaded.
        filename: The name given to it; ASCII, since nothing reads it but logs.
        boundary: What ends the part; it must not occur in it.
    """

    part: Blocks | FileRange | FilePieces | HeldRows
    filename: str

    # Drawn afresh, or a row that holds it could end the part early.
    boundary: str = field(factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def content_type(self) -> str:
        """The media type, with the boundary in it."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def head(self) -> bytes:
        """The bytes before the part."""
        return (
            f"--{self.boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{self.filename}"\r\n'
            f"Content-Type: {self.part.content_type}\r\n\r\n"
        ).encode("ascii")

    @property
    def tail(self) -> bytes:
        """The bytes after the part."""
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")

    @property
    def size(self) -> int:
        """Bytes in all, head and tail included."""
        return len(self.head) + self.part.size + len(self.tail)


Body: TypeAlias = bytes | Blocks | FileRange | FilePieces | HeldRows | Multipart
"""A request's body: a recipe that can be opened any number of times. Bare bytes are JSON."""


_QUOTED: Final = {code: quote(chr(code), safe="") for code in range(32, 127)}
"""Each plain character, quoted; the table is three times as fast as `quote`."""


def quote_part(name: str, value: object) -> str:
    """Makes one path part of an id, so that it reaches the server as that id and nothing else.

    Nothing is left safe, and the two parts that servers fold away (`.` and `..`) are encoded too.

    Args:
        name: What the id is, for the message.
        value: The id.

    Raises:
        InvalidInput: It is not text, is empty, or holds half a character, or a control character where
            the API has made it: users are called whatever programs have sent.
    """
    if not isinstance(value, str):
        raise InvalidInput(
            f"{name} is {value!r}, {type_in_words(value)}; ids are text, such as '007'"
        )
    if not value:
        raise InvalidInput(f"{name} is empty; the API needs an id here")
    if value.isascii() and value.isprintable():
        return value.translate(_QUOTED) if value not in {".", ".."} else value.replace(".", "%2E")
    if name != "user_id" and any(one < " " or one == "\x7f" for one in value):
        raise InvalidInput(f"{name} is {value!r}; an id holds no control characters: strip it")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidInput(
            f"{name} is {value!r}, which no server can read as UTF-8; "
            "decode it anew from where it came"
        ) from None


@frozen
class Endpoint:
    """One endpoint of the API, and how it may be treated.

    Attributes:
        method: The HTTP method.
        route: Its path, with ids in braces. One without a first slash is below
            `/v2/accounts/{account_id}/`; one with it is the whole path.
        repeat: Whether it may be sent again after an answer was lost.
        lane: Which requests it waits behind.
        server: Where it goes.
    """

    method: str
    route: str
    repeat: Repeat = Repeat.SAFE
    lane: Lane = Lane.CALL
    server: Server = Server.API

    def request(
        self,
        body: Body | None = None,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
        **ids: str,
    ) -> Request:
        """Fills in the ids, quoted, and what is sent along.

        Raises:
            InvalidInput: An id cannot be a path part, or a query parameter cannot be UTF-8.
        """
        path = self.route
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", quote_part(name, value))
        if query:
            try:
                path += "?" + urlencode(query)
            except UnicodeEncodeError as error:
                raise InvalidInput(
                    f"the query holds {error.object!r}, which no server can read as UTF-8; "
                    "decode it anew from where it came"
                ) from None
        return Request(self, path, body, accept)


@frozen
class Request:
    """One request, ready to be sent any number of times.

    Attributes:
        endpoint: What it asks for.
        path: The endpoint's route with its ids and query, encoded.
        body: What it carries.
        accept: The media type asked for.
        save_to: The file that a successful answer's body is written to, instead of memory.
        authorization: What to authorize with, instead of the account's key.
        retry_through_outage: Whether it is repeated through an outage (`RetryPolicy.outage`).
    """

    endpoint: Endpoint
    path: str = field(repr=False)
    body: Body | None = field(default=None, repr=False)
    accept: str = JSON
    save_to: Path | None = None
    authorization: Secret | None = field(default=None, repr=False)
    retry_through_outage: bool = False

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.route}"

    @property
    def is_transfer(self) -> bool:
        """Whether it moves a file, and so may take as long as the file moves."""
        return self.endpoint.lane is Lane.UPLOAD or self.save_to is not None

    @property
    def content_type(self) -> str | None:
        """The body's media type."""
        if self.body is None:
            return None
        return JSON if isinstance(self.body, bytes) else self.body.content_type

    @property
    def size(self) -> int:
        """The body's size in bytes."""
        if self.body is None:
            return 0
        return len(self.body) if isinstance(self.body, bytes) else self.body.size
