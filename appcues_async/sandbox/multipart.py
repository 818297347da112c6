"""Finds the file within a multipart upload, without copying it."""

from __future__ import annotations

from email.parser import BytesHeaderParser
from typing import Final

from attrs import frozen

from appcues_async.sandbox.bodies import Spool, media_type
from appcues_async.sandbox.problems import Refusal

__all__ = ["FilePart", "find_file"]

_STEP: Final = 1 << 20
_HEADERS_LIMIT: Final = 16_384
_NO_FILE: Final = "`file` is required but missing"


@frozen
class FilePart:
    """Where the uploaded file lies within the body.

    Attributes:
        start: The offset of its first byte.
        end: The offset after its last byte.
        content_type: The media type that its part names, or "".
        file_name: The name that its part gives, or "".
    """

    start: int
    end: int
    content_type: str
    file_name: str


def find_file(body: Spool, boundary: str) -> FilePart:
    """Finds the one part that is named `file`.

    Args:
        body: The whole multipart body.
        boundary: What the Content-Type header says that its parts are separated by.

    Raises:
        Refusal: 400 if the body is not well-formed, or has no such part or several.
    """
    delimiter = b"--" + boundary.encode()
    separator = b"\r\n" + delimiter
    found: list[FilePart] = []
    body.seek(0)
    opening = 0 if body.read(len(delimiter)) == delimiter else _find(body, separator, 0) + 2
    if opening == 1:  # what -1, for not found, has become
        raise _malformed()
    position = opening + len(delimiter)
    while (headers := _part_headers(body, position)) is not None:
        start, text = headers
        end = _find(body, separator, start - 2)
        if end < 0:
            raise _malformed()
        part = _read_part(text, start, max(start, end))
        if part is not None:
            found.append(part)
        position = end + len(separator)
    if not found:
        raise Refusal(400, _NO_FILE)
    if len(found) > 1:
        raise Refusal(400, "Only one `file` can be uploaded in a request")
    return found[0]


def _part_headers(body: Spool, position: int) -> tuple[int, bytes] | None:
    """Returns where the content of a part starts, and its headers; None after the last part."""
    body.seek(position)
    head = body.read(_HEADERS_LIMIT)
    if head.startswith(b"--"):
        return None
    line_end = head.find(b"\r\n")
    if line_end < 0 or head[:line_end].strip(b" \t"):
        raise _malformed()
    if head[line_end + 2 : line_end + 4] == b"\r\n":
        return position + line_end + 4, b""
    headers_end = head.find(b"\r\n\r\n", line_end)
    if headers_end < 0:
        raise _malformed()
    return position + headers_end + 4, head[line_end + 2 : headers_end]


def _read_part(text: bytes, start: int, end: int) -> FilePart | None:
    headers = BytesHeaderParser().parsebytes(text)
    if headers.get_param("name", header="Content-Disposition") != "file":
        return None
    if headers.get("Content-Transfer-Encoding", "binary").lower() not in {"binary", "7bit", "8bit"}:
        raise Refusal(400, "Uploaded files must not be transfer-encoded")
    content_type, _ = media_type(headers.get("Content-Type"))
    return FilePart(start, end, content_type, headers.get_filename("") or "")


def _find(body: Spool, needle: bytes, start: int) -> int:
    """Returns the offset of `needle` at or after `start`, or -1."""
    body.seek(start)
    offset = start
    tail = b""
    while piece := body.read(_STEP):
        window = tail + piece
        place = window.find(needle)
        if place >= 0:
            return offset - len(tail) + place
        offset += len(piece)
        tail = window[-len(needle) + 1 :]
    return -1


def _malformed() -> Refusal:
    return Refusal(400, "The multipart body is malformed")
