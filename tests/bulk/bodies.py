"""What a body would send, without sending it."""

from __future__ import annotations

from appcues_async.wire.request import Blocks, FilePieces


def content(body: Blocks | FilePieces) -> bytes:
    """All of its bytes."""
    if isinstance(body, Blocks):
        return b"".join(body.blocks)
    with body.path.open("rb") as file:
        data = file.read()
    return body.head + b"".join(data[start : start + size] for start, size in body.pieces)
