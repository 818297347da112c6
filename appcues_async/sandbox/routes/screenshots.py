"""Pictures of what users see."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Final

from appcues_async.sandbox.call import Call
from appcues_async.sandbox.problems import Refusal
from appcues_async.sandbox.replies import Reply
from appcues_async.sandbox.routes.route import Route
from appcues_async.sandbox.state import State

__all__ = ["ROUTES"]


async def _get_screenshots(call: Call) -> Reply:
    resource_id = call.parameters["resource_id"]
    if not _exists(call.state, resource_id):
        raise Refusal(404, f"There are no screenshots of {resource_id!r}")
    return Reply(200, _make_archive(), media_type="application/zip")


def _exists(state: State, resource_id: str) -> bool:
    if resource_id in state.flows or resource_id in state.checklists:
        return True
    return any(resource_id in shelf for shelf in state.experiences.values())


def _make_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # With a date of its own, the same pictures are the same bytes.
        archive.writestr(zipfile.ZipInfo("step-1.png"), _make_picture())
    return file.getvalue()


def _make_picture() -> bytes:
    """A PNG of one white pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\x00\xff")
    chunks = ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


ROUTES: Final = (Route("GET", "screenshots/{resource_id}", _get_screenshots),)
